"""New keys for the whole ledger, in one transaction: what is encrypted is encrypted anew, refs and fingerprints get the new key on top, and all seals are made anew.

Values are not needed for it. Where the keys come from is in `pipelines.rotation`, what a fingerprint is in `pipelines.sync`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.batches import answer_again
from pipelines.ledger.delivered import is_presumed
from pipelines.ledger.erasure_proofs import first_broken_erasure, renew_erasures
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.handles import encrypt_again
from pipelines.ledger.leases import BusyError
from pipelines.ledger.seals import first_broken, reseal
from pipelines.ledger.tables import change, delivered, key_use, lease, record
from pipelines.ledger.transaction import AnyRow, Transaction

Prints = Callable[[Sequence[bytes], Sequence[bytes], Sequence[bytes]], list[bytes]]
"""Fingerprints under the new keys, out of the old ones with the refs that their records had and have."""

_AT_ONCE = 20_000


def renew_keys(transaction: Transaction, new: Keys, prints: Prints) -> None:
    """Bring everything under the keys `new`, of which those of `transaction` are the first; the caller writes alone.

    Raises:
        BusyError: a delivery is going on.
        LedgerBrokenError: a seal does not hold; new seals would hide that.
    """
    if transaction.execute(sa.select(lease.c.token).where(lease.c.expires_at > transaction.now).limit(1)).first():
        raise BusyError(
            "Er loopt een levering, of die is net afgebroken. Vernieuw de sleutels als zij klaar is, of over een kwartier."
        )
    if broken := first_broken(transaction) or first_broken_erasure(transaction):
        raise LedgerBrokenError(broken.reason)
    refs = _records(transaction, new)
    _changes(transaction, new, refs, prints)
    _delivered(transaction, refs, prints)
    encrypt_again(transaction, new)
    renew_erasures(transaction, new)
    reseal(transaction, new)
    for purpose, key_id in ids_of(new).items():
        transaction.execute(sa.update(key_use).where(key_use.c.purpose == purpose).values(key_id=key_id))


def ids_of(keys: Keys) -> dict[str, str]:
    """The keys in use, as `key_use` has them."""
    return {"encryption": keys.encryption_id, "fingerprint": keys.fingerprint_id}


def ids_in_use(transaction: Transaction, *, alone: bool = False) -> dict[str, str]:
    """The keys with which the ledger was written, by purpose.

    Held until this transaction ends, so that nobody renews them; `alone`: so that nobody else writes anything at all. Every
    transaction that writes asks this first, so on PostgreSQL none waits here with something that another waits for.
    """
    rows = transaction.execute(sa.select(key_use.c.purpose, key_use.c.key_id).with_for_update(read=not alone))
    return dict(rows.all())


_Refs = Mapping[int, tuple[bytes, bytes]]
"""The old and the new ref of each record."""


def _records(transaction: Transaction, new: Keys) -> _Refs:
    """Also of one whose key was shredded: it may come back."""
    rows = transaction.execute(sa.select(record.c.id, record.c.ref, record.c.key_encrypted, record.c.eckid)).all()
    refs = new.renewed([row.ref for row in rows], transaction.keys)
    told = {row.id: row.eckid for row in rows if row.eckid}
    eckids = dict(zip(told, new.renewed(list(told.values()), transaction.keys), strict=True))
    write = sa.update(record).where(record.c.id == sa.bindparam("number"))
    write = write.values(ref=sa.bindparam("name"), key_encrypted=sa.bindparam("key"), eckid=sa.bindparam("known_by"))
    written = []
    for row, ref in zip(rows, refs, strict=True):
        key = row.key_encrypted and new.encrypt(transaction.keys.decrypt(row.key_encrypted, row.ref), ref)
        written.append({"number": row.id, "name": ref, "key": key, "known_by": eckids.get(row.id)})
    transaction.execute_many(write, written)
    return {row.id: (row.ref, ref) for row, ref in zip(rows, refs, strict=True)}


def _changes(transaction: Transaction, new: Keys, refs: _Refs, prints: Prints) -> None:
    write = sa.update(change).where(change.c.id == sa.bindparam("number")).values(fingerprint=sa.bindparam("now"))
    for rows in _by_number(transaction, sa.select(change.c.id, change.c.record_id, change.c.fingerprint)):
        full = [row for row in rows if row.fingerprint]
        found = _renewed(full, refs, prints)
        written = [{"number": row.id, "now": now} for row, now in zip(full, found, strict=True)]
        transaction.execute_many(write, written)
    answer_again(transaction, new)


def _delivered(transaction: Transaction, refs: _Refs, prints: Prints) -> None:
    """What is presumed stays so: that says nothing of any value."""
    write = sa.update(delivered).where(delivered.c.supplier == sa.bindparam("of"))
    write = write.where(delivered.c.record_id == sa.bindparam("number")).values(fingerprint=sa.bindparam("now"))
    query = sa.select(delivered.c.supplier, delivered.c.record_id, delivered.c.fingerprint)
    rows = [row for row in transaction.execute(query) if not is_presumed(row.fingerprint)]
    found = _renewed(rows, refs, prints)
    written = [{"of": r.supplier, "number": r.record_id, "now": now} for r, now in zip(rows, found, strict=True)]
    transaction.execute_many(write, written)


def _renewed(rows: Sequence[AnyRow], refs: _Refs, prints: Prints) -> list[bytes]:
    both = [refs[row.record_id] for row in rows]
    return prints([row.fingerprint for row in rows], [old for old, _ in both], [now for _, now in both])


def _by_number(transaction: Transaction, query: sa.Select[Any]) -> Iterator[Sequence[AnyRow]]:
    """The changes that `query` finds, so many at once."""
    last = 0
    ordered = query.order_by(change.c.id).limit(_AT_ONCE)
    while rows := transaction.execute(ordered.where(change.c.id > last)).all():
        yield rows
        last = rows[-1].id
