"""What each supplier is known to hold now, and under which ids it knows its records."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipelines.ledger.frames import among, framed
from pipelines.ledger.handles import (
    NO_HANDLE,
    Handle,
    forget_handles,
    handles_in,
    handles_of,
    keep_handles,
    places_of,
    places_of_changes,
)
from pipelines.ledger.tables import ANSWERED_AT, STATE, change, changed_record, delivered, plan, record
from pipelines.ledger.transaction import Insert, Transaction

_STATE = {
    "record_id": "int64",
    "kind": "object",
    "ref": "object",
    "fingerprint": "object",
    "field_set_id": "int64",
}


def delivered_state(transaction: Transaction, supplier: str, school: str) -> pd.DataFrame:
    """A frame `record_id: int64, kind, ref: bytes, fingerprint: bytes, field_set_id: int64`."""
    columns = (record.c.id, record.c.kind, record.c.ref, delivered.c.fingerprint, delivered.c.field_set_id)
    query = sa.select(*columns).join_from(delivered, record).order_by(delivered.c.record_id)
    return framed(transaction.raw(query.where(delivered.c.supplier == supplier, record.c.school == school)), _STATE)


def held_since(transaction: Transaction, supplier: str, school: str, since: datetime) -> pd.DataFrame:
    """What the supplier held at any moment since then (aware) as far as it confirmed it: as `delivered_state`, a record once for each content."""
    mine = sa.and_(plan.c.supplier == supplier, plan.c.school == school, STATE == "accepted")
    joined = changed_record.join(plan)
    recent = since <= ANSWERED_AT
    touched = sa.select(change.c.record_id).select_from(joined).where(mine, recent)
    until_then = sa.select(sa.func.max(change.c.id)).select_from(joined).where(mine, ~recent)
    until_then = until_then.where(change.c.record_id.in_(touched)).group_by(change.c.record_id)
    columns = (record.c.id, record.c.kind, record.c.ref, change.c.fingerprint, plan.c.field_set_id)
    query = sa.select(*columns).select_from(joined).where(mine, change.c.fingerprint.is_not(None))
    rows = transaction.raw(query.where(sa.or_(recent, change.c.id.in_(until_then))))
    return pd.concat([delivered_state(transaction, supplier, school), framed(rows, _STATE)], ignore_index=True)


@dataclass(frozen=True, slots=True)
class Carried:
    """Changes of one batch that were carried out: `here` finds them in the table `change`, and only them.

    `deleted` are the records that they removed; `replaced` tells by record whose place it took.
    """

    here: sa.ColumnElement[bool]
    deleted: AbstractSet[int]
    replaced: Mapping[int, int]

    @property
    def gone(self) -> set[int]:
        """The records that the supplier holds no longer."""
        return {*self.deleted, *self.replaced.values()}


def take_over(
    transaction: Transaction, supplier: str, field_set_id: int, carried: Carried, answers: Mapping[int, Handle]
) -> None:
    """Make `delivered` what it is after these changes; an id that is absent in an answer leaves what was known."""
    handles_id = _handles_moved(transaction, supplier, carried, answers)
    held = sa.select(
        sa.literal(supplier),
        change.c.record_id,
        change.c.fingerprint,
        sa.literal(field_set_id),
        sa.literal(handles_id, sa.Integer),
    ).where(carried.here, change.c.operation != "delete")
    _hold(transaction, transaction.insert(delivered).from_select(_COLUMNS, held))
    _no_longer_hold(transaction, supplier, carried)


_MAY_BE_ABSENT, _UNKNOWN = b"\0", b"\xff"
"""What the fingerprints of a presumed creation and of a presumed update are made of."""


def may_be_absent(fingerprint: bytes) -> bool:
    """Whether this is the fingerprint of a presumed creation: nobody can say whether the supplier has the record."""
    return fingerprint.strip(_MAY_BE_ABSENT) == b""


def is_presumed(fingerprint: bytes) -> bool:
    """Whether nobody can say what the supplier has of the record."""
    return may_be_absent(fingerprint) or fingerprint.strip(_UNKNOWN) == b""


def presume(
    transaction: Transaction,
    supplier: str,
    field_set_id: int,
    sent: sa.ColumnElement[bool],
    known_by: Mapping[int, Handle],
) -> None:
    """Count the records of the changes that `sent` finds as delivered, with a fingerprint that nothing has.

    `known_by` tells under which ids the supplier may have a record now: by number, where that is not the key alone. What was to
    be deleted may be there or not.
    """
    _may_be_gone(transaction, supplier, sent)
    sent &= change.c.operation != "delete"
    columns = (change.c.record_id, change.c.operation, change.c.fingerprint, change.c.replaces_id)
    rows = transaction.execute(sa.select(*columns).where(sent)).all()
    carried = Carried(sent, frozenset(), {row.record_id: row.replaces_id for row in rows if row.replaces_id})
    new = {row.record_id: known_by.get(row.record_id, NO_HANDLE) for row in rows}
    handles_id = _handles_moved(transaction, supplier, carried, new)
    constant = {"supplier": supplier, "field_set_id": field_set_id, "handles_id": handles_id}
    held = []
    for row in rows:
        fill = _MAY_BE_ABSENT if row.operation == "create" else _UNKNOWN
        prints = fill * len(row.fingerprint)
        held.append({**constant, "record_id": row.record_id, "fingerprint": prints})
    _hold(transaction, transaction.insert(delivered), held)
    _no_longer_hold(transaction, supplier, carried)


def shared_ids(transaction: Transaction, supplier: str, record_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """Where a supplier may know one of these records by either of two ids: whom else of the school by one of those, and by which."""
    doubtful = [each for each in handles_of(transaction, supplier, record_ids).values() if each.other_id]
    if not doubtful:
        return {}
    ids = {wire_id for each in doubtful for wire_id in (each.wire_id, each.other_id) if wire_id}
    schools = sa.select(record.c.school).where(record.c.id.in_(record_ids))
    query = sa.select(delivered.c.record_id).join_from(delivered, record).where(record.c.school.in_(schools))
    others = {*transaction.execute(query.where(delivered.c.supplier == supplier)).scalars()}.difference(record_ids)
    known = handles_of(transaction, supplier, others)
    found = {number: ids.intersection(filter(None, each)) for number, each in known.items()}
    return {number: frozenset(shared) for number, shared in found.items() if shared}


def count_as_lost(transaction: Transaction, supplier: str, record_ids: Iterable[int]) -> None:
    """Count these records as ones that the supplier may have no more."""
    for here in among(delivered.c.record_id, record_ids):
        rows = transaction.execute(sa.select(delivered).where(delivered.c.supplier == supplier, here)).mappings()
        held = [{**row, "fingerprint": _MAY_BE_ABSENT * len(row["fingerprint"])} for row in rows]
        _hold(transaction, transaction.insert(delivered), held)


def _may_be_gone(transaction: Transaction, supplier: str, sent: sa.ColumnElement[bool]) -> None:
    """Make of what the changes that `sent` finds were to delete something that may be absent."""
    mine = (delivered.c.supplier == supplier) & (delivered.c.record_id == change.c.record_id)
    columns = (delivered.c.record_id, delivered.c.field_set_id, delivered.c.fingerprint)
    query = sa.select(*columns).join_from(change, delivered, mine).where(sent, change.c.operation == "delete")
    rows = [dict(row) for row in transaction.execute(query).mappings()]
    held = [{**row, "supplier": supplier, "fingerprint": _MAY_BE_ABSENT * len(row["fingerprint"])} for row in rows]
    if held:
        _hold(transaction, transaction.insert(delivered), held)


def count_as_unknown(
    transaction: Transaction, supplier: str, rows: Iterable[tuple[int, int, int]], *, lost: bool
) -> None:
    """Count records as held with content that nobody knows, or as `lost`: the supplier may have them no more.

    `rows` have number, field set and number of columns of each record.
    """
    fill = _MAY_BE_ABSENT if lost else _UNKNOWN
    held = [
        {
            "supplier": supplier,
            "record_id": number,
            "fingerprint": fill * 8 * width,
            "field_set_id": of,
        }
        for number, of, width in rows
    ]
    _hold(transaction, transaction.insert(delivered), held)


_COLUMNS = ("supplier", "record_id", "fingerprint", "field_set_id", "handles_id")


def _hold(transaction: Transaction, insert: Insert, rows: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Insert records, in the place of what was known of them; where their handles stand is known already."""
    new: dict[str, Any] = {name: sa.literal_column(f"excluded.{name}") for name in ("fingerprint", "field_set_id")}
    upsert = insert.on_conflict_do_update(index_elements=["supplier", "record_id"], set_=new)
    if rows is None:
        transaction.execute(upsert)
    else:
        transaction.execute_many(upsert, rows)


def _no_longer_hold(transaction: Transaction, supplier: str, carried: Carried) -> None:
    """Strike out what these changes delete, and whose place they take."""
    for gone in among(delivered.c.record_id, carried.gone):
        transaction.execute(sa.delete(delivered).where(delivered.c.supplier == supplier, gone))


def _handles_moved(
    transaction: Transaction, supplier: str, carried: Carried, answers: Mapping[int, Handle]
) -> int | None:
    """Put together what is new in the handles of these changes, and take out what is no longer true; the new place.

    What the supplier had already is told of its new place here; what it gets now is still to be put in.
    """
    places = places_of_changes(transaction, supplier, carried.here)
    places |= places_of(transaction, supplier, carried.replaced.values())
    known = handles_in(transaction, supplier, places)
    new = dict(answers)
    for number in carried.deleted:
        new.pop(number, None)
    for number in {*carried.replaced, *known} - carried.gone:
        old, now = known.get(carried.replaced.get(number, number), NO_HANDLE), new.get(number, NO_HANDLE)
        other = now.other_id or (None if now.wire_id else old.other_id)
        wire_id = now.wire_id or old.wire_id
        new[number] = Handle(wire_id, now.own_id or old.own_id, None if other == wire_id else other)
    new = {number: handle for number, handle in new.items() if handle not in (NO_HANDLE, known.get(number))}
    forget_handles(transaction, supplier, known.keys() & {*new, *carried.gone}, places)
    place = keep_handles(transaction, supplier, new)
    if place is not None:
        for moved in among(delivered.c.record_id, new.keys() & places.keys()):
            move = sa.update(delivered).where(delivered.c.supplier == supplier, moved)
            transaction.execute(move.values(handles_id=place))
    return place
