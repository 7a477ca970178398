"""Who gets another ECK iD, or goes, while nobody answers: nobody is left behind at the supplier, lost, or written over another."""

import dataclasses
from collections.abc import Callable

import pytest

from data_contracts.roster import Roster
from mappings.choices import Choice
from pipelines.sync.case import planned
from tests.pipelines.sync.bench import (
    SCHOOL,
    TEACHERS,
    WIDE,
    Bench,
    Row,
    changed,
    eck,
    judged,
    pupil,
    pupils,
    school,
)


def swapped(rows: list[Row], one: int, other: int) -> list[Row]:
    """Two pupils with each other's ECK iD."""
    return changed(changed(rows, one, eckid=eck(other)), other, eckid=eck(one))


def without(rows: list[Row], number: int) -> list[Row]:
    """The others."""
    return [row for row in rows if row["key"] != str(number)]


def names(bench: Bench) -> dict[str, str]:
    """First names by the number in the ECK iD."""
    return {wire_id[-3:].lstrip("0"): record["roepnaam"] for wire_id, record in bench.shown().items()}


def given(bench: Bench, number: int) -> str:
    """The supplier's own number of who goes by this ECK iD: what it keeps of a pupil hangs on that."""
    return bench.held.own_numbers[SCHOOL]["leerling"][eck(number)]


def untold(bench: Bench, roster: Roster, *numbers: int) -> None:
    """A night in which the supplier carries everything out, and says nothing of these ids."""
    bench.held.refusals.untold += [eck(number) for number in numbers]
    bench.night(roster)
    bench.held.refusals.untold.clear()


def killed(bench: Bench, roster: Roster) -> None:
    """A night that broke off after the first message had its effect; what a parent then chose forbids to send it again."""
    bench.killed(roster, at=1, after=True)
    bench.choose(Choice.OBJECTION, 1)


def at_rest(bench: Bench, roster: Roster) -> None:
    """Within four nights there is nothing left to do."""
    assert "unchanged" in [bench.night(roster).state for _ in range(4)]


@pytest.mark.parametrize("broken_off", [killed, lambda bench, roster: untold(bench, roster, 3)], ids=["kill", "untold"])
@pytest.mark.parametrize("name", ["Roep3", "Anders"])
def test_who_was_deleted_and_is_back_is_made_again(
    bench: Bench, broken_off: Callable[[Bench, Roster], None], name: str
) -> None:
    """Missing in one export and there in the next: also where nobody said that he was deleted."""
    bench.night(school(pupils(5)))
    broken_off(bench, school(without(pupils(5), 3)))
    at_rest(bench, school(changed(pupils(5), 3, roepnaam=name)))
    assert names(bench)["3"] == name


def test_who_moved_unheard_and_then_objects_is_gone_under_both_ids(bench: Bench) -> None:
    """He got an ECK iD, and nobody said whether the supplier has that: his removal is asked under that and under his key."""
    bench.night(school(changed(pupils(4), 2, eckid=None)))
    killed(bench, school(pupils(4)))
    bench.choose(Choice.OBJECTION, 2)
    at_rest(bench, school(pupils(4)))
    assert sorted(names(bench)) == ["3", "4"]


def test_who_moved_unheard_to_an_id_that_a_newcomer_gets_is_written_over_nobody(bench: Bench) -> None:
    """He has a third one by then: he is removed under both, and each is made under his own."""
    bench.night(school(pupils(5)))
    untold(bench, school(changed(pupils(5), 2, eckid=eck(9))), 9)
    number = given(bench, 9)
    at_rest(bench, school([*changed(pupils(5), 2, eckid=eck(8)), pupil(7, eckid=eck(9))]))
    assert (names(bench)["8"], names(bench)["9"]) == ("Roep2", "Roep7")
    assert "2" not in names(bench)
    assert number not in {given(bench, 8), given(bench, 9)}


def test_who_moved_unheard_is_followed_back(bench: Bench) -> None:
    """The next export has his former ECK iD again."""
    bench.night(school(pupils(5)))
    number = given(bench, 2)
    untold(bench, school(changed(pupils(5), 2, eckid=eck(9))), 9)
    at_rest(bench, school(pupils(5)))
    assert (sorted(names(bench)), given(bench, 2)) == (["1", "2", "3", "4", "5"], number)


def test_of_an_exchange_the_answer_about_one_is_that_about_the_other(bench: Bench) -> None:
    """They go together or not at all; so who then objects is known by the right id, and the other goes on under his."""
    bench.night(school(pupils(6)))
    roster = school(swapped(pupils(6), 2, 3))
    untold(bench, roster, 2)
    bench.choose(Choice.OBJECTION, 3)
    at_rest(bench, roster)
    assert "Roep3" not in names(bench).values()
    at_rest(bench, school(changed(without(swapped(pupils(6), 2, 3), 3), 2, roepnaam="Anders")))
    assert names(bench)["3"] == "Anders"


def test_an_exchange_that_nobody_answered_gives_neither_what_is_the_others(bench: Bench) -> None:
    """To send it again could exchange them back: both are removed and made anew."""
    bench.night(school(pupils(6)))
    before = {given(bench, 2), given(bench, 3)}
    roster = school(swapped(pupils(6), 2, 3))
    killed(bench, roster)
    at_rest(bench, roster)
    assert (names(bench)["3"], names(bench)["2"]) == ("Roep2", "Roep3")
    assert not before & {given(bench, 2), given(bench, 3)}


def test_who_was_made_unheard_under_another_id_leaves_nothing_behind(bench: Bench) -> None:
    """Made under his key, and the next night he has an ECK iD."""
    bench.killed(school(changed(pupils(4), 2, eckid=None)), at=3, after=True)
    bench.agree(withhold=["achternaam"])
    at_rest(bench, school(pupils(4)))
    assert sorted(names(bench)) == ["1", "2", "3", "4"]


def test_a_school_of_which_nobody_knows_what_is_there_goes_in_batches(bench: Bench) -> None:
    """Who keeps his ECK iD takes nobody's."""
    bench.night(school(pupils(8)))
    roster = school([row | {"roepnaam": "Anders"} for row in pupils(8)])
    untold(bench, roster, *range(1, 9))
    del bench.held.requests[:]
    bench.night(roster, bench.supplier(batch_size=2))
    assert [number for _, _, number in bench.messages] == [2] * 4


def test_a_pair_that_is_refused_stops_no_other_pair(bench: Bench) -> None:
    """Two pairs exchange ECK iDs in one message."""
    bench.night(school(pupils(8)))
    bench.held.refusals.ids[eck(2)] = "nee"
    bench.night(school(swapped(swapped(pupils(8), 2, 3), 5, 6)))
    assert [names(bench)[number] for number in "2356"] == ["Roep2", "Roep3", "Roep6", "Roep5"]


@pytest.mark.parametrize("circle", [False, True], ids=["row", "circle"])
def test_a_school_that_shifted_is_set_right_in_one_night(bench: Bench, *, circle: bool) -> None:
    """Each has the ECK iD of the next; the last a new one, or that of the first. Each keeps the number that was his."""
    bench.night(school(pupils(8)))
    numbers = {number: given(bench, number) for number in range(1, 9)}
    eckids = {number: number % 8 + 1 if circle else number + 1 for number in range(1, 9)}
    rows = [row | {"eckid": eck(eckids[int(str(row["key"]))])} for row in pupils(8)]
    bench.night(school(rows), bench.supplier(batch_size=3))
    assert names(bench) == {str(eckids[number]): f"Roep{number}" for number in eckids}
    assert {given(bench, eckids[number]) for number in eckids} == {*numbers.values()}
    assert all(given(bench, eckids[number]) == numbers[number] for number in eckids)
    assert bench.night(school(rows)).state == "unchanged"


def test_behind_one_who_waits_all_wait(bench: Bench) -> None:
    """The second has the ECK iD of one in quarantine, the third that of the second; neither is moved, and both are counted."""
    bench.night(school(pupils(12)))
    rows = changed(changed(pupils(12), 3, eckid=eck(2)), 4, eckid=eck(3))
    broken = changed(rows, 2, eckid=eck(15), achternaam=None, roepnaam=None)
    outcome = bench.night(school(broken))
    assert [names(bench)[number] for number in "234"] == ["Roep2", "Roep3", "Roep4"]
    assert "niet vast van wie: 2." in outcome.reason
    at_rest(bench, school(changed(rows, 2, eckid=eck(15))))
    assert [names(bench)[number] for number in "f23"] == ["Roep2", "Roep3", "Roep4"]


def test_teachers_exchange_as_pupils_do(bench: Bench) -> None:
    """They are known by ECK iD too."""
    teachers = [teacher | {"eckid": eck(50 + place)} for place, teacher in enumerate(TEACHERS[:2])]
    bench.night(school(pupils(4), teachers=teachers))
    one, other = bench.shown("leerkracht")
    before = bench.held.own_numbers[SCHOOL]["leerkracht"].copy()
    rows = [teacher | {"eckid": eck(51 - place)} for place, teacher in enumerate(TEACHERS[:2])]
    bench.night(school(pupils(4), teachers=rows))
    after = bench.held.own_numbers[SCHOOL]["leerkracht"]
    assert (after[one], after[other]) == (before[other], before[one])


def test_half_an_exchange_does_not_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of two goes by right and updates are held, both wait: his record would be written over the other's."""
    bench.night(school(pupils(6)))
    bench.agree(limits=WIDE | {"field_changes": {"count": 1}})
    plan = bench.plan(school(swapped(pupils(6), 2, 3)))
    right = plan.plan.changes["key"].eq("2")
    monkeypatch.setitem(plan.plan.__dict__, "by_right", right)
    assert plan.held == ("update",)
    assert plan.going.empty


def test_who_may_be_where_one_in_quarantine_is_waits_and_is_told_so(bench: Bench) -> None:
    """Two exchanged, and nobody answered. To delete the one under both ids would delete the other, of whom the export says nothing."""
    bench.night(school(pupils(12)))
    rows = swapped(pupils(12), 2, 3)
    killed(bench, school(rows))
    bench.choose(Choice.OBJECTION, 2)
    broken = school(changed(rows, 3, achternaam=None, roepnaam=None))
    outcome = bench.night(broken)
    assert (names(bench)["3"], names(bench)["2"]) == ("Roep2", "Roep3")
    assert "of het staat niet vast van wie: 1." in outcome.reason
    only = dataclasses.replace(bench.case(judged(broken)), pupil="2")
    assert "van wie: 1." in planned(only, bench.wanted(judged(broken)), judged(broken).quarantined).why()
    at_rest(bench, school(rows))
    assert "Roep2" not in names(bench).values()
    assert names(bench)["2"] == "Roep3"


def _lost_twice(bench: Bench, there: Roster, moved: Roster, number: int) -> None:
    """Pupil 2 moves and is to move back: of the first nobody said anything, and the second never left."""
    bench.night(there)
    untold(bench, moved, number)
    bench.killed(there, at=1, after=False)
    bench.choose(Choice.OBJECTION, 6)


LOST_TWICE = {
    "two ECK iDs": (school(pupils(6)), school(changed(pupils(6), 2, eckid=eck(9))), 9),
    "key and ECK iD": (school(changed(pupils(6), 2, eckid=None)), school(pupils(6)), 2),
}


@pytest.mark.parametrize("lost", LOST_TWICE.values(), ids=LOST_TWICE)
def test_a_second_message_without_an_answer_does_not_end_the_doubt(
    bench: Bench, lost: tuple[Roster, Roster, int]
) -> None:
    """He may still be under the first: with an objection he is gone there too."""
    _lost_twice(bench, *lost)
    bench.choose(Choice.OBJECTION, 2)
    at_rest(bench, lost[0])
    assert sorted(names(bench).values()) == ["Roep1", "Roep3", "Roep4", "Roep5"]


@pytest.mark.parametrize("lost", LOST_TWICE.values(), ids=LOST_TWICE)
def test_who_was_lost_twice_is_found(bench: Bench, lost: tuple[Roster, Roster, int]) -> None:
    """Nothing else happens to him: he comes to where he should be."""
    _lost_twice(bench, *lost)
    at_rest(bench, lost[0])
    assert sorted(names(bench).values()) == ["Roep1", "Roep2", "Roep3", "Roep4", "Roep5"]


def test_a_newcomer_gets_nothing_of_who_may_be_there_still(bench: Bench) -> None:
    """The number under which the supplier knows the one who moved stays his, or is nobody's."""
    _lost_twice(bench, *LOST_TWICE["two ECK iDs"])
    was = given(bench, 9)
    at_rest(bench, school([*pupils(6), pupil(7, eckid=eck(9))]))
    assert names(bench)["9"] == "Roep7"
    assert given(bench, 9) != was
