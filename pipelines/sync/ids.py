"""Whose id at the supplier is whose: a person who goes on under another key or id keeps what is his there, and nobody takes another's.

Matters where a supplier knows persons by another id than their key in ParnasSys, such as the ECK iD. Who somebody is, his key
tells: with another id he moves. Only where his key is gone from the export does his id tell who goes on.

What must end well, whatever was answered: nobody is written over another, and nobody is left behind under an id that nobody
thinks of any more. Where neither update nor patience can see to that, the record is deleted and made anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.fields import Record
from mappings.projection import NOBODY, PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.records import refs_of
from pipelines.sync.compare import Cause, Known, columns_of, gets_another_id, rekeyed


@dataclass(frozen=True, slots=True)
class Settled:
    """The changes after which every id is one person's; the rest as in `plan.ChangePlan`."""

    changes: pd.DataFrame = field(repr=False)
    goes_on: bool
    waiting: frozenset[tuple[str, str]]
    together: tuple[frozenset[int], ...]


def ids_settled(
    changes: pd.DataFrame, lingering: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> Settled:
    """The changes (as in `compare.COLUMNS`) as they can be carried out, and what must wait for the next plan.

    `lingering` are the records that the supplier has and the export leaves open.
    """
    changes, first, second = _renamed(changes, wanted, known, keys)
    again = _left_behind(changes, wanted, known)
    changes.loc[again.index, "record_id"] = again
    _delete_first(changes, again.index.tolist())
    gone = changes[changes["operation"].eq("delete") & changes["kind"].isin(PERSONS)]
    kept = pd.concat([rows.loc[rows["record_id"].notna(), ["kind", "record_id"]] for rows in (lingering, first, gone)])
    moves = _moves(changes, kept, wanted, known)
    _delete_first(changes, moves.anew)
    waiting = pd.concat([first, changes.loc[moves.waiting]])
    names = frozenset((str(kind), str(key or "")) for kind, key in zip(waiting["kind"], waiting["key"], strict=True))
    goes_on = bool(names or moves.anew) or not (second.empty and again.empty)
    return Settled(changes.drop(index=moves.waiting), goes_on, names, tuple(moves.together))


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
    ids = _ids(deletes["record_id"], known)
    deletes = deletes.assign(id=[wire_id for wire_id, _ in ids])[[not other for _, other in ids]]
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
        taken = pd.Index([i for i, _ in _ids(changes.loc[known_too, "record_id"], known)]).isin(others)
        waiting.append(changes.loc[known_too[taken].tolist()])
        changes, again = changes.drop(index=waiting[-1].index), known_too[~taken].tolist()
        _delete_first(changes, again)
        second.append(changes.loc[again])
        waiting.append(changes.loc[mine.index.difference(heirs.index)])  # of one who stays as he is that is the id too
        changes = changes.drop(index=mine.index)
    return changes, pd.concat(waiting), pd.concat(second)


def _left_behind(changes: pd.DataFrame, wanted: DeliverySet, known: Known) -> pd.Series:
    """By row, the numbers of those who would be created while they may be there already, under another id.

    They are deleted first: to create them would leave that one behind, and an update could find nobody.
    """
    created = changes.iloc[:0] if known.state.empty else changes[changes["operation"].eq("create")]
    created = created[created["kind"].isin(PERSONS) & created["replaces_id"].isna()]
    if created.empty:
        return created["record_id"]
    absent = known.state[known.state["fingerprint"].map(may_be_absent).astype(bool)]
    number_of = dict(zip(absent["ref"], absent["record_id"], strict=True))
    numbers = pd.Series([number_of.get(ref) for ref in created["ref"]], created.index, dtype=object).dropna()
    people = zip(changes.loc[numbers.index, "kind"], changes.loc[numbers.index, "key"], strict=True)
    wants = [(key, wanted.of(Record(kind))["id"][key]) for kind, key in people]
    ids = _ids(numbers, known)
    return numbers[[bool({i or key, other} - {want, ""}) for (i, other), (key, want) in zip(ids, wants, strict=True)]]


def _delete_first(changes: pd.DataFrame, rows: Sequence[int]) -> None:
    """Make these changes deletes; the next plan has what they were."""
    changes.loc[rows, ["operation", "cause", "changed_fields"]] = ["delete", str(Cause.REKEYED), ""]
    changes.loc[rows, "fingerprint"] = None


@dataclass(frozen=True, slots=True)
class _Moves:
    """Rows: of who waits, of who can only go together, and of whose last move is in doubt so that he is to be made anew."""

    waiting: list[int] = field(default_factory=list)
    together: list[frozenset[int]] = field(default_factory=list)
    anew: list[int] = field(default_factory=list)


def _moves(changes: pd.DataFrame, kept: pd.DataFrame, wanted: DeliverySet, known: Known) -> _Moves:
    """How those who get another id can get it.

    Nobody gets the id of one of the records `kept` (`kind`, `record_id`), that keep theirs or are deleted; nor is anybody
    created under an id that is given up in this same plan: they wait for the next. Who takes the id of one who moves himself
    goes together with him. Where nobody knows whether somebody has moved already, he can be sent again if he is still to go by
    one of those two ids, and nobody goes together with him.
    """
    other_id = gets_another_id(changes)
    moves = _Moves()
    for kind in PERSONS:
        here = changes["kind"].eq(kind) & changes["operation"].ne("delete")
        moving = changes[here & changes["operation"].eq("update") & other_id]
        held = _ids(kept.loc[kept["kind"].eq(kind), "record_id"], known)
        if not here.any() or not (held or len(moving)):
            continue
        wants = wanted.of(kind)["id"].reindex(changes.loc[here, "key"]).set_axis(changes.index[here])
        has = dict(zip(moving.index, _ids(moving["record_id"], known), strict=True))
        doubtful = {row for row, (_, other) in has.items() if other}
        third = {row for row in doubtful if wants[row] not in {has[row][0] or moving["key"][row], has[row][1]}}
        moves.anew.extend(third)
        taken = {i for ids in [*held, *(has.pop(row) for row in third)] for i in ids if i}
        giver_of = {i: row for row, ids in has.items() for i in ids if i and i != wants[row]}
        takes = {row: giver_of[wants[row]] for row in wants.index[wants.isin(list(giver_of))]}
        late = {*wants.index[wants.isin(list(taken))], *(takes.keys() - has.keys())} - third
        moves.waiting.extend(late - takes.keys() - {*takes.values()})
        for line in _lines(takes):
            stop = next((place for place, row in enumerate(line) if row in late), len(line))
            going = set() if stop < len(line) and line[0] in takes else {*line[:stop]}
            anew = going & doubtful if len(going) > 1 else set[int]()
            moves.anew.extend(anew)
            moves.waiting.extend({*line} - (anew or going))
            moves.together.extend([frozenset(going)] if len(going) > 1 and not anew else [])
    return moves


def _lines(takes: Mapping[int, int]) -> Iterator[list[int]]:
    """Who takes from whom, as lines in which each takes from the one before; the first from nobody, or in a circle from the last.

    Each is looked at once: a giver has one taker, since no two have one id.
    """
    taker_of = {giver: row for row, giver in takes.items()}
    seen: set[int] = set()
    for first in (*(taker_of.keys() - takes.keys()), *takes):
        line: list[int] = []
        at: int | None = first
        while at is not None and at not in seen:
            seen.add(at)
            line.append(at)
            at = taker_of.get(at)
        if line:
            yield line


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


def _ids(record_ids: pd.Series, known: Known) -> list[tuple[str, str]]:
    """By which id the supplier knows these records, "" where that is their key; and by which it may, where a move went unanswered."""
    numbers = _numbers(record_ids)
    found = known.handles(numbers) if numbers else {}
    handles = (found.get(number, NO_HANDLE) for number in numbers)
    return [(handle.wire_id or "", handle.other_id or "") for handle in handles]


def _numbers(record_ids: pd.Series) -> list[int]:
    return [int(number) for number in record_ids]
