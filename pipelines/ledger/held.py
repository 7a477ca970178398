"""Counts for who looks over all schools: what each supplier holds now, and what was really sent to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.ledger.tables import change, delivered, field_set, plan, record
from pipelines.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to a supplier of one kind of record, under one field set. `presumed` was sent without an answer: it may have arrived."""

    school: str
    supplier: str
    fields: tuple[str, ...]  # ids of the field set, also those of other kinds
    kind: str
    records: int
    accepted: int
    presumed: int
    first: datetime
    last: datetime


def held_by_kind(transaction: Transaction) -> dict[tuple[str, str], dict[str, int]]:
    """How many records of each kind a supplier holds of a school: by school and supplier."""
    place = (record.c.school, delivered.c.supplier, record.c.kind)
    found: dict[tuple[str, str], dict[str, int]] = {}
    for school, supplier, kind, number in transaction.execute(
        sa.select(*place, sa.func.count()).join_from(delivered, record).group_by(*place)
    ):
        found.setdefault((school, supplier), {})[kind] = number
    return found


def sent(transaction: Transaction) -> list[Sent]:
    """Every school, supplier, field set and kind of record that went out; deletes are none: they carry a key and no data."""
    place = (plan.c.school, plan.c.supplier, plan.c.field_set_id, record.c.kind)
    query = (
        sa.select(
            *place,
            sa.func.count(sa.distinct(change.c.record_id)),
            _number("accepted"),
            _number("presumed"),
            sa.func.min(change.c.answered_at),
            sa.func.max(change.c.answered_at),
        )
        .select_from(change.join(plan, change.c.plan_id == plan.c.id).join(record, change.c.record_id == record.c.id))
        .where(change.c.state.in_(("accepted", "presumed")), change.c.operation != "delete")
        .group_by(*place)
        .order_by(*place)
    )
    fields = {row.id: tuple(row.fields) for row in transaction.execute(sa.select(field_set.c.id, field_set.c.fields))}
    return [
        Sent(school, supplier, fields[number], *counted)
        for school, supplier, number, *counted in transaction.execute(query)
    ]


def _number(state: str) -> sa.ColumnElement[Any]:
    return sa.func.count(sa.case((change.c.state == state, 1)))
