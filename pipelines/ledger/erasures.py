"""Requests to erase a pupil (AVG art. 17): who may not go out any more, what each supplier did, and what is then forgotten.

A request stands under a keyed proof (`erasure_proofs`). Who of the erased is in an export, and when he has left, is in `presence`.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.ledger import presence
from pipelines.ledger.choices import UNKNOWN, UNKNOWN_PUPIL
from pipelines.ledger.delivered import count_as_lost, shared_ids
from pipelines.ledger.erasure_proofs import holds, prove
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.handles import forget_handles, places_of
from pipelines.ledger.presence import Seen, forget_who_left
from pipelines.ledger.records import PUPIL, refs_of, same_person
from pipelines.ledger.seals import first_broken, note_removals, one_at_a_time
from pipelines.ledger.tables import (
    ANSWERED_AT,
    REF_SIZE,
    SEAL_ID,
    STATE,
    batched,
    change,
    choice,
    delivered,
    erased_eckid,
    erased_record,
    erasure,
    erasure_confirmation,
    finding,
    plan,
    record,
)
from pipelines.ledger.transaction import Transaction


class ErasureRefusedError(Exception):
    """What was asked cannot be written down, with the reason in Dutch."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.code = UNKNOWN_PUPIL if reason == UNKNOWN else ""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A supplier of which a person wrote down that it erased the pupil itself."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request as it stands. `in_export`: the pupil was in the last good export, or that is not known yet."""

    id: int
    school: str
    opened_at: datetime
    opened_by: str
    how: str
    closed_at: datetime | None
    records: tuple[int, ...]
    in_export: bool
    confirmed: Mapping[str, Confirmed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Followed:
    """What the ledger knows of the pupil at one supplier.

    `held`: the supplier has him, or may have him. `under_way`: a delivery to it for this school was broken off.
    `operation` and `state` are of the newest change about him, `answered_at` the moment of its answer.
    """

    supplier: str
    held: bool
    under_way: bool
    operation: str | None = None
    state: str | None = None
    answered_at: datetime | None = None


class Erasures:
    """The part of the ledger that is about erasing; each method is one transaction."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Transaction]],
        writing: Callable[[], AbstractContextManager[Transaction]],
    ) -> None:
        self._reading, self._writing = reading, writing

    def open(self, school: str, pupil: str, by: str, how: str) -> int:
        """Write down that the pupil with this key must be erased; the number of the request.

        Raises:
            ErasureRefusedError: the pupil is unknown, was erased already, or a request is open.
        """
        with self._writing() as transaction:
            return _open(transaction, school, pupil, by, how)

    def all(self) -> list[Erasure]:
        """Every request, oldest first."""
        with self._reading() as transaction:
            return _erasures(transaction)

    def refs(self, school: str) -> dict[bytes, int]:
        """Who of a school may not go out any more: record numbers by ref."""
        with self._reading() as transaction:
            return presence.refs(transaction, school)

    def eckids(self, school: str) -> dict[bytes, set[bytes]]:
        """By which ECK iDs (`refs_of` kind `eckid`) those are recognised who got another key, with the refs that they had."""
        with self._reading() as transaction:
            return presence.eckids(transaction, school)

    def note_presence(self, school: str, seen: Mapping[bytes, Seen], pupils: int, *, unnamed: bool) -> None:
        """Take over from a good export of `pupils` pupils who of the erased is in it (`seen`, by ref), also under another key.

        Who is not has left, unless some pupil in it has no usable key (`unnamed`) or the export is smaller than usual.
        One who left after everything was done is known by nothing any more: if he comes back, he is a new pupil.
        """
        with self._writing() as transaction:
            presence.note_presence(transaction, school, seen, pupils, unnamed=unnamed)

    def followed(self, number: int) -> list[Followed]:
        """Every supplier that has, had or was to get something of the pupil, by name."""
        with self._reading() as transaction:
            return _followed(transaction, number)

    def confirm(self, number: int, supplier: str, by: str) -> None:
        """Write down that the supplier says it erased the pupil: it counts as not having him any more.

        Whom it may know by one of his ids as well, it may have erased too.

        Raises:
            ErasureRefusedError: no such open request, or the supplier has nothing of the pupil.
        """
        with self._writing() as transaction:
            _confirm(transaction, number, supplier, by)

    def close(self, number: int) -> None:
        """Forget everything that identifies the pupil, and note by the seals that what is under them is nameless now.

        What was delivered when, and what was deleted, stays under the seals.

        Raises:
            ErasureRefusedError: some supplier has him still.
            LedgerBrokenError: the ledger does not say what it always said.
        """
        with self._writing() as transaction:
            _close(transaction, number)


def _open(transaction: Transaction, school: str, pupil: str, by: str, how: str) -> int:
    one_at_a_time(transaction)
    (ref,) = refs_of(school, PUPIL, [pupil], transaction.keys)
    if transaction.execute(sa.select(erased_record.c.record_id).where(erased_record.c.ref == ref)).first():
        raise ErasureRefusedError(_ALREADY)
    same = (record.c.school == school) & (record.c.kind == PUPIL) & (record.c.ref == ref)
    known = transaction.execute(sa.select(record.c.id).where(same, record.c.key_encrypted.is_not(None))).scalar()
    if known is None:
        raise ErasureRefusedError(UNKNOWN)
    number = 1 + transaction.number(sa.select(sa.func.coalesce(sa.func.max(erasure.c.id), 0)))
    row = {
        "id": number,
        "school": school,
        "opened_at": transaction.now,
        "opened_by": by[:100],
        "how": how,
        "proof": b"",
    }
    transaction.execute(sa.insert(erasure).values(**row))
    his = record.c.id.in_(same_person(transaction, school, known))
    known_as = sa.select(sa.literal(number), record.c.id, record.c.ref, sa.true()).where(his)
    transaction.execute(sa.insert(erased_record).from_select(("erasure_id", "record_id", "ref", "in_export"), known_as))
    known_by = sa.select(sa.literal(number), record.c.id, record.c.eckid).where(his, record.c.eckid.is_not(None))
    transaction.execute(sa.insert(erased_eckid).from_select(("erasure_id", "record_id", "ref"), known_by))
    prove(transaction, number)
    return number


_ALREADY = (
    "Voor deze leerling is er al een verzoek om te wissen: hij gaat nergens meer heen. Zie `doorgeefluik erase list`."
)


def _erasures(transaction: Transaction) -> list[Erasure]:
    records: dict[int, list[Any]] = {}
    for row in transaction.execute(sa.select(erased_record).order_by(erased_record.c.record_id)):
        records.setdefault(row.erasure_id, []).append(row)
    confirmed: dict[int, dict[str, Confirmed]] = {}
    for row in transaction.execute(sa.select(erasure_confirmation).order_by(erasure_confirmation.c.supplier)):
        confirmed.setdefault(row.erasure_id, {})[row.supplier] = Confirmed(row.confirmed_at, row.confirmed_by)
    return [
        Erasure(
            row.id,
            row.school,
            row.opened_at,
            row.opened_by,
            row.how,
            row.closed_at,
            records=tuple(one.record_id for one in records.get(row.id, [])),
            in_export=any(one.in_export for one in records.get(row.id, [])),
            confirmed=confirmed.get(row.id, {}),
        )
        for row in transaction.execute(sa.select(erasure).order_by(erasure.c.id))
    ]


def _followed(transaction: Transaction, number: int) -> list[Followed]:
    one = _erasure(transaction, number)
    of_him = change.c.record_id.in_(one.records)
    joined = batched.join(plan)
    newest = sa.select(sa.func.max(change.c.id)).select_from(joined).where(of_him).group_by(plan.c.supplier)
    columns = (plan.c.supplier, change.c.operation, STATE, ANSWERED_AT)
    found = transaction.execute(sa.select(*columns).select_from(joined).where(change.c.id.in_(newest)))
    last = {supplier: rest for supplier, *rest in found}
    held = _holders(transaction, one.records)
    open_plans = sa.select(plan.c.supplier).where(plan.c.school == one.school, plan.c.state == "delivering")
    busy = set(transaction.execute(open_plans).scalars())
    return [
        Followed(supplier, supplier in held, supplier in busy, *last.get(supplier, ()))
        for supplier in sorted({*last, *held, *busy})
    ]


def _holders(transaction: Transaction, records: Iterable[int]) -> set[str]:
    query = sa.select(delivered.c.supplier).where(delivered.c.record_id.in_(list(records))).distinct()
    return set(transaction.execute(query).scalars())


def _confirm(transaction: Transaction, number: int, supplier: str, by: str) -> None:
    one_at_a_time(transaction)
    one = _unclosed(transaction, number)
    if supplier not in _holders(transaction, one.records):
        raise ErasureRefusedError(f"{supplier} heeft niets (meer) van deze leerling; er is niets te bevestigen.")
    count_as_lost(transaction, supplier, shared_ids(transaction, supplier, one.records))
    forget_handles(transaction, supplier, set(one.records), places_of(transaction, supplier, one.records))
    here = (delivered.c.supplier == supplier) & delivered.c.record_id.in_(one.records)
    transaction.execute(sa.delete(delivered).where(here))
    row = {"erasure_id": number, "supplier": supplier, "confirmed_at": transaction.now, "confirmed_by": by[:100]}
    upsert = transaction.insert(erasure_confirmation).values(**row)
    transaction.execute(upsert.on_conflict_do_update(index_elements=["erasure_id", "supplier"], set_=row))
    prove(transaction, number)


def _close(transaction: Transaction, number: int) -> None:
    one_at_a_time(transaction, "plan, seal")  # nor may a delivery begin meanwhile
    one = _unclosed(transaction, number)
    if _holders(transaction, one.records) or any(each.under_way for each in _followed(transaction, number)):
        raise ErasureRefusedError("Nog niet elke leverancier is klaar.")
    if broken := first_broken(transaction):
        raise LedgerBrokenError(broken.reason)
    _make_nameless(transaction, one.records)
    transaction.execute(sa.update(erasure).where(erasure.c.id == number).values(closed_at=transaction.now))
    forget_who_left(transaction, number)
    prove(transaction, number)


def _make_nameless(transaction: Transaction, records: Collection[int]) -> None:
    """Take out of the records, and of all that refers to them, what tells who it was; the caller has seen that every seal holds."""
    of_him = change.c.record_id.in_(records)
    touched = of_him | change.c.replaces_id.in_(records)
    under = sa.select(SEAL_ID).select_from(batched).where(touched, SEAL_ID.is_not(None)).distinct()
    seals = list(transaction.execute(under).scalars())
    if transaction.dialect == "sqlite":  # what is overwritten is then gone from the pages too, not only from the rows
        transaction.connection.exec_driver_sql("PRAGMA secure_delete = ON")
    transaction.execute(sa.update(change).where(of_him).values(fingerprint=None, answer_encrypted=None))
    for table in (choice, finding):
        transaction.execute(sa.delete(table).where(table.c.record_id.in_(records)))
    forget = sa.update(record).where(record.c.id == sa.bindparam("number"))
    forget = forget.values(key_encrypted=None, eckid=None, ref=sa.bindparam("nobody"))
    nobody = [{"number": number, "nobody": secrets.token_bytes(REF_SIZE)} for number in records]
    transaction.execute_many(forget, nobody)
    note_removals(transaction, dict.fromkeys(seals, 0))


def _erasure(transaction: Transaction, number: int) -> Erasure:
    found = next((one for one in _erasures(transaction) if one.id == number), None)
    if found is None:
        raise ErasureRefusedError(f"Er is geen wisverzoek {number}. Zie `doorgeefluik erase list`.")
    return found


def _unclosed(transaction: Transaction, number: int) -> Erasure:
    """The open request with this number, which says what it always said."""
    found = _erasure(transaction, number)
    if found.closed_at:
        raise ErasureRefusedError(f"Wisverzoek {number} is al afgerond.")
    if not holds(transaction, number):
        raise LedgerBrokenError(f"Wisverzoek {number} is later veranderd.")
    return found
