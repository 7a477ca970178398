"""Everything the ledger knows of one pupil: what went out about him, who has him now, what was chosen for him. Never a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipelines.ledger.choices import Entry
from pipelines.ledger.delivered import is_presumed
from pipelines.ledger.records import PUPIL, refs_of, same_person
from pipelines.ledger.tables import ANSWERED_AT, STATE, batched, change, choice, delivered, plan, record
from pipelines.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Holding:
    """That a supplier has the pupil now; `presumed` where it never confirmed what it was sent last."""

    record_id: int
    field_set_id: int
    presumed: bool


@dataclass(frozen=True, slots=True)
class Passed:
    """One change about the pupil that was sent to a supplier, or was to be."""

    record_id: int
    supplier: str
    plan_id: int
    operation: str
    cause: str
    state: str  # as of every change: pending, accepted, refused, presumed, abandoned
    changed_fields: str | None
    field_set_id: int
    planned_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """One pupil under all of his keys: who has him now, and everything that was sent or chosen, oldest first.

    `number` is that of his record under the key that was asked for.
    """

    number: int
    holdings: Mapping[str, Holding]  # by supplier
    passed: tuple[Passed, ...]
    choices: tuple[Entry, ...]


def dossier(transaction: Transaction, school: str, key: str) -> Dossier | None:
    """What is known of the pupil with this key, also under other keys; None where the ledger has never met him."""
    ref = refs_of(school, PUPIL, [key], transaction.keys)[0]
    known = sa.select(record.c.id).where(record.c.school == school, record.c.kind == PUPIL, record.c.ref == ref)
    number = transaction.connection.scalar(known)
    if number is None:
        return None
    numbers = sorted(same_person(transaction, school, number))
    return Dossier(
        number, _holdings(transaction, numbers), _passed(transaction, numbers), _choices(transaction, numbers)
    )


def _holdings(transaction: Transaction, numbers: Iterable[int]) -> dict[str, Holding]:
    query = sa.select(
        delivered.c.supplier, delivered.c.record_id, delivered.c.field_set_id, delivered.c.fingerprint
    ).where(delivered.c.record_id.in_(numbers))
    rows = transaction.execute(query.order_by(delivered.c.supplier))
    return {supplier: Holding(number, fields, is_presumed(prints)) for supplier, number, fields, prints in rows}


def _passed(transaction: Transaction, numbers: Iterable[int]) -> tuple[Passed, ...]:
    of_change = (plan.c.id, change.c.operation, change.c.cause, STATE, change.c.changed_fields)
    query = sa.select(
        change.c.record_id, plan.c.supplier, *of_change, plan.c.field_set_id, plan.c.created_at, ANSWERED_AT
    )
    query = query.select_from(batched.join(plan))
    rows = transaction.execute(query.where(change.c.record_id.in_(numbers)).order_by(change.c.id))
    return tuple(Passed(*row) for row in rows)


def _choices(transaction: Transaction, numbers: Iterable[int]) -> tuple[Entry, ...]:
    columns = [choice.c[name] for name in Entry.__slots__]
    query = sa.select(*columns).where(choice.c.record_id.in_(numbers)).order_by(choice.c.id)
    return tuple(Entry(*row) for row in transaction.execute(query))
