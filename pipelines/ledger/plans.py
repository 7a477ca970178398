"""Plans and their changes, written before the first request. How the answers settle them is in `batches`.

What a plan should hold is decided in `pipelines.sync`; here it is only remembered.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pandas as pd
import sqlalchemy as sa

from mappings.agreement import FieldSet
from pipelines.ledger.frames import framed, values
from pipelines.ledger.tables import (
    REASON_SIZE,
    STATE,
    batch,
    batched,
    change,
    changed_record,
    erased_record,
    erasure,
    field_set,
    plan,
    record,
)
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
_WRITTEN = ("record_id", "operation", "cause", "fingerprint", "changed_fields", "replaces_id")
OPEN: Final = ("pending", "refused")
"""The states of a change that the supplier has not accepted yet, and still may."""


class PlanRefusedError(Exception):
    """A plan that cannot begin, with the reason in Dutch: another must be finished first, or somebody in it was erased since."""


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A change plan as it is about to be carried out.

    `basis` names everything it was made from; `export_size` counts the pupils of the export; the newest one until now is of the moment `received_at`; all digests are hexadecimal.
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
    received_at: datetime
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
    received_at: datetime | None
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
        PlanRefusedError: another plan is still being delivered, or a record is nobody's any more.
    """
    newest = newest_plan(transaction, new.supplier, new.school)
    if newest and newest.state == "delivering":
        raise PlanRefusedError(f"Plan {newest.digest[:12]} voor {new.supplier} ({new.school}) is nog niet afgerond.")
    closed = (erasure.c.school == new.school) & erasure.c.closed_at.is_not(None)
    nameless = sa.select(erased_record.c.record_id).join_from(erased_record, erasure).where(closed)
    if not set(transaction.execute(nameless).scalars()).isdisjoint(changes["record_id"]):
        raise PlanRefusedError("Een leerling is gewist sinds dit plan is gemaakt. Maak de gegevensset opnieuw.")
    if newest:
        _abandon_pending(transaction, newest.id)
    row = {name: getattr(new, name) for name in NewPlan.__slots__ if name != "field_set"}
    row |= {"counts": dict(new.counts), "field_set_id": field_set_id(transaction, new.field_set)}
    query = sa.insert(plan).values(**row, state="delivering", created_at=transaction.now).returning(plan.c.id)
    plan_id = transaction.number(query)
    _write_changes(transaction, plan_id, changes)
    return plan_id


def finish_plan(transaction: Transaction, plan_id: int, state: Ending, reason: str | None) -> None:
    """Say how a plan ended. What is pending stays pending, to be tried again, unless the plan was abandoned."""
    short = reason[:REASON_SIZE] if reason else None
    done = sa.update(plan).where(plan.c.id == plan_id)
    transaction.execute(done.values(state=state, reason=short, finished_at=transaction.now))
    if state == "abandoned":
        _abandon_pending(transaction, plan_id)


def abandon_rest(transaction: Transaction, plan_id: int, left: Collection[int]) -> None:
    """Drop what is pending of a plan, but for the batches `left`: the rest was never sent, and the next plan has it."""
    _abandon_pending(transaction, plan_id, left)


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
    """The changes of a plan in their order, each with its record (`kind, ref`), its batch and its state: the columns of `_CHANGES`."""
    elsewhere = {"kind": record.c.kind, "ref": record.c.ref, "batch": batch.c.number, "state": STATE}
    columns = [elsewhere[name] if name in elsewhere else change.c[name] for name in _CHANGES]
    query = sa.select(*columns).select_from(changed_record).where(batch.c.plan_id == plan_id)
    return framed(transaction.raw(query.order_by(change.c.id)), _CHANGES)


def causes_of(transaction: Transaction, plan_id: int) -> list[dict[str, Any]]:
    """The `number` of changes of a plan by `operation, kind, cause, state`, in its order."""
    sort = (change.c.operation, record.c.kind, change.c.cause, STATE.label("state"))
    query = sa.select(*sort, sa.func.count().label("number")).select_from(changed_record)
    query = query.where(batch.c.plan_id == plan_id).group_by(*sort).order_by(sa.func.min(change.c.id))
    return [dict(row) for row in transaction.execute(query).mappings()]


def pending(transaction: Transaction, supplier: str, school: str) -> pd.DataFrame:
    """The changes of the newest plan that the supplier has not accepted, as in `changes_of`."""
    newest = newest_plan(transaction, supplier, school)
    changes = changes_of(transaction, newest.id if newest else 0)
    return changes[changes["state"].isin(OPEN)].reset_index(drop=True)


def newest_plans(transaction: Transaction) -> list[tuple[Plan, int]]:
    """The newest plan of every supplier and school, with the number of changes that it has not had accepted."""
    newest = sa.select(sa.func.max(plan.c.id)).group_by(plan.c.supplier, plan.c.school)
    is_open = (batch.c.plan_id == plan.c.id) & STATE.in_(OPEN)
    left = sa.select(sa.func.count()).select_from(batched).where(is_open).scalar_subquery()
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
    numbers = sorted(map(int, changes["batch"].unique()))
    transaction.insert_many(batch, ("plan_id", "number", "state"), [(plan_id, n, "pending") for n in numbers])
    found = sa.select(batch.c.number, batch.c.id).where(batch.c.plan_id == plan_id)
    ids = changes["batch"].map(dict(transaction.execute(found).all()))
    columns = [values(changes[name]) for name in _WRITTEN]
    transaction.insert_many(change, ("batch_id", *_WRITTEN), list(zip(ids.tolist(), *columns, strict=True)))


def _abandon_pending(transaction: Transaction, plan_id: int, left: Collection[int] = ()) -> None:
    rest = (batch.c.plan_id == plan_id) & batch.c.number.not_in(left)
    whole = sa.update(batch).where(rest, batch.c.state == "pending")
    transaction.execute(whole.values(state="abandoned"))
    of_plan = sa.select(batch.c.id).where(rest)
    single = sa.update(change).where(change.c.batch_id.in_(of_plan), change.c.state == "pending")
    transaction.execute(single.values(state="abandoned"))
