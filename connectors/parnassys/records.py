"""One record's element -> one row of values, reading only what was asked for; and rows -> a frame.

Values are tidied (white space, Unicode, time zones), not judged: that is `data_contracts`' work.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connectors.parnassys.stream import Element, local_name
from data_contracts.fields import CATALOGUE, Kind, Record, columns

Row: TypeAlias = list[Any]
"""A value per column: text, None where absent, or a Python list for a column of kind LIST."""

_Read: TypeAlias = Callable[[Element, Any], Any]
"""Element, and what the row holds already -> new value."""

NO_KEY = "#"
"""What stands for the key of a reference that has none: a dummy, as every key that begins like this (EDEXML guide)."""

_ATTRIBUTES = ("key", "eckid")
_NO_CHILD = frozenset({*_ATTRIBUTES, "rollen", "vestigingen"})
"""Columns that no child element of the same name fills."""

_NAMES = frozenset({"achternaam", "voorvoegsel", "voornamen", "voorletters-1", "roepnaam", "naam"})
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def layout(record: Record, wanted: frozenset[str], order: Sequence[str]) -> "Layout":
    """How a row of `record` is read: the columns of `order`, of which only the `wanted` are decoded."""
    places = {name: order.index(name) for name in columns(record, wanted)}
    slots = _Slots()
    for name in places.keys() - _NO_CHILD:
        slots[name] = places[name], _READERS.get((record, name), _SHARED.get(name))
    if "rollen" in places:
        slots |= dict.fromkeys(("rol", "rolomschrijving"), (places["rollen"], _role))
    fixed: Row = [record.value if name == "soort" else None for name in order]
    return Layout(fixed, tuple((places[name], name) for name in _ATTRIBUTES if name in places), slots)


class _Slots(dict[str, tuple[int, _Read | None] | None]):
    """Place and reader by local name, and, once met, by full tag; None for what nobody asked for."""

    def __missing__(self, tag: str) -> tuple[int, _Read | None] | None:
        slot = self[tag] = self.get(local_name(tag))
        return slot


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a record's attributes and children in a row; `fixed` is the row before anything is read."""

    fixed: Row
    attributes: tuple[tuple[int, str], ...]
    slots: _Slots

    def row(self, element: Element) -> Row:
        """The values of one record; the text of an element that was not asked for is not read."""
        row = self.fixed.copy()
        for place, name in self.attributes:
            row[place] = element.get(name)
        slots = self.slots
        for child in element:
            slot = slots[child.tag]
            if slot is not None:
                place, read = slot
                row[place] = child.text if read is None else read(child, row[place])
        return row


def frame(kinds: Mapping[str, Kind], rows: Sequence[Row]) -> pd.DataFrame:
    """A frame of `str` columns named and typed by `kinds`; lists become JSON text, empty and absent become NaN."""
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(kinds)
    data = {name: _column(name, kinds[name], column) for name, column in zip(kinds, values, strict=True)}
    return pd.DataFrame(data, columns=list(kinds))


def kinds(record: Record, names: Iterable[str]) -> dict[str, Kind]:
    """The kind of each named field of `record`."""
    return {name: CATALOGUE[f"{record}.{name}"].kind for name in names}


def tidy(text: str | None) -> str | None:
    """One text without white space around it, in Unicode NFC; None where nothing is left."""
    return unicodedata.normalize("NFC", text.strip()) or None if text else None


def fields_of_site(element: Element) -> dict[str, str]:
    """A `vestiging` of the school: key, naam, omschrijving and mutatiedatum as far as they are there."""
    return _known({"key": element.get("key")} | {local_name(child.tag): child.text for child in element})


def _column(name: str, kind: Kind, values: Sequence[Any]) -> "pd.Series[str]":
    if kind is Kind.LIST:
        values = [orjson.dumps(value).decode() if value else None for value in values]
        return pd.Series(pa.array(values, pa.large_string()), dtype="str")
    text = pc.utf8_normalize(pc.utf8_trim_whitespace(pa.array(values, pa.large_string())), form="NFC")
    if kind is Kind.DATE:
        text = pc.replace_substring_regex(text, r"^(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})$", r"\1")
    elif name in _NAMES:
        text = pc.replace_substring_regex(text, r"[\s\p{Z}]+", " ")
    return pd.Series(pc.if_else(pc.equal(text, ""), None, text), dtype="str")


def _known(values: Mapping[str, str | None]) -> dict[str, str]:
    tidied = {name: tidy(value) for name, value in values.items()}
    return {name: " ".join(v.split()) if name in _NAMES else v for name, v in tidied.items() if v is not None}


def _key(element: Element, _: Any) -> str:
    """The key of a reference; one without a key stays in the row, to be found by its contract."""
    return tidy(element.get("key")) or NO_KEY


def _keys(element: Element, earlier: list[str | None] | None) -> list[str | None]:
    """The key of each reference; one without a key stays in the list, to be found by its contract."""
    return (earlier or []) + [tidy(child.get("key")) for child in element]


def _role(element: Element, earlier: list[dict[str, str]] | None) -> list[dict[str, str]]:
    role = _known({local_name(element.tag): element.text})
    return [*(earlier or []), *([role] if role else [])]


def _taught(element: Element, earlier: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return (earlier or []) + [_taught_group(child) for child in element]


def _taught_group(element: Element) -> dict[str, Any]:
    roles: list[dict[str, str]] = []
    for child in element:
        roles = _role(child, roles)
    group: dict[str, Any] = {local_name(element.tag): tidy(element.get("key"))}
    return group | {"rollen": roles} if roles else group


def _blocks(element: Element, earlier: list[dict[str, str]] | None) -> list[dict[str, str]]:
    return (earlier or []) + [_block(child) for child in element]


def _block(element: Element) -> dict[str, str]:
    """A free block: its xsi:type and whatever stands in it (EDEXML 1.0.3 knows more kinds than 2.1)."""
    kind = (element.get(_TYPE) or "").rpartition(":")[2]
    return _known({"type": kind} | {local_name(child.tag): child.text for child in element})


_SHARED: Mapping[str, _Read] = {"toevoegingen": _blocks}
_READERS: Mapping[tuple[Record, str], _Read] = {
    (Record.LEERLING, "groep"): _key,
    (Record.LEERLING, "vestiging"): _key,
    (Record.LEERLING, "samengestelde_groepen"): _keys,
    (Record.LEERKRACHT, "groepen"): _taught,
}
