"""The change plan: what must be created, updated and deleted to make the supplier equal to the delivery set, each with its cause.

How one kind of record is compared is in `compare`. Nothing is sent, stored or held back here.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from connectors.base import Operation
from data_contracts.fields import Record
from mappings.projection import PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.sync.compare import Cause, compared


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows a supplier to hold of a school.

    `state` has `record_id, kind, ref, fingerprint, field_set_id`; `fields` gives, for each field set in it, the field
    ids in the order of the fingerprints; `wire_ids` finds the id a supplier knows a record by, where that is not its key.
    """

    state: pd.DataFrame = field(repr=False)
    fields: Mapping[int, Sequence[str]]
    wire_ids: Callable[[Sequence[int]], Mapping[int, str | None]]
    schooljaar: str | None  # of the last delivery


@dataclass(frozen=True)
class ChangePlan:
    """All changes, in the order in which they go out, and what the guard must know of the rest.

    `changes` has the columns of `compare.COLUMNS`.
    """

    supplier: str
    school: str
    changes: pd.DataFrame = field(repr=False)
    unchanged: int
    quarantined: int
    known: Mapping[str, int]  # records that the supplier has, by kind
    field_changes: Mapping[str, int]  # pupils per field that changed without another explanation
    lingering: pd.DataFrame = field(repr=False)  # record_id, kind: what the supplier has and the export leaves open

    @property
    def counts(self) -> dict[str, int]:
        """Numbers by operation, with what stays and what was kept out."""
        numbers = {operation: len(self.of(operation)) for operation in ("create", "update", "delete")}
        return {**numbers, "unchanged": self.unchanged, "quarantined": self.quarantined}

    @property
    def known_persons(self) -> int:
        """How many pupils and teachers the supplier has."""
        return sum(self.known.get(kind, 0) for kind in PERSONS)

    def of(self, operation: str) -> pd.DataFrame:
        """The changes of one operation."""
        return self.changes[self.changes["operation"] == operation]

    def digest(self, operations: Iterable[Operation]) -> str:
        """Names the changes of these operations: what an approval is for (design rule 6)."""
        whole = hashlib.blake2b(f"{self.supplier} {self.school}".encode(), digest_size=16)
        for operation in sorted(operations):
            whole.update(operation.encode() + self._digests[operation])
        return whole.hexdigest()

    @cached_property
    def _digests(self) -> dict[str, bytes]:
        """Names the changes of each operation, in whatever order they stand; asked for often, so made once."""
        return {operation: _digest(self.of(operation)) for operation in ("create", "update", "delete")}


def change_plan(
    wanted: DeliverySet, known: Known, quarantined: pd.DataFrame, schooljaar: str, keys: Keys
) -> ChangePlan:
    """Compare a delivery set with what the supplier has.

    Quarantined and otherwise uncertain records are neither changed nor deleted. Groups come before persons, deletes last
    and the other way round.
    """
    new_year = known.schooljaar is not None and known.schooljaar != schooljaar
    parts = [
        compared(kind, wanted, known.state[known.state["kind"] == kind], known.fields, keys, new_year=new_year)
        for kind in wanted.records
    ]
    upserts = [part.upserts for part in parts]
    changes = pd.concat([*upserts, *(part.deletes for part in reversed(parts))], ignore_index=True)
    changes = _renamed(changes, wanted, known)
    return ChangePlan(
        supplier=wanted.supplier,
        school=wanted.school,
        changes=changes,
        unchanged=sum(map(len, wanted.records.values())) - sum(map(len, upserts)),
        quarantined=int(quarantined["soort"].isin(list(wanted.records)).sum()),
        known={kind: int((known.state["kind"] == kind).sum()) for kind in wanted.records},
        field_changes=_field_changes(changes),
        lingering=pd.concat([part.lingering for part in parts], ignore_index=True),
    )


def _digest(changes: pd.DataFrame) -> bytes:
    prints = changes["fingerprint"].where(changes["operation"] != "delete", b"").tolist()
    whole = b"".join(sorted(map(b"".join, zip(changes["ref"].tolist(), prints, strict=True))))
    return hashlib.blake2b(whole, digest_size=16).digest()


def _renamed(changes: pd.DataFrame, wanted: DeliverySet, known: Known) -> pd.DataFrame:
    """A new key in ParnasSys with the same ECK iD is the same pupil: an update under the old id, not a delete and a create.

    The delete stays in the plan, as the ledger's own: it is not sent, since it would remove the pupil under his new key.
    Where the id went to a pupil whom the supplier already knew by another (two registrations made one), both records
    wait as they are: no message says that without leaving one behind.
    """
    deletes = changes[changes["operation"].eq("delete") & changes["kind"].isin(PERSONS)]
    if deletes.empty:
        return changes
    held = known.wire_ids([int(record_id) for record_id in deletes["record_id"]])
    deletes = deletes.assign(id=[held.get(int(record_id)) or "" for record_id in deletes["record_id"]])
    changes = changes.copy()
    for kind in PERSONS:
        now = wanted.records.get(kind, pd.DataFrame({"id": []}))["id"]
        taken = _known_by_another_id(changes, kind, now)
        merged = deletes[(deletes["kind"] == kind) & deletes["id"].isin(now[taken])]
        waiting = changes["kind"].eq(kind) & changes["key"].isin(now.index[now.isin(merged["id"]) & taken])
        changes = changes.drop(index=[*merged.index, *changes.index[waiting & changes["operation"].eq("update")]])
        deletes = deletes.drop(index=merged.index)
        mine = deletes[(deletes["kind"] == kind) & deletes["id"].isin(now)]
        changes.loc[mine.index, "cause"] = str(Cause.REKEYED)
        creates = changes["operation"].eq("create") & changes["kind"].eq(kind)
        creates &= changes["key"].isin(now.index[now.isin(mine["id"])])
        changes.loc[creates, ["operation", "cause", "changed_fields"]] = ["update", str(Cause.REKEYED), "key"]
    return changes


def _known_by_another_id(changes: pd.DataFrame, kind: Record, now: pd.Series) -> pd.Series:
    """Which records of `now` the supplier knows by another id so far."""
    mine = changes[changes["operation"].eq("update") & changes["kind"].eq(kind)]
    renewed = [
        key for key, names in zip(mine["key"], mine["changed_fields"], strict=True) if "id" in str(names).split(",")
    ]
    return pd.Series(now.index.isin(renewed), index=now.index)


def _field_changes(changes: pd.DataFrame) -> dict[str, int]:
    """How many pupils had each field changed, where only a correction in ParnasSys can explain it."""
    mine = changes[changes["operation"].eq("update") & changes["kind"].eq(Record.LEERLING)]
    mine = mine[mine["cause"].isin([Cause.CORRECTED, Cause.REGROUPED])]
    return {str(name): int(n) for name, n in mine["changed_fields"].str.split(",").explode().value_counts().items()}
