"""What the ledger forgets when it was kept long enough: changes about records that nobody holds, and keys without a use."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from pipelines.ledger.frames import among
from pipelines.ledger.records import shred_keys, ties
from pipelines.ledger.seals import first_broken, note_removals, one_at_a_time
from pipelines.ledger.tables import (
    ANSWERED_AT,
    SEAL_ID,
    batched,
    change,
    choice,
    delivered,
    erased_record,
    finding,
    lease,
    plan,
    record,
)
from pipelines.ledger.transaction import Transaction


class LedgerBrokenError(Exception):
    """A seal does not hold: as long as that is so nothing is removed, for that could hide what was done."""


def remove_changes(transaction: Transaction, before: datetime) -> int:
    """Remove all changes about records that no supplier holds and that last changed before this moment (aware); how many.

    Of somebody with more than one identity all go together, or none. What was under a seal is noted there.

    Raises:
        LedgerBrokenError: the ledger does not say what it always said.
    """
    one_at_a_time(transaction, "plan, seal")  # nor may somebody come back meanwhile
    gone = _whole_persons(transaction, _settled(transaction, before))
    if not gone:
        return 0
    if broken := first_broken(transaction):
        raise LedgerBrokenError(broken.reason)
    number, sealed = 0, dict[int, int]()
    for here in among(change.c.record_id, gone):
        count = sa.select(SEAL_ID, sa.func.count()).select_from(batched).where(here, SEAL_ID.is_not(None))
        for seal_id, changes in transaction.execute(count.group_by(SEAL_ID)):
            sealed[seal_id] = sealed.get(seal_id, 0) + changes
        number += transaction.execute(sa.delete(change).where(here)).rowcount
    note_removals(transaction, sealed)
    return number


def shred_unused_keys(transaction: Transaction) -> int:
    """Forget the keys of records to which nothing refers any more; how many.

    Not of a school that is being delivered: its run may have looked up a record for a plan that is still to be written.

    Raises:
        LedgerBrokenError: the ledger does not say what it always said, so that what refers to a record may be gone.
    """
    used = (delivered.c.record_id, change.c.record_id, change.c.replaces_id, finding.c.record_id, choice.c.record_id)
    used_by = [*used, erased_record.c.record_id]
    unused = [record.c.id.not_in(sa.select(column).where(column.is_not(None))) for column in used_by]
    idle = record.c.school.not_in(sa.select(lease.c.school).where(lease.c.expires_at > transaction.now))
    query = sa.select(record.c.id).where(record.c.key_encrypted.is_not(None), idle, *unused)
    found = list(transaction.execute(query).scalars())
    if found and (broken := first_broken(transaction)):
        raise LedgerBrokenError(broken.reason)
    shred_keys(transaction, found)
    return len(found)


def _settled(transaction: Transaction, before: datetime) -> set[int]:
    """The records that no supplier holds, and whose last change is of before this moment and was carried out or dropped."""
    last = sa.func.max(sa.func.coalesce(ANSWERED_AT, plan.c.created_at))
    under_way = sa.func.max(sa.case((plan.c.state == "delivering", 1), else_=0))
    held = sa.select(delivered.c.record_id)
    query = sa.select(change.c.record_id).select_from(batched.join(plan)).where(change.c.record_id.not_in(held))
    query = query.group_by(change.c.record_id).having(last < before, under_way == 0)
    return set(transaction.execute(query).scalars())


def _whole_persons(transaction: Transaction, settled: Iterable[int]) -> set[int]:
    """Those of the records that no change ties to one that must stay: the same person under another key."""
    pairs = [set(pair) for pair in ties(transaction)]
    whole = set(settled)
    while torn := {number for pair in pairs if whole & pair and not pair <= whole for number in pair & whole}:
        whole -= torn
    return whole
