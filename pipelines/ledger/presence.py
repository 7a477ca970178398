"""Who of the erased is in a school's export: recognised by ref, for nothing else may name him any more.

He is known under another key by a keyed digest of his ECK iD, which goes with his refs when he has left and all is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import sqlalchemy as sa

from pipelines.ledger.erasure_proofs import holds, prove
from pipelines.ledger.plans import GOOD
from pipelines.ledger.records import PUPIL, numbers
from pipelines.ledger.tables import erased_eckid, erased_record, erasure, plan
from pipelines.ledger.transaction import AnyRow, Transaction

_USUAL_PERCENT = 95
"""How large an export must be, in percent of what was last delivered, to believe from it that somebody has left."""


def refs(transaction: Transaction, school: str) -> dict[bytes, int]:
    """Record numbers by ref of who may not go out any more."""
    known = sa.select(erased_record.c.ref, erased_record.c.record_id).join_from(erased_record, erasure)
    query = known.where(erasure.c.school == school, erased_record.c.ref.is_not(None))
    return dict(transaction.execute(query.order_by(erased_record.c.record_id)).all())


def eckids(transaction: Transaction, school: str) -> dict[bytes, set[bytes]]:
    """By the ref of an ECK iD by which one of them is known under another key: the refs of all the keys that he had."""
    query = sa.select(erased_eckid.c.ref, erased_record.c.ref).join_from(erased_eckid, erasure)
    query = query.join(erased_record, erased_record.c.erasure_id == erasure.c.id).where(
        erasure.c.school == school, erased_record.c.ref.is_not(None)
    )
    found: dict[bytes, set[bytes]] = {}
    for eckid, ref in transaction.execute(query):
        found.setdefault(eckid, set()).add(ref)
    return found


_SAME = [erased_eckid.c[name] == erased_record.c[name] for name in ("erasure_id", "record_id")]


class Seen(NamedTuple):
    """One of the erased in an export: his key, and the ref of his ECK iD where that is told.

    `not_his`: one that he was known by is another's, who is in the export beside him.
    """

    key: str
    eckid: bytes | None
    not_his: bool = False

    def __repr__(self) -> str:
        return "Seen(...)"


@dataclass(frozen=True, slots=True)
class _Known:
    """By what one of the erased is known, and whether he is in the export."""

    ref: bytes
    eckid: bytes | None
    in_export: bool


def note_presence(
    transaction: Transaction, school: str, seen: Mapping[bytes, Seen], pupils: int, *, unnamed: bool
) -> None:
    """See `Erasures.note_presence`.

    An open request is from then on about another key too, for a supplier may know him by either; a closed one is about that
    key instead, for it no longer names anybody.
    """
    eckid = erased_eckid.c.ref.label("eckid")
    query = sa.select(erased_record, erasure.c.closed_at, eckid).join_from(erased_record, erasure)
    query = query.outerjoin(erased_eckid, sa.and_(*_SAME)).order_by(erased_record.c.erasure_id)
    rows = transaction.execute(query.where(erasure.c.school == school, erased_record.c.ref.is_not(None))).all()
    elsewhere = {each.eckid: ref for ref, each in seen.items() if each.eckid}
    for each in rows:  # whose key is in the export, or is meant by a request already, has no other
        elsewhere = {eckid: ref for eckid, ref in elsewhere.items() if ref != each.ref}
    left = not unnamed and bool(rows) and _is_usual(transaction, school, pupils)
    for number, of_one in groupby(rows, key=attrgetter("erasure_id")):
        news: list[tuple[AnyRow, _Known]] = []
        others: set[bytes] = set()
        his = list(of_one)
        not_his = any(row.ref in seen and seen[row.ref].not_his for row in his)
        for row in his:
            before = _Known(row.ref, row.eckid, row.in_export)
            ref = row.ref if row.ref in seen else elsewhere.get(row.eckid)
            if ref and ref != row.ref and row.closed_at is None:
                others.add(ref)
                ref = None
            if ref:
                kept = None if not_his or seen[ref].not_his else row.eckid
                now = _Known(ref, seen[ref].eckid or kept, in_export=True)
            else:
                kept = None if not_his else row.eckid
                now = _Known(row.ref, kept, in_export=row.in_export and not left)
            if now != before:
                news.append((row, now))
        if (news or others) and holds(transaction, number):  # what was tampered with must stay to be found
            for row, now in news:
                _write(transaction, row.erasure_id, row.record_id, now)
            for ref in others:
                _add(transaction, school, number, ref, seen[ref])
            forget_who_left(transaction, number)
            prove(transaction, number)


def forget_who_left(transaction: Transaction, number: int) -> None:
    """Of a closed request: nothing names any more who is not in the export."""
    closed = sa.select(erasure.c.id).where(erasure.c.id == number, erasure.c.closed_at.is_not(None))
    gone = erased_record.c.erasure_id.in_(closed) & ~erased_record.c.in_export
    numbers = list(transaction.execute(sa.select(erased_record.c.record_id).where(gone)).scalars())
    transaction.execute(sa.update(erased_record).where(gone).values(ref=None))
    of_them = (erased_eckid.c.erasure_id == number) & erased_eckid.c.record_id.in_(numbers)
    transaction.execute(sa.delete(erased_eckid).where(of_them))


def _add(transaction: Transaction, school: str, number: int, ref: bytes, seen: Seen) -> None:
    """Let an open request be also about a pupil under another key."""
    record_id = numbers(transaction, school, PUPIL, {ref: seen.key})[ref]
    new = {"erasure_id": number, "record_id": record_id, "ref": ref, "in_export": True}
    transaction.execute(sa.insert(erased_record).values(**new))
    _write(transaction, number, record_id, _Known(ref, seen.eckid, in_export=True))


def _write(transaction: Transaction, number: int, record_id: int, now: _Known) -> None:
    mine = (erased_record.c.erasure_id == number) & (erased_record.c.record_id == record_id)
    transaction.execute(sa.update(erased_record).where(mine).values(ref=now.ref, in_export=now.in_export))
    known_by = (erased_eckid.c.erasure_id == number) & (erased_eckid.c.record_id == record_id)
    transaction.execute(sa.delete(erased_eckid).where(known_by))
    if now.eckid:
        new = {"erasure_id": number, "record_id": record_id, "ref": now.eckid}
        transaction.execute(sa.insert(erased_eckid).values(**new))


def _is_usual(transaction: Transaction, school: str, pupils: int) -> bool:
    """Whether an export is about as large as the largest that a supplier was last delivered from."""
    newest = sa.select(sa.func.max(plan.c.id)).where(plan.c.school == school, plan.c.state.in_(GOOD))
    largest = sa.select(sa.func.max(plan.c.export_size)).where(plan.c.id.in_(newest.group_by(plan.c.supplier)))
    return 100 * pupils >= _USUAL_PERCENT * (transaction.execute(largest).scalar() or 0)
