"""A photo that goes by a consent of its own, carried out at a real supplier: given, withdrawn, and what may come in between."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import WholeSet
from data_contracts.fields import Record
from mappings.choices import Choice
from mappings.purposes import Purpose
from pipelines.sync.deliver import resume
from pipelines.sync.guard import Rule
from pipelines.sync.messages import whole_set
from tests.pipelines.sync.bench import GROUPS, PARRO, SCHOOL, WIDE, Bench, Row, changed, judged, pupil, school, told
from tests.pipelines.sync.conftest import MakeBench
from tests.pipelines.sync.test_choices import _forget

STRICT = {**WIDE, "field_changes": {"count": 1}, "unexplained_deletes": {"count": 1}, "all_deletes": {"percent": 1}}
PHOTO = Purpose.PARRO


def photographed(number: int) -> list[Row]:
    """Pupils, each with a photo in the export."""
    return [pupil(n, fotourl=f"https://foto.example/{n}") for n in range(1, number + 1)]


SIX = school(photographed(6))


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """Parro, with consent for its ground, given for all six; the school has switched the photo on."""
    bench = make_bench(PARRO)
    _agree(bench)
    bench.choose(Choice.GIVEN, *range(1, 7))
    return bench


def _agree(bench: Bench, **other: object) -> None:
    bench.agree(**{"legal_basis": "toestemming", "optional": ["foto"], "limits": WIDE, **other})


def _photos(bench: Bench) -> set[str]:
    """Whose photo the supplier holds."""
    return {key for key, record in bench.shown().items() if record.get("fotourl")}


def _last(bench: Bench) -> list[tuple[str, str, str]]:
    plan = bench.ledger.last_plan(PARRO, SCHOOL)
    assert plan is not None
    frame = bench.ledger.changes(plan.id)
    return list(zip(frame["operation"], frame["cause"], frame["changed_fields"], strict=True))


def test_a_photo_goes_when_consent_is_given_and_is_cleared_when_it_is_withdrawn(bench: Bench) -> None:
    """One pupil's photo, from the same export: one update that fills it, one that clears it under limits that hold all else."""
    assert (bench.night(SIX).state, len(bench.shown()), _photos(bench)) == ("delivered", 6, set())
    bench.choose(Choice.GIVEN, 3, about=PHOTO)
    assert (bench.night(SIX).state, _photos(bench)) == ("delivered", {"3"})
    assert _last(bench) == [("update", "toestemming_gegeven", "fotourl")]
    assert bench.night(SIX).state == "unchanged"
    _agree(bench, limits=STRICT)
    bench.choose(Choice.WITHDRAWN, 3, about=PHOTO)
    outcome = bench.night(SIX)
    assert (outcome.state, outcome.reason, _photos(bench), len(bench.shown())) == ("delivered", "", set(), 6)
    assert _last(bench) == [("update", "toestemming_ingetrokken", "fotourl")]
    assert bench.night(SIX).state == "unchanged"


@pytest.mark.parametrize("purpose", [Purpose.WEBSITE, Purpose.NEWSLETTER])
def test_a_consent_is_for_one_purpose(bench: Bench, purpose: Purpose) -> None:
    """A photo for the website is not one for Parro; nor does the one that is recorded make a plan."""
    bench.night(SIX)
    terms = bench.case(judged(SIX)).terms
    bench.choose(Choice.GIVEN, 3, about=purpose)
    assert bench.case(judged(SIX)).terms == terms
    assert (bench.night(SIX).state, _photos(bench)) == ("unchanged", set())


def test_a_photo_that_was_not_switched_on_goes_with_no_consent_at_all(bench: Bench) -> None:
    """The agreement stands before the parents: consent alone gives nothing."""
    _agree(bench, optional=[])
    bench.choose(Choice.GIVEN, 3, about=PHOTO)
    bench.night(SIX)
    assert _photos(bench) == set()


def test_many_photos_at_once_wait_for_a_person_and_the_withdrawn_one_does_not(bench: Bench) -> None:
    """A file of consents read wrongly is looked at first; whoever withdrew meanwhile is cleared, and the hold stays about the rest."""
    bench.choose(Choice.GIVEN, 1, about=PHOTO)
    bench.night(SIX)
    _agree(bench, limits=STRICT)
    bench.choose(Choice.GIVEN, 2, 3, 4, about=PHOTO)
    assert bench.night(SIX).state == "held"
    (hold,) = bench.ledger.holds(SCHOOL)
    assert (hold.operation, hold.number) == ("update", 3)
    bench.ledger.decide_hold(str(hold.id), "approved", "directeur")
    bench.choose(Choice.WITHDRAWN, 1, about=PHOTO)
    assert (bench.night(SIX).state, _photos(bench)) == ("delivered", {"2", "3", "4"})


def test_a_right_does_not_wait_with_what_else_changed(bench: Bench) -> None:
    """Names that all change are held; of the one who withdrew the photo goes at once, with the record as it is now."""
    bench.choose(Choice.GIVEN, 1, 2, about=PHOTO)
    bench.night(SIX)
    _agree(bench, limits=STRICT)
    bench.choose(Choice.WITHDRAWN, 1, about=PHOTO)
    renamed = school([{**row, "achternaam": f"Anders{row['key']}"} for row in photographed(6)])
    assert bench.night(renamed).state == "held"
    assert (_photos(bench), _last(bench)) == (
        {"2"},
        [("update", "toestemming_ingetrokken", "achternaam,fotourl")],
    )
    (hold,) = bench.ledger.holds(SCHOOL)
    assert hold.number == 5


@pytest.mark.parametrize("trouble", ["quarantine", "broken group", "not in the export"])
def test_a_photo_that_cannot_be_cleared_alone_goes_with_the_pupil(bench: Bench, trouble: str) -> None:
    """Where the export does not say what else the record should be, it is deleted by right, and only where there was a photo."""
    bench.choose(Choice.GIVEN, 3, about=PHOTO)
    bench.night(SIX)
    _agree(bench, limits=STRICT)
    bench.choose(Choice.WITHDRAWN, 3, 4, about=PHOTO)
    rows = photographed(6)
    nameless = [{**group, "naam": None} if group["key"] == "g45" else group for group in GROUPS]
    broken = {
        "quarantine": school(changed(rows, 3, achternaam=None, roepnaam=None)),
        "broken group": school(changed(changed(rows, 3, groep="g45"), 4, groep="g45"), nameless),
        "not in the export": school([row for row in rows if row["key"] != "3"]),
    }
    bench.night(broken[trouble])
    assert _last(bench) == [("delete", "toestemming_ingetrokken", "")]
    assert (_photos(bench), sorted(bench.shown())) == (set(), ["1", "2", "4", "5", "6"])
    bench.night(SIX)
    assert (_photos(bench), len(bench.shown())) == (set(), 6)


def test_an_objection_or_a_withdrawn_consent_to_parro_is_a_delete(bench: Bench) -> None:
    """Under each ground the whole pupil goes, photo and all, and whoever has a photo is no other case."""
    bench.choose(Choice.GIVEN, 2, about=PHOTO)
    bench.night(SIX)
    bench.choose(Choice.WITHDRAWN, 2)
    bench.night(SIX)
    assert _last(bench) == [("delete", "toestemming_ingetrokken", "")]
    _agree(bench, legal_basis="overeenkomst")
    bench.choose(Choice.OBJECTION, 3)
    bench.night(SIX)
    assert _last(bench) == [("delete", "bezwaar", "")]
    assert sorted(bench.shown()) == ["1", "4", "5", "6"]


def test_after_its_end_an_agreement_gives_no_photo_and_takes_one_back(bench: Bench) -> None:
    """Nothing new goes out; what was withdrawn is cleared all the same."""
    bench.choose(Choice.GIVEN, 1, about=PHOTO)
    bench.night(SIX)
    bench.day = bench.agreed.valid_until.replace(month=8)
    bench.choose(Choice.GIVEN, 2, about=PHOTO)
    bench.choose(Choice.WITHDRAWN, 1, about=PHOTO)
    plan = bench.plan(SIX)
    assert {stop.rule for stop in plan.stops} == {Rule.NOTHING_NEW, Rule.CLEAR_OUT}
    bench.carry_out(SIX, plan)
    assert (_photos(bench), _last(bench)) == (set(), [("update", "toestemming_ingetrokken", "fotourl")])


def test_a_photo_of_before_the_withdrawal_is_not_sent_again(bench: Bench) -> None:
    """A message that may have arrived when the night was broken off is not repeated, and what it may have brought is cleared."""
    bench.choose(Choice.GIVEN, *range(1, 7), about=PHOTO)
    bench.killed(SIX, at=2, after=True)
    assert _photos(bench) == {"1", "2"}
    bench.choose(Choice.WITHDRAWN, 1, 2, about=PHOTO)
    before = bench.messages
    assert resume(bench.case(judged(SIX)), bench.supplier())
    assert bench.messages == before
    bench.night(SIX)
    assert _photos(bench) == {"3", "4", "5", "6"}


def test_a_photo_that_is_switched_on_is_a_field_that_was_added(bench: Bench) -> None:
    """The agreement is the cause, not the consent that lay there already; and it waits, as every field that is added does."""
    _agree(bench, optional=[])
    bench.choose(Choice.GIVEN, 1, about=PHOTO)
    bench.night(SIX)
    _agree(bench)
    bench.night(SIX)
    assert (_photos(bench), told(bench.plan(SIX))) == (set(), set())
    bench.decide("approved")
    assert told(bench.plan(SIX)) == {("leerling", "1", "update", "veld_toegevoegd", "fotourl")}


def test_in_a_whole_set_what_stays_as_it_was_stays_without_a_photo_of_before(bench: Bench) -> None:
    """A record that waits is sent again as the supplier had it, but for a photo to which nobody consents any more."""
    bench.choose(Choice.GIVEN, 1, 2, about=PHOTO)
    before = bench.wanted(judged(SIX)).records
    bench.choose(Choice.WITHDRAWN, 2, about=PHOTO)
    wanted = bench.wanted(judged(SIX))
    staying = pd.DataFrame({"kind": "leerling", "key": ["1", "2", "3"]})
    message = whole_set(staying.iloc[:0], staying, staying, wanted, before)
    assert isinstance(message.content, WholeSet)
    photos = message.content.records[Record.LEERLING].loc[["1", "2", "3"], "fotourl"].dropna()
    assert photos.to_dict() == {"1": "https://foto.example/1"}


NIGHTS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from([1, 2, 3]),
                st.sampled_from([*Purpose, PARRO]),
                st.sampled_from([Choice.GIVEN, Choice.WITHDRAWN]),
            ),
            max_size=4,
        ),
        st.sets(st.sampled_from([1, 2, 3])),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=NIGHTS)
def test_no_photo_is_anywhere_without_the_consent_of_today(
    make_bench: MakeBench, nights: list[tuple[list[tuple[int, str, Choice]], set[int], bool, bool]]
) -> None:
    """Whatever was said in whatever order, whoever is in quarantine, whatever waits, whether the photo is agreed or not."""
    bench = make_bench(PARRO)
    _forget(bench)
    said: dict[tuple[int, str], Choice] = {}
    for entries, broken, agreed, strict in nights:
        limits = {**STRICT, "creates": {"count": 1}} if strict else WIDE
        _agree(bench, optional=["foto"] if agreed else [], limits=limits)
        for number, subject, choice in entries:
            bench.choose(choice, number, about=subject)
            said[number, subject] = choice
        rows = [
            {**row, "roepnaam": None, "achternaam": None} if int(row["key"] or 0) in broken else row
            for row in photographed(3)
        ]
        bench.night(school([*rows, *photographed(60)[3:]]))
        given = {str(n) for n in (1, 2, 3) if said.get((n, PHOTO)) is Choice.GIVEN}
        assert _photos(bench) <= given
        allowed = {str(n) for n in (1, 2, 3) if said.get((n, PARRO)) is Choice.GIVEN}
        assert set(bench.shown()) <= allowed
        if agreed and not strict and not broken:
            assert _photos(bench) == given & allowed
