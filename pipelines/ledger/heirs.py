"""Who a pupil is by now under another key, and choices that follow him there: what parents say is about the child, and not about how ParnasSys numbers it."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from pipelines.ledger.choices import PUPIL
from pipelines.ledger.frames import among
from pipelines.ledger.handles import handles_of
from pipelines.ledger.records import refs_of
from pipelines.ledger.tables import choice, delivered, record
from pipelines.ledger.transaction import Transaction


def hand_on(transaction: Transaction, school: str, keys: Collection[str], key_of: Mapping[str, str]) -> int:
    """Let what was chosen about a key that is gone count for the pupil who has the same id now; how many choices.

    `keys` and `key_of` are as in `heirs_of`. What was chosen about the new key itself stays.
    """
    newest = sa.select(sa.func.max(choice.c.id)).join_from(choice, record).where(record.c.school == school)
    newest = newest.group_by(choice.c.record_id, choice.c.subject)
    query = sa.select(choice, record.c.ref).join_from(choice, record).where(choice.c.id.in_(newest))
    chosen = transaction.execute(query).mappings().all()
    if not chosen:
        return 0
    heirs = heirs_of(transaction, school, {row["record_id"]: row["ref"] for row in chosen}, keys, key_of)
    own = {(row["ref"], row["subject"]) for row in chosen}
    rows = [
        {
            **{name: row[name] for name in ("subject", "choice", "since", "how", "recorded_by")},
            "record_id": heirs[row["record_id"]].number,
            "recorded_at": transaction.now,
        }
        for row in chosen
        if row["record_id"] in heirs and (heirs[row["record_id"]].ref, row["subject"]) not in own
    ]
    transaction.execute_many(sa.insert(choice), rows)
    return len(rows)


class Heir(NamedTuple):
    """The record of a pupil under the key that he has now."""

    number: int
    ref: bytes


def heirs_of(
    transaction: Transaction, school: str, refs: Mapping[int, bytes], keys: Collection[str], key_of: Mapping[str, str]
) -> dict[int, Heir]:
    """Of these records (refs by number) whose key is gone, who the pupil is now, by the number of the old one.

    `keys` are those of all pupils in the export, and known to the ledger; `key_of` finds some by another id, the ECK iD. Who
    is meant by a key that is gone is known where a supplier still has that pupil under such an id.
    """
    ref_of = dict(zip(keys, refs_of(school, PUPIL, keys, transaction.keys), strict=True))
    here = set(ref_of.values())
    ids = _ids_at_suppliers(transaction, {number for number, ref in refs.items() if ref not in here})
    found = {number: ref_of[key_of[wire_id]] for number, wire_id in ids.items() if wire_id in key_of}
    number_of = _numbers(transaction, school) if found else {}
    return {number: Heir(number_of[ref], ref) for number, ref in found.items()}


def _numbers(transaction: Transaction, school: str) -> dict[bytes, int]:
    query = sa.select(record.c.ref, record.c.id).where(record.c.school == school, record.c.kind == PUPIL)
    return dict(transaction.execute(query).all())


def _ids_at_suppliers(transaction: Transaction, numbers: Collection[int]) -> dict[int, str]:
    """Under which id other than their key some supplier has these records."""
    suppliers: set[str] = set()
    for these in among(delivered.c.record_id, numbers):
        places = sa.select(delivered.c.supplier).where(these, delivered.c.handles_id.is_not(None)).distinct()
        suppliers |= set(transaction.execute(places).scalars())
    found: dict[int, str] = {}
    for supplier in sorted(suppliers):
        handles = handles_of(transaction, supplier, numbers)
        found |= {number: handle.wire_id for number, handle in handles.items() if handle.wire_id}
    return found
