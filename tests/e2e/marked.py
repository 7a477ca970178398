"""A school of which every value is a mark that occurs nowhere else, and a search for such marks in any spelling."""

import base64
import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from connectors.sandbox import people
from data_contracts.fields import CATALOGUE, Field, Kind, Record, columns
from data_contracts.roster import Roster

PUPILS, TEACHERS, GROUPS, EXTRA_GROUPS = 24, 4, 4, 2
RARE = "QXZJVWKY"

Marks = dict[str, str]
"""Mark -> id of the field that it stands in."""


def word(seed: str, size: int) -> str:
    """A word of rare letters that no other seed gives."""
    digest = hashlib.blake2b(seed.encode(), digest_size=size).digest()
    return "".join(RARE[byte % len(RARE)] for byte in digest)


@dataclass
class MarkedSchool:
    """Makes a school in which keys stay the same from one `edition` to the next, and all else is new."""

    edition: int
    marks: Marks = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def roster(self) -> Roster:
        """Every field of the catalogue has a value, but for the school's other names and those that exclude each other."""
        groups = [f"{kind[0]}{word(f'key {kind} {n}', 9)}" for kind, n in self._group_numbers()]
        self.keys += groups
        groepen = people.table(Record.GROEP, self._columns(Record.GROEP, len(groups)), len(groups))
        groepen = groepen.assign(key=groups, jaargroep=["3", "4", "5", "C"] + [None] * EXTRA_GROUPS)
        groepen.insert(0, "soort", [kind for kind, _ in self._group_numbers()])
        return Roster(
            self._school(),
            groepen.astype("str"),
            self._people(Record.LEERLING, PUPILS, groups),
            self._people(Record.LEERKRACHT, TEACHERS, groups),
        )

    def mark(self, name: Field, number: int) -> str | None:
        """A value that no other field or record has, in the form that the contract asks."""
        made = _value(name, number, f"{self.edition} {name.id} {number}")
        if made is not None:
            self.marks[_mark_in(name, made)] = name.id
        return made

    @staticmethod
    def _group_numbers() -> list[tuple[str, int]]:
        return [("groep", n) for n in range(GROUPS)] + [("samengestelde_groep", n) for n in range(EXTRA_GROUPS)]

    def _columns(self, record: Record, rows: int) -> dict[str, list[Any]]:
        fields = [CATALOGUE[f"{record}.{name}"] for name in columns(record, frozenset(CATALOGUE))]
        return {f.name: [self.mark(f, n) for n in range(rows)] for f in fields if f.kind is not Kind.LIST}

    def _school(self) -> Any:
        values = self._columns(Record.SCHOOL, 1)
        site = {"key": word("site", 9), "naam": word(f"{self.edition} site", 9)}
        self.marks |= {site["naam"]: "school.vestigingen"}
        values |= {"schooljaar": ["2026-2027"], "peildatum": ["2026-11-02"], "brincode": ["99XX"]}
        values |= {"dependancecode": ["00"], "instellingsnummer": [None], "vestigingen": [json.dumps([site])]}
        return people.table(Record.SCHOOL, values, 1)

    def _people(self, record: Record, rows: int, groups: list[str]) -> Any:
        values = self._columns(record, rows)
        values["key"] = [f"{record[:6]}{word(f'key {record} {n}', 9)}" for n in range(rows)]
        self.keys += values["key"]
        values["toevoegingen"] = [self._block(record, n) for n in range(rows)]
        if record is Record.LEERLING:
            values["groep"] = [groups[n % GROUPS] for n in range(rows)]
            values["samengestelde_groepen"] = [json.dumps([groups[GROUPS + n % EXTRA_GROUPS]]) for n in range(rows)]
            values["vestiging"] = [word("site", 9)] * rows
        else:
            roles = [[{"rolomschrijving": self._role(n)}] for n in range(rows)]
            values["rollen"] = [json.dumps(role) for role in roles]
            values["groepen"] = [json.dumps([{"groep": groups[n], "rollen": roles[n]}]) for n in range(rows)]
        return people.table(record, values, rows)

    def _block(self, record: Record, number: int) -> str:
        text = word(f"{self.edition} {record} block {number}", 12)
        self.marks[text] = f"{record}.toevoegingen"
        return json.dumps([{"type": "notitie", "tekst": text}])

    def _role(self, number: int) -> str:
        text = word(f"{self.edition} role {number}", 12)
        self.marks[text] = "leerkracht.rollen"
        return text


_FIRST_DAYS = {
    "geboortedatum": date(2011, 1, 1),
    "start_ondw_jgr3": date(2017, 1, 1),
    "instroomdatum": date(2015, 1, 1),
    "uitstroomdatum": date(2027, 9, 1),
}
_EXCLUDING = (
    ("sofinummer", "bsn", "onderwijsnummer", "rijksregisternummer"),
    ("postcodenl", "postnummerbe", "postcodeoverig"),
)


def _value(name: Field, number: int, seed: str) -> str | None:
    edition = int(seed.split(maxsplit=1)[0])
    for choice in _EXCLUDING:
        if name.name in choice and choice[number % len(choice)] != name.name:
            return None
    if name.name in {"bsn_ondwnr-4", "postnummerbe", "xsdversie"} or (name.name == "key"):
        return None  # too short to be a mark, or set elsewhere
    if name.kind is Kind.DATE:
        first = _FIRST_DAYS.get(name.name, date(2019, 1, 1))
        return (first + timedelta(days=2 * (number + 50 * edition))).isoformat()
    if name.kind is Kind.MOMENT:
        offset = 500 * edition + 100 * list(Record).index(name.record) + number
        return f"{date(1990, 1, 1) + timedelta(days=offset)}T11:12:13"
    return _code(name, seed) if name.kind is Kind.CODE else _text(name, seed)


def _code(name: Field, seed: str) -> str | None:
    digits = str(int(hashlib.blake2b(seed.encode(), digest_size=8).hexdigest(), 16))
    if name.name in {"sofinummer", "bsn", "onderwijsnummer"}:
        return "97" + digits[:7]
    if name.name == "rijksregisternummer":
        return "97" + digits[:9]
    if name.name == "postcodenl":
        return "97" + digits[:2] + word(seed, 2)
    return None  # a code of one or two letters is no mark


def _text(name: Field, seed: str) -> str:
    if name.name == "eckid":
        return f"https://ketenid.nl/201703/{hashlib.sha512(seed.encode()).hexdigest()}"
    if name.name == "emailadres":
        return f"{word(seed, 12)}@school.example"
    if name.name == "fotourl":
        return f"https://foto.example/{word(seed, 12)}?a=1&b=2"
    size = name.max_length or 64
    return f"{word(seed, 12)} ë&'<" if size > 20 else word(seed, min(size, 10))


def _mark_in(name: Field, value: str) -> str:
    """The part of a value that no other has and that is spelt the same everywhere."""
    if name.name == "eckid":
        return value.rpartition("/")[2][:40]
    rare = re.search(f"[{RARE}]{{6,}}", value)
    return rare[0] if rare and name.kind is Kind.TEXT else value


def found(files: Iterable[Path], marks: Marks) -> set[tuple[str, str]]:
    """Which fields have a mark in which files, in any spelling and any case; not the marks themselves.

    In a database a postcode counts where no digit is before it: a database sets numbers of its own right after the moments in it,
    and their last digits and two such numbers can look like a postcode.
    """
    wanted = {mark.lower().encode(): field_id for mark, field_id in marks.items()}
    beginnings: dict[int, list[bytes]] = {}
    for mark in wanted:
        beginnings.setdefault(int.from_bytes(mark[:6], "big"), []).append(mark)
    known = np.array(sorted(beginnings), dtype=np.uint64)
    return {
        (wanted[mark], file.name)
        for file in files
        for content in _contents(file)
        for view in _readings(content)
        for beginning in np.intersect1d(_sixes(view), known).tolist()
        for mark in beginnings[beginning]
        if re.search(rb"(?<![0-9])%b" % mark if ".db" in file.name and _POSTCODE(mark) else re.escape(mark), view)
    }


_POSTCODE = re.compile(rb"[0-9]{4} ?[a-z]{2}").fullmatch


def _contents(file: Path) -> Iterator[bytes]:
    """A file, and what is packed in it."""
    yield file.read_bytes()
    if file.suffix == ".xlsx":
        with zipfile.ZipFile(file) as packed:
            yield from map(packed.read, packed.namelist())


def _readings(content: bytes) -> Iterator[bytes]:
    """A file in lower case as it is, as if it were UTF-16, and with all in it that may be hexadecimal or base64 decoded."""
    for whole in (content, content.replace(b"\0", b"")):
        yield whole.lower()
        hexadecimal = re.findall(rb"(?:[0-9a-fA-F]{2}){6,}", whole)
        yield b"\n".join(
            bytes.fromhex(run[n:][: len(run[n:]) // 2 * 2].decode()) for run in hexadecimal for n in (0, 1)
        ).lower()
        for run_of in (rb"[A-Za-z0-9+/]{8,}", rb"[A-Za-z0-9_-]{8,}"):
            runs = re.findall(run_of, whole)
            for shift in range(4):
                yield b"\n".join(_decoded(run[shift:]) for run in runs).lower()


def _decoded(run: bytes) -> bytes:
    return base64.b64decode(run[: len(run) // 4 * 4], altchars=b"-_" if set(run) & set(b"-_") else None)


def _sixes(content: bytes) -> Any:
    """Every six bytes in a row, as numbers."""
    octets = np.frombuffer(content, dtype=np.uint8).astype(np.uint64)
    if len(octets) < 6:
        return octets[:0]
    sixes = np.zeros(len(octets) - 5, dtype=np.uint64)
    for place in range(6):
        sixes = (sixes << np.uint64(8)) | octets[place : len(octets) - 5 + place]
    return np.unique(sixes)
