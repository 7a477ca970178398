"""An ECK iD that goes from one pupil to another, night after night with everything real: nobody is lost, and nobody becomes somebody else."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import requests

from connectors.sandbox.school import example_school
from mappings.choices import Choice
from pipelines.consent import Said, write_down
from pipelines.rights.access import letter
from pipelines.rights.erasure import confirm_case, followed, open_case
from pipelines.rights.looking import fresh
from pipelines.rights.rectification import corrections
from pipelines.rights.trace import trace
from pipelines.standing import standing
from tests.commands import asked
from tests.e2e.nights import numbers
from tests.e2e.test_one_pupil import now, refuse
from tests.world import DAY, SCHOOL, World, a_world

SUPPLIER = "uwlr_smalle_set"
ROSTER = example_school(40)
PUPILS = ROSTER.leerlingen
ONE, OTHER = 4, 6
(KEY, OTHER_KEY), (ECKID, OTHER_ECKID), (NAME, OTHER_NAME) = (
    (str(PUPILS[column].iloc[ONE]), str(PUPILS[column].iloc[OTHER])) for column in ("key", "eckid", "roepnaam")
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with one supplier, that knows pupils by their ECK iD."""
    with a_world(tmp_path / "instance", {SUPPLIER: "json_delta"}) as world:
        yield world


def _night(world: World, pupils: pd.DataFrame) -> tuple[str, tuple[int, int, int]]:
    world.export(dataclasses.replace(ROSTER, leerlingen=pupils.reset_index(drop=True)))
    outcome = world.sync()[SUPPLIER]
    return outcome.state, numbers(outcome)


def _shown(world: World) -> tuple[str | None, str | None]:
    """By what first name the supplier has the one ECK iD and the other."""
    held = world.held_by(SUPPLIER)
    return tuple(held.get(eckid, {}).get("roepnaam") for eckid in (ECKID, OTHER_ECKID))  # type: ignore[return-value]


def _with(pupils: pd.DataFrame, **eckids: str | None) -> pd.DataFrame:
    """These pupils, of whom the one and the other have these ECK iDs."""
    pupils = pupils.copy()
    for name, eckid in eckids.items():
        pupils.loc[{"one": ONE, "other": OTHER}[name], "eckid"] = eckid
    return pupils


def test_two_registrations_made_one_are_one_the_night_after_though_nothing_changed_since(world: World) -> None:
    """The first night removes the second registration; the export of the next is the same, and the work is finished all the same."""
    _night(world, PUPILS)
    merged = _with(PUPILS.drop(index=ONE), other=ECKID)
    assert _night(world, merged) == ("delivered", (0, 0, 1))
    assert _night(world, merged) == ("delivered", (0, 1, 0))
    assert _shown(world) == (OTHER_NAME, None)
    assert _night(world, merged)[0] == "unchanged"


def test_an_eckid_that_stood_with_the_wrong_child_for_a_night_ties_nobody(world: World) -> None:
    """Both are there again under their own, and what is asked of the one is not done to the other."""
    _night(world, PUPILS.drop(index=OTHER))
    _night(world, _with(PUPILS.drop(index=ONE), other=ECKID))
    assert _shown(world) == (OTHER_NAME, None)
    for _ in range(2):  # the one waits until the other has given up the ECK iD
        _night(world, PUPILS)
    assert _shown(world) == (NAME, OTHER_NAME)
    assert _night(world, PUPILS)[0] == "unchanged"
    open_case(world.instance, SCHOOL, KEY, "directeur", "mondeling")
    _night(world, PUPILS)
    assert _shown(world) == (None, OTHER_NAME)
    (erasure,) = world.instance.ledger.erasures.all()
    assert list(world.instance.ledger.record_keys(erasure.records).values()) == [KEY]


def test_who_objects_is_not_the_one_who_has_his_eckid_in_the_same_export(world: World) -> None:
    """He is removed first, and the night after the other is made; an objection of the one is none of the other."""
    _night(world, PUPILS.drop(index=OTHER))
    write_down(world.instance, Said(SCHOOL, by="directie"), {SUPPLIER: {KEY: Choice.OBJECTION}}, DAY)
    together = _with(PUPILS, one=None, other=ECKID)
    assert _night(world, together) == ("delivered", (0, 0, 1))
    assert _night(world, together) == ("delivered", (1, 0, 0))
    assert _shown(world) == (OTHER_NAME, None)
    assert _night(world, together)[0] == "unchanged"
    assert world.instance.ledger.identities(SCHOOL) == {}


def test_who_left_and_came_back_under_a_new_key_goes_on(world: World) -> None:
    """His former registration may still stand in the export, without the ECK iD: a change, and no deletion."""
    _night(world, PUPILS.drop(index=OTHER))
    back = _with(PUPILS, one=None, other=ECKID)
    back.loc[ONE, "uitstroomdatum"] = "2026-11-01"
    assert _night(world, back) == ("delivered", (0, 1, 0))
    assert _shown(world) == (OTHER_NAME, None)


def _numbers_given(world: World) -> tuple[str, str]:
    """The supplier's own numbers of the one ECK iD and the other: whatever it keeps of a pupil hangs on that."""
    numbers = requests.get(f"{world.urls[SUPPLIER]}/_sandbox/state", timeout=10).json()["own_numbers"][SCHOOL][
        "leerling"
    ]
    return numbers[ECKID], numbers[OTHER_ECKID]


def test_two_who_exchange_eckids_each_keep_what_is_theirs(world: World) -> None:
    """As when twins were mixed up: one message, in which each is moved with his own number; and back again."""
    _night(world, PUPILS)
    one, other = _numbers_given(world)
    exchanged = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    assert _night(world, exchanged) == ("delivered", (0, 2, 0))
    assert (_shown(world), _numbers_given(world)) == ((OTHER_NAME, NAME), (other, one))
    assert _night(world, exchanged)[0] == "unchanged"
    assert _night(world, PUPILS) == ("delivered", (0, 2, 0))
    assert (_shown(world), _numbers_given(world)) == ((NAME, OTHER_NAME), (one, other))


def test_an_exchange_of_which_one_half_is_refused_is_refused_whole_and_comes_back(world: World) -> None:
    """Neither pupil is moved; the night after both are."""
    _night(world, PUPILS)
    numbers = _numbers_given(world)
    refuse(world, SUPPLIER, {ECKID: "nu even niet"})
    exchanged = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    assert _night(world, exchanged)[0] == "failed"
    assert (_shown(world), _numbers_given(world)) == ((NAME, OTHER_NAME), numbers)
    refuse(world, SUPPLIER, {})
    assert _night(world, exchanged) == ("delivered", (0, 2, 0))
    assert (_shown(world), _numbers_given(world)) == ((OTHER_NAME, NAME), numbers[::-1])


def test_a_run_for_one_who_exchanges_eckids_takes_the_other_along(world: World) -> None:
    """The one cannot have the other's id while the other still has it."""
    _night(world, PUPILS)
    world.export(dataclasses.replace(ROSTER, leerlingen=_with(PUPILS, one=OTHER_ECKID, other=ECKID)))
    outcome = now(world, KEY, SUPPLIER)[SUPPLIER]
    assert (outcome.state, numbers(outcome)) == ("delivered", (0, 2, 0))
    assert _shown(world) == (OTHER_NAME, NAME)


@pytest.mark.parametrize("before", [PUPILS, PUPILS.drop(index=ONE)], ids=["known", "new"])
def test_an_eckid_of_one_in_quarantine_is_not_taken_from_him(world: World, before: pd.DataFrame) -> None:
    """He keeps his last good state; who has his ECK iD by the export waits until he is repaired, and that is told."""
    _night(world, before)
    held = world.held_by(SUPPLIER)
    moved = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    broken = moved.copy()
    broken.loc[OTHER, ["achternaam", "roepnaam"]] = None
    for _ in range(2):
        assert _night(world, broken) == ("blocked", (0, 0, 0))
        assert world.held_by(SUPPLIER) == held
    assert "nog van een ander, of het staat niet vast van wie: 1." in world.sync()[SUPPLIER].reason
    assert "nog van een ander" in now(world, KEY, SUPPLIER)[SUPPLIER].reason
    for _ in range(2):
        _night(world, moved)
    assert _shown(world) == (OTHER_NAME, NAME)
    assert _night(world, moved)[0] == "unchanged"


def _nights_until_rest(world: World, pupils: pd.DataFrame) -> int:
    """How many nights have work with the same export; at most five."""
    states = [_night(world, pupils)[0] for _ in range(6)]
    assert states[-1] == "unchanged"
    return states.index("unchanged")


def test_nobody_takes_the_eckid_of_one_who_waits_himself(world: World) -> None:
    """One is out of scope, a second has his ECK iD and a third that of the second: each has his turn, and nobody is overwritten."""
    third = 8
    _night(world, PUPILS.drop(index=third))
    moved = _with(PUPILS, one=None, other=ECKID)
    moved.loc[third, "eckid"] = OTHER_ECKID
    write_down(world.instance, Said(SCHOOL, by="directie"), {SUPPLIER: {KEY: Choice.OBJECTION}}, DAY)
    assert _night(world, moved) == ("delivered", (0, 0, 1))
    assert _shown(world) == (None, OTHER_NAME)
    assert _nights_until_rest(world, moved) == 2
    assert _shown(world) == (OTHER_NAME, moved.loc[third, "roepnaam"])


def test_one_who_left_is_followed_by_one_whose_eckid_goes_to_a_third(world: World) -> None:
    """The plan comes to rest: the second goes on as the first, and the third is made under what the second gave up."""
    third = 8
    _night(world, PUPILS.drop(index=third))
    moved = PUPILS.drop(index=ONE).copy()
    moved.loc[OTHER, "eckid"], moved.loc[third, "eckid"] = ECKID, OTHER_ECKID
    assert _nights_until_rest(world, moved) <= 3
    assert _shown(world) == (OTHER_NAME, moved.loc[third, "roepnaam"])


def _told(world: World, key: str) -> tuple[str, str, str]:
    """What `why`, the letter to parents and a correction say of a pupil: the plan, what is to come, how it stands."""
    data = fresh(world.instance, SCHOOL, DAY)
    (plan,) = (step.told for step in trace(world.instance, SCHOOL, SUPPLIER, key, data, DAY) if step.name == "Plan")
    (receiver,) = letter(world.instance, SCHOOL, key, DAY, data).receivers
    (correction,) = corrections(world.instance, SCHOOL, key, DAY, datetime.now(UTC), 3)
    return plan, receiver.pending, correction.told


def test_of_two_who_exchange_each_is_told_his_own_changes_and_comes_with_his_group(world: World) -> None:
    """The one has another name too, and the other a group that is new: a run for the one takes that group along."""
    _night(world, PUPILS)
    pupils = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    pupils.loc[ONE, "roepnaam"], pupils.loc[OTHER, "groep"] = "Anders", "nieuw1"
    first = ROSTER.groepen[ROSTER.groepen["soort"].eq("groep")].head(1)
    groups = pd.concat([ROSTER.groepen, first.assign(key="nieuw1", naam="nieuw1")], ignore_index=True)
    world.export(dataclasses.replace(ROSTER, leerlingen=pupils, groepen=groups))
    assert ["roepnaam" in _told(world, key)[0] for key in (KEY, OTHER_KEY)] == [True, False]
    now(world, KEY, SUPPLIER)
    assert _shown(world) == (OTHER_NAME, "Anders")
    assert "nieuw1" in world.held_by(SUPPLIER, "groep")


def test_of_who_waits_for_an_eckid_nobody_says_that_all_is_well(world: World) -> None:
    """His new name is not there yet: screen, letter and correction say so, and the status is that of the run."""
    _night(world, PUPILS)
    broken = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    broken.loc[OTHER, ["achternaam", "roepnaam"]] = None
    broken.loc[ONE, "roepnaam"] = "Anders"
    state, _ = _night(world, broken)
    plan, pending, correction = _told(world, KEY)
    assert "nog van een ander" in plan
    assert "niet meer van een ander" in pending
    assert "nog van een ander" in correction
    assert [outcome.state for outcome in standing(world.instance)] == [state] == ["blocked"]


def test_the_parents_of_a_pupil_with_two_registrations_do_not_hear_that_he_goes(world: World) -> None:
    """The second registration goes first, and he himself stays."""
    _night(world, PUPILS)
    world.export(dataclasses.replace(ROSTER, leerlingen=_with(PUPILS.drop(index=ONE), other=ECKID)))
    _, pending, _ = _told(world, OTHER_KEY)
    assert "eerst verwijderd, en daarna gaan deze gegevens mee" in pending


def _untold(world: World, pupils: pd.DataFrame, *eckids: str) -> None:
    """A night in which the supplier carries everything out, and says nothing of these."""
    behave = f"{world.urls[SUPPLIER]}/_sandbox/refuse"
    requests.post(behave, json={"untold": eckids}, timeout=10).raise_for_status()
    _night(world, pupils)
    requests.post(behave, json={"untold": []}, timeout=10).raise_for_status()


def test_a_letter_names_nobody_by_what_may_be_another_child(world: World) -> None:
    """Nobody knows whether the exchange was carried out: the own number is his; what the supplier then erased is made anew."""
    _night(world, PUPILS)
    number = _numbers_given(world)[0]
    exchanged = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    _untold(world, exchanged, ECKID, OTHER_ECKID)
    world.agree(SUPPLIER, stage="create_update")
    case = open_case(world.instance, SCHOOL, KEY, "directeur", "mondeling")
    _night(world, exchanged)
    followed(world.instance, DAY)
    (letter_to,) = (world.home / "reports" / "wissen" / SCHOOL).glob("*.html")
    text = letter_to.read_text(encoding="utf-8")
    assert [each in text for each in (ECKID, OTHER_ECKID, number)] == [False, False, True]
    both = {"school": SCHOOL, "kind": "leerling", "records": {ECKID: None, OTHER_ECKID: None}}
    requests.post(f"{world.urls[SUPPLIER]}/_sandbox/drift", json=both, timeout=10).raise_for_status()
    confirm_case(world.instance, case, SUPPLIER, "directeur")
    world.agree(SUPPLIER)
    for _ in range(3):
        _night(world, exchanged)
    assert _shown(world) == (OTHER_NAME, None)


def test_an_erasure_that_cannot_be_carried_out_yet_is_told_each_day(world: World) -> None:
    """The supplier may know him by the ECK iD of one who is in quarantine: nobody may think that all is well."""
    _night(world, PUPILS)
    exchanged = _with(PUPILS, one=OTHER_ECKID, other=ECKID)
    _untold(world, exchanged, ECKID, OTHER_ECKID)
    exchanged.loc[OTHER, ["achternaam", "roepnaam"]] = None
    open_case(world.instance, SCHOOL, KEY, "directeur", "mondeling")
    assert _night(world, exchanged)[0] == "blocked"
    for command in ("status", "sync"):
        answer = asked(command, instance=world.home)
        assert answer.returncode == 2
        assert "Wisverzoek 1: de levering die de leerling moet verwijderen kon dat nog niet." in answer.stdout


@pytest.mark.parametrize("asked_for", ["objection", "erasure"])
def test_what_is_asked_for_one_in_quarantine_under_a_new_key_is_done(world: World, asked_for: str) -> None:
    """His ECK iD tells that the old key was his too; that he is in quarantine keeps nobody from it."""
    _night(world, PUPILS)
    moved = PUPILS.copy()
    moved.loc[ONE, ["key", "achternaam", "roepnaam"]] = ["990001", None, None]
    assert _night(world, moved) == ("blocked", (0, 0, 0))
    if asked_for == "erasure":
        open_case(world.instance, SCHOOL, "990001", "directeur", "mondeling")
    else:
        write_down(world.instance, Said(SCHOOL, by="directie"), {SUPPLIER: {"990001": Choice.OBJECTION}}, DAY)
    assert _night(world, moved) == ("delivered", (0, 0, 1))
    assert _shown(world)[0] is None
    assert all(one.done for _, found, _ in followed(world.instance, DAY) for one in found)


def test_an_eckid_that_went_to_another_does_not_make_him_the_erased(world: World) -> None:
    """He who is erased had two keys, and has another ECK iD by now; who has his former one is somebody else, also when he left."""
    _night(world, PUPILS)
    moved = PUPILS.copy()
    moved.loc[ONE, "key"] = "990001"
    _night(world, moved)
    world.agree(SUPPLIER, stage="create_update")
    open_case(world.instance, SCHOOL, "990001", "directeur", "mondeling")
    for _ in range(2):
        _night(world, _with(moved, one=OTHER_ECKID, other=ECKID))
    world.agree(SUPPLIER)
    for pupils in (_with(moved, one=OTHER_ECKID, other=ECKID), _with(moved, other=ECKID).drop(index=ONE)):
        for _ in range(3):
            _night(world, pupils)
        assert _shown(world) == (OTHER_NAME, None)


def test_who_moved_unheard_and_is_erased_is_told_as_gone_when_he_is(world: World) -> None:
    """He got an ECK iD, the supplier did not say a word of it, and his parents ask to erase him."""
    _night(world, _with(PUPILS, other=None))
    _untold(world, PUPILS, OTHER_ECKID)
    open_case(world.instance, SCHOOL, OTHER_KEY, "directeur", "mondeling")
    _night(world, PUPILS)
    assert not {OTHER_KEY, OTHER_ECKID} & world.held_by(SUPPLIER).keys()
    (followed_up,) = followed(world.instance, DAY)
    assert [one.done for one in followed_up[1]] == [True]
