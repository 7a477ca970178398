"""The change plan: what must be created, updated and deleted to make the supplier equal to the delivery set, each with its cause.

How one kind of record is compared is in `compare`, and whose id at the supplier is whose in `ids`. Nothing is sent, stored or held back here.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import pandas as pd

from connectors.base import Operation
from data_contracts.fields import Record
from mappings.choices import BY_RIGHT, NO_CONSENT
from mappings.projection import PERSONS, DeliverySet, Uncertain
from pipelines.keys import Keys
from pipelines.ledger.delivered import is_presumed
from pipelines.sync.compare import Cause, Known, among_refs, compared
from pipelines.sync.ids import ids_settled

ALL_FIELDS = "*"
"""In `ChangePlan.field_changes`: of these pupils nobody knows what the supplier has, so which fields change."""


@dataclass(frozen=True)
class ChangePlan:
    """All changes, in the order in which they go out, and what the guard must know of the rest.

    `changes` has the columns of `compare.COLUMNS`. `waiting` has the refs of those whose id is, or may be, somebody else's at the
    supplier; `together` the rows of people who take each other's ids, or of whom nobody knows who goes by which: they can only go
    in one message; `anew` the rows of those who are deleted so that the next plan can create them.
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
    waiting: frozenset[bytes] = frozenset()
    together: tuple[frozenset[int], ...] = ()
    anew: frozenset[int] = frozenset()

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
        return self._by_operation[operation]

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

        Clearing a photo that nobody consented to is one; removing pupils that nobody consented to waits for a person. One
        is also the removal of those of whom nobody knows which of them the right is about.
        """
        cause, update = self.changes["cause"], self.changes["operation"].eq("update")
        cleared = cause.eq(NO_CONSENT) & (update | self.changes.index.isin(self.anew))
        withdrawn = cause.eq(Cause.FIELD_WITHDRAWN) & ~update
        mine = cause.isin([*BY_RIGHT, Cause.AGREEMENT_ENDED]) | cleared | withdrawn
        rights = frozenset(mine.index[mine] if self.anew else ())
        return mine | mine.index.isin([row for rows in self.together if rows & rights for row in rows & self.anew])

    @property
    def may_wait(self) -> Self:
        """The plan without what goes by right: what the limits are for, and what an approval is for."""
        return self._without_by_right if self.by_right.any() else self

    @cached_property
    def _without_by_right(self) -> Self:
        """Apart: a plan that kept itself here would outlive its supplier, until Python looks for such circles."""
        return replace(self, changes=self.changes[~self.by_right])

    @cached_property
    def _by_operation(self) -> dict[str, pd.DataFrame]:
        """Asked for often, so parted once; where all are of one operation without a copy."""
        of = {operation: self.changes["operation"] == operation for operation in ("create", "update", "delete")}
        return {o: self.changes if mine.all() else self.changes[mine] for o, mine in of.items()}

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
    states = dict.fromkeys(Record, known.state.iloc[:0])
    states |= {Record(str(kind)): state for kind, state in known.state.groupby("kind")}
    kinds = [kind for kind in Record if kind in wanted.records or len(states[kind])]
    parts = [compared(kind, wanted, states[kind], known.fields, keys, new_year=new_year) for kind in kinds]
    upserts = [part.upserts for part in parts]
    changes = pd.concat([*upserts, *(part.deletes for part in reversed(parts))], ignore_index=True)
    lingering = pd.concat([part.lingering for part in parts], ignore_index=True)
    back = changes["operation"].eq("create") & among_refs(changes["ref"], known.deleted_first)
    changes["cause"] = changes["cause"].mask(back, str(Cause.REKEYED))
    settled = ids_settled(changes, lingering, wanted, known, keys)
    return ChangePlan(
        supplier=wanted.supplier,
        school=wanted.school,
        changes=settled.changes,
        unchanged=sum(map(len, wanted.records.values())) - sum(map(len, upserts)),
        quarantined=int(quarantined["soort"].isin(list(wanted.records)).sum()),
        known={kind: len(states[kind]) for kind in kinds},
        field_changes=_field_changes(settled.changes, wanted, known),
        lingering=settled.lingering,
        goes_on=settled.goes_on,
        waiting=settled.waiting,
        together=settled.together,
        anew=settled.anew,
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


def _field_changes(changes: pd.DataFrame, wanted: DeliverySet, known: Known) -> dict[str, int]:
    """How many pupils had each field changed, their key among them, where only a correction in ParnasSys, or a consent, can
    explain it: not a field that the agreement gives no more. Their id at the supplier is one of those fields.

    Of whom nobody knows what the supplier has, nobody knows which field changes: those count as `ALL_FIELDS`.
    """
    mine = changes[changes["operation"].eq("update") & changes["kind"].eq(Record.LEERLING)]
    mine = mine[mine["cause"].isin([Cause.CORRECTED, Cause.REGROUPED, Cause.CONSENT_GIVEN, Cause.REKEYED])]
    given = {"key", *wanted.of(Record.LEERLING).columns} - {"id"}
    presumed = known.state.loc[known.state["fingerprint"].map(is_presumed).astype(bool), "ref"]
    unknown = among_refs(mine["ref"], {*presumed})
    counts = mine.loc[~unknown, "changed_fields"].str.split(",").explode().value_counts()
    found = {str(name): int(n) for name, n in counts.items() if name in given}
    return found | ({ALL_FIELDS: int(unknown.sum())} if unknown.any() else {})
