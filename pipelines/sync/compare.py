"""The comparison for one kind of record: the delivery set against the fingerprints of what a supplier holds."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.fields import CATALOGUE, Record
from mappings.choices import BY_RIGHT, Choice
from mappings.projection import NOBODY, PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.handles import Handle
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
    CONSENT_GIVEN = "toestemming_gegeven"
    OBJECTION = "bezwaar"
    ERASED = "verzoek_tot_wissen"
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
class Known:
    """What the ledger knows a supplier to hold of a school.

    `state` has `record_id, kind, ref, fingerprint, field_set_id`; `fields` gives, for each field set in it, the field
    ids in the order of the fingerprints; `handles` finds how a supplier knows a record, where that is not by its key alone;
    `deleted_first` are the refs of those whom the last plan deleted so that this one can create them.
    """

    state: pd.DataFrame = field(repr=False)
    fields: Mapping[int, Sequence[str]]
    handles: Callable[[Sequence[int]], Mapping[int, Handle]]
    schooljaar: str | None  # of the last delivery
    deleted_first: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Compared:
    """The changes of one kind, and what the supplier has of which the export says nothing certain (`record_id`, `kind`)."""

    upserts: pd.DataFrame
    deletes: pd.DataFrame
    lingering: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Now:
    """The delivery set of one kind, with how the ledger names its records and what their fingerprints are.

    `consents`: of each column that goes by a consent of its own, the newest choice by ref.
    """

    kind: Record
    records: pd.DataFrame
    refs: list[bytes]
    prints: Prints
    consents: Mapping[str, Mapping[bytes, Choice]]


def compared(
    kind: Record,
    wanted: DeliverySet,
    state: pd.DataFrame,
    fields: Mapping[int, Sequence[str]],
    keys: Keys,
    *,
    new_year: bool,
) -> Compared:
    """Compare the records of one kind; `state` and `fields` are as in `Known`, of this kind only.

    Of a kind that the agreement does not give, or gives no more, everything that the supplier has is to be deleted.
    """
    records = wanted.of(kind)
    refs = refs_of(wanted.school, kind, records.index.tolist(), keys)
    asked = wanted.consents if kind is Record.LEERLING else {}
    consents = {name: _by_ref(wanted.school, kind, newest, keys) for name, newest in asked.items()}
    now = _Now(kind, records, refs, fingerprints(records, refs, keys), consents)
    state = state.reset_index(drop=True)
    deletes = _deletes(now, wanted, state, fields, keys, new_year=new_year)
    lingering = state.loc[~among_refs(state["ref"], {*refs, *deletes["ref"]}), ["record_id", "kind"]]
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
        old_columns = columns_of(now.kind, fields[field_set_id])
        parts.append(_updates(now, here, state.iloc[position[here]], old_columns, keys, new_year=new_year))
    return pd.concat(parts, ignore_index=True)


def _updates(
    now: _Now, here: Rows, held: pd.DataFrame, old_columns: list[str], keys: Keys, *, new_year: bool
) -> pd.DataFrame:
    """The records at `here` whose fingerprint is not the one that is held; a column on one side only counts as absent on the other."""
    new_columns = list(now.records.columns)
    columns = _both(new_columns, old_columns)
    old, new, refs = unpacked(held["fingerprint"].tolist(), len(old_columns)), now.prints[here], held["ref"].tolist()
    if old_columns != new_columns:
        old = _aligned(unmasked(old, refs, keys), old_columns, columns, keys)
        new = _aligned(unmasked(new, refs, keys), new_columns, columns, keys)
    differs = old != new
    changed = np.flatnonzero(differs.any(axis=1))
    patterns, which = np.unique(differs[changed], axis=0, return_inverse=True)
    names = [[c for c, bit in zip(columns, pattern, strict=True) if bit] for pattern in patterns]
    causes = [_cause(set(n), set(old_columns), set(new_columns), new_year=new_year) for n in names]
    pattern_of = which.ravel().tolist()
    cause = [str(causes[i]) for i in pattern_of]
    for name, newest in now.consents.items():
        at = columns.index(name)
        places = np.flatnonzero(differs[changed, at])
        rows = changed[places]
        bare = old[rows] if old_columns != new_columns else unmasked(old[rows], [refs[i] for i in rows], keys)
        had = bare[:, at] != absent([name], keys)
        for place, row, there in zip(places.tolist(), rows.tolist(), had.tolist(), strict=True):
            filled = not there and names[pattern_of[place]] == [name]
            cause[place] = str(_by_consent(newest.get(refs[row]), cause[place], filled=filled))
    return _changes(
        now,
        here[changed],
        operation="update",
        cause=cause,
        changed_fields=[",".join(names[i]) for i in pattern_of],
        record_id=held["record_id"].to_numpy()[changed],
    )


def gets_another_id(changes: pd.DataFrame) -> pd.Series:
    """Of which changes the id at the supplier is one of the `changed_fields`."""
    names = changes["changed_fields"]
    return names.isin([text for text in names.unique() if "id" in text.split(",")])


def rekeyed(
    kind: Record, wanted: DeliverySet, new: pd.DataFrame, old: pd.DataFrame, old_columns: list[str], keys: Keys
) -> pd.DataFrame:
    """`cause` and `changed_fields` of the records that are new under their key (`new`, as in `COLUMNS`), each compared with
    what is held of the same person under another, in the same place of `old`. The id is what they have in common.
    """
    new_columns = list(wanted.of(kind).columns)
    columns = _both(new_columns, old_columns)
    was, now = (
        unpacked(old["fingerprint"].tolist(), len(old_columns)),
        unpacked(new["fingerprint"].tolist(), len(new_columns)),
    )
    was = _aligned(unmasked(was, old["ref"].tolist(), keys), old_columns, columns, keys)
    now = _aligned(unmasked(now, new["ref"].tolist(), keys), new_columns, columns, keys)
    names = [
        [c for c, differs in zip(columns, row, strict=True) if differs and c != "id"] for row in (was != now).tolist()
    ]
    cause = [str(Cause.REKEYED)] * len(new)
    for name, newest in (wanted.consents if kind is Record.LEERLING else {}).items():
        for place, key in enumerate(new["key"]):
            if name in names[place]:
                cause[place] = str(_by_consent(newest.get(key), cause[place], filled=False))
    told = [",".join(fields if "key" in fields else ["key", *fields]) for fields in names]
    return pd.DataFrame({"cause": cause, "changed_fields": told}, index=new.index, dtype=object)


def _both(new: Sequence[str], old: Sequence[str]) -> list[str]:
    """The columns of two fingerprints together."""
    return [*new, *(name for name in old if name not in new)]


def _aligned(digests: Prints, names: list[str], columns: list[str], keys: Keys) -> Prints:
    """The bare digests in the order of `columns`, with that of an absent value where a column is not there."""
    missing = [name for name in columns if name not in names]
    both = np.hstack([digests, np.tile(absent(missing, keys), (len(digests), 1))])
    return both[:, [[*names, *missing].index(name) for name in columns]]


def columns_of(kind: Record, field_ids: Sequence[str]) -> list[str]:
    """The columns of a fingerprint, in their order."""
    return ["id", *(CATALOGUE[f].name for f in field_ids if CATALOGUE[f].record is kind)]


def _by_consent(newest: Choice | None, otherwise: str, *, filled: bool) -> str:
    """Why a record changes, where a value that needs a consent does; `filled`: it was not there, and no other changes.

    Without a consent the value is cleared, and that is by right, whatever else changes: for one record there is one message.
    """
    if newest is Choice.WITHDRAWN:
        return Cause.CONSENT_WITHDRAWN
    if newest is None and otherwise != Cause.REKEYED:
        return Cause.NO_CONSENT
    return Cause.CONSENT_GIVEN if filled and otherwise == Cause.CORRECTED else otherwise


def _by_ref(school: str, kind: Record, newest: Mapping[str, Choice], keys: Keys) -> dict[bytes, Choice]:
    return dict(zip(refs_of(school, kind, newest, keys), newest.values(), strict=True))


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
    own = {"key": now.records.index.to_numpy(dtype=object)[rows], "ref": [now.refs[row] for row in rows]}
    return _framed(len(rows), **own, fingerprint=packed(now.prints[rows]), kind=str(now.kind), **values)


def _framed(number: int, **values: Any) -> pd.DataFrame:
    """So many changes with these values, the others absent: of Python's own objects, for ledger and messages ask for those."""
    columns = {}
    for name in COLUMNS:
        column = np.full(number, None, dtype=object)
        column[:] = values.get(name)
        columns[name] = pd.Series(column, dtype=object)
    return pd.DataFrame(columns)


def _deletes(
    now: _Now,
    wanted: DeliverySet,
    state: pd.DataFrame,
    fields: Mapping[int, Sequence[str]],
    keys: Keys,
    *,
    new_year: bool,
) -> pd.DataFrame:
    """What the supplier has and the set has not, unless the export leaves that open, or a parent or the agreement does not."""
    given = now.kind in wanted.records
    gone = wanted.gone.get(now.kind, NOBODY)
    gone = gone if given else gone[gone.isin(list(BY_RIGHT))]
    reasons = dict(zip(refs_of(wanted.school, now.kind, gone.index.tolist(), keys), gone.tolist(), strict=True))
    stuck = _stuck(now, state, fields, keys)
    reasons |= {ref: str(Cause.CONSENT_WITHDRAWN) for ref in stuck if reasons.get(ref) not in BY_RIGHT}
    uncertain = {*refs_of(wanted.school, now.kind, wanted.uncertain.keys[now.kind], keys)} - stuck if given else set()
    missing = state[~among_refs(state["ref"], {*now.refs, *uncertain})]
    if given and now.kind in wanted.uncertain.kinds:
        missing = missing[among_refs(missing["ref"], reasons)]
    otherwise = str(_absent(now.kind, new_year=new_year) if given else Cause.FIELD_WITHDRAWN)
    return _framed(
        len(missing),
        kind=str(now.kind),
        ref=missing["ref"].tolist(),
        record_id=missing["record_id"].tolist(),
        operation="delete",
        cause=[reasons.get(ref, otherwise) for ref in missing["ref"]],
        changed_fields="",
    )


def _stuck(now: _Now, state: pd.DataFrame, fields: Mapping[int, Sequence[str]], keys: Keys) -> set[bytes]:
    """Whose consent was withdrawn while the supplier has the value, and whose record cannot be sent anew without it.

    Nobody knows the other values the supplier should keep, so the value can be taken back with the whole record only.
    """
    found: set[bytes] = set()
    for name, newest in now.consents.items():
        withdrawn = {ref for ref, choice in newest.items() if choice is Choice.WITHDRAWN}.difference(now.refs)
        for number, held in state[among_refs(state["ref"], withdrawn)].groupby("field_set_id"):
            columns, refs = columns_of(now.kind, fields[int(str(number))]), held["ref"].tolist()
            if name in columns:
                bare = unmasked(unpacked(held["fingerprint"].tolist(), len(columns)), refs, keys)
                there = bare[:, columns.index(name)] != absent([name], keys)
                found |= {ref for ref, has in zip(refs, there.tolist(), strict=True) if has}
    return found


def among_refs(refs: pd.Series, known: Collection[bytes]) -> npt.NDArray[np.bool_]:
    """Which of `refs` are in `known`, a set or what is looked up as quickly.

    Not `isin`, which takes bytes through numpy and there loses zeros at their end.
    """
    return np.fromiter(map(known.__contains__, refs), dtype=np.bool_, count=len(refs))


def _absent(kind: Record, *, new_year: bool) -> Cause:
    """Why a record is no longer in the export at all."""
    if kind not in PERSONS:
        return Cause.GROUP_GONE
    return Cause.YEAR_CHANGE if new_year else Cause.UNEXPLAINED
