"""Read-back: what a supplier says it holds, against the fingerprints of what it should hold. Nothing is sent, and no value is kept.

A repair only notes that nobody knows what the supplier has of a record: the next plan then creates, corrects or removes it,
through guard and holds as always.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from connectors.base import CannotListError, ConnectorError
from data_contracts.fields import CATALOGUE, Record
from pipelines.instance import Instance
from pipelines.keys import Keys
from pipelines.ledger.delivered import is_presumed, may_be_absent
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.leases import BusyError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.readback import Unsure
from pipelines.ledger.records import refs_of
from pipelines.sync.fingerprint import fingerprints, unmasked, unpacked

State = Literal["equal", "different", "cannot", "unfinished", "failed"]
TOLD: Mapping[State, str] = {
    "equal": "gelijk",
    "different": "verschil",
    "cannot": "kan niet teruglezen",
    "unfinished": "eerst leveren",
    "failed": "mislukt",
}
"""How it stands, in Dutch."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What reading back at one supplier for one school found: counts, field names, and keys by kind.

    `strangers` counts by kind what the supplier has and the ledger never knew: of those nothing is repeated. `unsure` counts
    the records of which nobody knows what arrived: they are not compared, and the next delivery sets them right.
    """

    school: str
    supplier: str
    state: State
    reason: str = ""
    read: int = 0
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    different: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)
    strangers: Mapping[str, int] = field(default_factory=dict)
    unsure: int = 0
    repaired: int = 0

    @property
    def wrong(self) -> bool:
        """Whether a person must look at it: something differs, or could not be read."""
        return self.state in {"different", "failed"}

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """How many records were read, are missing, are different, and are there besides."""
        missing, different, extra = (
            sum(map(len, found.values())) for found in (self.missing, self.different, self.extra)
        )
        return self.read, missing, different, extra + sum(self.strangers.values())


@dataclass(slots=True)
class _Found:
    """Record numbers by what is wrong with them."""

    read: int = 0
    missing: list[int] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    extra: dict[int, Record] = field(default_factory=dict)
    fields: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)
    unsure: int = 0


def read_back(
    instance: Instance, supplier: str, school: str, *, pupil: str | None = None, repair: bool = False
) -> ReadBack:
    """Compare what a supplier holds with the ledger; with `repair`, let the next plan set right what differs.

    With the key of one `pupil` only pupils are asked for, and he alone is compared.
    """
    try:
        with instance.ledger.lease(supplier, school):
            return _read_back(instance, supplier, school, pupil, repair=repair)
    except BusyError as error:
        return ReadBack(school, supplier, "unfinished", str(error))
    except CannotListError as error:
        return ReadBack(school, supplier, "cannot", error.message)
    except ConnectorError as error:
        return ReadBack(school, supplier, "failed", str(error))


def _read_back(instance: Instance, supplier: str, school: str, pupil: str | None, *, repair: bool) -> ReadBack:
    ledger = instance.ledger
    if ledger.unfinished_plan(supplier, school):
        return ReadBack(school, supplier, "unfinished", "Een levering is afgebroken. Lever eerst, en lees dan terug.")
    found = _compared(instance, supplier, school, pupil)
    wrong = Unsure(found.missing, found.different, found.extra)
    if repair and wrong:
        ledger.count_as_unknown(supplier, school, instance.settings.field_set(supplier, school), wrong)
    return ReadBack(
        school,
        supplier,
        "different" if wrong or found.strangers else "equal",
        read=found.read,
        missing=_named(ledger, found.missing),
        different=_named(ledger, found.different),
        extra=_named(ledger, found.extra),
        fields=dict(found.fields.most_common()),
        strangers=dict(found.strangers),
        unsure=found.unsure,
        repaired=len(wrong) if repair else 0,
    )


def _compared(instance: Instance, supplier: str, school: str, pupil: str | None) -> _Found:
    fields, ledger = instance.settings.field_set(supplier, school), instance.ledger
    state, found = ledger.delivered_state(supplier, school), _Found()
    kinds = {*fields.kinds, *map(Record, state["kind"].unique())} if pupil is None else {Record.LEERLING}
    asked = {kind: fields.of(kind) for kind in Record if kind in kinds}
    pages: dict[Record, list[pd.DataFrame]] = {kind: [] for kind in asked}
    for kind, page in instance.supplier(supplier, school).held(school, asked):
        pages[kind].append(page)
    if pupil is not None:
        (ref,) = refs_of(school, Record.LEERLING, [pupil], instance.keys)
        state = state[state["ref"].map(ref.__eq__).astype(bool)]
    for kind, parts in pages.items():
        records = (
            pd.concat(parts, ignore_index=True).dropna(subset="id").drop_duplicates("id").set_index("id", drop=False)
        )
        mine = state[state["kind"] == kind].reset_index(drop=True)
        wire_ids = _wire_ids(ledger, supplier, mine["record_id"].tolist(), {*records.index})
        if pupil is not None:
            records = records[records.index.isin([pupil, *wire_ids])]
        found.read += len(records)
        presumed = mine["fingerprint"].map(is_presumed).astype(bool)
        found.unsure += int(presumed.sum())
        there = wire_ids.isin(records.index).to_numpy()
        absent = mine[~there]
        found.missing += [
            int(r) for r, p in zip(absent["record_id"], absent["fingerprint"], strict=True) if not may_be_absent(p)
        ]
        known = mine.assign(id=wire_ids)[there & ~presumed]
        _different(ledger, known, records, instance.keys, found)
        others = records.index[~records.index.isin(wire_ids)].tolist()
        refs = refs_of(school, kind, others, instance.keys)
        numbers = ledger.known_records(school, kind, refs)
        found.extra |= dict.fromkeys(set(numbers.values()) - set(mine["record_id"]), kind)
        if strange := len(others) - len(numbers):
            found.strangers[kind] += strange
    return found


def _wire_ids(ledger: Ledger, supplier: str, numbers: Sequence[int], there: Collection[str]) -> pd.Series:
    """Under which id the supplier knows each record; absent for one whose key was shredded.

    Of two ids that he may go by, since a move went unanswered, it is the one that is `there`.
    """
    keys, handles = ledger.record_keys(numbers), ledger.handles(supplier, numbers)
    known = [(handles.get(n, NO_HANDLE), keys.get(n)) for n in numbers]
    ids = [handle.other_id if handle.other_id in there else handle.wire_id or key for handle, key in known]
    return pd.Series(ids, dtype="str")


def _different(ledger: Ledger, known: pd.DataFrame, records: pd.DataFrame, keys: Keys, found: _Found) -> None:
    """Compare field by field, as far as the supplier was asked for it: what the agreement no longer has is not read."""
    for field_set_id in known["field_set_id"].unique().tolist():
        held = known[known["field_set_id"] == field_set_id]
        here = records.loc[held["id"]]
        kind = held["kind"].iloc[0]
        names = ["id", *(CATALOGUE[f].name for f in ledger.field_ids(field_set_id) if CATALOGUE[f].record == kind)]
        shared = [name for name in names if name in here]
        refs = held["ref"].tolist()
        then = unmasked(unpacked(held["fingerprint"].tolist(), len(names)), refs, keys)
        now = unmasked(fingerprints(here[shared], refs, keys), refs, keys)
        differs = then[:, [names.index(name) for name in shared]] != now
        found.different += [int(number) for number in held["record_id"].to_numpy()[differs.any(axis=1)]]
        found.fields.update({f"{kind}.{n}": int(c) for n, c in zip(shared, np.sum(differs, axis=0), strict=True) if c})


def _named(ledger: Ledger, numbers: Iterable[int]) -> dict[str, list[str]]:
    """The keys of these records, by kind."""
    named: dict[str, list[str]] = {}
    for number, (kind, key) in sorted(ledger.named(numbers).items()):
        named.setdefault(kind, []).append(key or f"record {number}")
    return named
