"""What a supplier answered to a batch of changes, taken over: into the changes, under a seal, and into what it holds.

A batch that is accepted as a whole says so in one row; only where its changes fare differently each has a state of its own.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.delivered import Carried, presume, take_over
from pipelines.ledger.frames import among, values
from pipelines.ledger.handles import Handle
from pipelines.ledger.plans import OPEN
from pipelines.ledger.seals import digest, disclosed, disclosures, seal_changes
from pipelines.ledger.tables import REASON_SIZE, STATE, batch, batched, change, plan
from pipelines.ledger.transaction import AnyRow, Transaction


def settle_batch(
    transaction: Transaction,
    plan_id: int,
    number: int,
    accepted: Mapping[int, Handle],
    refused: Mapping[int, str],
    written: pd.DataFrame | None = None,
) -> None:
    """Take over the supplier's answer to one batch, by record number: how it knows what it accepted, and why it refused.

    What was accepted goes into `delivered` and under a seal. What was settled before, and what is in neither, stays as it is.
    `written` are all changes of the batch as they went into the plan (with `kind` and `ref`), where the caller has them
    still: they are not read back then where all of them were accepted.
    """
    known = _batch(transaction, plan_id, number)
    waits = known.state == "pending"  # as a whole
    if waits and written is not None and accepted.keys() >= set(written["record_id"]):
        taken = _as_written(transaction, known, written)
    else:
        taken = _as_read(transaction, known, accepted)
    if taken.numbers:
        seal_id = seal_changes(transaction, plan_id, number, taken.content)
        if waits and not taken.left:
            here = _accept_whole(transaction, known, seal_id)
        else:
            here = _accept(transaction, known, taken, seal_id)
        all_taken = len(accepted) == len(taken.numbers)
        answers = accepted if all_taken else {record_id: accepted[record_id] for record_id in taken.numbers}
        carried = Carried(here, taken.deleted, taken.replaced)
        take_over(transaction, known.supplier, known.field_set_id, carried, answers)
    _refuse(transaction, known, {taken.left[n]: text for n, text in refused.items() if n in taken.left})


def presume_batch(transaction: Transaction, plan_id: int, number: int, known_by: Mapping[int, Handle]) -> None:
    """Settle a batch of which nobody can say any more whether it arrived: what it put or changed counts as delivered.

    Its fingerprint is made one that nothing has, so that the next plan makes, corrects or removes the record. `known_by`
    tells by record number under which ids the supplier may have it now, where that is not the key alone.
    """
    known = _batch(transaction, plan_id, number)
    _set_apart(transaction, known)
    here = _of(known) & (change.c.state == "pending")
    presume(transaction, known.supplier, known.field_set_id, here, known_by)
    transaction.execute(sa.update(change).where(here).values(state="presumed", answered_at=transaction.now))


def refusals(transaction: Transaction, plan_id: int) -> dict[int, str]:
    """What the supplier said of each record that it refused, by record number: its own words, which may name a pupil."""
    query = sa.select(change.c.id, change.c.record_id, change.c.answer_encrypted).select_from(batched)
    rows = transaction.execute(query.where(batch.c.plan_id == plan_id, STATE == "refused"))
    return {record_id: transaction.keys.decrypt(answer, _place(at)).decode() for at, record_id, answer in rows}


def answer_again(transaction: Transaction, new: Keys) -> None:
    """Encrypt what suppliers said of refused records with other keys."""
    query = sa.select(change.c.id, change.c.answer_encrypted).where(change.c.answer_encrypted.is_not(None))
    write = sa.update(change).where(change.c.id == sa.bindparam("at"))
    rows = [
        {"at": at, "answer": new.encrypt(transaction.keys.decrypt(answer, _place(at)), _place(at))}
        for at, answer in transaction.execute(query).all()
    ]
    transaction.execute_many(write.values(answer_encrypted=sa.bindparam("answer")), rows)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a supplier took of a batch: what its seal will hold, and the records that it is about.

    `left` has by record the number of each change that it did not take.
    """

    content: bytes
    numbers: Sequence[int]
    deleted: AbstractSet[int]
    replaced: Mapping[int, int]
    left: Mapping[int, int]


def _batch(transaction: Transaction, plan_id: int, number: int) -> AnyRow:
    """The batch, with what must be known of its plan."""
    query = sa.select(batch, plan.c.supplier, plan.c.school, plan.c.field_set_id).join_from(batch, plan)
    return transaction.execute(query.where(batch.c.plan_id == plan_id, batch.c.number == number)).one()


def _as_written(transaction: Transaction, known: AnyRow, written: pd.DataFrame) -> _Taken:
    about = [values(written[name]) for name in ("record_id", "operation", "replaces_id")]
    return _taken(transaction, [*about, *disclosed(known.plan_id, known.number, known.school, written)], {})


def _as_read(transaction: Transaction, known: AnyRow, accepted: Mapping[int, Handle]) -> _Taken:
    about = (change.c.id, change.c.record_id, change.c.operation, change.c.replaces_id)
    rows = transaction.raw(disclosures(*about).where(_of(known), STATE.in_(OPEN)))
    left = {row[1]: row[0] for row in rows if row[1] not in accepted}
    return _taken(transaction, list(zip(*(row[1:] for row in rows if row[1] in accepted), strict=True)), left)


def _taken(transaction: Transaction, columns: Sequence[Sequence[Any]], left: Mapping[int, int]) -> _Taken:
    """What was taken, by record, operation and replaced record, and all that is disclosed of it."""
    if not columns:
        return _Taken(b"", [], frozenset(), {}, left)
    numbers, operations, replaced = columns[:3]
    return _Taken(
        content=digest(transaction.keys, columns),
        numbers=numbers,
        deleted={number for number, operation in zip(numbers, operations, strict=True) if operation == "delete"},
        replaced={number: other for number, other in zip(numbers, replaced, strict=True) if other is not None},
        left=left,
    )


def _accept_whole(transaction: Transaction, known: AnyRow, seal_id: int) -> sa.ColumnElement[bool]:
    """Note that the whole batch was accepted; where its changes are."""
    new = {"state": "accepted", "answered_at": transaction.now, "seal_id": seal_id}
    transaction.execute(sa.update(batch).where(batch.c.id == known.id).values(**new))
    return _of(known)


def _accept(transaction: Transaction, known: AnyRow, taken: _Taken, seal_id: int) -> sa.ColumnElement[bool]:
    """Note what was accepted of the batch; where those changes are."""
    _set_apart(transaction, known)
    # Named by what was not taken, which is little or nothing: a batch may hold thousands.
    left = [~condition for condition in among(change.c.id, taken.left.values())]
    here = sa.and_(_of(known), change.c.state.in_(OPEN), *left)
    new = {"state": "accepted", "answered_at": transaction.now, "answer_encrypted": None, "seal_id": seal_id}
    transaction.execute(sa.update(change).where(here).values(**new))
    return _of(known) & (change.c.seal_id == seal_id)


def _of(known: AnyRow) -> sa.ColumnElement[bool]:
    """Finds the changes of the batch."""
    here: sa.ColumnElement[bool] = change.c.batch_id == known.id
    return here


def _refuse(transaction: Transaction, known: AnyRow, reasons: Mapping[int, str]) -> None:
    if not reasons:
        return
    _set_apart(transaction, known)
    refuse = sa.update(change).where(change.c.id == sa.bindparam("at"))
    refuse = refuse.values(state="refused", answered_at=transaction.now, answer_encrypted=sa.bindparam("answer"))
    rows = [
        {"at": at, "answer": transaction.keys.encrypt(text[:REASON_SIZE].encode(), _place(at))}
        for at, text in reasons.items()
    ]
    transaction.execute_many(refuse, rows)


def _set_apart(transaction: Transaction, known: AnyRow) -> None:
    """From here on each change of the batch has a state of its own; nothing if that is so already."""
    whole = sa.update(batch).where(batch.c.id == known.id, batch.c.state == "pending").values(state=None)
    if transaction.execute(whole).rowcount:
        transaction.execute(sa.update(change).where(_of(known)).values(state="pending"))


def _place(change_id: int) -> bytes:
    """An answer is bound to its change."""
    return f"antwoord/{change_id}".encode()
