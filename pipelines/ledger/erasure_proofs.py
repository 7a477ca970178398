"""The keyed proof of each request to erase: who can write in the database cannot mend what he changed.

Numbers have no gaps, so that a request that is taken out shows too; of the newest ones it shows only where something of them is left.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.seals import BrokenSeal
from pipelines.ledger.tables import CHAIN_SIZE, erased_eckid, erased_record, erasure, erasure_confirmation
from pipelines.ledger.transaction import Transaction


def prove(transaction: Transaction, number: int) -> None:
    """Put the proof under a request as it stands now."""
    here = erasure.c.id == number
    transaction.execute(sa.update(erasure).where(here).values(proof=_proof(transaction, number)))


def holds(transaction: Transaction, number: int) -> bool:
    """Whether a request says what it said when the proof was put under it."""
    here = erasure.c.id == number
    return bool(transaction.execute(sa.select(erasure.c.proof).where(here)).scalar() == _proof(transaction, number))


def first_broken_erasure(transaction: Transaction) -> BrokenSeal | None:
    """The first request that no longer says what it said, or None."""
    requests = transaction.execute(sa.select(erasure.c.id, erasure.c.opened_at).order_by(erasure.c.id)).all()
    for place, (number, opened_at) in enumerate(requests, 1):
        if number != place:
            return BrokenSeal(None, None, f"Wisverzoek {place} is weggehaald.")
        if not holds(transaction, number):
            return BrokenSeal(None, None, f"Wisverzoek {number} is later veranderd.", opened_at)
    return None


def renew_erasures(transaction: Transaction, new: Keys) -> None:
    """Bring the requests under other keys; the caller has seen that every one of them holds."""
    for table in (erased_record, erased_eckid):
        rows = transaction.execute(sa.select(table).where(table.c.ref.is_not(None))).all()
        write = sa.update(table).where(table.c.erasure_id == sa.bindparam("of"))
        write = write.where(table.c.record_id == sa.bindparam("number")).values(ref=sa.bindparam("name"))
        refs = new.renewed([row.ref for row in rows], transaction.keys)
        written = [
            {"of": row.erasure_id, "number": row.record_id, "name": ref} for row, ref in zip(rows, refs, strict=True)
        ]
        transaction.execute_many(write, written)
    for number in transaction.execute(sa.select(erasure.c.id)).scalars().all():
        prove(replace(transaction, keys=new), number)


def _proof(transaction: Transaction, number: int) -> bytes:
    """Keyed digest of a request and all that belongs to it."""
    content = orjson.dumps(list(_content(transaction, number)))
    return transaction.keys.mac(content, CHAIN_SIZE, purpose=b"wisverzoek")


def _content(transaction: Transaction, number: int) -> Iterator[list[Any]]:
    orders = {erasure: erasure.c.id, erased_record: erased_record.c.record_id}
    orders |= {erasure_confirmation: erasure_confirmation.c.supplier, erased_eckid: erased_eckid.c.record_id}
    for table, order in orders.items():
        mine = table.c.id if table is erasure else table.c.erasure_id
        columns = [column for column in table.c if column.name != "proof"]
        for row in transaction.execute(sa.select(*columns).where(mine == number).order_by(order)):
            yield [value.hex() if isinstance(value, bytes) else value for value in row]
