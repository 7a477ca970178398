"""What a stand-in for a supplier holds, and what it does with a message. No HTTP here.

Written apart from `connectors.suppliers`, so that the two can find each other's mistakes: fields are known from the
catalogue, not from an agreement.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from data_contracts.fields import CATALOGUE, Privacy, Record

Kinds = dict[str, dict[str, dict[str, Any]]]
"""Records by kind and id."""

_KINDS = {
    "groepen": (Record.GROEP, Record.SAMENGESTELDE_GROEP),
    "leerlingen": (Record.LEERLING,),
    "leerkrachten": (Record.LEERKRACHT,),
}
_KNOWN = {
    kind: frozenset(f.name for f in CATALOGUE.values() if f.record is kind and f.privacy is not Privacy.NEVER)
    for kind in Record
}
_ROLES = ("rol", "rolomschrijving")


class UnknownContentError(Exception):
    """A message holds what this supplier does not know; the text names it."""


@dataclass
class Refusals:
    """Which records are refused, and why: by id, and each nth of a message; and of which the answer says nothing at all."""

    ids: dict[str, str] = field(default_factory=dict)
    every: int = 0
    untold: list[str] = field(default_factory=list)
    reason: str = "leerling is al bekend onder een ander nummer"

    def why(self, record_id: str, place: int) -> str | None:
        """The reason to refuse the record at `place` (from 1) in a message, None to accept it."""
        if self.every and place % self.every == 0:
            return self.reason
        return self.ids.get(record_id)


@dataclass
class SupplierState:
    """Everything a supplier was sent, by school (`99XX-00`), and what it gave out. Kept in `path` where that is given.

    `applied` counts, by school, kind and id, how often a creation, update or deletion had its effect; `answers` holds
    by idempotency key the digest of the message and the answer to it.
    """

    prefix: str = "bp"
    path: Path | None = None
    schools: dict[str, Kinds] = field(default_factory=dict)
    own_numbers: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    applied: dict[str, dict[str, dict[str, dict[str, int]]]] = field(default_factory=dict)
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    refusals: Refusals = field(default_factory=Refusals)
    given_out: int = 0

    def as_json(self) -> bytes:
        """All it holds, by the names of its attributes; only `path` is left out."""
        return orjson.dumps({f.name: getattr(self, f.name) for f in fields(self) if f.name != "path"})

    def keep(self) -> None:
        """Write the state to its file, if it has one; a process that is killed meanwhile leaves the former one."""
        if self.path:
            scratch = self.path.with_suffix(".nieuw")
            scratch.write_bytes(self.as_json())
            os.replace(scratch, self.path)  # noqa: PTH105  the one call that promises to be atomic

    def forget(self) -> None:
        """Become as new; its file, if it has one, is written with the next message."""
        vars(self).update(vars(SupplierState(prefix=self.prefix, path=self.path)))

    def drift(self, school: str, kind: str, records: Mapping[str, dict[str, Any] | None]) -> None:
        """Alter records without being sent anything: the fields given change, None is forgotten, an unknown id comes into being."""
        held = self._of(school, kind)
        for record_id, changed in records.items():
            if changed is None:
                held.pop(record_id, None)
            else:
                held[record_id] = {"id": record_id, **held.get(record_id, {}), **changed}

    def take_delta(self, body: dict[str, Any]) -> dict[str, Any]:
        """Apply a batch of one operation on one kind."""
        school, kind, operation = _school_key(body["school"]), body["soort"], body["bewerking"]
        act = {"create": self._create, "update": self._update, "delete": self._remove}[operation]
        held, results = self._of(school, kind), []
        whys = {record["id"]: self.refusals.why(record["id"], place) for place, record in enumerate(body["records"], 1)}
        if operation == "update":
            self._move(school, kind, body["records"], whys)
        for record in body["records"]:
            record_id = record["id"]
            why = whys[record_id]
            if operation == "update" and record_id not in held:
                why = "onbekend"
            if not why:
                act(school, kind, record_id, record)
            if record_id not in self.refusals.untold:
                results.append(_delta_result(record_id, why, self.own_numbers[school][kind].get(record_id)))
        return {"resultaten": results}

    def take_whole_set(self, school_block: dict[str, Any], sent: Kinds) -> dict[str, Any]:
        """Become equal to what was sent: put what is new or other, remove what is no longer there."""
        school = _school_key(school_block)
        return {plural: self._become(school, kind.value, sent.get(kind, {})) for kind, plural in _PLURAL.items()}

    def _become(self, school: str, kind: str, records: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Make one kind of one school equal to `records`, and give the results."""
        held, results = self._of(school, kind), []
        for place, (record_id, record) in enumerate(records.items(), 1):
            why = self.refusals.why(record_id, place)
            if not why and record_id not in held:
                self._create(school, kind, record_id, record)
            elif not why and held[record_id] != record:
                self._update(school, kind, record_id, record)
            if record_id not in self.refusals.untold:
                results.append(_whole_set_result(record_id, why, self.own_numbers[school][kind].get(record_id)))
        for record_id in held.keys() - records.keys():
            self._remove(school, kind, record_id, {})
        return results

    def _of(self, school: str, kind: str) -> dict[str, dict[str, Any]]:
        self.own_numbers.setdefault(school, {}).setdefault(kind, {})
        self.applied.setdefault(school, {}).setdefault(kind, {})
        return self.schools.setdefault(school, {}).setdefault(kind, {})

    def _create(self, school: str, kind: str, record_id: str, record: dict[str, Any]) -> None:
        self._of(school, kind)[record_id] = record
        self._count(school, kind, record_id, "create")
        numbers = self.own_numbers[school][kind]
        if record_id not in numbers:
            self.given_out += 1
            numbers[record_id] = f"{self.prefix}-{self.given_out}"

    def _update(self, school: str, kind: str, record_id: str, record: dict[str, Any]) -> None:
        self._of(school, kind)[record_id] = record
        self._count(school, kind, record_id, "update")

    def _move(self, school: str, kind: str, records: list[dict[str, Any]], whys: dict[str, str | None]) -> None:
        """Let what was known by a former id go by the new one from now on, under the number that it was given.

        Those who take each other's ids do so at once, all or none: a refusal of one is then put in `whys` for the others too.
        """
        former = {record["id"]: before for record in records if (before := record.pop("vorig_id", None))}
        links = [(record_id, before) for record_id, before in former.items() if before in former]
        while one_refused := next((link for link in links if (whys[link[0]] is None) != (whys[link[1]] is None)), None):
            whys.update(dict.fromkeys(one_refused, whys[one_refused[0]] or whys[one_refused[1]]))
        held, numbers = self._of(school, kind), self.own_numbers[school][kind]
        moves = {new: before for new, before in former.items() if before in held and not whys[new]}
        moves = {new: before for new, before in moves.items() if new not in held or new in moves.values()}
        for kept in (held, numbers):
            kept.update({new: kept.pop(before) for new, before in moves.items()})

    def _remove(self, school: str, kind: str, record_id: str, _record: dict[str, Any]) -> None:
        if self._of(school, kind).pop(record_id, None) is not None:
            self._count(school, kind, record_id, "delete")
        self.own_numbers[school][kind].pop(record_id, None)

    def _count(self, school: str, kind: str, record_id: str, operation: str) -> None:
        counts = self.applied[school][kind].setdefault(record_id, {"create": 0, "update": 0, "delete": 0})
        counts[operation] += 1


_PLURAL = {
    Record.GROEP: "groepen",
    Record.SAMENGESTELDE_GROEP: "samengestelde_groepen",
    Record.LEERLING: "leerlingen",
    Record.LEERKRACHT: "leerkrachten",
}


def held_in(path: Path, prefix: str) -> SupplierState:
    """The state that was kept in `path`, or a new one that will be."""
    if not path.exists():
        return SupplierState(prefix=prefix, path=path)
    kept = orjson.loads(path.read_bytes())
    return SupplierState(**{**kept, "refusals": Refusals(**kept["refusals"])}, path=path)


def read_delta(content: bytes) -> dict[str, Any]:
    """The batch in `content`.

    Raises:
        ValueError: no JSON.
        UnknownContentError: a name, a kind or an operation that is unknown, or a value that is no text, array or null.
    """
    body = orjson.loads(content)
    if not isinstance(body, dict) or body.keys() != {"school", "soort", "bewerking", "records"}:
        raise UnknownContentError("bericht")
    if body["soort"] not in _PLURAL or body["bewerking"] not in ("create", "update", "delete"):
        raise UnknownContentError("soort of bewerking")
    known = {"id"} if body["bewerking"] == "delete" else {"id", *_KNOWN[Record(body["soort"])]}
    known |= {"vorig_id"} if body["bewerking"] == "update" else set()
    for record in body["records"]:
        _refuse_strangers(record, known)
        if not isinstance(record.get("id"), str):
            raise UnknownContentError("id")
    _refuse_strangers(body["school"], _KNOWN[Record.SCHOOL])
    return body


def _refuse_strangers(record: Mapping[str, Any], known: set[str] | frozenset[str]) -> None:
    if not record.keys() <= known or not set(map(type, record.values())) <= _VALUES:
        raise UnknownContentError(", ".join(n for n, v in record.items() if n not in known or type(v) not in _VALUES))


_VALUES = {str, list, type(None)}


def read_edexml(content: bytes) -> tuple[dict[str, Any], Kinds]:
    """The school block and the records of an EDEXML document, shaped as the records of a delta.

    Raises:
        ValueError: no XML, or no EDEX.
        UnknownContentError: an element or attribute that EDEXML does not have there, or that nobody may have.
    """
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise ValueError("geen XML") from error
    if root.tag != "EDEX":
        raise ValueError("geen EDEX")
    school: dict[str, Any] = {}
    kinds: Kinds = {}
    for part in root:
        if part.tag == "school":
            school = _fields(part, Record.SCHOOL)
        elif part.tag in _KINDS:
            for kind, record in _records(part):
                kinds.setdefault(kind.value, {})[record["key"]] = record
        elif part.tag != "vestigingen":
            raise UnknownContentError(str(part.tag))
    return school, kinds


def _records(container: Any) -> Iterator[tuple[Record, dict[str, Any]]]:
    for element in container:
        if element.tag not in _KINDS[container.tag]:
            raise UnknownContentError(str(element.tag))
        kind = Record(element.tag)
        yield kind, _fields(element, kind)


def _fields(element: Any, kind: Record) -> dict[str, Any]:
    """A record's attributes and elements by field name."""
    record: dict[str, Any] = dict(element.attrib)
    for child in element:
        if child.tag in _ROLES and kind is Record.LEERKRACHT:
            record.setdefault("rollen", []).append({child.tag: child.text})
        else:
            read: Callable[[Any], Any] = _READERS.get((kind, child.tag), _text)
            record[child.tag] = read(child)
    if strangers := record.keys() - _KNOWN[kind]:
        raise UnknownContentError(", ".join(sorted(map(str, strangers))))
    return record


def _text(element: Any) -> str:
    if len(element) or element.attrib:
        raise UnknownContentError(str(element.tag))
    return str(element.text or "")


def _key(element: Any) -> str:
    if len(element) or set(element.attrib) != {"key"}:
        raise UnknownContentError(str(element.tag))
    return str(element.get("key"))


def _keys(element: Any) -> list[str]:
    return [_key(child) for child in element]


def _teacher_groups(element: Any) -> list[dict[str, Any]]:
    return [_teacher_group(child) for child in element]


def _teacher_group(element: Any) -> dict[str, Any]:
    group = {str(element.tag): element.get("key")}
    roles = [{role.tag: role.text} for role in element]
    return {**group, "rollen": roles} if roles else group


_READERS: Mapping[tuple[Record, str], Callable[[Any], Any]] = {
    (Record.LEERLING, "groep"): _key,
    (Record.LEERLING, "vestiging"): _key,
    (Record.LEERLING, "samengestelde_groepen"): _keys,
    (Record.LEERKRACHT, "groepen"): _teacher_groups,
}


def _school_key(block: Mapping[str, Any]) -> str:
    return f"{block.get('brincode') or ''}-{block.get('dependancecode') or '00'}"


def _delta_result(record_id: str, why: str | None, number: str | None) -> dict[str, Any]:
    if why:
        return {"id": record_id, "status": "geweigerd", "reden": why}
    return {"id": record_id, "status": "ok", "eigen_id": number}


def _whole_set_result(record_id: str, why: str | None, number: str | None) -> dict[str, Any]:
    if why:
        return {"key": record_id, "nummer": None, "status": "geweigerd", "reden": why}
    return {"key": record_id, "nummer": number, "status": "verwerkt"}
