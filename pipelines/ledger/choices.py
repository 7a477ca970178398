"""What parents chose about a supplier or a purpose, by record number: every entry stays, the newest counts. Never a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa

from pipelines.ledger.frames import among
from pipelines.ledger.records import PUPIL, identities, numbers, refs_of
from pipelines.ledger.tables import choice, record
from pipelines.ledger.transaction import Transaction

UNKNOWN_PUPIL: Final = "onbekende_leerling"
"""The code of every error that says so: a mistake of who typed the key."""


class ChoiceRefusedError(Exception):
    """A choice that cannot be written down, with the reason in Dutch; `keys` are the pupils that it is about."""

    def __init__(self, reason: str, keys: frozenset[str]) -> None:
        super().__init__(reason)
        self.keys = keys
        self.code = UNKNOWN_PUPIL if reason == UNKNOWN else ""


class Chosen(NamedTuple):
    """The newest choice about one pupil and one subject (a supplier, or a purpose), under one of his keys."""

    record_id: int
    ref: bytes
    subject: str
    choice: str
    since: date


@dataclass(frozen=True, slots=True)
class Entry:
    """One choice as it was written down."""

    record_id: int
    subject: str
    choice: str
    since: date  # when the parent said so
    how: str
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class NewChoices:
    """What is to be written down about pupils of one school and one subject: a choice by pupil key."""

    school: str
    subject: str
    choices: Mapping[str, str] = field(repr=False)
    since: date
    how: str
    recorded_by: str


def newest_choices(transaction: Transaction, school: str, subjects: Sequence[str]) -> list[Chosen]:
    """The newest choice about each of these subjects of each pupil of whom there is one, in the order of their numbers.

    What parents say is about the child, and not about how ParnasSys numbers it: it counts under each of his keys.
    """
    here = (record.c.school == school) & choice.c.subject.in_(subjects)
    last = sa.select(sa.func.max(choice.c.id)).join_from(choice, record).where(here)
    last = last.group_by(choice.c.record_id, choice.c.subject)
    query = sa.select(choice).where(choice.c.id.in_(last)).order_by(choice.c.id)
    if not (entries := transaction.execute(query).all()):
        return []
    persons = identities(transaction, school)
    newest = {
        (number, entry.subject): (entry.choice, entry.since)
        for entry in entries
        for number in persons.get(entry.record_id, {entry.record_id})
    }
    refs: dict[int, bytes] = {}
    for each in among(record.c.id, {number for number, _ in newest}):
        refs |= dict(transaction.execute(sa.select(record.c.id, record.c.ref).where(each)).all())
    return [Chosen(number, refs[number], subject, *newest[number, subject]) for number, subject in sorted(newest)]


def history(transaction: Transaction, school: str) -> list[Entry]:
    """Every entry of a school, oldest first."""
    columns = [choice.c[name] for name in Entry.__slots__]
    query = sa.select(*columns).join_from(choice, record).where(record.c.school == school).order_by(choice.c.id)
    return [Entry(*row) for row in transaction.execute(query)]


def record_choices(transaction: Transaction, new: NewChoices) -> int:
    """Write choices down, all or none; what is the newest choice already is not repeated. Gives how many were news.

    A pupil whose key was shredded, because nothing referred to it, has it again: now something does.

    Raises:
        ChoiceRefusedError: a pupil is unknown, or said something else later than `new.since`.
    """
    keys = list(new.choices)
    refs = refs_of(new.school, PUPIL, keys, transaction.keys)
    known = sa.select(record.c.ref, record.c.id).where(record.c.school == new.school, record.c.kind == PUPIL)
    number_of = dict(transaction.execute(known).all())
    unknown = frozenset(key for key, ref in zip(keys, refs, strict=True) if ref not in number_of)
    if unknown:
        raise ChoiceRefusedError(UNKNOWN, unknown)
    newest = {each.record_id: each for each in newest_choices(transaction, new.school, [new.subject])}
    said = {key: newest.get(number_of[ref]) for key, ref in zip(keys, refs, strict=True)}
    changed = {key: before for key, before in said.items() if before is None or before.choice != new.choices[key]}
    if later := frozenset(key for key, before in changed.items() if before and before.since > new.since):
        raise ChoiceRefusedError(LATER, later)
    numbers(transaction, new.school, PUPIL, {ref: key for key, ref in zip(keys, refs, strict=True) if key in changed})
    rows = [
        {
            "record_id": number_of[ref],
            "subject": new.subject,
            "choice": new.choices[key],
            "since": new.since,
            "how": new.how,
            "recorded_by": new.recorded_by[:100],
            "recorded_at": transaction.now,
        }
        for key, ref in zip(keys, refs, strict=True)
        if key in changed
    ]
    transaction.execute_many(sa.insert(choice), rows)
    return len(rows)


UNKNOWN = (
    "Deze leerling is bij deze school niet bekend. Gebruik de sleutel uit ParnasSys; staat hij pas sinds kort in de export, "
    "haal die dan eerst op met `doorgeefluik preview`."
)
LATER = "Hierover is voor deze leerling op een latere datum al iets anders vastgelegd. Geef een latere datum."
