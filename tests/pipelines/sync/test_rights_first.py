"""What a parent asked for waits for nobody, whomever it is tied to by an ECK iD: not for a limit, nor for what was said of another."""

from datetime import date

import pytest

from mappings.choices import Choice
from mappings.profile import ProfileField
from mappings.purposes import Purpose
from tests.pipelines.sync import bench as stand
from tests.pipelines.sync.bench import (
    SMALL,
    WIDE,
    Bench,
    Row,
    changed,
    eck,
    profile,
    pupil,
    pupils,
    school,
    told,
)
from tests.pipelines.sync.conftest import MakeBench
from tests.pipelines.sync.test_unanswered_moves import at_rest, given, names, swapped

ONE_DELETE = WIDE | {"all_deletes": {"count": 1}}
SWAPPED = school(swapped(pupils(6), 2, 3))
AWAITED = "het staat niet vast van wie: 2."


@pytest.fixture
def photographed(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A supplier that knows pupils by their ECK iD and gets a photo, with consent for all twenty."""
    known, photo = (
        profile(SMALL),
        ProfileField(item="foto", field="leerling.fotourl", optional=True, consent="foto_parro"),
    )
    own = known.model_copy(update={"fields": (*known.fields, photo)})
    monkeypatch.setattr(stand, "profile", lambda _: own)
    bench = make_bench(SMALL)
    bench.agree(optional=["foto"])
    bench.choose(Choice.GIVEN, *range(1, 21), about=Purpose.PARRO)
    bench.night(school(_rows()))
    return bench


def _rows() -> list[Row]:
    return [pupil(number, fotourl=f"https://foto.example/{number}") for number in range(1, 21)]


def _unanswered(bench: Bench) -> None:
    """Two exchanged their ECK iDs, and nobody knows whether the supplier took it; it is not sent again."""
    bench.night(school(pupils(6)))
    bench.killed(SWAPPED, at=1, after=True)


def test_one_in_quarantine_has_not_left(photographed: Bench) -> None:
    """His photo is taken back with the whole record, at once; who has his ECK iD by now is another, and begins afresh."""
    bench, was = photographed, given(photographed, 3)
    bench.choose(Choice.WITHDRAWN, 3, about=Purpose.PARRO)
    bench.agree(optional=["foto"], limits=WIDE | {"field_changes": {"count": 1}})
    export = school([*changed(_rows(), 3, achternaam=None, roepnaam=None, eckid=None), pupil(50, eckid=eck(3))])
    assert told(bench.plan(export)) == {("leerling", None, "delete", "toestemming_ingetrokken", "")}
    bench.night(export)
    assert "3" not in names(bench)
    at_rest(bench, export)
    assert names(bench)["3"] == "Roep50"
    assert given(bench, 3) != was


def test_an_objection_takes_along_who_is_tied_to_it(bench: Bench) -> None:
    """Nobody knows which of the two is him, so both go, whatever is held; the other comes back."""
    _unanswered(bench)
    bench.choose(Choice.OBJECTION, 2)
    bench.agree(limits=ONE_DELETE)
    assert bench.plan(SWAPPED).held == ()
    at_rest(bench, SWAPPED)
    assert sorted(names(bench).values()) == ["Roep1", "Roep3", "Roep4", "Roep5", "Roep6"]


def test_a_photo_goes_though_the_record_must_go_first(photographed: Bench) -> None:
    """The whole record of either is deleted and made anew; that is for the photo, so it waits for nobody."""
    bench, export = photographed, school(swapped(_rows(), 2, 3))
    bench.killed(export, at=1, after=True)
    bench.choose(Choice.WITHDRAWN, 3, about=Purpose.PARRO)
    bench.agree(optional=["foto"], limits=ONE_DELETE)
    at_rest(bench, export)
    photos = {record["roepnaam"] for record in bench.shown().values() if record.get("fotourl")}
    assert photos == {f"Roep{number}" for number in range(1, 21) if number != 3}


def test_nobody_is_deleted_to_be_made_anew_where_nothing_is_made_any_more(bench: Bench) -> None:
    """After the end of the agreement they stay until a person has approved that all goes."""
    _unanswered(bench)
    bench.day = date(2027, 8, 2)
    outcome = bench.night(SWAPPED)
    assert (outcome.state, AWAITED in outcome.reason, len(names(bench))) == ("held", True, 6)
    bench.decide("approved")
    at_rest(bench, SWAPPED)
    assert names(bench) == {}


def test_who_waits_to_be_made_anew_is_told(bench: Bench) -> None:
    """Where the stage lets nothing be deleted they are two pupils who are at school, not two to be deleted."""
    _unanswered(bench)
    bench.agree(stage="create_update")
    bench.night(SWAPPED)
    plan = bench.plan(SWAPPED)
    assert (len(plan.going), len(plan.waiting), AWAITED in plan.why()) == (0, 2, True)


def test_who_was_deleted_first_is_not_counted_as_new(bench: Bench) -> None:
    """Nobody has to approve that they are there again."""
    _unanswered(bench)
    bench.choose(Choice.OBJECTION, 6)
    bench.agree(limits=WIDE | {"creates": {"count": 1}})
    assert "Eerst verwijderd, en bij de volgende levering opnieuw gemaakt" in bench.night(SWAPPED).reason
    at_rest(bench, SWAPPED)
    assert sorted(names(bench).values()) == ["Roep1", "Roep2", "Roep3", "Roep4", "Roep5"]


def test_a_photo_does_not_take_a_shifted_column_past_the_limit(photographed: Bench) -> None:
    """Who exchange their ECK iDs go together, but what is held of the one is held of all."""
    bench, rows = photographed, _rows()
    shifted = [{**row, "eckid": eck(number % 20 + 1)} for number, row in enumerate(rows, 2)]
    bench.choose(Choice.WITHDRAWN, 3, about=Purpose.PARRO)
    bench.agree(optional=["foto"], limits=WIDE | {"field_changes": {"percent": 30}})
    before = names(bench)
    assert bench.night(school(shifted)).state == "held"
    assert names(bench) == before
