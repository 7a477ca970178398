"""The change plan: which record is created, updated or deleted, and why."""

import gc
import weakref
from dataclasses import dataclass, replace
from functools import cache

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.fields import Record
from data_contracts.findings import TableLimits, checked
from data_contracts.roster import Roster
from pipelines.keys import Keys
from pipelines.sync.case import planned
from pipelines.sync.compare import Known, compared
from pipelines.sync.plan import ChangePlan, change_plan
from tests.pipelines.sync.bench import (
    DAY,
    GROUPS,
    LVS,
    SCHOOL,
    SMALL,
    TEACHERS,
    Bench,
    Row,
    agreement,
    changed,
    eck,
    fields_of,
    judged,
    projected,
    pupil,
    pupils,
    school,
    told,
)
from tests.pipelines.sync.conftest import MakeBench

KEYS = Keys(b"e" * 32, b"v" * 32)
ROWS = pupils(6)


def test_a_new_school_is_all_creates_and_a_delivered_one_is_unchanged(bench: Bench) -> None:
    """Counts are of all kinds of record together."""
    roster = school(ROWS)
    assert bench.plan(roster).plan.counts == {"create": 10, "update": 0, "delete": 0, "unchanged": 0, "quarantined": 0}
    assert {cause for *_, cause, _ in told(bench.plan(roster))} == {"nieuw"}
    bench.night(roster)
    assert bench.plan(roster).plan.counts == {"create": 0, "update": 0, "delete": 0, "unchanged": 10, "quarantined": 0}


def test_a_plan_is_gone_as_soon_as_nobody_has_it(bench: Bench) -> None:
    """Python looks for circles rarely during a run; the plans of all suppliers would add up until it does."""
    planned = bench.plan(school(ROWS))
    assert planned.digest
    plan = weakref.ref(planned.plan)
    gc.disable()
    try:
        del planned
        assert plan() is None
    finally:
        gc.enable()


@dataclass(frozen=True)
class Change:
    """What happens at school between two nights, and what the plan says of pupil 2."""

    rows: list[Row]
    told: tuple[str, str, str]


CHANGES = {
    "a corrected name": Change(changed(ROWS, 2, roepnaam="Anders"), ("update", "gegevens_gewijzigd", "roepnaam")),
    "a name taken away": Change(changed(ROWS, 2, achternaam=None), ("update", "gegevens_gewijzigd", "achternaam")),
    "another group": Change(
        changed(ROWS, 2, groep="g45", jaargroep="4"), ("update", "andere_groep", "jaargroep,groep")
    ),
    "another group and name": Change(
        changed(ROWS, 2, groep="g45", roepnaam="Anders"), ("update", "gegevens_gewijzigd", "roepnaam,groep")
    ),
    "left, still listed": Change(changed(ROWS, 2, uitstroomdatum="2026-11-01"), ("delete", "van_school", "")),
    "left, as history": Change(changed(ROWS, 2, jaargroep="H"), ("delete", "van_school", "")),
    "no longer listed": Change([row for row in ROWS if row["key"] != "2"], ("delete", "onverklaard", "")),
    "the eckid gone": Change(changed(ROWS, 2, eckid=None), ("update", "nieuwe_sleutel", "id,key,eckid")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_has_its_cause_and_its_fields(bench: Bench, name: str) -> None:
    """One thing that happens to one pupil is one change with its cause."""
    bench.night(school(ROWS))
    change = CHANGES[name]
    found = [(o, c, f) for kind, key, o, c, f in told(bench.plan(school(change.rows))) if kind == "leerling"]
    assert found == [change.told]


def test_out_of_scope_is_a_cause_of_its_own(bench: Bench) -> None:
    """An agreement for fewer year groups removes the others, and says so."""
    rows = [*ROWS, pupil(9, groep="g45", jaargroep="4")]
    bench.night(school(rows))
    bench.agree(scope={"jaargroepen": ["3"]})
    plan = told(bench.plan(school(rows)))
    assert ("leerling", None, "delete", "buiten_bereik", "") in plan
    assert ("groep", None, "delete", "groep_vervallen", "") in plan
    assert len(plan) == 2


def test_a_teacher_without_these_pupils_is_out_of_scope(bench: Bench) -> None:
    """Nobody teaches the plusklas of this supplier any more: its teacher goes, explained."""
    bench.night(school(ROWS))
    plan = told(bench.plan(school(changed(ROWS, 1, samengestelde_groepen=None))))
    assert ("leerkracht", None, "delete", "buiten_bereik", "") in plan
    assert ("samengestelde_groep", None, "delete", "groep_vervallen", "") in plan


def test_a_withdrawn_field_is_an_update_that_clears(make_bench: MakeBench) -> None:
    """A field that may no longer be given is cleared at the supplier, for every record that had a value."""
    bench = make_bench(LVS)
    rows = changed(ROWS, 3, geslacht=None)
    bench.night(school(rows))
    bench.agree(withhold=["geslacht"])
    plan = bench.plan(school(rows))
    assert told(plan) == {("leerling", str(n), "update", "veld_ingetrokken", "geslacht") for n in range(1, 7) if n != 3}
    assert plan.plan.field_changes == {}
    bench.night(school(rows))
    assert all("geslacht" not in record for record in bench.shown().values() if record["eckid"] != eck(3))
    assert bench.plan(school(rows)).plan.changes.empty


def test_a_withdrawn_field_and_a_correction_is_a_correction(make_bench: MakeBench) -> None:
    """What only the withdrawal explains is told apart from what ParnasSys changed."""
    bench = make_bench(LVS)
    bench.night(school(ROWS))
    bench.agree(withhold=["geslacht"])
    plan = told(bench.plan(school(changed(ROWS, 2, roepnaam="Anders"))))
    assert ("leerling", "2", "update", "gegevens_gewijzigd", "roepnaam,geslacht") in plan


def test_an_added_field_is_told_as_such(make_bench: MakeBench) -> None:
    """A field that may be given from now on is an update of everyone who has a value for it."""
    bench = make_bench(LVS)
    bench.agree(withhold=["geslacht"])
    bench.night(school(ROWS))
    bench.agree()
    bench.night(school(ROWS))
    bench.decide("approved")
    assert told(bench.plan(school(ROWS))) == {
        ("leerling", str(n), "update", "veld_toegevoegd", "geslacht") for n in range(1, 7)
    }


def test_half_delivered_field_sets_stand_side_by_side(make_bench: MakeBench) -> None:
    """Where some pupils still stand under the former field set, each is compared with his own."""
    bench = make_bench(LVS)
    bench.night(school(ROWS))
    bench.agree(withhold=["geslacht"])
    bench.held.refusals.ids[eck(4)] = "nu niet"
    bench.night(school(ROWS))
    assert told(bench.plan(school(ROWS))) == {("leerling", "4", "update", "veld_ingetrokken", "geslacht")}


def test_a_new_school_year_explains_moves_and_leavers(bench: Bench) -> None:
    """In the first export of a new school year, a pupil who moves up or is gone needs no other explanation."""
    bench.night(school(ROWS))
    bench.schooljaar = "2027-2028"
    up = [{**row, "groep": "g45", "jaargroep": "4", "samengestelde_groepen": None} for row in ROWS[1:]]
    plan = told(bench.plan(school(up)))
    assert ("leerling", "2", "update", "jaarovergang", "jaargroep,groep") in plan
    assert ("leerling", None, "delete", "jaarovergang", "") in plan
    assert bench.plan(school(up)).plan.field_changes == {}
    bench.night(school(up))
    assert [c for *_, c, _ in told(bench.plan(school(up[1:]))) if c != "groep_vervallen"] == ["onverklaard"]


def test_a_quarantined_pupil_is_neither_changed_nor_deleted(bench: Bench) -> None:
    """He keeps his last good state, and so do his group and its teachers."""
    rows = [*pupils(30), pupil(31, groep="g45", jaargroep="4")]
    bench.night(school(rows))
    broken = changed(rows, 31, roepnaam=None, achternaam=None)
    plan = bench.plan(school(broken))
    assert plan.plan.changes.empty
    assert plan.plan.counts["quarantined"] == 1
    assert plan.plan.lingering["kind"].tolist() == ["leerling"]


def test_a_kind_that_is_given_no_more_goes_whatever_the_export_leaves_open(bench: Bench) -> None:
    """A pupil in quarantine keeps his group in the set, not in an agreement that has no groups any more; nobody is asked."""
    rows = [*pupils(30), pupil(31, groep="g45", jaargroep="4")]
    bench.night(school(rows))
    data, agreed = judged(school(changed(rows, 31, roepnaam=None, achternaam=None))), fields_of(bench.agreed)
    narrower = projected(data, bench.agreed, fields=agreed.without(agreed.of(Record.GROEP), "proef"))
    plan = planned(bench.case(data), narrower, data.quarantined)
    assert told(plan) == {("groep", None, "delete", "veld_ingetrokken", "")}
    assert len(plan.going) == len(bench.shown("groep")) == plan.plan.known[Record.GROEP]
    assert plan.plan.may_wait.changes.empty


def test_a_pupil_without_key_keeps_all_pupils(bench: Bench) -> None:
    """He could be any of those who are missing; the one who has left for certain does go."""
    rows = pupils(30)
    bench.night(school(rows))
    now = [{**pupil(99), "key": None}, *changed(rows[:29], 3, uitstroomdatum="2026-11-01")]
    assert told(bench.plan(school(now))) == {("leerling", None, "delete", "van_school", "")}


@pytest.mark.parametrize("zero", ["ref", "fingerprint"])
def test_what_ends_in_zero_bytes_is_compared_whole(zero: str) -> None:
    """Names of records and fingerprints that end in zeros are not taken for each other, nor for absent."""
    wanted = projected(checked(school(ROWS), DAY), agreement(SMALL))
    key = _key_with_a_zero_at_the_end()
    frame = wanted.records[Record.LEERLING].rename(index={"2": key})
    wanted = replace(wanted, records={Record.LEERLING: frame})
    fields = {1: fields_of(agreement(SMALL)).in_order}
    nothing = _state([], [])
    first = compared(Record.LEERLING, wanted, nothing, fields, KEYS, new_year=False).upserts
    state = _state(first["ref"].tolist(), first["fingerprint"].tolist())
    if zero == "fingerprint":
        state.loc[1, "fingerprint"] = state.loc[1, "fingerprint"][:-8] + bytes(8)
    again = compared(Record.LEERLING, wanted, state, fields, KEYS, new_year=False)
    assert again.upserts["changed_fields"].tolist() == ([] if zero == "ref" else ["samengestelde_groepen"])
    assert again.deletes.empty
    shortened = _state([ref.rstrip(b"\0") for ref in state["ref"]], state["fingerprint"].tolist())
    other = compared(Record.LEERLING, wanted, shortened, fields, KEYS, new_year=False)
    assert (len(other.deletes), other.upserts["operation"].eq("create").sum()) == (1, 1)


def _key_with_a_zero_at_the_end() -> str:
    prefix = f"{SCHOOL}\0leerling\0".encode()
    return next(str(n) for n in range(100, 10_000) if KEYS.mac(prefix + str(n).encode()).endswith(b"\0"))


def _state(refs: list[bytes], prints: list[bytes]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "record_id": pd.Series(range(len(refs)), dtype="int64"),
            "kind": pd.Series(["leerling"] * len(refs), dtype="str"),
            "ref": pd.Series(refs, dtype=object),
            "fingerprint": pd.Series(prints, dtype=object),
            "field_set_id": pd.Series([1] * len(refs), dtype="int64"),
        }
    )


def _first_plan(roster: Roster) -> ChangePlan:
    data = checked(roster, DAY)
    return change_plan(projected(data, agreement(SMALL)), NOTHING, data.quarantined, "2026-2027", KEYS)


def test_a_digest_follows_content_and_not_order() -> None:
    """The same changes in another order are the same plan."""
    one, other = _first_plan(school(ROWS)), _first_plan(school(ROWS[::-1]))
    assert one.changes["key"].tolist() != other.changes["key"].tolist()
    assert one.digest(["create"]) == other.digest(["create"])


@pytest.mark.parametrize(
    "rows",
    [changed(ROWS, 2, roepnaam="Anders"), ROWS[:-1], [*ROWS, pupil(7)], changed(ROWS, 2, key="22")],
    ids=["other value", "one fewer", "one more", "other key"],
)
def test_any_other_change_is_another_digest(rows: list[Row]) -> None:
    """A person who approved the one has not approved the other."""
    assert _first_plan(school(ROWS)).digest(["create"]) != _first_plan(school(rows)).digest(["create"])


def test_a_digest_is_of_its_operations_supplier_and_school() -> None:
    """Approving creations approves no deletions, and nothing elsewhere."""
    plan = _first_plan(school(ROWS))
    digests = {
        plan.digest(["create"]),
        plan.digest(["delete"]),
        plan.digest(["create", "delete"]),
        replace(plan, supplier=LVS).digest(["create"]),
        replace(plan, school="99XX-01").digest(["create"]),
    }
    assert len(digests) == 5
    assert plan.digest(["create", "delete"]) == plan.digest(["delete", "create"])


BREAKS = {
    "name": {"roepnaam": None, "achternaam": None},
    "key": {"key": None},
    "dummy": {"key": "#1"},
    "group": {"groep": "bestaat-niet"},
    "last day": {"uitstroomdatum": "2026-02-31"},
    "extra groups": {"samengestelde_groepen": '["plus","bestaat-niet"]'},
    "year": {"jaargroep": "99"},
    "double": {"key": "1"},
    "sex": {"geslacht": "7"},
}
NAMELESS = {"key", "dummy", "double"}
"""After these the export no longer says whose record it is."""
BEFORE = [
    *(pupil(n, samengestelde_groepen='["plus"]' if n % 3 else None) for n in range(1, 6)),
    *(pupil(n, groep="g45", jaargroep="4") for n in range(6, 9)),
]
NUMBERS = st.integers(1, 8)
LENIENT = TableLimits(count=100, percent=100)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    broken=st.dictionaries(NUMBERS, st.sampled_from(sorted(BREAKS)), max_size=3),
    missing=st.sets(NUMBERS, max_size=3),
    left=st.sets(NUMBERS, max_size=3),
    broken_group=st.none() | st.sampled_from([0, 1, 3]),
)
def test_what_is_broken_changes_no_delete_of_another(
    broken: dict[int, str], missing: set[int], left: set[int], broken_group: int | None
) -> None:
    """For any broken export, set beside the same export repaired:

    - it never deletes what the repaired one would not delete;
    - as long as every record still says whose it is, the deletes of pupils are equal, but for those whose own record is
      broken: they wait;
    - where nothing is broken but values that say nothing of who is there, all deletes of all kinds are equal.

    Where a record does not say whose it is, it may be anybody's, so that nobody of its kind may be taken for absent.
    """
    whole = [
        {**row, "uitstroomdatum": "2026-11-01"} if int(row["key"] or 0) in left else row
        for row in BEFORE
        if int(row["key"] or 0) not in missing
    ]
    if not whole:
        return
    torn = [{**row, **BREAKS.get(broken.get(int(row["key"] or 0), ""), {})} for row in whole]
    if all(int(row["key"] or 0) in broken for row in whole):
        return
    groups = [{**g, "naam": None} if i == broken_group else g for i, g in enumerate(GROUPS)]
    repaired, found = _deletes(whole, GROUPS), _deletes(torn, groups)
    assert found <= repaired
    here = {broken[n] for n in broken.keys() - missing}
    waiting = {("leerling", str(n)) for n in broken}
    if not here & NAMELESS:
        assert _pupils_of(found) - waiting == _pupils_of(repaired) - waiting
    if here <= {"sex"} and broken_group is None:
        assert found == repaired


def _pupils_of(deletes: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {name for name in deletes if name[0] == "leerling"}


NOTHING = Known(_state([], []), {}, lambda _: {}, None)


@cache
def _delivered() -> tuple[Known, dict[bytes, tuple[str, str]]]:
    """What the supplier has once it got `BEFORE`, and the kind and key of each record by ref."""
    data = checked(school(BEFORE), DAY, LENIENT)
    first = change_plan(projected(data, agreement(SMALL)), NOTHING, data.quarantined, "2026-2027", KEYS).changes
    state = _state(first["ref"].tolist(), first["fingerprint"].tolist()).assign(kind=first["kind"].astype("str"))
    names = dict(zip(first["ref"], zip(first["kind"], first["key"], strict=True), strict=True))
    return Known(state, {1: fields_of(agreement(SMALL)).in_order}, lambda _: {}, "2026-2027"), names


def _deletes(rows: list[Row], groups: list[Row]) -> set[tuple[str, str]]:
    """The kind and key of what would be deleted, when the supplier has `BEFORE`."""
    known, names = _delivered()
    now = checked(school(rows, groups, TEACHERS), DAY, LENIENT)
    plan = change_plan(projected(now, agreement(SMALL)), known, now.quarantined, "2026-2027", KEYS)
    return {names[ref] for ref in plan.of("delete")["ref"]}
