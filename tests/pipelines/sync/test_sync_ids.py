"""Who goes on under another key or ECK iD is the same person to a supplier, whatever that supplier says."""

from collections.abc import Iterable

import pytest

from mappings.choices import Choice
from pipelines.ledger.handles import Handle
from pipelines.ledger.records import refs_of
from tests.pipelines.sync.bench import EMPTY, SCHOOL, SMALL, Bench, changed, eck, pupil, pupils, school, told, unread
from tests.pipelines.sync.test_unanswered_moves import at_rest, given, names, swapped, untold, without


def test_an_eckid_that_arrives_later_keeps_one_pupil(bench: Bench) -> None:
    """The pupil goes by his ECK iD from now on; the supplier is told his former id, and keeps his number."""
    rows = changed(pupils(4), 2, eckid=None)
    bench.night(school(rows))
    number = bench.held.own_numbers["99XX-00"]["leerling"]["2"]
    outcome = bench.night(school(pupils(4)))
    assert unread(outcome.counts) == EMPTY | {"update": 1}
    assert sorted(bench.shown()) == [eck(1), eck(2), eck(3), eck(4)]
    assert bench.held.own_numbers["99XX-00"]["leerling"][eck(2)] == number
    assert bench.night(school(pupils(4))).state == "unchanged"


def test_an_eckid_that_goes_again_is_followed_back(bench: Bench) -> None:
    """A withdrawn ECK iD brings the key back; when the pupil leaves, the right record goes."""
    rows = pupils(4)
    bench.night(school(rows))
    back = changed(rows, 2, eckid=None)
    bench.night(school(back))
    assert sorted(bench.shown()) == ["2", eck(1), eck(3), eck(4)]
    bench.night(school([row for row in back if row["key"] != "2"]))
    assert sorted(bench.shown()) == [eck(1), eck(3), eck(4)]


@pytest.mark.parametrize("at", [None, 1])
@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after sending"])
def test_a_new_key_with_the_same_eckid_is_no_deletion(bench: Bench, at: int | None, *, after: bool) -> None:
    """Another key in ParnasSys for the same ECK iD: one update on the wire, also when the night was broken off."""
    rows = pupils(10)
    bench.night(school(rows))
    del bench.held.requests[:]
    roster = school(changed(rows, 2, key="200"))
    if at:
        bench.killed(roster, at=at, after=after)
    else:
        assert told(bench.plan(roster)) == {("leerling", "200", "update", "nieuwe_sleutel", "key")}
    bench.night(roster)
    assert {(kind, operation) for kind, operation, _ in bench.messages} == {("leerling", "update")}
    assert sum(counts["delete"] for counts in bench.applied().values()) == 0
    assert len(bench.shown()) == 10
    assert bench.night(roster).state == "unchanged"


def test_a_new_key_tells_what_else_changed_and_counts_in_the_limits(bench: Bench) -> None:
    """A key that changes explains no other change, and many new keys at once are looked at by a person."""
    rows = pupils(10)
    bench.night(school(rows))
    one = changed(changed(rows, 2, roepnaam="Anders"), 2, key="200")
    assert told(bench.plan(school(one))) == {("leerling", "200", "update", "nieuwe_sleutel", "key,roepnaam")}
    bench.agree(limits={})
    for name, row in (("key", {}), ("roepnaam", {"roepnaam": "Fout"})):
        many = [{**each, **row, "key": f"{each['key']}00"} if int(each["key"]) < 4 else each for each in rows]
        plan = bench.plan(school(many))
        assert plan.held == ("update",)
        assert f"Het veld {name} verandert bij 3 leerlingen." in plan.why()
    assert bench.plan(school(one)).held == ()


def test_a_new_key_of_who_may_not_be_there_makes_him(bench: Bench) -> None:
    """What was broken off, and then refused for good, may have been created or not: an update could find nobody."""
    bench.killed(school(pupils(4)), at=3, after=False)
    bench.agree(withhold=["achternaam"])
    roster = school(changed(pupils(4), 2, key="200"))
    bench.night(roster)
    changes = bench.ledger.changes(bench.ledger.last_plan(SMALL, "99XX-00").id)  # type: ignore[union-attr]
    made = changes[changes["cause"].eq("nieuwe_sleutel")]
    assert made["operation"].tolist() == ["create"]
    assert bench.night(roster).state == "unchanged"
    assert len(bench.shown()) == 4


def test_a_new_key_that_is_refused_keeps_the_old_one_in_mind(bench: Bench) -> None:
    """The supplier goes on with what it had: the pupil who then leaves is removed all the same."""
    rows = pupils(10)
    bench.night(school(rows))
    bench.held.refusals.ids[eck(2)] = "nu even niet"
    bench.night(school(changed(rows, 2, key="200")))
    bench.held.refusals.ids.clear()
    outcome = bench.night(school([row for row in rows if row["key"] != "2"]))
    assert unread(outcome.counts) == EMPTY | {"delete": 1}
    assert eck(2) not in bench.shown()


def test_a_new_key_inherits_the_number_that_the_supplier_gave(bench: Bench) -> None:
    """An answer without that number leaves what was known under the old key."""
    rows = pupils(4)
    bench.night(school(rows))
    number = bench.held.own_numbers["99XX-00"]["leerling"].pop(eck(2))
    bench.night(school(changed(rows, 2, key="200")))
    state = bench.ledger.delivered_state(SMALL, "99XX-00")
    known = bench.ledger.handles(SMALL, state["record_id"])
    assert [h.own_id for h in known.values() if h.wire_id == eck(2)] == [number]


def test_two_registrations_made_one_end_as_one_pupil(bench: Bench) -> None:
    """The registration that stays takes over the other's ECK iD: its former id goes first, and it goes on under the other."""
    bench.night(school(pupils(10)))
    merged = school(changed([row for row in pupils(10) if row["key"] != "2"], 3, eckid=eck(2)))
    assert told(bench.plan(merged)) == {("leerling", "3", "delete", "nieuwe_sleutel", "")}
    bench.night(merged)
    assert bench.shown()[eck(2)]["roepnaam"] == "Roep2"
    bench.night(merged)
    assert bench.shown()[eck(2)]["roepnaam"] == "Roep3"
    assert sorted(bench.shown()) == sorted(eck(n) for n in range(1, 11) if n != 3)
    assert bench.night(merged).state == "unchanged"
    bench.night(school([row for row in pupils(10) if row["key"] not in {"2", "3"}]))
    assert eck(2) not in bench.shown()


def test_an_id_that_goes_to_a_newcomer_is_free_before_he_comes(bench: Bench) -> None:
    """A double registration went under it: that is deleted first, and the night after both are what they should be."""
    bench.night(school(pupils(10)))
    rows = changed([row for row in pupils(10) if row["key"] != "2"], 3, eckid=eck(2))
    roster = school([*rows, {**pupil(12), "eckid": eck(3)}])
    bench.night(roster)
    assert bench.shown()[eck(2)]["roepnaam"] == "Roep2"
    assert eck(3) not in bench.shown()
    bench.night(roster)
    assert [bench.shown()[eck(n)]["roepnaam"] for n in (2, 3)] == ["Roep3", "Roep12"]
    assert bench.night(roster).state == "unchanged"


def test_where_two_are_known_by_one_id_the_one_who_stays_is_not_deleted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier version could leave them: nothing is done to the other under that id."""
    bench.night(school(pupils(12)))
    handles = bench.ledger.handles

    def doubled(supplier: str, record_ids: Iterable[int]) -> dict[int, Handle]:
        found = handles(supplier, record_ids)
        return {n: Handle(eck(12), h.own_id) if h.wire_id == eck(3) else h for n, h in found.items()}

    monkeypatch.setattr(bench.ledger, "handles", doubled)
    rows = changed([row for row in pupils(12) if row["key"] != "2"], 3, eckid=eck(2))
    plan = bench.plan(school(rows))
    assert told(plan) == set()
    assert (plan.waiting, plan.complete) == ({*refs_of(SCHOOL, "leerling", ["3"], bench.keys)}, False)


@pytest.mark.parametrize("left", [{"jaargroep": "H"}, {"uitstroomdatum": "2026-11-20"}])
def test_who_left_and_is_in_the_export_with_an_eckid_of_his_own_is_nobody_else(
    bench: Bench, left: dict[str, str]
) -> None:
    """Two exchanged their ECK iDs and one of them left: the other keeps the number that is his."""
    bench.night(school(pupils(6)))
    was = given(bench, 3)
    export = school(changed(swapped(pupils(6), 2, 3), 2, **left))
    at_rest(bench, export)
    assert names(bench)["2"] == "Roep3"
    assert given(bench, 2) == was


def test_a_newcomer_is_not_who_left_with_another_eckid(bench: Bench) -> None:
    """What the supplier kept of the one is not the other's, though he has his former ECK iD."""
    bench.night(school(pupils(6)))
    was = given(bench, 2)
    at_rest(bench, school([*changed(pupils(6), 2, jaargroep="H", eckid=eck(9)), pupil(7, eckid=eck(2))]))
    assert names(bench)["2"] == "Roep7"
    assert given(bench, 2) != was


def test_who_goes_on_under_a_new_key_while_in_quarantine_stays(bench: Bench) -> None:
    """Design rule 3: a broken record deletes nothing; once it is mended he goes on with the number that is his."""
    bench.night(school(pupils(6)))
    was = given(bench, 2)
    broken = school(changed(pupils(6), 2, key="200", achternaam=None, roepnaam=None))
    plan = bench.plan(broken)
    assert told(plan) == set()
    assert len(plan.plan.lingering) == 1
    assert "het staat niet vast van wie: 1." in bench.night(broken).reason
    at_rest(bench, school(changed(pupils(6), 2, key="200")))
    assert given(bench, 2) == was


def test_an_objection_does_not_wait_for_who_may_be_him_in_quarantine(bench: Bench) -> None:
    """What a parent asked for the supplier is told at once."""
    bench.night(school(pupils(6)))
    bench.choose(Choice.OBJECTION, 2)
    bench.night(school(changed(pupils(6), 2, key="200", achternaam=None, roepnaam=None)))
    assert "2" not in names(bench)


def test_who_may_be_under_either_of_two_ids_is_nobodys_past(bench: Bench) -> None:
    """He left; who has one of his two ECK iDs by now begins afresh."""
    bench.night(school(pupils(6)))
    untold(bench, school(changed(pupils(6), 2, eckid=eck(9))), 9)
    was = given(bench, 9)
    at_rest(bench, school([*without(pupils(6), 2), pupil(7, eckid=eck(9))]))
    assert names(bench)["9"] == "Roep7"
    assert given(bench, 9) != was
