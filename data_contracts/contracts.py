"""The contracts of the four roster tables: pandera schemas made from the field catalogue, and the rules they are made of.

Nothing is validated here (only `findings.py` does that), and no rule is put into words here (`rules.py`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import inf
from typing import Any

import pandas as pd
import pandera.pandas as pa

from data_contracts.fields import CATALOGUE, ROLLEN, Field, Kind, Record
from data_contracts.roster import Roster
from data_contracts.rules import Rule

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DATE + r"T(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|24:00:00)(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?"
EARLIEST = "1900-01-01"
YOUNGEST, OLDEST = 2, 21
"""Age in years of a pupil on the reference date."""

Keep = Callable[[Any], Any]
"""An element of a list as it may stay; None where it may not."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the rules of one roster look things up in. `vestigingen` is None where they were not read; so are `leerjaren`,
    the groups that tell the year group of who is in them.

    `read` has the ids of the fields that were read, None for all: both kinds of group share their columns.
    """

    reference_date: date
    groepen: frozenset[str]
    samengestelde_groepen: frozenset[str]
    vestigingen: frozenset[str] | None
    read: frozenset[str] | None = None
    leerjaren: frozenset[str] | None = None


def known_from(roster: Roster, reference_date: date, read: frozenset[str] | None = None) -> Known:
    """The keys that a record of this roster may refer to, those of broken groups included: they do exist."""
    keys = roster.groepen["key"].dropna()
    soort = roster.groepen["soort"]
    return Known(
        reference_date,
        frozenset(keys[soort == Record.GROEP]),
        frozenset(keys[soort == Record.SAMENGESTELDE_GROEP]),
        _keys_of_locations(roster),
        read,
        _groups_of_one_year(roster),
    )


def table_schema(table: str, columns: Iterable[str], known: Known) -> pa.DataFrameSchema:
    """The contract of one roster table, for the columns that were read.

    Each check is named `veld:regel` and answers with one truth value a row (absent values left out), so that a broken
    one can be told without its value.
    """
    fields = [f for f in table_fields(table) if f.name in set(columns)]
    return pa.DataFrameSchema(
        {f.name: text_column(f.name, _field_checks(f, known)) for f in fields},
        checks=_row_checks(table, fields, known),
    )


def table_fields(table: str) -> list[Field]:
    """The fields of a roster table, each column once; both kinds of group share theirs."""
    fields = {f.name: f for f in CATALOGUE.values() if f.record.table == table}
    return list(fields.values())


def text_column(name: str, checks: Iterable[pa.Check] = ()) -> pa.Column:
    """A column of pandas `str` values that may be absent.

    A check of our own tells so: pandera's lets a column of objects pass for text, and takes longer than all others together.
    """
    text = named(name, "tekst", lambda values: values.dtype == "str", ignore_na=False)
    return pa.Column(None, [text, *checks], nullable=True)


def named(field: str, rule: str, passes: Callable[[Any], Any], *, ignore_na: bool = True) -> pa.Check:
    """A check over a whole column, or over a whole table, that tells which rule of which field it guards."""
    return pa.Check(passes, name=f"{field}:{rule}", ignore_na=ignore_na)


def key_checks(field: str) -> list[pa.Check]:
    """Present and unique within its table."""
    return [
        named(field, Rule.REQUIRED, pd.Series.notna, ignore_na=False),
        named(field, Rule.UNIQUE, _unique),
    ]


def list_rules(field_id: str, known: Known) -> dict[Rule, Keep]:
    """What may stand in a list, by rule; empty for a list that is not judged."""
    rules: dict[str, dict[Rule, Keep]] = {
        "leerling.samengestelde_groepen": {Rule.REFERENCE: partial(_known_key, known.samengestelde_groepen)},
        "leerkracht.groepen": {Rule.REFERENCE: partial(_known_group, known), Rule.ROLE: _group_with_roles},
        "leerkracht.rollen": {Rule.ROLE: _known_role},
    }
    return rules.get(field_id, {})


def mended(values: pd.Series, keep: Keep) -> pd.Series:
    """JSON lists without the elements that may not stand; NaN where none stays or the text is no list. Others unchanged."""
    texts = {text: _mended_text(text, keep) for text in values.dropna().unique()}
    return values.map(texts).astype("str")


# How each field is judged


def _field_checks(field: Field, known: Known) -> list[pa.Check]:
    checks = key_checks("key") if field.name == "key" else []
    if field.max_length is not None:
        checks.append(pa.Check.str_length(max_value=field.max_length, name=f"{field.name}:{Rule.LENGTH}"))
    if (allowed := field.values) is not None:  # noqa: PD011  a field of ours, not a frame
        checks.append(named(field.name, Rule.VALUES, partial(_is_in, allowed)))
    if field.pattern is not None:
        checks.append(named(field.name, Rule.PATTERN, partial(_matches, field.pattern)))
    rules = _kind_rules(field, known) | _own_rules(field, known)
    return [*checks, *(named(field.name, rule, passes) for rule, passes in rules.items())]


def _kind_rules(field: Field, known: Known) -> dict[Rule, Callable[[pd.Series], pd.Series]]:
    """What a field of this kind must be."""
    if field.kind is Kind.DATE:
        if field.name == "geboortedatum":
            return {Rule.DATE: _real_date, Rule.AGE: partial(_between, *_birth_dates(known.reference_date))}
        latest = pd.Timestamp(known.reference_date) + pd.DateOffset(years=2)
        return {Rule.DATE: _real_date, Rule.PLAUSIBLE: partial(_between, EARLIEST, f"{latest:%Y-%m-%d}")}
    if field.kind is Kind.MOMENT:
        return {Rule.MOMENT: _real_moment}
    if field.kind is Kind.LIST:
        return {rule: partial(_nothing_to_mend, keep) for rule, keep in list_rules(field.id, known).items()}
    return {}


def _own_rules(field: Field, known: Known) -> dict[Rule, Callable[[pd.Series], pd.Series]]:
    """What only this field must be."""
    match field.name:
        case "key":
            return {Rule.DUMMY: _no_dummy}
        case "eckid":
            return {Rule.UNIQUE: _unique, Rule.PILOT: _no_pilot, Rule.URL: partial(_matches, r"(?i:https?)://\S+")}
        case "groep":
            return {Rule.REFERENCE: partial(_is_in, known.groepen)}
        case "vestiging":
            there = _no_dummy if known.vestigingen is None else partial(_is_in, known.vestigingen)
            return {Rule.REFERENCE: there}
        case "jaargroep" if field.record is Record.LEERLING:
            return {Rule.COMBINATION: _no_combination}
        case _:
            return {}


def _row_checks(table: str, fields: list[Field], known: Known) -> list[pa.Check]:
    """Rules that need more than one column: a name of some kind, a year group, and what only one kind of group must have."""
    read, ids = {f.name: f for f in fields}, known.read
    checks = []
    if {"achternaam", "roepnaam"} <= read.keys():
        names = [read["achternaam"], read["roepnaam"]]
        checks.append(named("achternaam", Rule.NAMED, partial(_has_name, names), ignore_na=False))
    if table == Record.LEERLING.table and {"jaargroep", "groep"} <= read.keys() and known.leerjaren is not None:
        passes = partial(_has_year_group, known.leerjaren)
        checks.append(named("jaargroep", Rule.YEAR_GROUP, passes, ignore_na=False))
    for name in read:
        same = [f for f in CATALOGUE.values() if f.record.table == table and f.name == name and f.required]
        kinds = [f.record for f in same if ids is None or f.id in ids]
        if kinds and name != "key":
            checks.append(named(name, Rule.REQUIRED, partial(_filled, name, kinds), ignore_na=False))
    return checks


# The rules: whole columns in, one truth value a row out


def _unique(values: pd.Series) -> pd.Series:
    return ~values.duplicated(keep=False)


def _is_in(allowed: frozenset[str], values: pd.Series) -> pd.Series:
    return values.isin(allowed)


def _matches(pattern: str, values: pd.Series) -> pd.Series:
    return values.str.fullmatch(pattern)


def _no_dummy(values: pd.Series) -> pd.Series:
    """EDEXML guide: a key that begins with # is not stable; never match on it."""
    return ~values.str.startswith("#")


def _no_pilot(values: pd.Series) -> pd.Series:
    """Nummervoorziening: `/pilot/` and `/sppilot/` are for trials only."""
    return ~values.str.contains(r"/(?:sp)?pilot/", case=False, regex=True)


def _no_combination(values: pd.Series) -> pd.Series:
    return values != "C"


def _real_date(values: pd.Series) -> pd.Series:
    days = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
    return days.notna() & values.str.fullmatch(DATE)


def _real_moment(values: pd.Series) -> pd.Series:
    return values.str.fullmatch(MOMENT) & _real_date(values.str.slice(0, 10))


def _between(first: str, last: str, values: pd.Series) -> pd.Series:
    """Dates written as YYYY-MM-DD sort as text; what is no date at all is another rule's."""
    return values.between(first, last) | ~values.str.fullmatch(DATE)


def _birth_dates(reference: date) -> tuple[str, str]:
    """First and last birth date of someone who is 2 to 21 years old on the reference date."""
    day = pd.Timestamp(reference)
    first = day - pd.DateOffset(years=OLDEST + 1) + pd.DateOffset(days=1)
    return f"{first:%Y-%m-%d}", f"{day - pd.DateOffset(years=YOUNGEST):%Y-%m-%d}"


def _has_name(names: list[Field], table: pd.DataFrame) -> pd.Series:
    """A name that is too long is taken out, so it does not count."""
    usable = [table[name.name].str.len() <= (name.max_length or inf) for name in names]
    return usable[0] | usable[1]


def _has_year_group(groups: frozenset[str], pupils: pd.DataFrame) -> pd.Series:
    """His own, or that of his group (EDEXML 2.1); that his own is no year group is another rule's."""
    return pupils["jaargroep"].notna() | pupils["groep"].isin(groups)


def _filled(name: str, kinds: list[Record], table: pd.DataFrame) -> pd.Series:
    if "soort" not in table:
        return table[name].notna()
    return table[name].notna() | ~table["soort"].isin(kinds)


def _nothing_to_mend(keep: Keep, values: pd.Series) -> pd.Series:
    return mended(values, keep) == values


# Elements of lists


def _mended_text(text: str, keep: Keep) -> str | None:
    elements = _elements(text)
    if elements is None:
        return None
    kept = [new for new in map(keep, elements) if new is not None]
    if kept == elements:
        return text
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def _elements(text: str) -> list[Any] | None:
    """The elements of a JSON list, None where the text is no list."""
    try:
        elements = json.loads(text)
    except ValueError:
        return None
    return elements if isinstance(elements, list) else None


def _known_key(keys: frozenset[str], key: Any) -> Any:
    return key if isinstance(key, str) and key in keys else None


def _known_group(known: Known, entry: Any) -> Any:
    """`{"groep": key}` or `{"samengestelde_groep": key}`."""
    if not isinstance(entry, dict):
        return None
    found = _known_key(known.groepen, entry.get("groep")) or _known_key(
        known.samengestelde_groepen, entry.get("samengestelde_groep")
    )
    return entry if found else None


def _known_role(entry: Any) -> Any:
    """`{"rol": code}`, or `{"rolomschrijving": text}`, which may be anything."""
    return entry if isinstance(entry, dict) and entry.get("rol", "LRK") in ROLLEN else None


def _group_with_roles(entry: Any) -> Any:
    """The group stays; only roles that do not exist go."""
    if not isinstance(entry, dict) or "rollen" not in entry:
        return entry
    roles = [role for role in entry["rollen"] if _known_role(role)]
    rest = {name: value for name, value in entry.items() if name != "rollen"}
    return rest | {"rollen": roles} if roles else rest


def _groups_of_one_year(roster: Roster) -> frozenset[str] | None:
    if "jaargroep" not in roster.groepen:
        return None
    year = roster.groepen["jaargroep"]
    return frozenset(roster.groepen.loc[year.notna() & year.ne("C"), "key"].dropna())


def _keys_of_locations(roster: Roster) -> frozenset[str] | None:
    if "vestigingen" not in roster.school:
        return None
    entries = _elements(roster.school_value("vestigingen") or "") or []
    return frozenset(str(entry["key"]) for entry in entries if isinstance(entry, dict) and "key" in entry)
