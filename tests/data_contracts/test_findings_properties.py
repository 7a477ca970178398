"""What holds for any roster, however it is broken."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from datetime import date

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.findings import TableLimits, checked
from data_contracts.roster import Roster

TODAY = date(2026, 11, 24)
MARKER = "MERKTEKEN"
NO_LIMITS = TableLimits(count=10_000, percent=100)
PUPILS = 12
MakeRoster = Callable[[int], Roster]

TARGETS = {
    "leerlingen": (
        range(1, PUPILS),
        ["key", "eckid", "achternaam", "voorvoegsel", "roepnaam", "geboortedatum", "geslacht"],
    ),
    "groepen": (range(4), ["key", "naam", "jaargroep"]),
    "leerkrachten": (range(2), ["key", "achternaam", "roepnaam", "groepen", "rollen"]),
}
"""What may break; the first pupil never does, so that the school goes on."""

MORE = ["jaargroep", "groep", "samengestelde_groepen", "vestiging", "uitstroomdatum", "mutatiedatum"]
VALUES = st.one_of(
    st.none(),
    st.sampled_from(
        ["#1", "leerling-3", "groep-1", "plus-1", "2015-02-30", "1890-01-01", "C", '["plus-0","weg"]', "[]"]
    ),
    st.integers(0, 300).map(lambda length: MARKER + "x" * length),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(lambda text: MARKER + text),
)


@st.composite
def breakages(draw: st.DrawFn) -> tuple[str, int, str, str | None]:
    """A place in a roster and what stands there instead."""
    table = draw(st.sampled_from(sorted(TARGETS)))
    rows, columns = TARGETS[table]
    extra = MORE if table == "leerlingen" else []
    return table, draw(st.sampled_from(list(rows))), draw(st.sampled_from([*columns, *extra])), draw(VALUES)


def broken_roster(make_roster: MakeRoster, places: list[tuple[str, int, str, str | None]]) -> Roster:
    """A roster of which these places are broken."""
    roster = make_roster(PUPILS)
    tables = {name: table.copy() for name, table in roster.tables()}
    for table, row, column, value in places:
        tables[table].loc[row, column] = value
    return Roster(**{name: table.astype("str") for name, table in tables.items()})


def records_of(roster: Roster) -> Counter[tuple[str, str]]:
    """Kind and key of all records, with "" for a key that is absent."""
    return Counter(record for frame in tables_of(roster) for record in rows_of(frame.fillna({"key": ""})))


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple[str, ...]]:
    """Kind, key and these columns of each row."""
    return list(frame[["soort", "key", *columns]].itertuples(index=False, name=None))


def tables_of(roster: Roster) -> list[pd.DataFrame]:
    """The tables of records, each with its kind of record."""
    return [
        roster.groepen,
        roster.leerlingen.assign(soort="leerling"),
        roster.leerkrachten.assign(soort="leerkracht"),
    ]


def changes(before: Roster, after: Roster) -> set[tuple[str, ...]]:
    """Kind, key and field of each value that is not what it was, of the records that are left."""
    found: set[tuple[str, ...]] = set()
    for old, new in zip(tables_of(before), tables_of(after), strict=True):
        was = old.drop_duplicates("key").set_index("key", drop=False).reindex(new["key"]).reset_index(drop=True)
        differs = (new != was) & ~(new.isna() & was.isna())
        for field in new.columns:
            found |= {(*record, field) for record in rows_of(new[differs[field]])}
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(breakages(), max_size=12))
def test_nothing_is_lost_told_or_changed_unasked(
    make_roster: MakeRoster, places: list[tuple[str, int, str, str | None]]
) -> None:
    """Kept and quarantined records are those that came in; only values with a finding changed; no finding holds a value."""
    roster = broken_roster(make_roster, places)
    result = checked(roster, TODAY, NO_LIMITS)
    assert records_of(result.roster) + Counter(rows_of(result.quarantined)) == records_of(roster)

    kept_out = set(rows_of(result.quarantined))
    kept = {row for row in rows_of(result.findings, "veld", "gevolg") if row[:2] not in kept_out}
    assert kept == {(*change, "waarde") for change in changes(roster, result.roster)}

    told = result.findings.drop(columns="key").to_csv()
    assert MARKER not in told
    assert not result.findings[["veld", "regel", "gevolg", "soort"]].isna().any(axis=None)


@settings(max_examples=10, deadline=None)
@given(st.lists(breakages(), max_size=12))
def test_what_is_left_is_clean(make_roster: MakeRoster, places: list[tuple[str, int, str, str | None]]) -> None:
    """Checked again, the roster that is left has no fault, except that it may refer to a group in quarantine."""
    left = checked(broken_roster(make_roster, places), TODAY, NO_LIMITS)
    groups = make_roster(PUPILS).groepen
    whole = dataclasses.replace(left.roster, groepen=groups)
    faults = checked(whole, TODAY, NO_LIMITS).findings
    moved = left.quarantined["soort"].isin(["groep", "samengestelde_groep"]).any() or len(
        set(left.roster.groepen["key"]) - set(groups["key"])
    )
    assert faults.empty or (moved and set(faults["regel"]) == {"verwijzing"})
