"""Who of the erased is in a school's export: recognised by ref, for nothing else may name him any more.

As long as a request is open he is followed to another key by what suppliers have. Once it is closed only the keyed digest of his
ECK iD is left for that, and it goes with the other refs when he has left.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from pipelines.ledger.erasure_proofs import holds, prove
from pipelines.ledger.heirs import heirs_of
from pipelines.ledger.plans import GOOD
from pipelines.ledger.tables import erased_eckid, erased_record, erasure, plan
from pipelines.ledger.transaction import AnyRow, Transaction

_USUAL_PERCENT = 95
"""How large an export must be, in percent of what was last delivered, to believe from it that somebody has left."""


def refs(transaction: Transaction, school: str) -> dict[bytes, int]:
    """Record numbers by ref of who may not go out any more."""
    known = sa.select(erased_record.c.ref, erased_record.c.record_id).join_from(erased_record, erasure)
    query = known.where(erasure.c.school == school, erased_record.c.ref.is_not(None))
    return dict(transaction.execute(query.order_by(erased_record.c.record_id)).all())


def eckids(transaction: Transaction, school: str) -> set[bytes]:
    """The refs of the ECK iDs of those of whom the request is closed and who had not left."""
    query = sa.select(erased_eckid.c.ref).join_from(erased_eckid, erasure)
    return set(transaction.execute(query.where(erasure.c.school == school, erasure.c.closed_at.is_not(None))).scalars())


@dataclass(frozen=True, slots=True)
class _Known:
    """By what one of the erased is known, and whether he is in the export."""

    ref: bytes
    eckid: bytes | None
    in_export: bool

    def in_this(self, seen: Mapping[bytes, bytes | None], by_eckid: Mapping[bytes | None, bytes]) -> "_Known | None":
        """How he is known by an export in which he is, under this key or another; None where he is not in it."""
        ref = self.ref if self.ref in seen else by_eckid.get(self.eckid)
        return _Known(ref, seen[ref] or self.eckid, in_export=True) if ref else None


def note_presence(
    transaction: Transaction, school: str, seen: Mapping[bytes, bytes | None], pupils: int, *, unnamed: bool
) -> None:
    """See `Erasures.note_presence`."""
    eckid = erased_eckid.c.ref.label("eckid")
    query = sa.select(erased_record, erasure.c.closed_at, eckid).join_from(erased_record, erasure)
    mine = [erased_eckid.c[name] == erased_record.c[name] for name in ("erasure_id", "record_id")]
    query = query.outerjoin(erased_eckid, sa.and_(*mine))
    rows = transaction.execute(query.where(erasure.c.school == school, erased_record.c.ref.is_not(None))).all()
    by_eckid: dict[bytes | None, bytes] = {eckid: ref for ref, eckid in seen.items() if eckid}
    left = not unnamed and bool(rows) and _is_usual(transaction, school, pupils)
    changed: dict[int, list[tuple[AnyRow, _Known]]] = {}
    for row in rows:
        before = _Known(row.ref, row.eckid, row.in_export)
        now = before.in_this(seen, by_eckid if row.closed_at else {})
        now = now or _Known(row.ref, row.eckid, in_export=row.in_export and not left)
        if now != before:
            changed.setdefault(row.erasure_id, []).append((row, now))
    for number, news in sorted(changed.items()):
        if not holds(transaction, number):
            continue  # what was tampered with must stay to be found
        for row, now in news:
            _write(transaction, row, now)
        forget_who_left(transaction, number)
        prove(transaction, number)


def follow(transaction: Transaction, school: str, keys: Collection[str], key_of: Mapping[str, str]) -> None:
    """See `Erasures.follow`."""
    query = sa.select(erased_record.c.erasure_id, erased_record.c.record_id, erased_record.c.ref)
    query = query.join_from(erased_record, erasure).where(erasure.c.school == school, erasure.c.closed_at.is_(None))
    rows = transaction.execute(query).all()
    if not rows:
        return
    heirs = heirs_of(transaction, school, {row.record_id: row.ref for row in rows}, keys, key_of)
    known = {row.ref for row in rows}
    for row in rows:
        heir = heirs.get(row.record_id)
        if heir and heir.ref not in known and holds(transaction, row.erasure_id):
            known.add(heir.ref)
            new = {"erasure_id": row.erasure_id, "record_id": heir.number, "ref": heir.ref, "in_export": True}
            transaction.execute(sa.insert(erased_record).values(**new))
            prove(transaction, row.erasure_id)


def forget_who_left(transaction: Transaction, number: int) -> None:
    """Of a closed request: nothing names any more who is not in the export."""
    closed = sa.select(erasure.c.id).where(erasure.c.id == number, erasure.c.closed_at.is_not(None))
    gone = erased_record.c.erasure_id.in_(closed) & ~erased_record.c.in_export
    numbers = list(transaction.execute(sa.select(erased_record.c.record_id).where(gone)).scalars())
    transaction.execute(sa.update(erased_record).where(gone).values(ref=None))
    of_them = (erased_eckid.c.erasure_id == number) & erased_eckid.c.record_id.in_(numbers)
    transaction.execute(sa.delete(erased_eckid).where(of_them))


def _write(transaction: Transaction, row: AnyRow, now: _Known) -> None:
    mine = (erased_record.c.erasure_id == row.erasure_id) & (erased_record.c.record_id == row.record_id)
    transaction.execute(sa.update(erased_record).where(mine).values(ref=now.ref, in_export=now.in_export))
    if now.eckid:
        new = {"erasure_id": row.erasure_id, "record_id": row.record_id, "ref": now.eckid}
        upsert = transaction.insert(erased_eckid).values(**new)
        transaction.execute(upsert.on_conflict_do_update(index_elements=["erasure_id", "record_id"], set_=new))


def _is_usual(transaction: Transaction, school: str, pupils: int) -> bool:
    """Whether an export is about as large as the largest that a supplier was last delivered from."""
    newest = sa.select(sa.func.max(plan.c.id)).where(plan.c.school == school, plan.c.state.in_(GOOD))
    largest = sa.select(sa.func.max(plan.c.export_size)).where(plan.c.id.in_(newest.group_by(plan.c.supplier)))
    return 100 * pupils >= _USUAL_PERCENT * (transaction.execute(largest).scalar() or 0)
