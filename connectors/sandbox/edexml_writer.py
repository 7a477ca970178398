"""A whole roster as XML, every column of it: an EDEXML file, or the answer of UWLR's all-in-one call.

Only the sandbox writes everything; what goes to a supplier is written in `connectors.suppliers`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import orjson
import pandas as pd

from data_contracts.fields import CATALOGUE, Kind, Record, columns
from data_contracts.roster import Roster

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
UWLR = "http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ATTRIBUTES = ("key", "eckid")
_REFERENCES = ("groep", "vestiging")


def edexml(roster: Roster, *, aanmaakdatum: datetime | None = None, version: Literal["2.0", "2.1"] = "2.1") -> bytes:
    """An EDEXML document in the order of the schema, UTF-8; 2.0 has no ECK iD.

    `aanmaakdatum` takes the place of the roster's own. The schema wants at least one pupil; this does not look.
    """
    known = _as_version(_as_made(roster, aanmaakdatum), version)
    root = f'<EDEX xmlns:xsi="{XSI}" xsi:noNamespaceSchemaLocation="EDEXML.structuur.xsd">'
    return f"{_PROLOG}{root}{_content(known)}</EDEX>\n".encode()


def uwlr_answer(roster: Roster, *, aanmaakdatum: datetime | None = None) -> bytes:
    """A SOAP 1.1 envelope with `leerlinggegevens_antwoord` around the whole school (UWLR 2.2 and 2.3).

    `toevoegingen` are left out: UWLR's schema names no type for them that can be written.
    """
    return enveloped(uwlr_body(roster, aanmaakdatum=aanmaakdatum))


def uwlr_body(roster: Roster, *, aanmaakdatum: datetime | None = None) -> bytes:
    """What is inside the envelope of `uwlr_answer`."""
    made = _without_additions(_as_made(roster, aanmaakdatum))
    content = f"<leerlinggegevens>{_content(made)}</leerlinggegevens>"
    return f'<leerlinggegevens_antwoord xmlns="{UWLR}">{content}</leerlinggegevens_antwoord>'.encode()


def enveloped(body: bytes) -> bytes:
    """`body` in a SOAP 1.1 envelope."""
    start = f'{_PROLOG}<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>'.encode()
    return start + body + b"</soap:Body></soap:Envelope>\n"


def _as_made(roster: Roster, aanmaakdatum: datetime | None) -> Roster:
    if aanmaakdatum is None:
        return roster
    school = roster.school.assign(aanmaakdatum=aanmaakdatum.isoformat(timespec="seconds"))
    return Roster(school, roster.groepen, roster.leerlingen, roster.leerkrachten)


def _as_version(roster: Roster, version: str) -> Roster:
    school = roster.school.assign(xsdversie=version)
    if version == "2.1":
        return Roster(school, roster.groepen, roster.leerlingen, roster.leerkrachten)
    older = [frame.drop(columns="eckid", errors="ignore") for frame in (roster.leerlingen, roster.leerkrachten)]
    return Roster(school, roster.groepen, *older)


def _without_additions(roster: Roster) -> Roster:
    return Roster(*(frame.drop(columns="toevoegingen", errors="ignore") for _, frame in roster.tables()))


def _content(roster: Roster) -> str:
    pupils = _records(roster.leerlingen, Record.LEERLING)
    parts = [
        *_records(roster.school, Record.SCHOOL),
        _wrapped("vestigingen", _sites(roster)),
        _wrapped("groepen", _groups(roster.groepen)),
        f"<leerlingen>{''.join(pupils)}</leerlingen>",
        _wrapped("leerkrachten", _records(roster.leerkrachten, Record.LEERKRACHT)),
    ]
    return "".join(parts)


def _wrapped(name: str, children: Iterable[str]) -> str:
    """The children in an element, or nothing at all where there are none."""
    inner = "".join(children)
    return f"<{name}>{inner}</{name}>" if inner else ""


def _sites(roster: Roster) -> Iterator[str]:
    for site in orjson.loads(roster.school_value("vestigingen") or "[]"):
        inner = "".join(_element(name, site[name]) for name in ("naam", "omschrijving", "mutatiedatum") if name in site)
        yield f"<vestiging key={quoteattr(site['key'])}>{inner}</vestiging>"


def _groups(groepen: pd.DataFrame) -> list[str]:
    """Both kinds of group, in the order of the table."""
    written: dict[Any, str] = {}
    for record in (Record.GROEP, Record.SAMENGESTELDE_GROEP):
        of_kind = groepen[groepen["soort"] == record.value]
        written.update(zip(of_kind.index, _records(of_kind, record), strict=True))
    return [written[row] for row in groepen.index]


_ORDER = {
    Record.GROEP: ["key", "naam", "jaargroep", "omschrijving", "toevoegingen", "mutatiedatum"],
    Record.SCHOOL: [name for name in columns(Record.SCHOOL, frozenset(CATALOGUE)) if name != "vestigingen"],
}
"""The order of the schema where it is not the catalogue's."""


def _records(frame: pd.DataFrame, record: Record) -> list[str]:
    """One element a row."""
    order = _ORDER.get(record) or columns(record, frozenset(CATALOGUE))
    present = [name for name in order if name in frame and frame[name].notna().any()]
    attributes = _rows([_column(frame[n], record, n) for n in present if n in _ATTRIBUTES], len(frame))
    elements = _rows([_column(frame[n], record, n) for n in present if n not in _ATTRIBUTES], len(frame))
    name = record.value
    return [f"<{name}{start}>{inner}</{name}>" for start, inner in zip(attributes, elements, strict=True)]


def _rows(written: list[list[str]], rows: int) -> Iterable[str]:
    return map("".join, zip(*written, strict=True)) if written else [""] * rows


def _column(values: pd.Series, record: Record, name: str) -> list[str]:
    """The values of a column as attributes or elements, in the order of the rows; nothing where absent."""
    write = _writer(record, name)
    return [write(text) if there else "" for text, there in zip(values.tolist(), values.notna().tolist(), strict=True)]


def _writer(record: Record, name: str) -> Callable[[str], str]:
    if name in _ATTRIBUTES:
        return partial(_attribute, name)
    if name in _REFERENCES:
        return partial(_reference, name)
    is_list = CATALOGUE[f"{record}.{name}"].kind is Kind.LIST
    return _LISTS[name] if is_list else partial(_element, name)


def _attribute(name: str, text: str) -> str:
    return f" {name}={quoteattr(text)}"


def _reference(name: str, key: str) -> str:
    return f"<{name} key={quoteattr(key)}/>"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _extra_groups(text: str) -> str:
    inner = "".join(_reference("samengestelde_groep", key) for key in orjson.loads(text))
    return f"<samengestelde_groepen>{inner}</samengestelde_groepen>"


def _roles(text: str) -> str:
    return "".join(_role(role) for role in orjson.loads(text))


def _role(role: dict[str, str]) -> str:
    return "".join(_element(name, value) for name, value in role.items())


def _taught_groups(text: str) -> str:
    inner = "".join(_taught_group(group) for group in orjson.loads(text))
    return f"<groepen>{inner}</groepen>"


def _taught_group(group: dict[str, Any]) -> str:
    name = "groep" if "groep" in group else "samengestelde_groep"
    return f"<{name} key={quoteattr(group[name])}>{''.join(_role(r) for r in group.get('rollen', []))}</{name}>"


def _additions(text: str) -> str:
    blocks = "".join(
        f"<blok xsi:type={quoteattr(block['type'])}>"
        + "".join(_element(name, value) for name, value in block.items() if name != "type")
        + "</blok>"
        for block in orjson.loads(text)
    )
    return f"<toevoegingen>{blocks}</toevoegingen>"


_LISTS = {
    "samengestelde_groepen": _extra_groups,
    "rollen": _roles,
    "groepen": _taught_groups,
    "toevoegingen": _additions,
}
