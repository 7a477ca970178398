"""What each supplier is known to hold now, and under which ids it knows its records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pandas as pd
import sqlalchemy as sa

from pipelines.ledger.frames import among, framed, values
from pipelines.ledger.tables import delivered, record
from pipelines.ledger.transaction import AnyRow, Transaction

_STATE = {
    "record_id": "int64",
    "kind": "str",
    "ref": "object",
    "fingerprint": "object",
    "field_set_id": "int64",
}


@dataclass(frozen=True, slots=True)
class Handle:
    """How a supplier knows a record: by which id, where that is not the record's key, and by which number of its own."""

    wire_id: str | None = field(repr=False)
    own_id: str | None = field(repr=False)


def delivered_state(transaction: Transaction, supplier: str, school: str) -> pd.DataFrame:
    """A frame `record_id: int64, kind: str, ref: bytes, fingerprint: bytes, field_set_id: int64`."""
    columns = (record.c.id, record.c.kind, record.c.ref, delivered.c.fingerprint, delivered.c.field_set_id)
    query = sa.select(*columns).join_from(delivered, record).order_by(record.c.id)
    return framed(transaction.execute(query.where(delivered.c.supplier == supplier, record.c.school == school)), _STATE)


def delivered_counts(transaction: Transaction, school: str | None) -> dict[tuple[str, str], int]:
    """How many records each supplier holds of each school, or of this one only: by school and supplier, in that order."""
    place = (record.c.school, delivered.c.supplier)
    query = sa.select(*place, sa.func.count()).join_from(delivered, record).group_by(*place).order_by(*place)
    if school is not None:
        query = query.where(record.c.school == school)
    return {(of, supplier): number for of, supplier, number in transaction.execute(query)}


def handles(transaction: Transaction, supplier: str, record_ids: Iterable[int]) -> dict[int, Handle]:
    """The handles of these records, decrypted; a record without one is left out."""
    found: dict[int, Handle] = {}
    query = sa.select(delivered.c.record_id, delivered.c.handle_encrypted)
    query = query.where(delivered.c.supplier == supplier, delivered.c.handle_encrypted.is_not(None))
    for condition in among(delivered.c.record_id, record_ids):
        for number, encrypted in transaction.execute(query.where(condition)):
            found[number] = Handle(*orjson.loads(transaction.keys.decrypt(encrypted, _place(supplier, number))))
    return found


def take_over(
    transaction: Transaction, supplier: str, field_set_id: int, taken: Sequence[AnyRow], accepted: pd.DataFrame
) -> None:
    """Make `delivered` what it is after the changes `taken` (with `record_id, operation, fingerprint, replaces_id`).

    `accepted` gives for each `record_id` the supplier's `wire_id` and `own_id`; an absent one leaves what was known.
    """
    answers = zip(*(values(accepted[name]) for name in ("record_id", "wire_id", "own_id")), strict=True)
    given = _handles_given(transaction, supplier, taken, answers)
    _hold(
        transaction,
        supplier,
        field_set_id,
        [(row.record_id, row.fingerprint, given.get(row.record_id)) for row in taken if row.operation != "delete"],
    )
    _no_longer_hold(transaction, supplier, [row.record_id for row in taken if row.operation == "delete"])
    _no_longer_hold(transaction, supplier, [row.replaces_id for row in taken if row.replaces_id])


def _hold(
    transaction: Transaction, supplier: str, field_set_id: int, held: Iterable[tuple[int, bytes, bytes | None]]
) -> None:
    """Note records as `record_id, fingerprint, handle`; without a handle, the one that was known stays."""
    now = transaction.as_stored(delivered.c.updated_at, transaction.now)
    rows = [(supplier, record_id, prints, field_set_id, now, handle) for record_id, prints, handle in held]
    transaction.write_many(_UPSERT, rows)


def _no_longer_hold(transaction: Transaction, supplier: str, record_ids: Iterable[int]) -> None:
    for gone in among(delivered.c.record_id, record_ids):
        transaction.execute(sa.delete(delivered).where(delivered.c.supplier == supplier, gone))


_UPSERT = """
INSERT INTO delivered (supplier, record_id, fingerprint, field_set_id, updated_at, handle_encrypted)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (supplier, record_id) DO UPDATE
SET fingerprint = excluded.fingerprint, field_set_id = excluded.field_set_id, updated_at = excluded.updated_at,
    handle_encrypted = coalesce(excluded.handle_encrypted, delivered.handle_encrypted)
"""


_MAY_BE_ABSENT = b"\0"


def may_be_absent(fingerprint: bytes) -> bool:
    """Whether this is the fingerprint of a presumed creation: nobody can say whether the supplier has the record."""
    return fingerprint.strip(_MAY_BE_ABSENT) == b""


def presume(
    transaction: Transaction, supplier: str, field_set_id: int, sent: Sequence[AnyRow], wire_ids: Mapping[int, str]
) -> None:
    """Count records as delivered with a fingerprint that nothing has; `sent` is as the `taken` of `take_over`.

    `wire_ids` tells under which id a record was sent, where that is not the key. An update leaves the id that was known:
    the supplier may have it under either.
    """
    answers = [
        (row.record_id, wire_ids.get(row.record_id), None)
        for row in sent
        if row.operation == "create" or row.replaces_id
    ]
    given = _handles_given(transaction, supplier, sent, answers)
    held = []
    for row in sent:
        fill = _MAY_BE_ABSENT if row.operation == "create" else b"\xff"
        held.append((row.record_id, fill * len(row.fingerprint), given.get(row.record_id)))
    _hold(transaction, supplier, field_set_id, held)
    _no_longer_hold(transaction, supplier, [row.replaces_id for row in sent if row.replaces_id])


def _handles_given(
    transaction: Transaction, supplier: str, changes: Iterable[AnyRow], answers: Iterable[tuple[int, Any, Any]]
) -> dict[int, bytes]:
    """The handle of each record of `answers` (`record_id, wire_id, own_id`), encrypted; what was not given is what it was."""
    answers = [answer for answer in answers if answer[1] or answer[2]]
    before = {row.record_id: row.replaces_id for row in changes if row.replaces_id}
    partly = [number for number, wire_id, own_id in answers if not (wire_id and own_id)]
    known = handles(transaction, supplier, [*partly, *before.values()])
    encrypted = {}
    for number, wire_id, own_id in answers:
        old = known.get(before.get(number, number), _NO_HANDLE)
        text = orjson.dumps([wire_id or old.wire_id, own_id or old.own_id])
        encrypted[number] = transaction.keys.encrypt(text, _place(supplier, number))
    return encrypted


_NO_HANDLE = Handle(None, None)


def _place(supplier: str, record_id: int) -> bytes:
    """A handle is bound to its supplier and record."""
    return f"{supplier}/{record_id}".encode()
