"""An agreement that changes and ends, at a real supplier: fields that come and go, and what is left after the last day."""

from datetime import date, timedelta

import pytest

from pipelines.sync.guard import Rule
from tests.pipelines.conftest import Clock
from tests.pipelines.sync.bench import (
    BASISPOORT,
    LVS,
    SCHOOL,
    SMALL,
    WIDE,
    Bench,
    changed,
    pupil,
    pupils,
    school,
    told,
)
from tests.pipelines.sync.conftest import MakeBench

ROWS = pupils(6)
SIX = school(ROWS)
FORMATS = pytest.mark.parametrize("supplier", [LVS, BASISPOORT])
STRICT = {**WIDE, "field_changes": {"percent": 1}}
WITHOUT = {LVS: {"withhold": ["geslacht"]}, BASISPOORT: {}}
WITH = {LVS: {}, BASISPOORT: {"optional": ["geslacht"]}}
ENDED = date(2026, 11, 23)
"""The day before today on the bench."""


def _sexes(bench: Bench) -> set[str | None]:
    return {record.get("geslacht") for record in bench.shown().values()}


@FORMATS
def test_a_withdrawn_field_is_cleared_and_no_limit_holds_that(make_bench: MakeBench, supplier: str) -> None:
    """Everybody changes at once, together with a new name here and there, and nobody is asked anything."""
    bench = make_bench(supplier)
    bench.agree(**WITH[supplier], limits=STRICT)
    bench.night(SIX)
    bench.agree(**WITHOUT[supplier], limits={**WIDE, "field_changes": {"percent": 20}})
    assert bench.night(school(changed(ROWS, 2, roepnaam="Anders"))).state == "delivered"
    plan = bench.ledger.last_plan(supplier, SCHOOL)
    assert plan is not None
    causes = bench.ledger.changes(plan.id).query("kind == 'leerling'")["cause"].tolist()
    assert sorted(causes) == ["gegevens_gewijzigd", *["veld_ingetrokken"] * 5]
    assert _sexes(bench) == {None}


def test_a_field_withdrawn_at_the_change_of_school_year_leaves_that_its_cause(make_bench: MakeBench) -> None:
    """Where groups change for all, the field that went explains nothing, and is not counted as changed in ParnasSys."""
    bench = make_bench(LVS)
    bench.night(SIX)
    bench.agree(**WITHOUT[LVS], limits=STRICT)
    bench.schooljaar = "2027-2028"
    plan = bench.plan(school([{**row, "groep": "g45", "jaargroep": "4"} for row in ROWS]))
    assert {cause for kind, _, _, cause, _ in told(plan) if kind == "leerling"} == {"jaarovergang"}
    assert all("geslacht" in names for kind, _, _, _, names in told(plan) if kind == "leerling")
    assert plan.plan.field_changes == {}
    assert "update" not in plan.held


@FORMATS
def test_an_added_field_waits_alone_and_the_rest_goes_on_without_it(make_bench: MakeBench, supplier: str) -> None:
    """Newcomers, corrections and leavers go meanwhile; once approved it goes to all, and is never asked about again."""
    bench = make_bench(supplier)
    bench.agree(**WITHOUT[supplier])
    bench.night(SIX)
    bench.agree(**WITH[supplier])
    now = [*changed(ROWS, 2, roepnaam="Anders"), pupil(9)]
    now[2] = {**now[2], "uitstroomdatum": "2026-11-02"}
    outcome = bench.night(school(now))
    assert (outcome.state, outcome.counts["create"], outcome.counts["update"]) == ("held", 1, 1)
    assert {"Anders", "Roep9"} < {record["roepnaam"] for record in bench.shown().values()}
    assert (len(bench.shown()), _sexes(bench)) == (6, {None})
    (hold,) = bench.ledger.holds(SCHOOL)
    assert (hold.operation, hold.number) == ("add_fields", 1)
    assert hold.reason.startswith("Nieuw in de overeenkomst: geslacht (leerling). Tot nu toe: ")
    assert "achternaam" in hold.reason.partition("Tot nu toe")[2]

    assert bench.night(school([*now, pupil(10)])).state == "held"  # the same hold, for another plan
    assert [each.id for each in bench.ledger.holds(SCHOOL)] == [hold.id]
    bench.decide("approved")
    assert bench.night(school([*now, pupil(10), pupil(11)])).state == "delivered"
    assert (len(bench.shown()), _sexes(bench)) == (8, {"1"})
    assert bench.night(school([*now, pupil(10), pupil(11), pupil(12)])).state == "delivered"


def test_an_approval_is_for_one_set_of_fields(bench: Bench) -> None:
    """Another field that comes meanwhile is asked about anew; what was withdrawn and comes back, too."""
    bench.agree(withhold=["achternaam", "roepnaam"])
    bench.night(SIX)
    bench.agree(withhold=["achternaam"])
    bench.night(SIX)
    bench.decide("approved")
    bench.agree()
    assert bench.night(SIX).state == "held"
    (hold,) = bench.ledger.holds(SCHOOL)
    assert "roepnaam, achternaam" in hold.reason or "achternaam, roepnaam" in hold.reason
    bench.agree(withhold=["achternaam", "roepnaam"])
    assert (bench.night(SIX).state, bench.ledger.holds(SCHOOL)) == ("unchanged", [])
    bench.agree(withhold=["achternaam"])
    assert bench.night(SIX).state == "held"
    assert {record.get("roepnaam") for record in bench.shown().values()} == {None}


def test_a_field_that_was_empty_and_came_back_is_asked_about_again(bench: Bench) -> None:
    """Withdrawing it changed no record, for nobody had it; it was withdrawn all the same."""
    bench.night(SIX)  # nobody has a voorvoegsel
    bench.agree(withhold=["voorvoegsel"])
    assert bench.night(SIX).counts["update"] == 0
    bench.agree()
    for _ in range(2):
        assert bench.night(school(changed(ROWS, 2, voorvoegsel="van"))).state == "held"
    assert {record.get("voorvoegsel") for record in bench.shown().values()} == {None}


def test_a_refused_field_stays_refused_and_nothing_else_waits_for_it(bench: Bench) -> None:
    """It is told every night, not asked, until somebody approves it after all."""
    bench.agree(withhold=["roepnaam"])
    bench.night(SIX)
    bench.agree()
    bench.night(SIX)
    bench.decide("discarded")
    for number in (7, 8):
        outcome = bench.night(school(pupils(number)))
        assert (outcome.state, len(bench.shown()), bench.ledger.holds(SCHOOL)) == ("delivered", number, [])
        assert "Afgewezen door directeur" in outcome.reason
    assert bench.night(school(pupils(8))).state == "blocked"
    (refused,) = bench.ledger.holds(SCHOOL, state="discarded")
    bench.ledger.decide_hold(str(refused.id), "approved", "directeur")
    assert bench.night(school(pupils(8))).state == "delivered"
    assert None not in {record.get("roepnaam") for record in bench.shown().values()}


def test_before_anything_was_delivered_the_fields_are_part_of_the_first_delivery(bench: Bench) -> None:
    """One question and not two."""
    bench.agree(withhold=["roepnaam"], limits={**WIDE, "first_delivery": "hold"})
    bench.night(SIX)
    bench.agree(limits={**WIDE, "first_delivery": "hold"})
    assert bench.night(SIX).state == "held"
    assert bench.decide("approved") == ["create"]
    assert bench.night(SIX).state == "delivered"


@FORMATS
def test_after_the_end_no_field_comes_and_corrections_go_on(make_bench: MakeBench, supplier: str) -> None:
    """Also a field that had been approved but was never sent."""
    bench = make_bench(supplier)
    bench.agree(**WITHOUT[supplier])
    bench.night(SIX)
    bench.agree(**WITH[supplier])
    bench.night(SIX)
    bench.decide("approved")
    bench.agree(**WITH[supplier], valid_until=ENDED)
    assert bench.night(school(changed(ROWS, 2, roepnaam="Anders"))).state == "held"
    assert [hold.operation for hold in bench.ledger.holds(SCHOOL)] == ["clear_out"]
    assert _sexes(bench) == {None}
    assert "Anders" in {record["roepnaam"] for record in bench.shown().values()}


@pytest.mark.parametrize("supplier", [SMALL, LVS, BASISPOORT])
def test_what_is_left_after_the_end_goes_once_a_person_approved(make_bench: MakeBench, supplier: str) -> None:
    """Quarantine keeps nobody then, and a leaver in between asks nothing anew; the nights after it are quiet."""
    bench = make_bench(supplier)
    bench.night(SIX)
    bench.agree(valid_until=ENDED, limits={**WIDE, "all_deletes": {"percent": 1}, "unexplained_deletes": {"count": 1}})
    now = school(changed(pupils(6), 3, achternaam=None, roepnaam=None))
    assert bench.night(now).state == "held"
    (hold,) = bench.ledger.holds(SCHOOL)
    assert (hold.operation, hold.number) == ("clear_out", sum(len(bench.shown(kind)) for kind in KINDS))
    assert len(bench.shown()) == 6
    bench.ledger.decide_hold(str(hold.id), "approved", "directeur")
    outcome = bench.night(now)
    assert (outcome.state, outcome.counts["delete"]) == ("delivered", hold.number)
    assert [len(bench.shown(kind)) for kind in KINDS] == [0, 0, 0, 0]
    plan = bench.ledger.last_plan(supplier, SCHOOL)
    assert plan is not None
    assert set(bench.ledger.changes(plan.id)["cause"]) == {"overeenkomst_afgelopen"}
    assert (bench.night(now).state, bench.ledger.holds(SCHOOL)) == ("unchanged", [])
    bench.agree()
    assert bench.night(SIX).state == "delivered"
    assert len(bench.shown()) == 6


KINDS = ("groep", "samengestelde_groep", "leerling", "leerkracht")


@FORMATS
def test_who_refuses_to_clear_out_is_not_asked_again_and_a_renewal_ends_the_question(
    make_bench: MakeBench, supplier: str
) -> None:
    """Refused, the supplier keeps what it has, and leavers go; another last day is another question."""
    bench = make_bench(supplier)
    bench.night(SIX)
    bench.agree(valid_until=ENDED)
    bench.night(SIX)
    bench.agree()
    assert (bench.night(SIX).state, bench.ledger.holds(SCHOOL)) == ("unchanged", [])
    bench.agree(valid_until=ENDED)
    bench.night(SIX)
    assert bench.decide("discarded") == ["clear_out"]
    assert (bench.night(SIX).state, bench.ledger.holds(SCHOOL)) == ("blocked", [])
    assert bench.night(school(changed(ROWS, 3, uitstroomdatum="2026-11-02"))).counts["delete"] == 1
    assert len(bench.shown()) == 5
    bench.agree(valid_until=ENDED - timedelta(days=1))
    bench.night(SIX)
    assert bench.decide("approved") == ["clear_out"]
    bench.agree()
    assert bench.night(SIX).counts["delete"] == 0


def test_what_the_supplier_will_not_delete_is_tried_again_without_a_question(make_bench: MakeBench) -> None:
    """The approval is for all of it, until all of it is gone."""
    bench = make_bench(SMALL)
    bench.night(SIX)
    bench.agree(valid_until=ENDED)
    bench.night(SIX)
    bench.decide("approved")
    bench.held.refusals.ids = {next(iter(bench.shown())): "nu niet"}
    assert "1 niet aangenomen" in bench.night(SIX).reason
    assert len(bench.shown()) == 1
    bench.held.refusals.ids = {}
    assert bench.night(SIX).state == "delivered"
    assert (bench.shown(), bench.ledger.holds(SCHOOL)) == ({}, [])


def test_a_clearing_out_that_was_broken_off_and_then_refused_goes_no_further(bench: Bench, clock: Clock) -> None:
    """Nor is the message sent again of which nobody knows whether it arrived."""
    bench.night(SIX)
    bench.agree(valid_until=ENDED)
    bench.night(SIX)
    bench.decide("approved")
    bench.killed(SIX, at=2, after=False)
    left = len(bench.shown())
    clock.forward(minutes=1)
    (approved,) = bench.ledger.holds(SCHOOL, state="approved")
    bench.ledger.decide_hold(str(approved.id), "discarded", "directeur")
    assert bench.night(SIX).state == "blocked"
    assert len(bench.shown()) == left > 0


def test_the_guard_names_its_two_rules(bench: Bench) -> None:
    """A plan that does both tells both."""
    bench.agree(withhold=["roepnaam"])
    bench.night(SIX)
    bench.agree()
    assert {stop.rule for stop in bench.plan(SIX).stops} == {Rule.FIELDS_ADDED}
    bench.agree(valid_until=ENDED)
    assert {stop.rule for stop in bench.plan(SIX).stops} == {Rule.CLEAR_OUT}
