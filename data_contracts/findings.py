"""Broken contracts as findings that a school can act on, and the roster that is left: the only caller of pandera's `validate`.

pandera's own exception carries the values of a record. It is caught here and never escapes (design rule 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandera.config import ValidationDepth, config_context

from data_contracts.contracts import Known, known_from, list_rules, mended, table_fields, table_schema
from data_contracts.fields import Field, Record
from data_contracts.roster import Roster
from data_contracts.rules import Rule, explanation

__all__ = ["LIMITS", "Break", "BrokenTable", "Checked", "TableLimits", "breaks", "checked", "explanation"]

PUPILS = Record.LEERLING.table


@dataclass(frozen=True, slots=True)
class TableLimits:
    """How much of the table of pupils may be broken before the school stops.

    It stops at `count` quarantined records, or above `percent`. One record alone never stops a school by percent: in a
    school of under twenty pupils a single one is over 5 %.
    """

    count: int = 10
    percent: float = 5.0

    def passed(self, quarantined: int, total: int) -> bool:
        """Whether `quarantined` of `total` pupils is too many."""
        return quarantined >= self.count or (quarantined > 1 and 100 * quarantined > self.percent * total)


LIMITS = TableLimits()


class BrokenTable(Exception):  # noqa: N818  a state of the export, named as the design names it
    """A table with too much broken in it: the school stops, its last good state stays.

    `code` is `kolom_ontbreekt`, `tabel_onleesbaar`, `school_onbruikbaar`, `geen_leerlingen` or `te_veel_fouten`; `message` and
    `action` are Dutch; `counts` holds numbers of records; `findings` is as in `Checked`. Neither text holds a value.
    """

    def __init__(
        self,
        code: str,
        message: str,
        action: str,
        counts: Mapping[str, int] | None = None,
        findings: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(f"{message} {action}")
        self.code = code
        self.message = message
        self.action = action
        self.counts = dict(counts or {})
        self.findings = _findings([]) if findings is None else findings


@dataclass(frozen=True, slots=True)
class Checked:
    """A roster of which every record holds to its contract, and what was taken out of it.

    `quarantined` has the columns soort, key ("" where there is none), groep (of a pupil: the key that was read), eckid (if read).
    `findings` has soort, key, veld, regel, gevolg: `record` (the record is in quarantine) or `waarde` (the value, or what
    was wrong in a list, is taken out). All text. A group in quarantine is gone from `roster.groepen`, but its pupils go on
    referring to it.
    """

    roster: Roster = field(repr=False)
    quarantined: pd.DataFrame = field(repr=False)
    findings: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class Break:
    """One rule that is broken in one column. `rows` are positions; none at all means the column as a whole."""

    column: str
    rule: str
    rows: npt.NDArray[np.intp] = field(repr=False)

    @property
    def whole(self) -> bool:
        """Whether the column itself is wrong, rather than some of its rows."""
        return len(self.rows) == 0


def checked(
    roster: Roster, reference_date: date, limits: TableLimits = LIMITS, read: frozenset[str] | None = None
) -> Checked:
    """Judge every record of a roster on the fields that were read (ids; None for all its columns); a clean one stays as it is.

    Raises:
        BrokenTable: a table cannot be used at all, or too many of its pupils cannot.
    """
    _refuse_without_keys(roster)
    roster = Roster(**{name: _numbered(table) for name, table in roster.tables()}) if _unnumbered(roster) else roster
    known = known_from(roster, reference_date, read)
    found = {name: breaks(table, table_schema(name, table.columns, known)) for name, table in roster.tables()}
    if any(found.values()):
        result = _without_broken(roster, found, known)
    else:
        result = Checked(roster, _quarantined([]), _findings([]))
    _refuse_broken(result, len(roster.leerlingen), limits)
    return result


def breaks(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> list[Break]:
    """Which rules of `schema` are broken where in `frame`, whose index counts from 0; no value is looked at.

    pandera can be switched off by environment variables; here it is always on.
    """
    errors: list[Any] = []
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as broken:
            errors = [(error.check, error.schema.name, error.check_output) for error in broken.schema_errors]
    return [_break(*error) for error in errors]


# From pandera's errors to findings


def _break(check: Any, column: Any, output: Any) -> Break:
    """`output` is a check's answer for the rows it saw, or no such thing where it failed on the whole column."""
    name = str(check.name) if isinstance(check, pa.Check) else f"{column or ''}:{check}"
    column, _, rule = name.partition(":")
    rows = output.index[~output.to_numpy(dtype=bool)] if isinstance(output, pd.Series) else pd.RangeIndex(0)
    return Break(column, rule, rows.to_numpy())


def _consequence(fields: Mapping[str, Field], broken: Break) -> str:
    of_record = fields[broken.column].required or broken.rule == Rule.NAMED
    return "record" if of_record else "waarde"


def _findings_of(name: str, table: pd.DataFrame, found: list[Break]) -> pd.DataFrame:
    """The findings of one table, in the order of its records, with the position of each as index."""
    fields = {f.name: f for f in table_fields(name)}
    parts = [
        pd.DataFrame(
            {
                "soort": _kinds(name, table).iloc[broken.rows],
                "key": _keys(table).iloc[broken.rows],
                "veld": broken.column,
                "regel": str(broken.rule),
                "gevolg": _consequence(fields, broken),
            }
        )
        for broken in found
    ]
    return _findings(parts).sort_index(kind="stable")


def _without_broken(roster: Roster, found: dict[str, list[Break]], known: Known) -> Checked:
    findings, quarantined, tables = [], [], {}
    for name, table in roster.tables():
        _refuse_unreadable(name, found[name])
        tables[name] = table
        if not found[name]:
            continue
        here = _findings_of(name, table, found[name])
        out = here.index[here["gevolg"] == "record"].unique()
        findings.append(here)
        quarantined.append(_quarantine_of(name, table.loc[out]))
        tables[name] = _repaired(name, table, found[name], known).drop(index=out).reset_index(drop=True)
    return Checked(Roster(**tables), _quarantined(quarantined), _findings(findings).reset_index(drop=True))


def _repaired(name: str, table: pd.DataFrame, found: list[Break], known: Known) -> pd.DataFrame:
    """The table without broken optional values; of a list only what is wrong in it goes."""
    fields = {f.name: f for f in table_fields(name)}
    columns: dict[str, pd.Series] = {}
    for broken in found:
        if _consequence(fields, broken) == "record" or broken.whole:
            continue
        values = columns.get(broken.column, table[broken.column]).copy()
        keep = list_rules(fields[broken.column].id, known).get(Rule(broken.rule))
        values.iloc[broken.rows] = mended(values.iloc[broken.rows], keep) if keep else np.nan
        columns[broken.column] = values
    return table.assign(**columns)


def _quarantine_of(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    nothing = pd.Series(np.nan, index=rows.index)
    groep = rows["groep"] if name == PUPILS and "groep" in rows else nothing
    return pd.DataFrame(
        {"soort": _kinds(name, rows), "key": _keys(rows), "groep": groep, "eckid": rows.get("eckid", nothing)}
    )


def _kinds(name: str, table: pd.DataFrame) -> pd.Series:
    """The kind of record of each row."""
    if "soort" in table:
        return table["soort"]
    kind = next(kind for kind in Record if kind.table == name)
    return pd.Series(str(kind), index=table.index)


def _keys(table: pd.DataFrame) -> pd.Series:
    return table["key"].fillna("") if "key" in table else pd.Series("", index=table.index)


def _findings(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return _text_frame(parts, ["soort", "key", "veld", "regel", "gevolg"])


def _quarantined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return _text_frame(parts, ["soort", "key", "groep", "eckid"]).reset_index(drop=True)


def _text_frame(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(columns=columns, dtype="str"), *(part.astype("str") for part in parts)])


def _unnumbered(roster: Roster) -> bool:
    return any(not table.index.equals(pd.RangeIndex(len(table))) for _, table in roster.tables())


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(drop=True)


# What stops a school

TO_THE_MAINTAINER = "Er is niets verstuurd. Geef deze melding door aan wie Doorgeefluik beheert."
TO_PARNASSYS = "Er is niets verstuurd. Verbeter de bevindingen in ParnasSys en maak daarna een nieuwe export."


def _refuse_without_keys(roster: Roster) -> None:
    for name, table in roster.tables():
        needed = {"school": [], "groepen": ["soort", "key"]}.get(name, ["key"])
        for column in needed:
            if column not in table:
                raise BrokenTable(
                    "kolom_ontbreekt",
                    f"In de tabel {name} ontbreekt de kolom {column}.",
                    TO_THE_MAINTAINER,
                    {name: len(table)},
                )


def _refuse_unreadable(name: str, found: list[Break]) -> None:
    columns = sorted({broken.column for broken in found if broken.whole})
    if columns:
        raise BrokenTable(
            "tabel_onleesbaar",
            f"In de tabel {name} is een kolom niet te controleren: {', '.join(columns)}.",
            TO_THE_MAINTAINER,
        )


def _refuse_broken(result: Checked, total: int, limits: TableLimits) -> None:
    """Nothing is concluded from an export of which too much is broken (design rule 10)."""
    kinds = result.quarantined["soort"]
    out = int((kinds == Record.LEERLING).sum())
    counts = {"leerlingen": total, "quarantaine": out}
    if (kinds == Record.SCHOOL).any():
        raise BrokenTable(
            "school_onbruikbaar", "De gegevens van de school zelf kloppen niet.", TO_PARNASSYS, counts, result.findings
        )
    if out == total:
        raise BrokenTable(
            "geen_leerlingen", "Er blijft geen bruikbare leerling over.", TO_PARNASSYS, counts, result.findings
        )
    if limits.passed(out, total):
        message = f"Van de {total} leerlingen zijn er {out} niet te gebruiken. Dat is te veel om mee door te gaan."
        raise BrokenTable("te_veel_fouten", message, TO_PARNASSYS, counts, result.findings)
