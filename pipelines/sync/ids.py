"""Whose id at the supplier is whose: a person who goes on under another key or id keeps what is his there, and nobody takes another's.

Matters where a supplier knows persons by another id than their key in ParnasSys, such as the ECK iD.
"""

from collections.abc import Iterator, Mapping
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
    changes, first, second = _renamed(changes, wanted, known, keys)
    held = pd.concat(
        [rows.loc[rows["record_id"].notna(), ["kind", "record_id"]] for rows in (lingering, first, second)]
    )
    then, exchanges = _taking_an_id(changes, held, wanted, known)
    waiting = pd.concat([first, changes.loc[then]])
    names = frozenset(zip(map(str, waiting["kind"]), waiting["key"], strict=True))
    return Settled(changes.drop(index=then), bool(names) or not second.empty, names, exchanges)


def _renamed(
    changes: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Whose id at the supplier goes on under another key: the same person, not one who left and one who came. And the rows
    of who waits for the next plan, and of second registrations.

    Where the supplier does not know the new key yet, its creation becomes an update that takes the old one's place. Where
    it does (two registrations made one), the second registration goes first, as a delete, and nothing is done to the first;
    the next plan then finds the first case. Where somebody else is known by the id of the second one by now, nothing is done
    to either, and who it is waits. Who is at school himself, by the export, is somebody else: he is removed first, and the
    next plan gives his id to whom it is now.
    """
    deletes = changes[changes["operation"].eq("delete") & changes["kind"].isin(PERSONS)]
    waiting, second = [changes.iloc[:0]], [changes.iloc[:0]]
    if deletes.empty:
        return changes, waiting[0], second[0]
    deletes = deletes.assign(id=_ids(deletes["record_id"], known))
    changes = changes.copy()
    for kind in PERSONS:
        now = wanted.of(kind)["id"]
        mine = deletes[deletes["kind"].eq(kind) & deletes["id"].isin(now)]
        theirs = changes[changes["kind"].eq(kind) & changes["operation"].ne("delete")]
        row_of = pd.Series(theirs.index, index=theirs["key"])
        heirs = row_of.reindex(pd.Series(now.index, index=now)[mine["id"]]).set_axis(mine.index).dropna().astype(int)
        gone = wanted.gone.get(kind, NOBODY)
        present = {*refs_of(wanted.school, kind, gone.index[gone.ne(str(Cause.LEFT))].tolist(), keys)}
        somebody_else = [row for row, ref in mine.loc[heirs.index, "ref"].items() if ref in present]
        waiting.append(changes.loc[heirs[somebody_else].tolist()])
        changes, mine = changes.drop(index=waiting[-1].index), mine.drop(index=somebody_else)
        heirs = heirs.drop(index=somebody_else)
        new = changes["operation"].reindex(heirs).eq("create").to_numpy()
        replaced = mine.loc[heirs.index[new], "record_id"].set_axis(heirs[new])
        _go_on(kind, changes, replaced, wanted, known, keys)
        known_too = heirs[~new]
        others = now[~now.index.isin(theirs["key"])]  # of whom nothing changes: what they are known by stays
        taken = pd.Index(_ids(changes.loc[known_too, "record_id"], known)).isin(others)
        waiting.append(changes.loc[known_too[taken].tolist()])
        changes, again = changes.drop(index=waiting[-1].index), known_too[~taken].tolist()
        changes.loc[again, ["operation", "cause", "changed_fields"]] = ["delete", str(Cause.REKEYED), ""]
        changes.loc[again, "fingerprint"] = None
        second.append(changes.loc[again])
        changes = changes.drop(index=mine.index)
    return changes, pd.concat(waiting), pd.concat(second)


def _taking_an_id(
    changes: pd.DataFrame, held: pd.DataFrame, wanted: DeliverySet, known: Known
) -> tuple[list[int], tuple[frozenset[int], ...]]:
    """The rows whose new id is still another's at the supplier: of one who gives it up in this same plan, or of one of the
    records `held` (`kind`, `record_id`), that keep theirs or are deleted. They go with the next, once it is free.

    And the rows of those who take each other's ids, by twos or more: they do not wait, for that would have no end.
    """
    with_id = [names for names in changes["changed_fields"].unique() if "id" in names.split(",")]
    waiting: list[int] = []
    exchanges: list[frozenset[int]] = []
    for kind in PERSONS:
        here = changes["kind"].eq(kind) & changes["operation"].ne("delete")
        moving = changes[here & changes["operation"].eq("update") & changes["changed_fields"].isin(with_id)]
        kept = {*_ids(held.loc[held["kind"].eq(kind), "record_id"], known)} - {""}
        given_up = dict(zip(_ids(moving["record_id"], known), moving.index, strict=True))
        given_up.pop("", None)
        if not (kept or given_up):
            continue
        wants = wanted.of(kind)["id"].reindex(changes.loc[here, "key"]).set_axis(changes.index[here])
        waiting += wants.index[wants.isin(list(kept))].tolist()
        takes = {row: given_up[wants[row]] for row in wants.index[wants.isin(list(given_up))]}
        circles = list(_circles(takes))
        waiting += takes.keys() - set[int]().union(*circles)
        exchanges += circles
    return waiting, tuple(exchanges)


def _circles(takes: Mapping[int, int]) -> Iterator[frozenset[int]]:
    """Those who take from each other, where the last takes from the first; each is looked at once."""
    seen: set[int] = set()
    for first in takes:
        path: dict[int, int] = {}  # with the place of each
        at = first
        while at in takes and at not in seen and at not in path:
            path[at] = len(path)
            at = takes[at]
        if at in path:
            yield frozenset(list(path)[path[at] :])
        seen.update(path)  # `|=` with keys would make a new set each time


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


def _ids(record_ids: pd.Series, known: Known) -> list[str]:
    """By which id the supplier knows these records; "" where that is their key."""
    numbers = _numbers(record_ids)
    found = known.wire_ids(numbers) if numbers else {}
    return [found.get(number) or "" for number in numbers]


def _numbers(record_ids: pd.Series) -> list[int]:
    return [int(number) for number in record_ids]
