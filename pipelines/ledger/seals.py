"""Seals: a keyed hash chain over the accepted changes, so that one that is altered, taken out or put in later shows.

The key is not in the database: who can write there can break the chain, but not mend it. Taking off the newest seals with
all that belongs to them shows only to who noted the `head` before.

Changes that were kept long enough are removed with a note by their seal: how many, when, and a keyed digest of what is left.
The seal itself and the chain stay as they were. Without the key nobody can write such a note. After an erasure the changes
about that pupil stay without what identifies him: the same note, of nothing removed.

When the keys are renewed every seal is made anew, with a note of what the chain was (`resealings`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
import pandas as pd
import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.frames import among, values
from pipelines.ledger.resealings import beginning, note_resealing, why_broken
from pipelines.ledger.tables import (
    ANSWERED_AT,
    CHAIN_SIZE,
    SEAL_ID,
    STATE,
    batch,
    batched,
    change,
    changed_record,
    field_set,
    plan,
    record,
    removal,
    seal,
)
from pipelines.ledger.transaction import AnyRow, Transaction

_DISCLOSED = (
    batch.c.plan_id,
    batch.c.number,
    record.c.school,
    record.c.kind,
    record.c.ref,
    change.c.operation,
    change.c.cause,
    change.c.fingerprint,
    change.c.changed_fields,
    change.c.replaces_id,
)
_BINARY = [place for place, column in enumerate(_DISCLOSED) if isinstance(column.type, sa.LargeBinary)]

_CIRCUMSTANCES = (
    plan.c.id,
    plan.c.digest,
    plan.c.supplier,
    plan.c.school,
    plan.c.run_id,
    plan.c.agreement_digest,
    plan.c.schooljaar,
    field_set.c.digest,
    field_set.c.profile_version,
    field_set.c.fields,
)


@dataclass(frozen=True, slots=True)
class BrokenSeal:
    """Where the ledger no longer says what it said: the seal (None: changes without one), and in Dutch what is wrong.

    `at` is the moment of the seal, where there is one to ask.
    """

    seal_id: int | None
    plan_id: int | None
    reason: str
    at: datetime | None = None


def seal_changes(transaction: Transaction, plan_id: int, number: int, content: bytes) -> int:
    """Seal changes of one batch that are being accepted in this transaction; the seal's number.

    `content` digests them, see `digest`; the caller writes state, moment and the seal's number into them.
    """
    one_at_a_time(transaction)
    circumstances = transaction.execute(_circumstances().where(plan.c.id == plan_id)).one()
    previous = _newest_link(transaction) or beginning(transaction)
    chain = _chain(transaction.keys, previous, content, _about(number, transaction.now, circumstances))
    row = {"plan_id": plan_id, "batch": number, "changes": content, "previous": previous, "chain": chain}
    return transaction.number(sa.insert(seal).values(**row, sealed_at=transaction.now).returning(seal.c.id))


def note_removals(transaction: Transaction, removed: Mapping[int, int]) -> None:
    """Note, by seal, that so many of its changes were removed just now (or none, but made nameless), and what is left under it.

    The caller has seen in this same transaction that every seal held before.
    """
    left: dict[int, bytes] = {}
    links: dict[int, bytes] = {}
    for here in among(seal.c.id, removed):
        links |= dict(transaction.execute(sa.select(seal.c.id, seal.c.chain).where(here)).all())
    for here in among(SEAL_ID, removed):
        left |= dict(_digests(transaction, here))
    noted = {row.seal_id: row.number for row in transaction.execute(sa.select(removal))}
    rows = []
    for seal_id, number in removed.items():
        note = (noted.get(seal_id, 0) + number, left.get(seal_id, b""), transaction.now)
        proof = _proof(transaction.keys, links[seal_id], *note)
        rows.append(dict(zip(removal.c.keys(), (seal_id, *note, proof), strict=True)))
    insert = transaction.insert(removal)
    new = {name: insert.excluded[name] for name in ("number", "left_over", "removed_at", "proof")}
    transaction.execute_many(insert.on_conflict_do_update(index_elements=["seal_id"], set_=new), rows)


def reseal(transaction: Transaction, new: Keys) -> None:
    """Make every seal anew under other keys, with a note of the links until now.

    The caller has seen in this same transaction that every seal held, and has renewed refs and fingerprints since.
    """
    under = replace(transaction, keys=new)
    seals = transaction.execute(sa.select(seal).order_by(seal.c.id)).all()
    link = note_resealing(under, b"".join(row.chain for row in seals))
    digests = dict(_digests(under, SEAL_ID.is_not(None)))
    removals = {row.seal_id: row for row in transaction.execute(sa.select(removal))}
    known = {row[0]: row for row in transaction.execute(_circumstances())}
    remade, noted = [], []
    for row in seals:
        left = digests.get(row.id, b"")
        # What was removed cannot be digested again: of such a seal the digest itself gets the new key on top.
        content = new.renewed([row.changes], transaction.keys)[0] if row.id in removals else left
        chain = _chain(new, link, content, _about(row.batch, row.sealed_at, known[row.plan_id]))
        remade.append({"number": row.id, "changed": content, "before": link, "link": chain})
        if note := removals.get(row.id):
            proof = _proof(new, chain, note.number, left, note.removed_at)
            noted.append({"of": row.id, "left": left, "proven": proof})
        link = chain
    write = sa.update(seal).where(seal.c.id == sa.bindparam("number"))
    write = write.values(changes=sa.bindparam("changed"), previous=sa.bindparam("before"), chain=sa.bindparam("link"))
    transaction.execute_many(write, remade)
    prove = sa.update(removal).where(removal.c.seal_id == sa.bindparam("of"))
    transaction.execute_many(prove.values(left_over=sa.bindparam("left"), proof=sa.bindparam("proven")), noted)


def removed(transaction: Transaction) -> tuple[int, datetime | None]:
    """How many sealed changes were removed because they had been kept long enough, and when the last time was."""
    total = sa.select(sa.func.sum(removal.c.number), sa.func.max(removal.c.removed_at)).where(removal.c.number > 0)
    row = transaction.execute(total).one()
    return row[0] or 0, row[1]


def disclosures(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """The changes in their order: these columns, and after them all that is under a seal."""
    return sa.select(*columns, *_DISCLOSED).select_from(changed_record).order_by(SEAL_ID, change.c.id)


def disclosed(plan_id: int, number: int, school: str, changes: pd.DataFrame) -> list[Sequence[Any]]:
    """What is under a seal, column by column, of changes as they were written."""
    same = {batch.c.plan_id: plan_id, batch.c.number: number, record.c.school: school}
    return [[same[c]] * len(changes) if c in same else values(changes[c.name]) for c in _DISCLOSED]


def digest(keys: Keys, columns: Sequence[Sequence[Any]]) -> bytes:
    """The content of a seal: keyed BLAKE2b over what was disclosed, column by column, as JSON writes it one way only.

    What stands before the columns of a seal does not count.
    """
    sealed = list(columns)[-len(_DISCLOSED) :]
    for place in _BINARY:
        sealed[place] = [value and value.hex() for value in sealed[place]]
    return keys.mac(orjson.dumps(sealed), CHAIN_SIZE, purpose=b"zegel-inhoud")


def first_broken(transaction: Transaction) -> BrokenSeal | None:
    """Walk the whole chain; the first seal that does not hold, or None if the ledger says what it always said."""
    digests = dict(_digests(transaction, SEAL_ID.is_not(None)))
    removals = {row.seal_id: row for row in transaction.execute(sa.select(removal))}
    known = {row[0]: row for row in transaction.execute(_circumstances())}
    previous = beginning(transaction)
    for row in transaction.execute(sa.select(seal).order_by(seal.c.id)):
        about = _about(row.batch, row.sealed_at, known.get(row.plan_id, ()))
        link = _Link(row, previous, digests.pop(row.id, b""), about, removals.get(row.id))
        reason = _why_broken(transaction.keys, link)
        if reason:
            return BrokenSeal(row.id, row.plan_id, reason, row.sealed_at)
        previous = row.chain
    if noted := why_broken(transaction, transaction.number(sa.select(sa.func.count()).select_from(seal))):
        return BrokenSeal(None, None, noted)
    if digests:
        return BrokenSeal(
            min(digests), None, "Dit zegel is weggehaald; de wijzigingen die eronder vielen staan er nog."
        )
    return _unsealed(transaction) or _misdated(transaction) or _contradicting(transaction)


def head(transaction: Transaction) -> str | None:
    """The newest link of the chain, hexadecimal, to be noted elsewhere; None before the first delivery."""
    newest = _newest_link(transaction)
    return newest.hex() if newest else None


def is_link(transaction: Transaction, noted: bytes) -> bool:
    """Whether this link, noted elsewhere before, is in the chain still."""
    return transaction.number(sa.select(sa.func.count()).select_from(seal).where(seal.c.chain == noted)) > 0


class _Link(NamedTuple):
    """A seal, the link before it, the digest of the changes that stand under it now, what else it covers, and its removals."""

    row: AnyRow
    previous: bytes
    changes: bytes
    about: bytes
    noted: AnyRow | None


def _why_broken(keys: Keys, link: _Link) -> str | None:
    row, noted = link.row, link.noted
    if row.previous != link.previous:
        return "Het zegel sluit niet aan op het vorige: er is een zegel weggehaald of tussengevoegd."
    if noted and noted.proof != _proof(keys, row.chain, noted.number, noted.left_over, noted.removed_at):
        return "De aantekening van wat onder dit zegel is opgeruimd, is later veranderd."
    if link.changes != (noted.left_over if noted else row.changes):
        return "De wijzigingen onder dit zegel zijn later veranderd, weggehaald of aangevuld."
    if row.chain != _chain(keys, link.previous, row.changes, link.about):
        return "Het plan, de velden of het tijdstip bij dit zegel zijn later veranderd."
    return None


def _unsealed(transaction: Transaction) -> BrokenSeal | None:
    query = sa.select(batch.c.plan_id).select_from(batched).where(STATE == "accepted", SEAL_ID.is_(None))
    plan_id = transaction.connection.scalar(query.order_by(change.c.id).limit(1))
    return BrokenSeal(None, plan_id, "Er staat een wijziging als aangenomen, maar zonder zegel.") if plan_id else None


def _misdated(transaction: Transaction) -> BrokenSeal | None:
    """The moment of a change is that of its seal, which is cheaper to ask than to hash."""
    query = sa.select(seal.c.id, seal.c.plan_id, seal.c.sealed_at).select_from(batched.join(seal, seal.c.id == SEAL_ID))
    query = query.where(ANSWERED_AT.is_distinct_from(seal.c.sealed_at))
    row = transaction.execute(query.order_by(seal.c.id).limit(1)).one_or_none()
    reason = "Het tijdstip van een wijziging onder dit zegel is later veranderd."
    return BrokenSeal(row.id, row.plan_id, reason, row.sealed_at) if row else None


def _contradicting(transaction: Transaction) -> BrokenSeal | None:
    """What a change has of its own counts only where its batch says nothing; where it does, there is nothing."""
    of_both = [
        sa.or_(*(table.c[name].is_not(None) for name in ("state", "answered_at", "seal_id")))
        for table in (batch, change)
    ]
    query = sa.select(batch.c.seal_id, batch.c.plan_id, batch.c.answered_at).select_from(batched)
    query = query.where(*of_both).order_by(change.c.id).limit(1)
    row = transaction.execute(query).one_or_none()
    reason = "Een wijziging heeft een eigen uitkomst naast die van haar bericht: een van beide is er later bij gezet."
    return BrokenSeal(row.seal_id, row.plan_id, reason, row.answered_at) if row else None


def _circumstances() -> sa.Select[Any]:
    return sa.select(*_CIRCUMSTANCES).join_from(plan, field_set)


def _digests(transaction: Transaction, here: sa.ColumnElement[bool]) -> Iterator[tuple[int, bytes]]:
    query = disclosures(SEAL_ID).where(here, STATE == "accepted")
    rows = map(tuple, transaction.execute(query.execution_options(yield_per=5_000)))
    for number, group in groupby(rows, key=itemgetter(0)):
        yield number, digest(transaction.keys, list(zip(*group, strict=True)))


def _about(number: int, at: datetime, circumstances: Sequence[Any]) -> bytes:
    return orjson.dumps([number, at, *circumstances])


def _chain(keys: Keys, previous: bytes, changes: bytes, about: bytes) -> bytes:
    return keys.mac(previous + changes + about, CHAIN_SIZE, purpose=b"zegel-keten")


def _proof(keys: Keys, chain: bytes, number: int, left_over: bytes, at: datetime) -> bytes:
    return keys.mac(chain + orjson.dumps([number, left_over.hex(), at]), CHAIN_SIZE, purpose=b"zegel-opgeruimd")


def _newest_link(transaction: Transaction) -> bytes | None:
    link: bytes | None = transaction.connection.scalar(sa.select(seal.c.chain).order_by(seal.c.id.desc()).limit(1))
    return link


def one_at_a_time(transaction: Transaction, tables: str = "seal") -> None:
    """Let nobody else write these tables until this transaction ends.

    SQLite has one writer at a time already; on PostgreSQL two who seal would forge two links to one.
    """
    if transaction.dialect == "postgresql":
        transaction.execute(sa.text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))
