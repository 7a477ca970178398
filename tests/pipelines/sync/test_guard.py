"""The guard: each limit at, just below and just above its bound, and who may do what when."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from mappings.agreement import Stage
from pipelines.sync.guard import History, Rule, Stop, stops
from pipelines.sync.plan import ChangePlan
from tests.pipelines.sync.bench import DAY, SMALL, WIDE, agreement

BEFORE = History(export_size=100, delivered_before=True)


def _plan(
    *changes: tuple[int, str, str],
    known: int = 100,
    kind: str = "leerling",
    field_changes: dict[str, int] | None = None,
) -> ChangePlan:
    """So many changes of this operation and cause, to a supplier with `known` pupils."""
    rows = [(kind, operation, cause) for number, operation, cause in changes for _ in range(number)]
    frame = pd.DataFrame(rows, columns=["kind", "operation", "cause"])
    return ChangePlan(
        SMALL, "99XX-00", frame, 0, 0, {"leerling": known, "groep": 5}, field_changes or {}, frame.iloc[:0]
    )


def _rules(plan: ChangePlan, history: History = BEFORE, size: int = 100, day: date = DAY, **other: Any) -> set[Rule]:
    agreed = agreement(SMALL, **({"limits": {}} | other))
    return {stop.rule for stop in stops(plan, agreed, history, size, day)}


@pytest.mark.parametrize(
    ("number", "known", "stopped"),
    [
        (2, 1000, False),  # below both
        (3, 1000, True),  # at the count
        (2, 101, False),  # 1.98 %
        (2, 100, True),  # 2 %: at the percent
        (1, 51, False),
        (1, 50, True),  # no floor: one may be enough
        (0, 10, False),
    ],
)
def test_unexplained_deletes_stop_at_count_or_percent(number: int, known: int, *, stopped: bool) -> None:
    """3 or 2 %, whichever is reached first; exactly at the bound counts."""
    plan = _plan((number, "delete", "onverklaard"), known=known)
    assert (Rule.UNEXPLAINED_DELETES in _rules(plan)) is stopped


def test_explained_deletes_do_not_count_as_unexplained() -> None:
    """Nine leavers out of a hundred need nobody's permission."""
    assert _rules(_plan((9, "delete", "van_school"))) == set()


@pytest.mark.parametrize(("number", "known", "stopped"), [(9, 100, False), (10, 100, True), (10, 101, False)])
def test_all_deletes_stop_at_ten_percent(number: int, known: int, *, stopped: bool) -> None:
    """Also when every one of them is explained."""
    plan = _plan((number, "delete", "van_school"), known=known)
    assert (Rule.ALL_DELETES in _rules(plan)) is stopped


@pytest.mark.parametrize(
    ("day", "stopped"),
    [
        (date(2026, 7, 14), True),
        (date(2026, 7, 15), False),
        (date(2026, 8, 31), False),
        (date(2026, 9, 15), False),
        (date(2026, 9, 16), True),
    ],
)
def test_the_change_of_school_year_explains_many_deletes(day: date, *, stopped: bool) -> None:
    """From 15 July up to and including 15 September the limit on all deletes rests; the one on unexplained ones does not."""
    signed = {"signed": date(2026, 1, 1)}
    assert (Rule.ALL_DELETES in _rules(_plan((50, "delete", "jaarovergang")), day=day, **signed)) is stopped
    assert Rule.UNEXPLAINED_DELETES in _rules(_plan((3, "delete", "onverklaard")), day=day, **signed)


@pytest.mark.parametrize(("number", "stopped"), [(29, False), (30, True), (31, True)])
def test_one_field_of_thirty_percent_of_the_pupils_stops(number: int, *, stopped: bool) -> None:
    """Of one field; two fields of a fifth each do not add up."""
    plan = _plan((number, "update", "gegevens_gewijzigd"), field_changes={"roepnaam": number, "groep": 20})
    assert (Rule.FIELD_CHANGES in _rules(plan)) is stopped


@pytest.mark.parametrize(("number", "stopped"), [(24, False), (25, True), (26, True)])
def test_many_newcomers_stop_once_there_is_something(number: int, *, stopped: bool) -> None:
    """A quarter of what the supplier has."""
    assert (Rule.CREATES in _rules(_plan((number, "create", "nieuw")))) is stopped


def test_groups_count_for_no_limit_of_persons() -> None:
    """Every group is new in a new school year; that alone asks nobody anything."""
    plan = _plan((50, "create", "nieuw"), (50, "delete", "groep_vervallen"), kind="groep")
    assert _rules(plan) == set()


@pytest.mark.parametrize(
    ("size", "before", "stopped"),
    [(94, 100, True), (95, 100, False), (115, 100, False), (116, 100, True), (949, 1000, True), (1151, 1000, True)],
)
def test_an_export_of_another_size_stops(size: int, before: int, *, stopped: bool) -> None:
    """Under 95 % or over 115 % of the last good one; both bounds themselves are good."""
    plan = _plan((1, "update", "gegevens_gewijzigd"), known=1000)
    assert (Rule.EXPORT_SIZE in _rules(plan, History(before, delivered_before=True), size)) is stopped


def test_without_a_former_export_its_size_says_nothing() -> None:
    """The first export is compared with nothing."""
    plan = _plan((1, "update", "gegevens_gewijzigd"))
    assert _rules(plan, History(None, delivered_before=True), 3) == set()


def test_a_first_delivery_waits_unless_the_agreement_lets_it() -> None:
    """And it is stopped by that alone, not as if a quarter were new."""
    first = History(None, delivered_before=False)
    plan = _plan((100, "create", "nieuw"), known=0)
    assert _rules(plan, first) == {Rule.FIRST_DELIVERY}
    assert _rules(plan, first, limits={"first_delivery": "allow"}) == set()
    (stop,) = stops(plan, agreement(SMALL, limits={}), first, 100, DAY)
    assert stop == Stop("create", "hold", Rule.FIRST_DELIVERY, "Eerste levering: 100 personen en 0 groepen.")


@pytest.mark.parametrize(
    ("stage", "allowed"),
    [
        (Stage.REPORT_ONLY, set()),
        (Stage.CREATE, {"create"}),
        (Stage.CREATE_UPDATE, {"create", "update"}),
        (Stage.FULL, {"create", "update", "delete"}),
    ],
)
def test_a_stage_allows_its_operations_and_no_other(stage: Stage, allowed: set[str]) -> None:
    """What a stage does not allow is blocked, and cannot be approved."""
    plan = _plan((1, "create", "nieuw"), (1, "update", "gegevens_gewijzigd"), (1, "delete", "van_school"))
    found = stops(plan, agreement(SMALL, limits=WIDE, stage=stage), BEFORE, 100, DAY)
    assert {stop.operation for stop in found} == {"create", "update", "delete"} - allowed
    assert {stop.effect for stop in found} <= {"block"}


@pytest.mark.parametrize(
    ("stage", "operation", "advice"),
    [
        (Stage.REPORT_ONLY, "create", "op create, create_update of full om toe te voegen."),
        (Stage.REPORT_ONLY, "update", "op create_update of full om te wijzigen."),
        (Stage.CREATE, "update", "op create_update of full om te wijzigen."),
        (Stage.CREATE, "delete", "op full om te verwijderen."),
        (Stage.CREATE_UPDATE, "delete", "op full om te verwijderen."),
    ],
)
def test_who_is_blocked_by_the_stage_hears_which_stage_lets_it_through(
    stage: Stage, operation: str, advice: str
) -> None:
    """And no other, so that the advice helps the first time that it is followed."""
    (stop,) = stops(_plan((1, operation, "x")), agreement(SMALL, limits=WIDE, stage=stage), BEFORE, 100, DAY)
    assert stop.reason == f"De overeenkomst staat op stage: {stage}. Zet stage in de overeenkomst {advice}"


@pytest.mark.parametrize(
    ("day", "blocked"),
    [
        (date(2026, 7, 31), {"create", "update", "delete"}),
        (date(2026, 8, 1), set()),
        (date(2027, 7, 31), set()),
        (date(2027, 8, 1), {"create"}),
    ],
    ids=["the day before", "the first day", "the last day", "the day after"],
)
def test_before_an_agreement_nothing_goes_and_after_it_nothing_new(day: date, blocked: set[str]) -> None:
    """After its end deletes and corrections go on (design rule 7)."""
    plan = _plan((1, "create", "nieuw"), (1, "update", "gegevens_gewijzigd"), (1, "delete", "van_school"))
    found = stops(plan, agreement(SMALL, limits=WIDE), BEFORE, 100, day)
    assert {stop.operation for stop in found if stop.effect == "block"} == blocked
    assert {stop.rule for stop in found if stop.effect == "hold"} == (
        {Rule.CLEAR_OUT} if day.month == 8 and blocked else set()
    )


@pytest.mark.parametrize(("stage", "effects"), [("full", ["hold"]), ("create_update", ["block", "hold"])])
def test_clearing_out_waits_whatever_the_limits(stage: str, effects: list[str]) -> None:
    """From the day after the last one, for all that the supplier has, and not before the stage lets anything be deleted."""
    agreed, after = agreement(SMALL, limits=WIDE, stage=stage), date(2027, 8, 1)
    found = [stop for stop in stops(_plan(), agreed, BEFORE, 100, after) if stop.operation == "clear_out"]
    assert [stop.effect for stop in found] == effects
    assert "100 personen en 5 groepen" in found[-1].reason
    assert stops(_plan(known=0), agreed, BEFORE, 100, date(2027, 7, 31)) == ()


def test_who_may_clear_out_is_told_that_another_agreement_comes() -> None:
    """In a gap between two agreements clearing out means that everything is sent anew after it."""
    after, begins = date(2027, 8, 1), date(2027, 9, 1)
    (stop,) = stops(_plan(), agreement(SMALL, limits=WIDE), BEFORE, 100, after, begins)
    assert "een volgende overeenkomst gaat in op 01-09-2027" in stop.reason


@pytest.mark.parametrize(("allowed", "rules"), [("hold", {Rule.OLDER_EXPORT}), ("allow", set())])
def test_an_older_export_than_the_last_stops_everything(allowed: str, rules: set[Rule]) -> None:
    """Whoever came, left or was erased since would go back; what a parent asked for goes on."""
    before = History(100, delivered_before=True, newer_export=datetime(2026, 11, 20, 12, tzinfo=UTC))
    plan = _plan((1, "create", "nieuw"), (1, "delete", "bezwaar"))
    found = stops(plan, agreement(SMALL, limits={"older_export": allowed}), before, 100, DAY)
    assert {stop.rule for stop in found} == rules
    assert {stop.operation for stop in found} <= {"create"}
    assert all("20-11-2026 13:00" in stop.reason for stop in found)


def test_an_operation_that_has_no_changes_has_no_stops() -> None:
    """Nothing waits for a person that would do nothing."""
    assert _rules(_plan(), History(1000, delivered_before=True), 3) == set()


def test_every_number_can_be_set_in_the_agreement() -> None:
    """A school may be stricter or wider than the design."""
    plan = _plan((1, "delete", "onverklaard"), known=1000)
    assert _rules(plan, limits={"unexplained_deletes": {"count": 1}}) == {Rule.UNEXPLAINED_DELETES}
    assert _rules(_plan((99, "delete", "onverklaard")), limits=WIDE) == set()
