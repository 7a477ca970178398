"""Bytes of an EDEXML file or a UWLR answer -> a roster of the fields that were asked for, for one school only.

One reader serves both doors: the content is the same, the namespace is not. Values are tidied, not judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.base import SchoolId
from connectors.parnassys.records import Row, fields_of_site, frame, kinds, layout, tidy
from connectors.parnassys.refusals import refusal, size
from connectors.parnassys.school import SchoolBlock, canonical, refuse_other, school_block
from connectors.parnassys.stream import MAX_BYTES, SECTIONS, chunks_of, finished_records, local_name
from data_contracts.fields import CATALOGUE, STEERING, Kind, Record, columns
from data_contracts.roster import Roster

_RECORDS: Mapping[tuple[str, str], Record] = {
    ("school", "school"): Record.SCHOOL,
    ("groepen", "groep"): Record.GROEP,
    ("groepen", "samengestelde_groep"): Record.SAMENGESTELDE_GROEP,
    ("leerlingen", "leerling"): Record.LEERLING,
    ("leerkrachten", "leerkracht"): Record.LEERKRACHT,
}
"""Which record an element is, by the section it stands in and its own name."""

_WHOLE = frozenset({"leerlingen", "leerkrachten"})
"""Sections that hold one kind of record: what else stands there is a person who would seem to have left."""


def read_roster(content: bytes, wanted: frozenset[str], school: SchoolId, *, max_bytes: int = MAX_BYTES) -> Roster:
    """Read one export (EDEXML 1.0.3, 2.0, 2.1; UWLR 2.x) into the four roster tables.

    `wanted` holds catalogue ids; `STEERING` is always read besides. Each is a column, in catalogue order, all text;
    nothing else is decoded. Lists are JSON text. Empty and absent are both NaN.

    Raises:
        PermanentError: `te_groot`, `doctype`, `entiteiten`, `te_diep`, `geen_edexml`, `afgebroken`, `leeg`,
            `geengegevens`, `vreemd_onderdeel`, `vreemd_record`, `geen_school`, `meer_scholen`, `verkeerde_school`,
            `verkeerd_schooljaar`.
    """
    if len(content) > max_bytes:
        raise refusal("te_groot", limit=size(max_bytes))
    wanted |= STEERING
    tables = _tables(wanted)
    rows, sites = _rows(content, wanted, tables)
    school_row = _school_row(list(tables["school"]), rows["school"], sites)
    refuse_other(school_block(school_row), school)
    if not rows["leerlingen"]:
        raise refusal("leeg")
    rows["school"] = [list(school_row.values())]
    return Roster(**{table: frame(tables[table], rows.pop(table)) for table in tables})


def read_school_block(chunks: Iterable[bytes]) -> SchoolBlock:
    """Whose export this is, reading no further than its school block.

    Raises:
        PermanentError: `geen_school`, or what `finished_records` refuses up to there.
    """
    asked = STEERING | {"school.aanmaakdatum"}
    names = columns(Record.SCHOOL, asked)
    as_row = layout(Record.SCHOOL, asked, names).row
    for section, element in finished_records(chunks):
        if section == "school":
            return school_block(_school_row(names, [as_row(element)], []))
    raise refusal("geen_school")


def _tables(wanted: frozenset[str]) -> dict[str, dict[str, Kind]]:
    """The columns of each table, with their kind, in the order of the catalogue."""
    names: dict[str, dict[str, None]] = {record.table: {} for record in Record}
    for record in Record:
        names[record.table] |= dict.fromkeys(columns(record, wanted))
    every_name = columns(Record.GROEP, frozenset(CATALOGUE))  # a composed group has some of a group's fields
    groups = {"soort": Kind.TEXT} | kinds(Record.GROEP, [name for name in every_name if name in names["groepen"]])
    return {
        "school": kinds(Record.SCHOOL, names["school"]),
        "groepen": groups,
        "leerlingen": kinds(Record.LEERLING, names["leerlingen"]),
        "leerkrachten": kinds(Record.LEERKRACHT, names["leerkrachten"]),
    }


def _rows(
    content: bytes, wanted: frozenset[str], tables: Mapping[str, Mapping[str, Kind]]
) -> tuple[dict[str, list[Row]], list[dict[str, str]]]:
    """The rows of every table, and the school's sites (`vestigingen`) if they were asked for."""
    layouts = {record: layout(record, wanted, list(tables[record.table])) for record in Record}
    rows: dict[str, list[Row]] = {table: [] for table in tables}
    sites: list[dict[str, str]] = []
    for section, element in finished_records(chunks_of(content)):
        record = _RECORDS.get((section, local_name(element.tag)))
        if record is not None:
            rows[record.table].append(layouts[record].row(element))
        elif section not in SECTIONS:
            raise refusal("vreemd_onderdeel")
        elif section in _WHOLE:
            raise refusal("vreemd_record", section=section)
        elif section == "vestigingen" and "school.vestigingen" in wanted:
            sites.append(fields_of_site(element))
    return rows, sites


def _school_row(names: Sequence[str], rows: Sequence[Row], sites: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The one school of an export, by field name, in canonical spelling."""
    if not rows:
        raise refusal("geen_school")
    if len(rows) > 1:
        raise refusal("meer_scholen")
    row = dict(zip(names, rows[0], strict=True))
    texts = canonical({name: tidy(value) for name, value in row.items() if not isinstance(value, list)})
    return row | texts | ({"vestigingen": list(sites)} if sites else {})
