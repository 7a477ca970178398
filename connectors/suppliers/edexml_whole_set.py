"""The wire format `edexml_whole_set`: everything a supplier may hold of one school, as one EDEXML 2.1 document.

`POST {base_url}/edexml` answers
`{"leerlingen": [{"key": …, "nummer": …, "status": "verwerkt|geweigerd", "reden": …}], "groepen": [...], …}`:
one list a kind, named by the plural of its element.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pandas as pd
from lxml import etree

from connectors.base import CannotListError, Capabilities, Delta, Envelope, PermanentError, Receipts, WholeSet
from connectors.suppliers.wire import Door, Words, not_agreed, receipts, texts, unreadable
from data_contracts.fields import Record
from mappings.agreement import AgreedField, FieldSet

_WORDS = Words(key="key", own_number="nummer", accepted="verwerkt")
_ATTRIBUTES = ("key", "eckid")
_CONTAINERS: Mapping[str, tuple[Record, ...]] = {
    "groepen": (Record.GROEP, Record.SAMENGESTELDE_GROEP),
    "leerlingen": (Record.LEERLING,),
    "leerkrachten": (Record.LEERKRACHT,),
}
_ANSWERED: Mapping[str, Record] = {
    "groepen": Record.GROEP,
    "samengestelde_groepen": Record.SAMENGESTELDE_GROEP,
    "leerlingen": Record.LEERLING,
    "leerkrachten": Record.LEERKRACHT,
}


class EdexmlWholeSet:
    """A supplier that takes the whole set of a school at once, and removes what is not in it."""

    def __init__(self, door: Door, batch_size: int | None) -> None:
        self._door = door
        self.capabilities = Capabilities(
            whole_set=True, assigns_ids=True, lists=False, batch_size=batch_size or 100_000
        )

    def encode(self, envelope: Envelope, message: Delta | WholeSet, field_set: FieldSet) -> bytes:
        """The set as an EDEXML 2.1 document in schema order; an absent value is no element.

        Raises:
            TypeError: a delta, which this format does not have.
        """
        if isinstance(message, Delta):
            raise TypeError("edexml_whole_set sends whole sets, not changes")
        parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<EDEX>', *_school(envelope, field_set)]
        for container, kinds in _CONTAINERS.items():
            rows = [row for kind in kinds for row in _rows(kind, message, field_set)]
            if rows or container == "leerlingen":  # the one container that must be there
                parts += [f"<{container}>", *rows, f"</{container}>\n"]
        return "".join([*parts, "</EDEX>\n"]).encode()

    def held(
        self,
        school: str,  # noqa: ARG002  the protocol's signature
        asked: Mapping[Record, Sequence[AgreedField]],  # noqa: ARG002  as above
    ) -> Iterator[tuple[Record, pd.DataFrame]]:
        """Not in this format: a supplier that takes whole sets corrects itself with the next one."""
        raise CannotListError(self._door.who)

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        """Refuse every element, attribute, comment or loose text in `payload` that the field set does not name."""
        root = _parsed(payload, field_set.supplier)
        if root.tag != "EDEX" or root.getprevious() is not None or root.getnext() is not None:
            raise not_agreed("EDEX", field_set.supplier)
        for name in _unknown(root, _document_shape(field_set), ""):
            raise not_agreed(name, field_set.supplier)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Deliver the whole set; the supplier applies the same key once only."""
        who = self._door.who
        answer = self._door.post("/edexml", payload, "application/xml", idempotency_key)
        if not isinstance(answer, dict):
            raise unreadable(who)
        answered = [(kind, answer.get(name, ())) for name, kind in _ANSWERED.items()]
        return receipts(answered, _WORDS, who)


def _school(envelope: Envelope, field_set: FieldSet) -> Iterator[str]:
    """The school block, then the locations, with the agreed fields only."""
    given = {f.name: envelope.school_fields.get(f.name) for f in field_set.of(Record.SCHOOL)}
    if "xsdversie" in given:
        given["xsdversie"] = "2.1"  # of this document, not of the export
    locations = given.pop("vestigingen", None)
    yield "<school>"
    yield from (_text_element(name, text) for name, text in given.items() if text)
    yield "</school>\n"
    if locations:
        yield f"<vestigingen>{''.join(_location(one) for one in orjson.loads(locations))}</vestigingen>\n"


def _rows(kind: Record, message: WholeSet, field_set: FieldSet) -> list[str]:
    """One text a record of `kind`, built column by column."""
    frame, fields = message.records.get(kind), _in_schema_order(field_set.of(kind))
    if frame is None or not fields:
        return []
    attributes = [_column(frame, f, _attribute) for f in fields if f.name in _ATTRIBUTES]
    elements = [_column(frame, f, _WRITERS.get(f.id, _text_element)) for f in fields if f.name not in _ATTRIBUTES]
    heads = map("".join, zip(*attributes, strict=True))
    bodies = map("".join, zip(*elements, strict=True)) if elements else [""] * len(frame)
    return [f"<{kind}{head}>{body}</{kind}>\n" for head, body in zip(heads, bodies, strict=True)]


def _in_schema_order(fields: tuple[AgreedField, ...]) -> list[AgreedField]:
    """The catalogue's order is the schema's, but for a group's year group, which comes right after its name."""
    place = {"key": 0, "naam": 1, "jaargroep": 2}
    return sorted(fields, key=lambda f: place.get(f.name, 3) if f.record is Record.GROEP else 0)


def _column(frame: pd.DataFrame, agreed: AgreedField, write: Callable[[str, str], str]) -> list[str]:
    """What `write` makes of every value of a column, nothing where it is absent."""
    name = agreed.name
    return ["" if text is None else write(name, text) for text in texts(frame[name])]


_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)


def _attribute(name: str, text: str) -> str:
    return f' {name}="{text.translate(_ESCAPES)}"'


def _text_element(name: str, text: str) -> str:
    return f"<{name}>{text.translate(_ESCAPES)}</{name}>"


def _reference(name: str, key: str) -> str:
    return f"<{name}{_attribute('key', key)}/>"


def _references(name: str, text: str) -> str:
    inner = "".join(_reference("samengestelde_groep", key) for key in orjson.loads(text))
    return f"<{name}>{inner}</{name}>" if inner else ""


def _roles(_name: str, text: str) -> str:
    return "".join(_text_element(name, role) for one in orjson.loads(text) for name, role in one.items())


def _teacher_groups(name: str, text: str) -> str:
    inner = ""
    for one in orjson.loads(text):
        kind = "groep" if "groep" in one else "samengestelde_groep"
        roles = "".join(_text_element(n, role) for part in one.get("rollen", ()) for n, role in part.items())
        inner += f"<{kind}{_attribute('key', one[kind])}>{roles}</{kind}>"
    return f"<{name}>{inner}</{name}>" if inner else ""


def _location(one: dict[str, str]) -> str:
    inner = "".join(_text_element(n, one[n]) for n in ("naam", "omschrijving", "mutatiedatum") if n in one)
    return f"<vestiging{_attribute('key', one['key'])}>{inner}</vestiging>"


_WRITERS: Mapping[str, Callable[[str, str], str]] = {
    "leerling.groep": _reference,
    "leerling.vestiging": _reference,
    "leerling.samengestelde_groepen": _references,
    "leerkracht.rollen": _roles,
    "leerkracht.groepen": _teacher_groups,
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an element may hold: attributes, children by name, and text or none."""

    attributes: frozenset[str] = frozenset()
    children: Mapping[str, "_Shape"] = field(default_factory=dict)
    text: bool = False


_TEXT = _Shape(text=True)
_REFERENCE = _Shape(frozenset({"key"}))
_ROLES = {"rol": _TEXT, "rolomschrijving": _TEXT}
_GROUP_WITH_ROLES = _Shape(frozenset({"key"}), _ROLES)
_SHAPES: Mapping[str, Mapping[str, _Shape]] = {
    "leerling.groep": {"groep": _REFERENCE},
    "leerling.vestiging": {"vestiging": _REFERENCE},
    "leerling.samengestelde_groepen": {"samengestelde_groepen": _Shape(children={"samengestelde_groep": _REFERENCE})},
    "leerkracht.rollen": _ROLES,
    "leerkracht.groepen": {
        "groepen": _Shape(children={"groep": _GROUP_WITH_ROLES, "samengestelde_groep": _GROUP_WITH_ROLES})
    },
}


def _document_shape(field_set: FieldSet) -> _Shape:
    """What a document with these fields may hold."""
    children = {"school": _record_shape(field_set, Record.SCHOOL)}
    if "school.vestigingen" in field_set.ids:
        location = _Shape(frozenset({"key"}), dict.fromkeys(("naam", "omschrijving", "mutatiedatum"), _TEXT))
        children["vestigingen"] = _Shape(children={"vestiging": location})
    for container, kinds in _CONTAINERS.items():
        inside = {str(kind): _record_shape(field_set, kind) for kind in kinds if kind in field_set.kinds}
        children[container] = _Shape(children=inside)
    return _Shape(children=children)


def _record_shape(field_set: FieldSet, kind: Record) -> _Shape:
    names = {f.name: f.id for f in field_set.of(kind) if f.id != "school.vestigingen"}
    children: dict[str, _Shape] = {}
    for name, field_id in names.items():
        children |= {} if name in _ATTRIBUTES else _SHAPES.get(field_id, {name: _TEXT})
    return _Shape(frozenset(names.keys() & set(_ATTRIBUTES)), children)


def _unknown(element: Any, shape: _Shape, place: str) -> Iterator[str]:
    """Names of what `element` holds and `shape` does not."""
    if element.attrib:
        yield from (f"{place}@{name}" for name in element.attrib if name not in shape.attributes)
    if not shape.text and element.text and element.text.strip():
        yield f"{place} (tekst)"
    for child in element:
        inner = shape.children.get(child.tag)
        if inner is None:
            yield f"{place}.{child.tag if isinstance(child.tag, str) else 'commentaar'}"
        elif child.tail and child.tail.strip():
            yield f"{place} (tekst)"
        elif inner is not _TEXT or len(child) or child.attrib:
            yield from _unknown(child, inner, child.tag)


def _parsed(payload: bytes, who: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    root: Any = None
    with contextlib.suppress(etree.XMLSyntaxError):  # its text may hold values
        root = etree.fromstring(payload, parser)
    if root is None or root.getroottree().docinfo.doctype:
        raise PermanentError(
            "bericht_onleesbaar",
            f"Het bericht voor {who} is zelf niet terug te lezen; er is niets verstuurd.",
            "Dit is een fout in het programma; meld hem bij de makers.",
        )
    return root
