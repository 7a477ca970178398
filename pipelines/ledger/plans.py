"""Plans and their changes: written before the first request, settled batch by batch as the answers come in.

What a plan should hold is decided in `pipelines.sync`; here it is only remembered.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pandas as pd
import sqlalchemy as sa

from mappings.agreement import FieldSet
from pipelines.keys import Keys
from pipelines.ledger.delivered import Carried, presume, take_over
from pipelines.ledger.frames import among, framed, values
from pipelines.ledger.handles import Handle
from pipelines.ledger.seals import digest, disclosed, disclosures, seal_changes
from pipelines.ledger.tables import REASON_SIZE, change, changed_record, field_set, plan, record
from pipelines.ledger.transaction import Transaction

Ending = Literal["delivered", "partial", "held", "failed", "unchanged", "abandoned", "single"]
"""How a plan ended; `single` was for one pupil only, whatever came of it: it says nothing of the rest, and settles nothing."""

WHOLE: Final = ("delivering", "delivered", "partial", "held", "failed", "unchanged", "abandoned")
"""The states of a plan that was for everybody."""

GOOD: Final = ("delivered", "partial", "unchanged")
"""How a plan ended whose export was taken as true; not `held`, of which nothing was carried out; `partial` because a supplier refused some, or a person must approve."""

_CHANGES = {
    "record_id": "int64",
    "kind": "str",
    "ref": "object",
    "operation": "str",
    "cause": "str",
    "fingerprint": "object",
    "changed_fields": "str",
    "batch": "int64",
    "state": "str",
}
_WRITTEN = ("record_id", "operation", "cause", "fingerprint", "changed_fields", "replaces_id", "batch")
_OPEN = ("pending", "refused")


class PlanUnfinishedError(Exception):
    """A delivery to this supplier for this school was broken off and must be finished first."""


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A change plan as it is about to be carried out.

    `basis` names everything it was made from; `export_size` counts the pupils of the export; all digests are hexadecimal.
    """

    digest: str
    supplier: str
    school: str
    run_id: str
    agreement_digest: str
    field_set: FieldSet
    schooljaar: str
    basis: str
    export_size: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as the ledger remembers it."""

    id: int
    digest: str
    supplier: str
    school: str
    run_id: str
    agreement_digest: str
    field_set_id: int
    schooljaar: str
    basis: str
    export_size: int
    counts: dict[str, int]
    state: str  # delivering, or how it ended
    reason: str | None
    created_at: datetime
    finished_at: datetime | None

    def settles(self, basis: str) -> bool:
        """Whether this plan followed from `basis` and left nothing to do, so that an equal basis asks for nothing."""
        return self.basis == basis and self.state in {"delivered", "unchanged"}


def open_plan(transaction: Transaction, new: NewPlan, changes: pd.DataFrame) -> int:
    """Write a plan and its changes; the plan's number.

    `changes` has `record_id, operation, cause, fingerprint, changed_fields, replaces_id, batch`; the three before the last
    are absent where there is nothing to tell. What earlier plans left pending is this plan's concern now, and is abandoned there.

    Raises:
        PlanUnfinishedError: another plan is still being delivered.
    """
    newest = newest_plan(transaction, new.supplier, new.school)
    if newest and newest.state == "delivering":
        raise PlanUnfinishedError(f"Plan {newest.digest[:12]} voor {new.supplier} ({new.school}) is nog niet afgerond.")
    if newest:
        _abandon_pending(transaction, newest.id)
    row = {name: getattr(new, name) for name in NewPlan.__slots__ if name != "field_set"}
    row |= {"counts": dict(new.counts), "field_set_id": field_set_id(transaction, new.field_set)}
    query = sa.insert(plan).values(**row, state="delivering", created_at=transaction.now).returning(plan.c.id)
    plan_id = transaction.number(query)
    _write_changes(transaction, plan_id, changes)
    return plan_id


def settle_batch(
    transaction: Transaction,
    plan_id: int,
    batch: int,
    accepted: Mapping[int, Handle],
    refused: Mapping[int, str],
    written: pd.DataFrame | None = None,
) -> None:
    """Take over the supplier's answer to one batch, by record number: how it knows what it accepted, and why it refused.

    What was accepted goes into `delivered` and under a seal. What was settled before, and what is in neither, stays as it is.
    `written` are the changes of the batch as they went into the plan (with `kind` and `ref`), where the caller has them still:
    they are not read back then where all of them were accepted.
    """
    known, waiting = plan_of(transaction, plan_id), _open(plan_id, batch)
    if written is not None and _is_all(transaction, waiting, written, accepted):
        taken = _as_written(transaction, known, batch, written)
    else:
        taken = _as_read(transaction, waiting, accepted)
    if taken.numbers:
        seal_id = seal_changes(transaction, plan_id, batch, taken.content)
        # Named by what was not taken, which is little or nothing: a batch may hold thousands.
        left = among(change.c.id, taken.left.values())
        _accept(transaction, seal_id, sa.and_(waiting, *(~condition for condition in left)))
        carried = Carried(_of(plan_id, batch) & (change.c.seal_id == seal_id), taken.deleted, taken.replaced)
        answers = {number: accepted[number] for number in taken.numbers}
        take_over(transaction, known.supplier, known.field_set_id, carried, answers)
    _refuse(transaction, {taken.left[number]: text for number, text in refused.items() if number in taken.left})


def presume_batch(transaction: Transaction, plan_id: int, batch: int, wire_ids: Mapping[int, str]) -> None:
    """Settle a batch of which nobody can say any more whether it arrived: what it put or changed counts as delivered.

    Its fingerprint is made one that nothing has, so that the next plan makes, corrects or removes the record. `wire_ids`
    tells by record number under which id it was sent, where that is not the key.
    """
    known = plan_of(transaction, plan_id)
    here = _of(plan_id, batch) & (change.c.state == "pending")
    presume(transaction, known.supplier, known.field_set_id, here, wire_ids)
    transaction.execute(sa.update(change).where(here).values(state="presumed", answered_at=transaction.now))


def finish_plan(transaction: Transaction, plan_id: int, state: Ending, reason: str | None) -> None:
    """Say how a plan ended. What is pending stays pending, to be tried again, unless the plan was abandoned."""
    short = reason[:REASON_SIZE] if reason else None
    done = sa.update(plan).where(plan.c.id == plan_id)
    transaction.execute(done.values(state=state, reason=short, finished_at=transaction.now))
    if state == "abandoned":
        _abandon_pending(transaction, plan_id)


def plan_of(transaction: Transaction, plan_id: int) -> Plan:
    """The plan with this number."""
    return Plan(*transaction.execute(sa.select(plan).where(plan.c.id == plan_id)).one())


def newest_plan(transaction: Transaction, supplier: str, school: str, states: tuple[str, ...] = ()) -> Plan | None:
    """The newest plan for a supplier and school, of those in one of `states` if given."""
    query = sa.select(plan).where(plan.c.supplier == supplier, plan.c.school == school)
    if states:
        query = query.where(plan.c.state.in_(states))
    row = transaction.execute(query.order_by(plan.c.id.desc()).limit(1)).one_or_none()
    return Plan(*row) if row else None


def changes_of(transaction: Transaction, plan_id: int) -> pd.DataFrame:
    """The changes of a plan in their order, with kind and state: the columns of `open_plan`, and `kind` and `state`."""
    columns = [record.c[name] if name in {"kind", "ref"} else change.c[name] for name in _CHANGES]
    query = sa.select(*columns).select_from(changed_record).where(change.c.plan_id == plan_id)
    return framed(transaction.raw(query.order_by(change.c.id)), _CHANGES)


def causes_of(transaction: Transaction, plan_id: int) -> list[dict[str, Any]]:
    """The `number` of changes of a plan by `operation, kind, cause, state`, in its order."""
    sort = (change.c.operation, record.c.kind, change.c.cause, change.c.state)
    query = sa.select(*sort, sa.func.count().label("number")).select_from(changed_record)
    query = query.where(change.c.plan_id == plan_id).group_by(*sort).order_by(sa.func.min(change.c.id))
    return [dict(row) for row in transaction.execute(query).mappings()]


def pending(transaction: Transaction, supplier: str, school: str) -> pd.DataFrame:
    """The changes of the newest plan that the supplier has not accepted, as in `changes_of`."""
    newest = newest_plan(transaction, supplier, school)
    changes = changes_of(transaction, newest.id if newest else 0)
    return changes[changes["state"].isin(_OPEN)].reset_index(drop=True)


def refusals(transaction: Transaction, plan_id: int) -> dict[int, str]:
    """What the supplier said of each record that it refused, by record number: its own words, which may name a pupil."""
    query = sa.select(change.c.id, change.c.record_id, change.c.answer_encrypted)
    rows = transaction.execute(query.where(change.c.plan_id == plan_id, change.c.state == "refused"))
    return {record_id: transaction.keys.decrypt(answer, _place(number)).decode() for number, record_id, answer in rows}


def answer_again(transaction: Transaction, new: Keys) -> None:
    """Encrypt what suppliers said of refused records with other keys."""
    query = sa.select(change.c.id, change.c.answer_encrypted).where(change.c.answer_encrypted.is_not(None))
    write = sa.update(change).where(change.c.id == sa.bindparam("number"))
    rows = [
        {"number": number, "answer": new.encrypt(transaction.keys.decrypt(answer, _place(number)), _place(number))}
        for number, answer in transaction.execute(query).all()
    ]
    transaction.execute_many(write.values(answer_encrypted=sa.bindparam("answer")), rows)


def newest_plans(transaction: Transaction) -> list[tuple[Plan, int]]:
    """The newest plan of every supplier and school, with the number of changes that it has not had accepted."""
    newest = sa.select(sa.func.max(plan.c.id)).group_by(plan.c.supplier, plan.c.school)
    is_open = (change.c.plan_id == plan.c.id) & change.c.state.in_(_OPEN)
    left = sa.select(sa.func.count()).select_from(change).where(is_open).scalar_subquery()
    query = sa.select(plan, left).where(plan.c.id.in_(newest)).order_by(plan.c.school, plan.c.supplier)
    return [(Plan(*row[:-1]), row[-1]) for row in transaction.execute(query)]


def fields_of(transaction: Transaction, field_set_id: int) -> dict[str, str]:
    """The fields of a field set in their order, each with its reason."""
    fields = transaction.execute(sa.select(field_set.c.fields).where(field_set.c.id == field_set_id)).scalar_one()
    return dict(fields)


def field_set_id(transaction: Transaction, fields: FieldSet) -> int:
    """The number of this field set, which is written down the first time."""
    find = sa.select(field_set.c.id).where(field_set.c.digest == fields.digest)
    number = transaction.connection.scalar(find)
    if number is None:
        row = {
            "digest": fields.digest,
            "supplier": fields.supplier,
            "profile_version": fields.profile_version,
            "fields": {field.id: field.reason for field in fields.fields},
            "left_out": [asdict(left_out) for left_out in fields.left_out],
        }
        transaction.execute(transaction.insert(field_set).values(**row).on_conflict_do_nothing())
        number = transaction.number(find)
    return int(number)


def _write_changes(transaction: Transaction, plan_id: int, changes: pd.DataFrame) -> None:
    columns = [values(changes[name]) for name in _WRITTEN]
    rows = [(plan_id, "pending", *row) for row in zip(*columns, strict=True)]
    transaction.insert_many(change, ("plan_id", "state", *_WRITTEN), rows)


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


def _is_all(
    transaction: Transaction, waiting: sa.ColumnElement[bool], written: pd.DataFrame, accepted: Mapping[int, Handle]
) -> bool:
    """Whether every change of the batch still waits, and was accepted."""
    number = transaction.number(sa.select(sa.func.count()).select_from(change).where(waiting))
    return number == len(written) and accepted.keys() >= set(written["record_id"])


def _as_written(transaction: Transaction, known: Plan, batch: int, written: pd.DataFrame) -> _Taken:
    numbers = written["record_id"].astype("int64")
    replaced = written["replaces_id"].dropna().astype("int64")
    return _Taken(
        content=digest(transaction.keys, disclosed(known.id, batch, known.school, written)),
        numbers=numbers.tolist(),
        deleted=set(numbers[written["operation"].eq("delete")].tolist()),
        replaced=dict(zip(numbers[replaced.index].tolist(), replaced.tolist(), strict=True)),
        left={},
    )


def _as_read(transaction: Transaction, waiting: sa.ColumnElement[bool], accepted: Mapping[int, Handle]) -> _Taken:
    about = (change.c.id, change.c.record_id, change.c.operation, change.c.replaces_id)
    rows = transaction.raw(disclosures(*about).where(waiting))
    taken = [row for row in rows if row[1] in accepted]
    return _Taken(
        content=digest(transaction.keys, list(zip(*taken, strict=True))) if taken else b"",
        numbers=[number for _, number, *_ in taken],
        deleted={number for _, number, operation, *_ in taken if operation == "delete"},
        replaced={number: replaces for _, number, _, replaces, *_ in taken if replaces is not None},
        left={number: change_id for change_id, number, *_ in rows if number not in accepted},
    )


def _of(plan_id: int, batch: int) -> sa.ColumnElement[bool]:
    return (change.c.plan_id == plan_id) & (change.c.batch == batch)


def _open(plan_id: int, batch: int) -> sa.ColumnElement[bool]:
    return _of(plan_id, batch) & change.c.state.in_(_OPEN)


def _accept(transaction: Transaction, seal_id: int, taken: sa.ColumnElement[bool]) -> None:
    new = {"state": "accepted", "answered_at": transaction.now, "answer_encrypted": None, "seal_id": seal_id}
    transaction.execute(sa.update(change).where(taken).values(**new))


def _refuse(transaction: Transaction, reasons: Mapping[int, str]) -> None:
    refuse = sa.update(change).where(change.c.id == sa.bindparam("number"))
    refuse = refuse.values(state="refused", answered_at=transaction.now, answer_encrypted=sa.bindparam("answer"))
    rows = [
        {"number": number, "answer": transaction.keys.encrypt(text[:REASON_SIZE].encode(), _place(number))}
        for number, text in reasons.items()
    ]
    transaction.execute_many(refuse, rows)


def _abandon_pending(transaction: Transaction, plan_id: int) -> None:
    left = sa.update(change).where(change.c.plan_id == plan_id, change.c.state == "pending")
    transaction.execute(left.values(state="abandoned"))


def _place(change_id: int) -> bytes:
    """An answer is bound to its change."""
    return f"antwoord/{change_id}".encode()
