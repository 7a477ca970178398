"""Delivering to a real server: what arrives, what stays pending, and what a broken-off night leaves."""

import pytest

from mappings.agreement import Limits
from pipelines.ledger.leases import BusyError
from pipelines.sync.deliver import NO_SNAPSHOT
from tests.pipelines.sync.bench import BASISPOORT, LVS, SMALL, WIDE, Bench, changed, eck, pupil, pupils, school, told
from tests.pipelines.sync.conftest import MakeBench

EMPTY = {"create": 0, "update": 0, "delete": 0}


def _unread(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in EMPTY}


def test_a_first_delivery_arrives_whole_and_the_second_sends_nothing(bench: Bench) -> None:
    """What the supplier holds is the delivery set, field by field; the next night sends no request."""
    roster = school(pupils(5))
    assert (bench.night(roster).state, len(bench.shown())) == ("delivered", 5)
    assert bench.shown()[eck(2)] == {
        "id": eck(2),
        "key": None,
        "eckid": eck(2),
        "achternaam": "Achter2",
        "voorvoegsel": None,
        "roepnaam": "Roep2",
        "jaargroep": "3",
        "groep": "g3",
        "samengestelde_groepen": None,
    }
    sent = len(bench.held.requests)
    assert bench.night(roster).state == "unchanged"
    assert len(bench.held.requests) == sent


def test_groups_go_before_persons_and_deletes_last(bench: Bench) -> None:
    """A pupil never refers to a group that is not there yet, nor to one that is gone already."""
    bench.night(school(pupils(4)))
    del bench.held.requests[:]
    moved = [pupil(n, groep="g45", jaargroep="4") for n in range(2, 5)]
    bench.night(school([*moved, pupil(9, groep="g45")]))
    assert bench.messages == [
        ("groep", "create", 1),
        ("leerling", "create", 1),
        ("leerling", "update", 3),
        ("leerkracht", "delete", 2),
        ("leerling", "delete", 1),
        ("samengestelde_groep", "delete", 1),
        ("groep", "delete", 1),
    ]


def test_what_is_refused_stays_pending_with_its_reason_and_is_tried_again(bench: Bench) -> None:
    """One refused pupil costs the others nothing; he is sent again the next night, and is then told no more."""
    bench.held.refusals.ids[eck(3)] = "al bekend onder een ander nummer"
    roster = school(pupils(5))
    first = bench.night(roster)
    assert (first.state, first.reason) == ("delivered", "1 niet aangenomen door de leverancier.")
    assert sorted(bench.shown()) == [eck(1), eck(2), eck(4), eck(5)]
    plan = bench.ledger.last_plan(SMALL, "99XX-00")
    assert plan is not None
    assert plan.state == "partial"
    assert bench.ledger.pending(SMALL, "99XX-00")["state"].tolist() == ["refused"]
    assert list(bench.ledger.refusals(plan.id).values()) == ["al bekend onder een ander nummer"]
    bench.held.refusals.ids.clear()
    assert _unread(bench.night(roster).counts) == EMPTY | {"create": 1}
    assert eck(3) in bench.shown()
    assert bench.ledger.pending(SMALL, "99XX-00").empty


def test_a_refused_update_and_a_refused_delete_are_tried_again(bench: Bench) -> None:
    """The ledger follows receipts only: what was not confirmed is the same plan again tomorrow."""
    rows = pupils(6)
    bench.night(school(rows))
    bench.held.refusals.every = 1
    roster = school(changed(rows, 2, roepnaam="Anders")[:-1])
    assert bench.night(roster).state == "failed"
    assert bench.shown()[eck(2)]["roepnaam"] == "Roep2"
    bench.held.refusals.every = 0
    assert _unread(bench.night(roster).counts) == {"create": 0, "update": 1, "delete": 1}
    assert bench.shown()[eck(2)]["roepnaam"] == "Anders"
    assert eck(6) not in bench.shown()


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_supplier_that_stays_down_costs_nothing_but_time(make_bench: MakeBench, supplier: str) -> None:
    """A failed night is an outcome with a reason; the next one sends the same bytes under the same key, once in effect."""
    bench = make_bench(supplier)
    bench.misbehaviour.fail(500, times=1)
    roster = school(pupils(3))
    outcome = bench.night(roster)
    assert outcome.state == "failed"
    assert outcome.reason
    assert bench.night(roster).state in {"delivered", "unchanged"}
    assert bench.night(roster).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}


@pytest.mark.parametrize("how", ["cut", "cut_after", "cut_halfway", "truncate"])
@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_broken_connection_loses_nothing_and_doubles_nothing(make_bench: MakeBench, supplier: str, how: str) -> None:
    """Whether the message was applied or not: after the next night everything was applied exactly once."""
    bench = make_bench(supplier)
    getattr(bench.misbehaviour, how)()
    roster = school(pupils(4))
    assert bench.night(roster).state == "failed"
    bench.night(roster)
    assert bench.night(roster).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}
    assert len(bench.shown()) == 4


@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after the answer"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_killed_delivery_ends_well_the_next_night(bench: Bench, at: int, *, after: bool) -> None:
    """Killed at any message: the next night the supplier holds the delivery set, and nothing was applied twice."""
    roster = school(pupils(6))
    bench.killed(roster, at=at, after=after)
    bench.night(roster)
    assert bench.night(roster).state == "unchanged"
    assert len(bench.shown()) == 6
    for kind in ("groep", "samengestelde_groep", "leerling", "leerkracht"):
        assert {tuple(counts.values()) for counts in bench.applied(kind).values()} == {(1, 0, 0)}


def test_a_resumed_message_keeps_its_key(bench: Bench) -> None:
    """The message whose answer never came is sent again under the same key."""
    roster = school(pupils(4))
    bench.killed(roster, at=3, after=True)
    bench.night(roster)
    keys = [request["key"] for request in bench.held.requests]
    assert keys[2] == keys[3]
    assert len(set(keys)) == len(keys) - 1


def test_a_permanent_refusal_is_told_and_tried_anew(bench: Bench) -> None:
    """A message that is refused as a whole is a failure; the next night makes a plan and a message of its own."""
    bench.misbehaviour.fail(422)
    roster = school(pupils(3))
    assert bench.night(roster).state == "failed"
    assert bench.ledger.unfinished_plan(SMALL, "99XX-00") is None
    assert bench.night(roster).state == "delivered"
    assert len(bench.shown()) == 3


def test_two_runs_at_once_do_not_deliver_the_same(bench: Bench) -> None:
    """While one run delivers, another is told that it must wait, and sends nothing."""
    with bench.ledger.lease(SMALL, "99XX-00"), pytest.raises(BusyError):
        bench.night(school(pupils(3)))
    assert bench.held.requests == []


def test_a_plan_made_before_another_run_delivered_is_made_anew(bench: Bench) -> None:
    """What a run planned before it had its turn is not sent when the supplier has changed since."""
    roster = school(pupils(3))
    stale = bench.plan(roster)
    assert stale.after is None
    bench.night(roster)
    sent = len(bench.held.requests)
    assert bench.carry_out(roster, stale).state == "unchanged"
    assert len(bench.held.requests) == sent


@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after sending"])
def test_a_field_withdrawn_between_kill_and_resume_is_not_sent_again(
    make_bench: MakeBench, operation: str, *, after: bool
) -> None:
    """The old message is not sent again; what it may have brought is corrected, and what it did not bring is brought."""
    bench = make_bench(LVS)
    rows = pupils(4)
    if operation == "update":
        bench.night(school(rows))
        del bench.held.requests[:]
        rows = [{**row, "roepnaam": f"Ander{row['key']}"} for row in rows]
    bench.killed(school(rows), at=1 if operation == "update" else 3, after=after)
    sent = len(bench.held.requests)
    bench.agree(withhold=["geboortedatum"])
    bench.night(school(rows))
    bench.night(school(rows))
    assert all(record.get("geboortedatum") is None for record in bench.shown().values())
    assert {r["roepnaam"] for r in bench.shown().values()} == {row["roepnaam"] for row in rows}
    assert not {r["key"] for r in bench.held.requests[:sent]} & {r["key"] for r in bench.held.requests[sent:]}
    assert bench.night(school(rows)).state == "unchanged"


def test_an_agreement_that_ended_between_kill_and_resume_brings_nothing_new(bench: Bench) -> None:
    """After the end no pupil arrives any more; one who may have arrived still goes when he leaves."""
    rows = pupils(4)
    bench.killed(school(rows), at=3, after=True)
    there = set(bench.shown())
    assert len(there) == 2
    bench.day = bench.day.replace(year=2028)
    left = [{**row, "uitstroomdatum": "2027-07-01"} for row in rows]
    bench.night(school([*left[:-1], {**rows[-1], "geboortedatum": "2019-03-04"}]))
    assert bench.shown() == {}


def test_lost_parcels_are_presumed_and_put_right(bench: Bench) -> None:
    """Where the vault forgot the outbox, a killed creation still ends with every pupil at the supplier."""
    roster = school(pupils(6))
    bench.killed(roster, at=4, after=False)
    for batch in range(6):
        bench.vault.remove(f"uitgaand/{SMALL}/99XX-00/{batch}")
    bench.night(roster)
    bench.night(roster)
    assert len(bench.shown()) == 6
    assert bench.night(roster).state == "unchanged"


def test_held_deletes_do_not_stop_the_rest(bench: Bench) -> None:
    """Three pupils who vanish wait for a person; a newcomer and a correction do not."""
    bench.agree(limits=WIDE | {"unexplained_deletes": {"count": 3}})
    rows = pupils(20)
    bench.night(school(rows))
    outcome = bench.night(school([*changed(rows, 2, roepnaam="Anders")[:17], pupil(99)]))
    assert outcome.state == "held"
    assert outcome.reason == "3 zonder bekende reden te verwijderen, van de 22 bij deze leverancier."
    assert len(bench.shown()) == 21
    assert bench.shown()[eck(2)]["roepnaam"] == "Anders"
    (hold,) = bench.ledger.holds()
    assert (hold.operation, hold.number) == ("delete", 3)


def test_an_approved_hold_is_delivered_and_done(bench: Bench) -> None:
    """A first delivery waits; approved, it is delivered as it was shown, and nothing waits any more."""
    bench.agree(limits=WIDE | {"first_delivery": "hold"})
    roster = school(pupils(4))
    assert bench.night(roster).state == "held"
    assert bench.held.requests == []
    (hold,) = bench.ledger.holds()
    bench.ledger.decide_hold(str(hold.id), "approved", "ICT-coördinator")
    assert bench.night(roster).state == "delivered"
    assert len(bench.shown()) == 4
    assert [h.state for h in bench.ledger.holds(state=None)] == ["done"]


def test_an_approval_is_for_one_plan_only(bench: Bench) -> None:
    """One pupil more than was approved: it is asked again, and nothing leaves (design rule 6)."""
    bench.agree(limits=WIDE | {"first_delivery": "hold"})
    bench.night(school(pupils(4)))
    (hold,) = bench.ledger.holds()
    bench.ledger.decide_hold(str(hold.id), "approved", "ICT-coördinator")
    assert bench.night(school(pupils(5))).state == "held"
    assert bench.held.requests == []
    assert [h.state for h in bench.ledger.holds(state=None)] == ["superseded", "open"]


def test_what_was_approved_is_not_asked_again_after_a_kill(bench: Bench) -> None:
    """A first delivery that was approved and broken off goes on without a second approval."""
    bench.agree(limits=WIDE | {"first_delivery": "hold"})
    roster = school(pupils(6))
    bench.night(roster)
    (hold,) = bench.ledger.holds()
    bench.ledger.decide_hold(str(hold.id), "approved", "ICT-coördinator")
    bench.killed(roster, at=3, after=False)
    assert bench.night(roster).state == "delivered"
    assert len(bench.shown()) == 6
    assert bench.ledger.holds() == []


def test_a_discarded_hold_is_not_asked_again(bench: Bench) -> None:
    """What a person refused stays away without asking, as long as it is the same."""
    bench.agree(limits=WIDE | {"first_delivery": "hold"})
    roster = school(pupils(4))
    bench.night(roster)
    (hold,) = bench.ledger.holds()
    bench.ledger.decide_hold(str(hold.id), "discarded", "ICT-coördinator")
    outcome = bench.night(roster)
    assert outcome.state == "blocked"
    assert outcome.reason.startswith("Afgewezen door ICT-coördinator: Eerste levering")
    assert f"Keur nummer {hold.id} goed" in outcome.reason
    assert bench.ledger.holds() == []
    assert bench.held.requests == []
    bench.night(school(pupils(5)))
    assert len(bench.ledger.holds()) == 1


def test_a_hold_whose_cause_is_gone_is_closed(bench: Bench) -> None:
    """When the pupils are back in the export, nobody is asked any more."""
    bench.agree(limits=WIDE | {"unexplained_deletes": {"count": 3}})
    rows = pupils(20)
    bench.night(school(rows))
    bench.night(school(rows[:17]))
    assert len(bench.ledger.holds()) == 1
    assert bench.night(school(rows)).state == "unchanged"
    assert bench.ledger.holds() == []


def test_a_whole_set_keeps_pupils_whose_deletion_waits(make_bench: MakeBench) -> None:
    """A supplier that takes whole sets is sent the held pupils as they were, beside the corrected others."""
    bench = make_bench(BASISPOORT)
    bench.agree(limits=WIDE | {"unexplained_deletes": {"count": 3}})
    rows = pupils(20)
    bench.night(school(rows))
    outcome = bench.night(school(changed(rows, 2, roepnaam="Anders")[:17]))
    assert outcome.state == "held"
    assert len(bench.shown()) == 20
    assert bench.shown()["20"]["roepnaam"] == "Roep20"
    assert bench.shown()["2"]["roepnaam"] == "Anders"


def test_a_whole_set_keeps_the_last_good_state_of_a_quarantined_pupil(make_bench: MakeBench) -> None:
    """A pupil without any name keeps the name that the supplier has, however often other things change."""
    bench = make_bench(BASISPOORT)
    rows = pupils(20)
    bench.night(school(rows))
    broken = changed(rows, 5, roepnaam=None, achternaam=None)
    for name in ("Eerst", "Daarna"):
        outcome = bench.night(school(changed(broken, 2, roepnaam=name)))
        assert outcome.counts["quarantined"] == 1
        assert bench.shown()["5"]["roepnaam"] == "Roep5"
        assert bench.shown()["2"]["roepnaam"] == name


def test_a_whole_set_waits_when_the_last_good_state_is_lost(make_bench: MakeBench) -> None:
    """Without what the supplier had, a quarantined pupil would be removed: nothing is sent, and it is said why."""
    bench = make_bench(BASISPOORT)
    rows = pupils(20)
    bench.night(school(rows))
    bench.vault.remove(f"momentopname/{BASISPOORT}/99XX-00")
    sent = len(bench.held.requests)
    broken = school(changed(changed(rows, 5, roepnaam=None, achternaam=None), 2, roepnaam="Anders"))
    outcome = bench.night(broken)
    assert (outcome.state, outcome.reason) == ("held", NO_SNAPSHOT)
    assert len(bench.held.requests) == sent
    assert bench.night(school(changed(rows, 2, roepnaam="Anders"))).state == "delivered"


def test_a_whole_set_of_which_some_is_refused_is_offered_again(make_bench: MakeBench) -> None:
    """A refused change keeps its old value at the supplier and in what we remember, and is offered the next night."""
    bench = make_bench(BASISPOORT)
    rows = pupils(6)
    bench.night(school(rows))
    bench.held.refusals.ids["2"] = "kan nu niet"
    roster = school(changed(changed(rows, 2, roepnaam="Anders"), 3, roepnaam="Ook"))
    assert bench.night(roster).state == "delivered"
    assert (bench.shown()["2"]["roepnaam"], bench.shown()["3"]["roepnaam"]) == ("Roep2", "Ook")
    bench.held.refusals.ids.clear()
    assert _unread(bench.night(roster).counts) == EMPTY | {"update": 1}
    assert bench.shown()["2"]["roepnaam"] == "Anders"


def test_an_eckid_that_arrives_later_keeps_one_pupil(bench: Bench) -> None:
    """The pupil goes by his ECK iD from now on; the supplier is told his former id, and keeps his number."""
    rows = changed(pupils(4), 2, eckid=None)
    bench.night(school(rows))
    number = bench.held.own_numbers["99XX-00"]["leerling"]["2"]
    outcome = bench.night(school(pupils(4)))
    assert _unread(outcome.counts) == EMPTY | {"update": 1}
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


def test_a_new_key_that_is_refused_keeps_the_old_one_in_mind(bench: Bench) -> None:
    """The supplier goes on with what it had: the pupil who then leaves is removed all the same."""
    rows = pupils(10)
    bench.night(school(rows))
    bench.held.refusals.ids[eck(2)] = "nu even niet"
    bench.night(school(changed(rows, 2, key="200")))
    bench.held.refusals.ids.clear()
    outcome = bench.night(school([row for row in rows if row["key"] != "2"]))
    assert _unread(outcome.counts) == EMPTY | {"delete": 1}
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


def test_an_id_that_is_somebody_elses_by_now_is_not_deleted(bench: Bench) -> None:
    """Where a newcomer has the id under which a double registration went, its deletion would hit him."""
    bench.night(school(pupils(10)))
    rows = changed([row for row in pupils(10) if row["key"] != "2"], 3, eckid=eck(2))
    bench.night(school([*rows, {**pupil(12), "eckid": eck(3)}]))
    assert bench.shown()[eck(3)]["roepnaam"] == "Roep12"
    assert bench.shown()[eck(2)]["roepnaam"] == "Roep2"


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_what_the_answer_says_nothing_of_may_be_there(make_bench: MakeBench, supplier: str) -> None:
    """It is sent again while the pupil is there, and removed when he leaves before that."""
    bench = make_bench(supplier)
    by_id = eck if supplier == SMALL else str
    bench.held.refusals.untold += [by_id(2), by_id(3)]
    first = bench.night(school(pupils(5)))
    assert first.reason == "2 niet aangenomen door de leverancier."
    bench.held.refusals.untold.clear()
    again = bench.night(school([row for row in pupils(5) if row["key"] != "3"]))
    assert _unread(again.counts) == {"create": 1, "update": 0, "delete": 1}
    assert sorted(bench.shown()) == sorted(map(by_id, (1, 2, 4, 5)))
    assert bench.night(school([row for row in pupils(5) if row["key"] != "3"])).state == "unchanged"


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_refusal_after_a_lost_answer_does_not_tell_that_nothing_arrived(make_bench: MakeBench, supplier: str) -> None:
    """The first attempt was applied and the second refused: who leaves before the next night is removed all the same."""
    bench = make_bench(supplier)
    bench.night(school(pupils(2)))
    bench.misbehaviour.cut_after()
    bench.misbehaviour.fail(400, times=1)
    bench.night(school(pupils(4)), bench.supplier(attempts=2))
    assert len(bench.shown()) == 4
    bench.misbehaviour.fail(400, times=1)
    bench.night(school(pupils(3)))
    assert len(bench.shown()) == 3
    assert bench.night(school(pupils(3))).state == "unchanged"


def test_limits_are_those_of_the_design() -> None:
    """An agreement without limits has those of the design."""
    limits = Limits()
    assert (limits.unexplained_deletes.count, limits.unexplained_deletes.percent) == (3, 2)
    assert (limits.all_deletes.percent, limits.field_changes.percent, limits.creates.percent) == (10, 30, 25)
    assert (limits.export_size.minimum_percent, limits.export_size.maximum_percent) == (95, 115)
    assert limits.first_delivery == "hold"


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_after_the_end_corrections_and_deletes_go_on_and_nothing_new_arrives(
    make_bench: MakeBench, supplier: str
) -> None:
    """An ended agreement still clears up (design rule 7), whichever way the supplier takes its data."""
    bench = make_bench(supplier)
    rows = pupils(6)
    bench.night(school(rows))
    bench.agree(valid_until=bench.day.replace(day=1))
    now = [*changed(changed(rows, 2, roepnaam="Anders"), 3, uitstroomdatum="2026-11-02"), pupil(9)]
    bench.night(school(now))
    names = sorted(record["roepnaam"] for record in bench.shown().values())
    assert names == ["Anders", "Roep1", "Roep4", "Roep5", "Roep6"]
