"""Whose id at the supplier is whose: a person who goes on under another key or id keeps what is his there, and nobody takes another's.

Matters where a supplier knows persons by another id than their key in ParnasSys, such as the ECK iD.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.fields import Record
from mappings.projection import NOBODY, PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.records import refs_of
from pipelines.sync.compare import Cause, Known, columns_of, rekeyed


@dataclass(frozen=True, slots=True)
class Settled:
    """The changes after which every id is one person's; the rest as in `plan.ChangePlan`."""

    changes: pd.DataFrame = field(repr=False)
    goes_on: bool
    waiting: frozenset[tuple[str, str]]
    exchanges: tuple[frozenset[int], ...]


def ids_settled(
    changes: pd.DataFrame, lingering: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> Settled:
    """The changes (as in `compare.COLUMNS`) as they can be carried out, and what must wait for the next plan.

    `lingering` are the records that the supplier has and the export leaves open.
    """
    changes, goes_on, first = _renamed(changes, wanted, known, keys)
    then, exchanges = _taking_an_id(changes, lingering, wanted, known)
    waiting = pd.concat([first, changes.loc[then, ["kind", "key"]]])
    names = frozenset(zip(map(str, waiting["kind"]), waiting["key"], strict=True))
    return Settled(changes.drop(index=then), goes_on or bool(names), names, exchanges)


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
