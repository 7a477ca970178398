"""When each supplier of each school was last looked at by a delivery, and why that came to nothing before there was a plan."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipelines.ledger.tables import REASON_SIZE, look
from pipelines.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Look:
    """The last look. `reason` is absent where the look was good, or where the last plan tells what went wrong."""

    school: str
    supplier: str
    looked_at: datetime  # aware
    run_id: str
    reason: str | None  # Dutch


def remember_look(transaction: Transaction, school: str, supplier: str, run_id: str, reason: str | None) -> None:
    """Keep this look in the place of the one before."""
    told = reason[:REASON_SIZE] if reason else None
    row = {"school": school, "supplier": supplier, "looked_at": transaction.now, "run_id": run_id, "reason": told}
    upsert = transaction.insert(look).values(**row)
    transaction.execute(upsert.on_conflict_do_update(index_elements=["school", "supplier"], set_=row))


def looks(transaction: Transaction, school: str | None) -> dict[tuple[str, str], Look]:
    """The last look at every supplier, by school and supplier; of one school or of all."""
    query = sa.select(look) if school is None else sa.select(look).where(look.c.school == school)
    return {(row.school, row.supplier): Look(*row) for row in transaction.execute(query)}
