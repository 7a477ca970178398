"""What reading back at a supplier changes in the ledger: only that it is no longer known what the supplier has of a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from data_contracts.fields import CATALOGUE, Record
from mappings.agreement import FieldSet
from pipelines.ledger.delivered import count_as_unknown
from pipelines.ledger.frames import among
from pipelines.ledger.plans import field_set_id, fields_of, newest_plan
from pipelines.ledger.records import record_keys
from pipelines.ledger.tables import delivered, plan, record
from pipelines.ledger.transaction import Transaction

FOUND = "Teruglezen vond verschillen; de volgende levering zet ze recht."


@dataclass(frozen=True, slots=True)
class Unsure:
    """Record numbers: what the supplier lost, what it has otherwise, and what it has besides, with its kind."""

    missing: Sequence[int]
    different: Sequence[int]
    extra: Mapping[int, Record]

    def __len__(self) -> int:
        return len(self.missing) + len(self.different) + len(self.extra)


def forget_content(transaction: Transaction, supplier: str, school: str, fields: FieldSet, unsure: Unsure) -> None:
    """Count these records as held with unknown content, and the last plan as one that left something to do.

    What the supplier has besides counts as given by the fields of that plan; of the agreed `fields` some may still wait.
    """
    last = newest_plan(transaction, supplier, school)
    widths: dict[tuple[int, str], int] = {}

    def width(number: int, kind: str) -> int:
        if (number, kind) not in widths:
            ids = fields_of(transaction, number)
            widths[number, kind] = 1 + sum(CATALOGUE[f].record == kind for f in ids)
        return widths[number, kind]

    for numbers, lost in ((unsure.missing, True), (unsure.different, False)):
        rows = []
        for here in among(delivered.c.record_id, numbers):
            query = sa.select(record.c.id, record.c.kind, delivered.c.field_set_id).join_from(delivered, record)
            found = transaction.execute(query.where(delivered.c.supplier == supplier, here)).all()
            rows += [(row.id, row.field_set_id, width(row.field_set_id, row.kind)) for row in found]
        count_as_unknown(transaction, supplier, rows, lost=lost)
    if unsure.extra:
        agreed = last.field_set_id if last else field_set_id(transaction, fields)
        rows = [(number, agreed, width(agreed, kind)) for number, kind in unsure.extra.items()]
        count_as_unknown(transaction, supplier, rows, lost=False)
    if last:
        again = sa.update(plan).where(plan.c.id == last.id, plan.c.state.in_(("delivered", "unchanged")))
        transaction.execute(again.values(state="partial", reason=FOUND))


def named(transaction: Transaction, numbers: Sequence[int]) -> dict[int, tuple[str, str | None]]:
    """Kind and key of these records, the key absent where it was shredded."""
    keys, found = record_keys(transaction, numbers), dict[int, tuple[str, str | None]]()
    for here in among(record.c.id, numbers):
        rows = transaction.execute(sa.select(record.c.id, record.c.kind).where(here))
        found |= {row.id: (row.kind, keys.get(row.id)) for row in rows}
    return found
