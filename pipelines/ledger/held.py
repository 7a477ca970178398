"""Counts for who looks over all schools: what each supplier holds now, and what was really sent to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.ledger.tables import ANSWERED_AT, STATE, change, changed_record, delivered, field_set, plan, record
from pipelines.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to a supplier of one kind of record. `presumed` was sent without an answer: it may have arrived."""

    school: str
    supplier: str
    kind: str
    fields: frozenset[str]  # the ids of every field set that was used for this kind, also those of other kinds
    records: int
    accepted: int
    presumed: int
    first: datetime
    last: datetime


def held_by_kind(transaction: Transaction, school: str | None) -> dict[tuple[str, str], dict[str, int]]:
    """How many records of each kind every supplier holds, by school and supplier, in that order; of one school or of all.

    Of one school those suppliers count that a plan was ever made for.
    """
    place = (record.c.school, delivered.c.supplier, record.c.kind)
    query = sa.select(*place, sa.func.count()).join_from(delivered, record).group_by(*place).order_by(*place)
    if school is not None:
        # By name of supplier and number of record, as `delivered` is kept: else all of it is read for each record of the school.
        suppliers = sa.select(plan.c.supplier).where(plan.c.school == school)
        query = query.where(record.c.school == school, delivered.c.supplier.in_(suppliers))
    found: dict[tuple[str, str], dict[str, int]] = {}
    for of, supplier, kind, number in transaction.execute(query):
        found.setdefault((of, supplier), {})[kind] = number
    return found


def held_fields(transaction: Transaction, supplier: str, school: str) -> frozenset[str]:
    """The ids of all fields under which this supplier holds anything of this school; none where it holds nothing."""
    used = sa.select(delivered.c.field_set_id).join_from(delivered, record)
    used = used.where(delivered.c.supplier == supplier, record.c.school == school).distinct()
    found = transaction.execute(sa.select(field_set.c.fields).where(field_set.c.id.in_(used))).scalars()
    return frozenset(field_id for fields in found for field_id in fields)


def sent(transaction: Transaction) -> list[Sent]:
    """What went out of every school to every supplier, by kind of record; deletes are left out: they carry a key and no data."""
    place = (plan.c.school, plan.c.supplier, record.c.kind)
    went = STATE.in_(("accepted", "presumed")) & (change.c.operation != "delete")
    joined = changed_record.join(plan)
    counts = (
        sa.func.count(sa.distinct(change.c.record_id)),
        _number("accepted"),
        _number("presumed"),
        sa.func.min(ANSWERED_AT),
        sa.func.max(ANSWERED_AT),
    )
    named = {row.id: row.fields for row in transaction.execute(sa.select(field_set.c.id, field_set.c.fields))}
    fields: dict[tuple[str, str, str], set[str]] = {}
    used = sa.select(*place, plan.c.field_set_id).select_from(joined).where(went).distinct()
    for school, supplier, kind, number in transaction.execute(used):
        fields.setdefault((school, supplier, kind), set()).update(named[number])
    query = sa.select(*place, *counts).select_from(joined).where(went).group_by(*place).order_by(*place)
    return [
        Sent(school, supplier, kind, frozenset(fields[school, supplier, kind]), *counted)
        for school, supplier, kind, *counted in transaction.execute(query)
    ]


def _number(state: str) -> sa.ColumnElement[Any]:
    return sa.func.count(sa.case((STATE.in_([state]), 1)))
