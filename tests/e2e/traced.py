"""A second reading of an EDEXML file, as a plain tree, to trace back what suppliers hold. Shares nothing with the product's reader."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lxml import etree

from data_contracts.fields import Record
from mappings.agreement import FieldSet

NAMES = {"achternaam", "voorvoegsel", "roepnaam", "naam"}
DATES = {"geboortedatum", "start_ondw_jgr3", "uitstroomdatum"}
Finding = tuple[str, str, str]
"""Kind, key and field."""


def normal(name: str, raw: str | None) -> str | None:
    """What the handbook says becomes of a text: no white space around it, NFC, one space in a name, no time zone in a date."""
    text = unicodedata.normalize("NFC", (raw or "").strip())
    if name in NAMES:
        text = re.sub(r"[\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+", " ", text)
    if name in DATES:
        text = re.sub(r"^(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)$", r"\1", text)
    return text or None


@dataclass
class File:
    """A file as a tree, and what was found in it: findings by consequence."""

    content: bytes = field(repr=False)
    kept_out: set[tuple[str, str]]  # kind and key of records in quarantine
    dropped: set[Finding]

    def __post_init__(self) -> None:
        self.root = etree.fromstring(self.content, etree.XMLParser(remove_comments=True, remove_pis=True))
        self.records: dict[str, dict[str, Any]] = {}
        for section in ("groepen", "leerlingen", "leerkrachten"):
            for record in self.root.iterfind(f"{section}/*"):
                self.records.setdefault(record.tag, {})[normal("key", record.get("key")) or ""] = record

    def raw(self, kind: str, key: str, name: str) -> Any:
        """A field as the file has it, None where it has not or a finding took it out; lists as lists."""
        record = self.records[kind][key]
        if name in ("key", "eckid"):
            value: Any = normal(name, record.get(name))
        elif name in ("groep", "vestiging"):
            found = record.find(name)
            value = None if found is None else normal("key", found.get("key"))
        elif name == "samengestelde_groepen":
            keys = [normal("key", one.get("key")) for one in record.iterfind("samengestelde_groepen/*")]
            value = [key for key in keys if key] or None
        elif name == "groepen":
            value = [_taught(one) for one in record.iterfind("groepen/*")] or None
        else:
            value = normal(name, record.findtext(name))
        return value

    def value(self, kind: str, key: str, name: str) -> Any:
        """As `raw`, without what a finding took out."""
        return None if (kind, key, name) in self.dropped else self.raw(kind, key, name)

    def own_year(self, key: str) -> str | None:
        """A pupil's own year, else that of his group, unless it is a combination or the group cannot be used."""
        own, group = self.value("leerling", key, "jaargroep"), self.value("leerling", key, "groep")
        if own or group is None or ("groep", group) in self.kept_out:
            return own
        year = self.value("groep", group, "jaargroep") if group in self.records.get("groep", {}) else None
        return None if year == "C" else year

    def at_school(self, day: date) -> set[str]:
        """Keys of the pupils who should be at every supplier: usable, not left, and in groups that can be used."""
        kept_out = {key for kind, key in self.kept_out if kind in ("groep", "samengestelde_groep")}

        def stays(key: str) -> bool:
            last_day = self.value("leerling", key, "uitstroomdatum")
            groups = {
                self.value("leerling", key, "groep"),
                *(self.raw("leerling", key, "samengestelde_groepen") or []),  # of a list only a part may be dropped
            }
            gone = self.value("leerling", key, "jaargroep") == "H" or (last_day and last_day < day.isoformat())
            return not gone and ("leerling", key) not in self.kept_out and not groups & kept_out

        return {key for key in self.records.get("leerling", {}) if stays(key)}


def _taught(element: Any) -> dict[str, Any]:
    group: dict[str, Any] = {element.tag: normal("key", element.get("key"))}
    roles = [{role.tag: text} for role in element if (text := normal(role.tag, role.text))]
    return group | ({"rollen": roles} if roles else {})


def untraceable(file: File, kind: str, record: Mapping[str, Any], fields: FieldSet) -> list[str]:
    """The fields of a record at a supplier that are not what the file says, by the field set; all is well with none."""
    by_eckid = {file.value(kind, key, "eckid"): key for key in file.records.get(kind, {})}
    key = record.get("key") or by_eckid.get(record.get("eckid"))
    if key not in file.records.get(kind, {}) or (kind, key) in file.kept_out:
        return ["key"]
    expected = {
        agreed.wire: _expected(file, kind, key, agreed.name, agreed.transform) for agreed in fields.of(Record(kind))
    }
    return [
        wire
        for wire, value in expected.items()
        if not _same(record.get(wire), value, partial=(kind, key, wire) in file.dropped or wire == "groepen")
    ] + [name for name in record if name not in expected]


def _expected(file: File, kind: str, key: str, name: str, transform: str | None) -> Any:
    if transform == "own_year_group":
        return file.own_year(key)
    if transform in ("key_without_eckid", "teacher_key_without_eckid"):
        return None if file.value(kind, key, "eckid") else key
    lists = name in ("groepen", "samengestelde_groepen")
    return file.raw(kind, key, name) if lists else file.value(kind, key, name)


def _same(held: Any, expected: Any, *, partial: bool) -> bool:
    """Of a list only a part may be left: what a finding took out, or the groups that this supplier's pupils are in."""
    if not isinstance(expected, list) or not partial:
        return bool(held == expected)
    return all(any(_within(one, whole) for whole in expected) for one in held or [])


def _within(one: Any, whole: Any) -> bool:
    if not isinstance(whole, dict):
        return bool(one == whole)
    return {**one, "rollen": 0} == {**whole, "rollen": 0} and all(
        r in whole.get("rollen", []) for r in one.get("rollen", [])
    )
