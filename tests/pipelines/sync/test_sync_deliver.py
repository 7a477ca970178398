"""Delivering to a real server: what arrives, what stays pending, and what a broken-off night leaves."""

import dataclasses
from datetime import timedelta

import pytest

from mappings.choices import Choice
from mappings.limits import Limits
from pipelines.sync.case import planned
from pipelines.sync.deliver import delivered
from pipelines.sync.messages import NO_SNAPSHOT
from tests.pipelines.sync.bench import (
    BASISPOORT,
    EMPTY,
    SMALL,
    WIDE,
    Bench,
    changed,
    eck,
    judged,
    pupil,
    pupils,
    school,
    unread,
)
from tests.pipelines.sync.conftest import MakeBench


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
    assert unread(bench.night(roster).counts) == EMPTY | {"create": 1}
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
    assert unread(bench.night(roster).counts) == {"create": 0, "update": 1, "delete": 1}
    assert bench.shown()[eck(2)]["roepnaam"] == "Anders"
    assert eck(6) not in bench.shown()


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
    assert unread(bench.night(roster).counts) == EMPTY | {"update": 1}
    assert bench.shown()["2"]["roepnaam"] == "Anders"


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


def test_an_export_that_is_older_than_the_last_waits(bench: Bench) -> None:
    """Until a person has seen it; a newer one goes on by itself, and is measured against the last that was delivered."""
    bench.agree(limits={**WIDE, "older_export": "hold"})
    moments = [bench.received_at + timedelta(days=days) for days in (0, 2, 1, 1, 3)]
    exports = [school(pupils(number)) for number in (5, 6, 5, 5, 6)]
    states = []
    for moment, export in zip(moments, exports, strict=True):
        bench.received_at = moment
        states.append(bench.night(export).state)
    assert states == ["delivered", "delivered", "held", "held", "unchanged"]
    bench.received_at = moments[2]
    bench.choose(Choice.OBJECTION, 4)
    assert [bench.night(exports[2]).state for _ in range(2)] == ["held", "held"]
    assert eck(4) not in bench.shown()
    bench.decide("approved")
    assert bench.night(exports[2]).state == "delivered"
    bench.received_at = moments[3]
    assert bench.night(school(pupils(7))).state == "delivered"


@pytest.mark.parametrize("how", ["killed", "for one pupil", "the same in between"])
def test_no_night_lets_an_older_export_through_the_next(bench: Bench, how: str) -> None:
    """Not one that broke off, one for a pupil alone, or one in which an older export said the same."""
    bench.agree(limits={**WIDE, "older_export": "hold"})
    start, newer = bench.received_at, bench.received_at + timedelta(days=5)
    bench.night(school(pupils(6)))
    bench.received_at = newer
    if how == "killed":
        bench.killed(school(pupils(8)), at=1, after=True)
    elif how == "for one pupil":
        data = judged(school(changed(pupils(6), 2, roepnaam="Anders")))
        case, wanted = dataclasses.replace(bench.case(data), pupil="2"), bench.wanted(data)
        delivered(case, bench.supplier(), wanted, data.quarantined, planned(case, wanted, data.quarantined))
    else:
        bench.night(school(pupils(7)))
        bench.received_at = start + timedelta(days=1)
        assert bench.night(school(pupils(7))).state == "unchanged"
    bench.received_at = start + timedelta(days=3)
    assert bench.night(school(changed(pupils(6), 4, roepnaam="Oud"))).state == "held"


def test_of_whom_nobody_knows_what_the_supplier_has_no_field_is_told_to_change(bench: Bench) -> None:
    """An update that was not answered goes again; a limit may hold that, with its real reason."""
    bench.night(school(pupils(5)))
    bench.held.refusals.untold += [eck(2), eck(3)]
    rows = changed(changed(pupils(5), 2, roepnaam="A"), 3, roepnaam="B")
    bench.night(school(rows))
    bench.held.refusals.untold.clear()
    bench.agree(limits=WIDE | {"field_changes": {"count": 1}})
    bench.agree(limits=WIDE | {"field_changes": {"count": 3}})
    assert bench.plan(school(changed(rows, 4, achternaam="C"))).held == ("update",)
    bench.agree(limits=WIDE | {"field_changes": {"count": 1}})
    plan = bench.plan(school(changed(rows, 4, achternaam="C")))
    assert plan.why() == (
        "Het veld achternaam verandert bij 1 leerling. Bij 2 staat dat niet vast. "
        "Alle velden van 2 leerlingen gaan opnieuw, want het staat niet vast wat de leverancier daarvan heeft."
    )
