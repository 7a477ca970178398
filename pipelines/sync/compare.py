"""The comparison for one kind of record: the delivery set against the fingerprints of what a supplier holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.fields import CATALOGUE, Record
from mappings.projection import NOBODY, PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.records import refs_of
from pipelines.sync.fingerprint import Prints, absent, fingerprints, packed, unmasked, unpacked


class Cause(StrEnum):
    """Why a record changes at a supplier (design rule 5)."""

    NEW = "nieuw"
    CORRECTED = "gegevens_gewijzigd"
    REGROUPED = "andere_groep"
    YEAR_CHANGE = "jaarovergang"
    LEFT = "van_school"
    OUT_OF_SCOPE = "buiten_bereik"
    FIELD_WITHDRAWN = "veld_ingetrokken"
    FIELD_ADDED = "veld_toegevoegd"
    REKEYED = "nieuwe_sleutel"
    GROUP_GONE = "groep_vervallen"
    NO_CONSENT = "geen_toestemming"
    CONSENT_WITHDRAWN = "toestemming_ingetrokken"
    OBJECTION = "bezwaar"
    AGREEMENT_ENDED = "overeenkomst_afgelopen"
    UNEXPLAINED = "onverklaard"


COLUMNS = ("kind", "key", "ref", "record_id", "operation", "cause", "changed_fields", "fingerprint", "replaces_id")
"""Of a change. `key` is absent for a record that is not in the export, `record_id` for one that the supplier does not
have; `changed_fields` are names, joined by commas; `fingerprint` is absent for a delete; `replaces_id` is the number of
the record whose place this one takes: the same person under an earlier key."""

GROUPING = frozenset({"groep", "jaargroep", "samengestelde_groepen", "groepen"})
"""Fields that follow from the group that somebody is in."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Compared:
    """The changes of one kind, and what the supplier has of which the export says nothing certain (`record_id`, `kind`)."""

    upserts: pd.DataFrame
    deletes: pd.DataFrame
    lingering: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Now:
    """The delivery set of one kind, with how the ledger names its records and what their fingerprints are."""

    kind: Record
    records: pd.DataFrame
    refs: list[bytes]
    prints: Prints


def compared(
    kind: Record,
    wanted: DeliverySet,
    state: pd.DataFrame,
    fields: Mapping[int, Sequence[str]],
    keys: Keys,
    *,
    new_year: bool,
) -> Compared:
    """Compare the records of one kind; `state` and `fields` are as in `plan.Known`, of this kind only."""
    records = wanted.records[kind]
    refs = refs_of(wanted.school, kind, records.index.tolist(), keys)
    now = _Now(kind, records, refs, fingerprints(records, refs, keys))
    state = state.reset_index(drop=True)
    deletes = _deletes(now, wanted, state, keys, new_year=new_year)
    lingering = state.loc[~_among(state["ref"], {*refs, *deletes["ref"]}), ["record_id", "kind"]]
    return Compared(_upserts(now, state, fields, keys, new_year=new_year), deletes, lingering)


def _upserts(
    now: _Now, state: pd.DataFrame, fields: Mapping[int, Sequence[str]], keys: Keys, *, new_year: bool
) -> pd.DataFrame:
    """Creations and updates. What a presumed creation may have brought is created again: an update needs something to be there."""
    state = state[~np.fromiter(map(may_be_absent, state["fingerprint"]), dtype=np.bool_, count=len(state))]
    position = pd.Index(state["ref"], dtype=object).get_indexer(pd.Index(now.refs, dtype=object))
    parts = [_changes(now, np.flatnonzero(position < 0), operation="create", cause=str(Cause.NEW), changed_fields="")]
    for field_set_id in state["field_set_id"].unique().tolist():
        held = np.flatnonzero(state["field_set_id"] == field_set_id)
        here = np.flatnonzero(np.isin(position, held))
        old_columns = ["id", *(CATALOGUE[f].name for f in fields[field_set_id] if CATALOGUE[f].record is now.kind)]
        parts.append(_updates(now, here, state.iloc[position[here]], old_columns, keys, new_year=new_year))
    return pd.concat(parts, ignore_index=True)


def _updates(
    now: _Now, here: Rows, held: pd.DataFrame, old_columns: list[str], keys: Keys, *, new_year: bool
) -> pd.DataFrame:
    """The records at `here` whose fingerprint is not the one that is held; a column on one side only counts as absent on the other."""
    new_columns = list(now.records.columns)
    columns = [*new_columns, *(name for name in old_columns if name not in new_columns)]
    old, new = unpacked(held["fingerprint"].tolist(), len(old_columns)), now.prints[here]
    if old_columns != new_columns:
        refs = held["ref"].tolist()
        old = _aligned(unmasked(old, refs, keys), old_columns, columns, keys)
        new = _aligned(unmasked(new, refs, keys), new_columns, columns, keys)
    differs = old != new
    changed = np.flatnonzero(differs.any(axis=1))
    patterns, which = np.unique(differs[changed], axis=0, return_inverse=True)
    names = [[c for c, bit in zip(columns, pattern, strict=True) if bit] for pattern in patterns]
    causes = [str(_cause(set(n), set(old_columns), set(new_columns), new_year=new_year)) for n in names]
    pattern_of = which.ravel().tolist()
    return _changes(
        now,
        here[changed],
        operation="update",
        cause=[causes[i] for i in pattern_of],
        changed_fields=[",".join(names[i]) for i in pattern_of],
        record_id=held["record_id"].to_numpy()[changed],
    )


def _aligned(digests: Prints, names: list[str], columns: list[str], keys: Keys) -> Prints:
    """The bare digests in the order of `columns`, with that of an absent value where a column is not there."""
    missing = [name for name in columns if name not in names]
    both = np.hstack([digests, np.tile(absent(missing, keys), (len(digests), 1))])
    return both[:, [[*names, *missing].index(name) for name in columns]]


def _cause(changed: set[str], old: set[str], new: set[str], *, new_year: bool) -> Cause:
    if "id" in changed:
        return Cause.REKEYED
    explained = changed - (old ^ new)
    if not explained:
        return Cause.FIELD_ADDED if changed & new else Cause.FIELD_WITHDRAWN
    if explained <= GROUPING:
        return Cause.YEAR_CHANGE if new_year else Cause.REGROUPED
    return Cause.CORRECTED


def _changes(now: _Now, rows: Rows, **values: Any) -> pd.DataFrame:
    """Changes of the records at `rows`."""
    frame = pd.DataFrame(index=range(len(rows)), columns=list(COLUMNS), dtype=object)
    frame["key"] = now.records.index.to_numpy(dtype=object)[rows]
    frame["ref"] = [now.refs[row] for row in rows]
    frame["fingerprint"] = packed(now.prints[rows])
    return frame.assign(kind=str(now.kind), **values)


def _deletes(now: _Now, wanted: DeliverySet, state: pd.DataFrame, keys: Keys, *, new_year: bool) -> pd.DataFrame:
    """What the supplier has and the set has not, unless the export leaves that open."""
    uncertain = refs_of(wanted.school, now.kind, wanted.uncertain.keys[now.kind], keys)
    gone = wanted.gone.get(now.kind, NOBODY)
    reasons = dict(zip(refs_of(wanted.school, now.kind, gone.index.tolist(), keys), gone.tolist(), strict=True))
    missing = state[~_among(state["ref"], {*now.refs, *uncertain})]
    if now.kind in wanted.uncertain.kinds:
        missing = missing[_among(missing["ref"], reasons)]
    frame = pd.DataFrame(index=range(len(missing)), columns=list(COLUMNS), dtype=object)
    otherwise = str(_absent(now.kind, new_year=new_year))
    return frame.assign(
        kind=str(now.kind),
        ref=missing["ref"].tolist(),
        record_id=missing["record_id"].tolist(),
        operation="delete",
        cause=[reasons.get(ref, otherwise) for ref in missing["ref"]],
        changed_fields="",
    )


def _among(refs: pd.Series, known: Collection[bytes]) -> npt.NDArray[np.bool_]:
    """Which of `refs` are known. Not `isin`, which takes bytes through numpy and there loses zeros at their end."""
    return np.fromiter((ref in known for ref in refs), dtype=np.bool_, count=len(refs))


def _absent(kind: Record, *, new_year: bool) -> Cause:
    """Why a record is no longer in the export at all."""
    if kind not in PERSONS:
        return Cause.GROUP_GONE
    return Cause.YEAR_CHANGE if new_year else Cause.UNEXPLAINED
