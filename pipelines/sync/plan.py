"""The change plan: what must be created, updated and deleted to make the supplier equal to the delivery set, each with its cause.

How one kind of record is compared is in `compare`. Nothing is sent, stored or held back here.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import pandas as pd

from connectors.base import Operation
from data_contracts.fields import Record
from mappings.choices import BY_RIGHT, NO_CONSENT
from mappings.projection import NOBODY, PERSONS, DeliverySet, Uncertain
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.records import refs_of
from pipelines.sync.compare import Cause, columns_of, compared, rekeyed


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
    goes_on: bool = False  # once this is carried out the next plan has more to do, from the same export
    waiting: frozenset[tuple[str, str]] = (
        frozenset()
    )  # kind and key of whose id is somebody else's at the supplier still
    exchanges: tuple[frozenset[int], ...] = ()  # rows of people who take each other's ids, which can only go together

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
    def by_right(self) -> pd.Series:
        """Which changes wait for nobody, and are counted by no limit: what a parent asked for and the law grants, the
        clearing out that a person approved as a whole, and the removal of a kind of record that the agreement gives no more.

        Clearing a photo that nobody consented to is one; removing pupils that nobody consented to waits for a person.
        """
        cause, update = self.changes["cause"], self.changes["operation"].eq("update")
        cleared, withdrawn = cause.eq(NO_CONSENT) & update, cause.eq(Cause.FIELD_WITHDRAWN) & ~update
        return cause.isin([*BY_RIGHT, Cause.AGREEMENT_ENDED]) | cleared | withdrawn

    @property
    def may_wait(self) -> Self:
        """The plan without what goes by right: what the limits are for, and what an approval is for."""
        return self._without_by_right if self.by_right.any() else self

    @cached_property
    def _without_by_right(self) -> Self:
        """Apart: a plan that kept itself here would outlive its supplier, until Python looks for such circles."""
        return replace(self, changes=self.changes[~self.by_right])

    @cached_property
    def _digests(self) -> dict[str, bytes]:
        """Names the changes of each operation, in whatever order they stand; asked for often, so made once."""
        return {operation: _digest(self.of(operation)) for operation in ("create", "update", "delete")}


def change_plan(
    wanted: DeliverySet, known: Known, quarantined: pd.DataFrame, schooljaar: str, keys: Keys
) -> ChangePlan:
    """Compare a delivery set with what the supplier has.

    Quarantined and otherwise uncertain records are neither changed nor deleted. Groups come before persons, deletes last
    and the other way round. A kind of record that the agreement gives no more is among the deletes as a whole.
    """
    new_year = known.schooljaar is not None and known.schooljaar != schooljaar
    numbers = {kind: int((known.state["kind"] == kind).sum()) for kind in Record}
    kinds = [kind for kind in Record if kind in wanted.records or numbers[kind]]
    parts = [
        compared(kind, wanted, known.state[known.state["kind"] == kind], known.fields, keys, new_year=new_year)
        for kind in kinds
    ]
    upserts = [part.upserts for part in parts]
    changes = pd.concat([*upserts, *(part.deletes for part in reversed(parts))], ignore_index=True)
    lingering = pd.concat([part.lingering for part in parts], ignore_index=True)
    changes, goes_on, first = _renamed(changes, wanted, known, keys)
    then, exchanges = _taking_an_id(changes, lingering, wanted, known)
    waiting = pd.concat([first, changes.loc[then, ["kind", "key"]]])
    changes = changes.drop(index=then)
    return ChangePlan(
        supplier=wanted.supplier,
        school=wanted.school,
        changes=changes,
        unchanged=sum(map(len, wanted.records.values())) - sum(map(len, upserts)),
        quarantined=int(quarantined["soort"].isin(list(wanted.records)).sum()),
        known={kind: numbers[kind] for kind in kinds},
        field_changes=_field_changes(changes, wanted),
        lingering=lingering,
        goes_on=goes_on or not waiting.empty,
        waiting=frozenset(zip(map(str, waiting["kind"]), waiting["key"], strict=True)),
        exchanges=exchanges,
    )


def clearing(plan: ChangePlan) -> ChangePlan:
    """A plan that leaves the supplier with nothing, because the agreement has ended; what goes by right keeps its cause."""
    ended = plan.changes["cause"].where(plan.by_right, str(Cause.AGREEMENT_ENDED))
    return replace(plan, changes=plan.changes.assign(cause=ended))


def emptied(wanted: DeliverySet) -> DeliverySet:
    """A delivery set of which nothing is left, and that leaves nothing open."""
    records = {kind: frame.iloc[:0] for kind, frame in wanted.records.items()}
    return replace(
        wanted, records=records, uncertain=Uncertain({kind: pd.Index([], dtype="str") for kind in Record}, frozenset())
    )


def _digest(changes: pd.DataFrame) -> bytes:
    prints = changes["fingerprint"].where(changes["operation"] != "delete", b"").tolist()
    whole = b"".join(sorted(map(b"".join, zip(changes["ref"].tolist(), prints, strict=True))))
    return hashlib.blake2b(whole, digest_size=16).digest()


def _renamed(
    changes: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> tuple[pd.DataFrame, bool, pd.DataFrame]:
    """Whose id at the supplier goes on under another key: the same person, not one who left and one who came. And whether the
    next plan has more to do, and who waits for it (`kind`, `key`).

    Where the supplier does not know the new key yet, its creation becomes an update that takes the old one's place. Where
    it does (two registrations made one), the second registration goes first; the next plan then finds the first case. Until
    then, and where somebody else has the id of the second one by now, nothing is done to either. Who is at school himself, by
    the export, is somebody else: he is removed first, and the next plan gives his id to whom it is now.
    """
    deletes = changes[changes["operation"].eq("delete") & changes["kind"].isin(PERSONS)]
    waiting = [changes.loc[[], ["kind", "key"]]]
    if deletes.empty:
        return changes, False, waiting[0]
    deletes = deletes.assign(id=_ids(deletes["record_id"], known))
    changes, goes_on = changes.copy(), False
    for kind in PERSONS:
        now = wanted.of(kind)["id"]
        mine = deletes[deletes["kind"].eq(kind) & deletes["id"].isin(now)]
        theirs = changes[changes["kind"].eq(kind) & changes["operation"].ne("delete")]
        row_of = pd.Series(theirs.index, index=theirs["key"])
        heirs = row_of.reindex(pd.Series(now.index, index=now)[mine["id"]]).set_axis(mine.index).dropna().astype(int)
        gone = wanted.gone.get(kind, NOBODY)
        present = {*refs_of(wanted.school, kind, gone.index[gone.ne(str(Cause.LEFT))].tolist(), keys)}
        somebody_else = [row for row, ref in mine.loc[heirs.index, "ref"].items() if ref in present]
        waiting.append(changes.loc[heirs[somebody_else].tolist(), ["kind", "key"]])
        changes, mine = changes.drop(index=waiting[-1].index), mine.drop(index=somebody_else)
        heirs = heirs.drop(index=somebody_else)
        new = changes["operation"].reindex(heirs).eq("create").to_numpy()
        replaced = mine.loc[heirs.index[new], "record_id"].set_axis(heirs[new])
        _go_on(kind, changes, replaced, wanted, known, keys)
        changes = _second_registrations(changes, heirs[~new].tolist(), now, known).drop(index=mine.index)
        goes_on |= not new.all()
    return changes, goes_on, pd.concat(waiting)


def _taking_an_id(
    changes: pd.DataFrame, lingering: pd.DataFrame, wanted: DeliverySet, known: Known
) -> tuple[list[int], tuple[frozenset[int], ...]]:
    """The rows whose new id is still another's at the supplier: one who gives it up in this same plan, or of whom the export
    says nothing certain. They go with the next, once it is free.

    And the rows of those who take each other's ids, by twos or more: they do not wait, for that would have no end.
    """
    with_id = [names for names in changes["changed_fields"].unique() if "id" in names.split(",")]
    waiting: list[int] = []
    exchanges: set[frozenset[int]] = set()
    for kind in PERSONS:
        here = changes["kind"].eq(kind) & changes["operation"].ne("delete")
        moving = changes[here & changes["operation"].eq("update") & changes["changed_fields"].isin(with_id)]
        kept = {*_ids(lingering.loc[lingering["kind"].eq(kind), "record_id"], known)} - {""}
        given_up = dict(zip(_ids(moving["record_id"], known), moving.index, strict=True))
        given_up.pop("", None)
        if not (kept or given_up):
            continue
        wants = wanted.of(kind)["id"].reindex(changes.loc[here, "key"]).set_axis(changes.index[here])
        waiting += wants.index[wants.isin(list(kept))].tolist()
        takes = {row: given_up[wants[row]] for row in wants.index[wants.isin(list(given_up))]}
        circles = {row: _circle(row, takes) for row in takes}
        waiting += [row for row, circle in circles.items() if not circle]
        exchanges |= {circle for circle in circles.values() if circle}
    return waiting, tuple(exchanges)


def _circle(row: int, takes: Mapping[int, int]) -> frozenset[int]:
    """Those who take each other's ids, where the last gives up his own to `row`; nobody where it does not come round."""
    seen, at = {row}, takes[row]
    while at not in seen and at in takes:
        seen.add(at)
        at = takes[at]
    return frozenset(seen if at == row else ())


def _go_on(
    kind: Record, changes: pd.DataFrame, replaced: pd.Series, wanted: DeliverySet, known: Known, keys: Keys
) -> None:
    """Make the creations at the index of `replaced` updates that take the place of those records, and tell what else changes.

    Where nobody can say whether the supplier has the old one it stays a creation: an update needs something to be there.
    """
    changes.loc[replaced.index, "replaces_id"] = replaced
    state = known.state.set_index("record_id").loc[_numbers(replaced)].set_axis(replaced.index)
    for number, old in state.groupby("field_set_id"):
        old_columns = columns_of(kind, known.fields[int(str(number))])
        told = rekeyed(kind, wanted, changes.loc[old.index], old, old_columns, keys)
        changes.loc[old.index, ["cause", "changed_fields"]] = told
        there = old.index[[not may_be_absent(fingerprint) for fingerprint in old["fingerprint"]]]
        changes.loc[there, "operation"] = "update"


def _second_registrations(changes: pd.DataFrame, rows: list[int], now: pd.Series, known: Known) -> pd.DataFrame:
    """The updates at `rows` as deletes under the id that the supplier knew until now, or not at all."""
    ids = _ids(changes.loc[rows, "record_id"], known)
    others = set(now)
    taken = [row for row, wire_id in zip(rows, ids, strict=True) if wire_id in others]
    changes.loc[rows, ["operation", "cause", "changed_fields"]] = ["delete", str(Cause.REKEYED), ""]
    changes.loc[rows, "fingerprint"] = None
    return changes.drop(index=taken)


def _ids(record_ids: pd.Series, known: Known) -> list[str]:
    """By which id the supplier knows these records; "" where that is their key."""
    numbers = _numbers(record_ids)
    found = known.wire_ids(numbers) if numbers else {}
    return [found.get(number) or "" for number in numbers]


def _numbers(record_ids: pd.Series) -> list[int]:
    return [int(number) for number in record_ids]


def _field_changes(changes: pd.DataFrame, wanted: DeliverySet) -> dict[str, int]:
    """How many pupils had each field changed, their key among them, where only a correction in ParnasSys, or a consent, can
    explain it: not a field that the agreement gives no more. Their id at the supplier is one of those fields.
    """
    mine = changes[changes["operation"].eq("update") & changes["kind"].eq(Record.LEERLING)]
    mine = mine[mine["cause"].isin([Cause.CORRECTED, Cause.REGROUPED, Cause.CONSENT_GIVEN, Cause.REKEYED])]
    given = {"key", *wanted.of(Record.LEERLING).columns} - {"id"}
    counts = mine["changed_fields"].str.split(",").explode().value_counts()
    return {str(name): int(n) for name, n in counts.items() if name in given}
