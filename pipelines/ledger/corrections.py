"""What was sent about one record, supplier by supplier: what a correction is followed by."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipelines.ledger.tables import change, plan, record
from pipelines.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Sent:
    """One change about a record as it was planned for a supplier; `fields` are names, with commas."""

    supplier: str
    operation: str
    fields: str
    state: str
    planned_at: datetime
    answered_at: datetime | None


def sent_about(transaction: Transaction, school: str, ref: bytes) -> list[Sent]:
    """Every change about the record with this ref that was to be sent, oldest first."""
    fields = sa.func.coalesce(change.c.changed_fields, "")
    columns = [plan.c.supplier, change.c.operation, fields, change.c.state, plan.c.created_at, change.c.answered_at]
    joined = change.join(plan, change.c.plan_id == plan.c.id).join(record, change.c.record_id == record.c.id)
    query = sa.select(*columns).select_from(joined).where(record.c.school == school, record.c.ref == ref)
    return [Sent(*row) for row in transaction.execute(query.order_by(change.c.id))]
