"""Whose id at the supplier is whose: a person who goes on under another key or id keeps what is his there, and nobody takes another's.

Matters where a supplier knows persons by another id than their key in ParnasSys, such as the ECK iD. Who somebody is, his key
tells: with another id he moves. Only where his key is gone from the export does his id tell who goes on.

What must end well, whatever was answered: nobody is written over another, and nobody is left behind under an id that nobody
thinks of any more. Where neither update nor patience can see to that, the record is deleted and made anew.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.fields import Record
from mappings.choices import BY_RIGHT, NO_CONSENT
from mappings.projection import NOBODY, PERSONS, DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.delivered import may_be_absent
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.records import refs_of
from pipelines.sync.compare import Cause, Known, among_refs, columns_of, gets_another_id, rekeyed


@dataclass(frozen=True, slots=True)
class Settled:
    """The changes after which every id is one person's; the rest as in `plan.ChangePlan`."""

    changes: pd.DataFrame = field(repr=False)
    goes_on: bool
    waiting: frozenset[bytes]
    together: tuple[frozenset[int], ...]
    anew: frozenset[int]
    lingering: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class _People:
    """Those of one kind of whose id the plan says something, by row of the changes.

    `wants`: the id of who is created or gets another (`moving`). `gone`: who is deleted, and of those `departed`: whose key the
    export has no more, and of those `unsaid`: who may be one in quarantine under another key. `known_by`: the ids by which the supplier may have who moves, is deleted, or is created and may be there
    already; `numbers`: theirs in the ledger. `left_open`: the ids of the records of which the export does not say what should
    become of them; `stays`: those of who keeps his, as far as they are in question.
    """

    kind: Record
    wants: dict[int, str]
    moving: frozenset[int]
    gone: frozenset[int]
    departed: frozenset[int]
    unsaid: frozenset[int]
    known_by: dict[int, frozenset[str]]
    numbers: dict[int, int]
    left_open: list[frozenset[str]]
    stays: frozenset[str]


@dataclass(slots=True)
class _Verdict:
    """Rows: of who waits for another plan, of who is deleted now and made anew by the next one, of records that are not deleted
    because somebody goes on as them (`replaced`: who does so at once), and of who can only go together.
    """

    waiting: set[int] = field(default_factory=set)
    first: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    replaced: dict[int, int] = field(default_factory=dict)
    together: list[frozenset[int]] = field(default_factory=list)


def ids_settled(
    changes: pd.DataFrame, lingering: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> Settled:
    """The changes (as in `compare.COLUMNS`) as they can be carried out, and what must wait for the next plan.

    `lingering` are the records that the supplier has and the export leaves open.
    """
    settled = Settled(changes, goes_on=False, waiting=frozenset(), together=(), anew=frozenset(), lingering=lingering)
    if known.state.empty:
        return settled
    for kind in PERSONS:
        if people := _people(kind, settled.changes, lingering, wanted, known, keys):
            settled = _carried_out(settled, people, _judged(people), wanted, known, keys)
    return settled


def _carried_out(
    before: Settled, people: _People, found: _Verdict, wanted: DeliverySet, known: Known, keys: Keys
) -> Settled:
    """The changes after this verdict on those of one kind."""
    changes = before.changes.copy()
    waiting = frozenset(changes.loc[sorted(found.waiting), "ref"])
    _go_on(changes, {row: people.numbers[was] for row, was in found.replaced.items()}, people.kind, wanted, known, keys)
    _delete_first(changes, {row: people.numbers[row] for row in found.first})
    changes = changes.drop(index=[*found.waiting, *found.left])
    return Settled(
        _in_order(changes) if found.replaced or found.first else changes,
        before.goes_on or bool(found.waiting or found.first),
        before.waiting | waiting,
        (*before.together, *found.together),
        before.anew | found.first,
        pd.concat([before.lingering, before.changes.loc[[*people.unsaid], ["record_id", "kind"]]]),
    )


def _people(
    kind: Record, changes: pd.DataFrame, lingering: pd.DataFrame, wanted: DeliverySet, known: Known, keys: Keys
) -> _People | None:
    """None, if there is nobody of whose id there is something to be said."""
    mine = changes[changes["kind"].eq(kind)]
    moving = mine[mine["operation"].eq("update") & gets_another_id(mine)]
    made, gone = (mine[mine["operation"].eq(operation)] for operation in ("create", "delete"))
    there = pd.concat([moving["record_id"], gone["record_id"], _may_be_there(made, known)]).astype("int64")
    left_open = lingering.loc[lingering["kind"].eq(kind), "record_id"].astype("int64").tolist()
    if there.empty and (made.empty or not left_open):
        return None
    upserts = pd.concat([moving["key"], made["key"]])
    key_of = dict(zip(upserts.index.tolist(), upserts.tolist(), strict=True))
    numbers = dict(zip(there.index.tolist(), there.tolist(), strict=True))
    handles = known.handles([*numbers.values(), *left_open])

    def ids(number: int, key: str | None = None) -> frozenset[str]:
        """Where there is no key nobody else goes by it, so that it need not be known."""
        handle = handles.get(number, NO_HANDLE)
        return frozenset(filter(None, (handle.wire_id or key or f"#{number}", handle.other_id)))

    known_by = {row: ids(number, key_of.get(row)) for row, number in numbers.items()}
    now = wanted.of(kind)["id"]
    wants = dict(zip(key_of, now.reindex(upserts).tolist(), strict=True))
    departed = frozenset(gone.index[_departed(gone["ref"], kind, wanted, keys)])
    return _People(
        kind=kind,
        wants=wants,
        moving=frozenset(moving.index),
        gone=frozenset(gone.index),
        departed=departed,
        unsaid=frozenset(row for row in departed if known_by[row] & wanted.uncertain.eckids),
        known_by=known_by,
        numbers=numbers,
        left_open=[ids(number) for number in left_open],
        stays=frozenset(now[now.isin(frozenset[str]().union(*known_by.values()))]).difference(wants.values()),
    )


def _departed(refs: pd.Series, kind: Record, wanted: DeliverySet, keys: Keys) -> npt.NDArray[np.bool_]:
    """Which of these have a key that is not in the export, or only in a registration that was put by.

    Of none that is certain where somebody in the export has no usable key.
    """
    here = [*wanted.gone.get(kind, NOBODY).index.difference(wanted.abandoned), *wanted.uncertain.keys[kind]]
    absent = ~among_refs(refs, {*refs_of(wanted.school, kind, here, keys)})
    return absent & (kind not in wanted.uncertain.kinds)


def _may_be_there(made: pd.DataFrame, known: Known) -> pd.Series:
    """The numbers of those to be created whom the supplier may have already."""
    if made.empty:
        return made["record_id"]
    absent = known.state[known.state["fingerprint"].map(may_be_absent).astype(bool)]
    number_of = dict(zip(absent["ref"], absent["record_id"], strict=True))
    return pd.Series([number_of.get(ref) for ref in made["ref"]], made.index, dtype=object).dropna()


def _judged(people: _People) -> _Verdict:
    """What can be done now about each.

    Who has another's id, moves with him or after him. Of whom nobody knows by which of two ids the supplier has him, he can be
    sent again if he still is to go by one of those, and deleted under both if nobody else can be there.
    """
    found = _Verdict()
    tangles = list(_tangles(people))
    alone = {row for rows, left_open in tangles for row in rows if len(rows) == 1 and not left_open}
    _heirs(people, alone, found)
    away = {row for row in people.known_by.keys() - found.left if row not in alone or _goes_away(people, row, found)}
    for rows, left_open in tangles:
        if rows.isdisjoint(away):
            continue
        if left_open or rows & people.unsaid or any(people.known_by[row] & people.stays for row in rows):
            found.waiting.update(rows)
        else:
            found.first.update(rows - people.gone)
            found.together.extend([rows] if len(rows) > 1 else [])
    _moves(people, found)
    return found


def _goes_away(people: _People, row: int, found: _Verdict) -> bool:
    """Whether one whom nobody else is mixed up with is to be deleted now, if only because he cannot be sent."""
    if row in people.gone or row in found.first:
        return True
    return not _can_be_sent(people.known_by[row], people.wants[row], moving=row in people.moving)


def _can_be_sent(known_by: frozenset[str], wants: str, *, moving: bool) -> bool:
    """Whether one message brings him under the id that he wants, and leaves nothing of him under another: he is there, he is moved
    from the only id that he can be under, or he is sent again of whom it is not known whether he was moved.
    """
    return known_by == {wants} or (moving and (len(known_by) == 1 or wants in known_by))


def _tangles(people: _People) -> Iterator[tuple[frozenset[int], bool]]:
    """Who may be where another may be, together; each row is in one, mostly alone. And whether one of them is left open."""
    known_by = people.known_by | {-1 - place: ids for place, ids in enumerate(people.left_open)}
    there: dict[str, list[int]] = {}
    for row, ids in known_by.items():
        for wire_id in ids:
            there.setdefault(wire_id, []).append(row)
    seen: set[int] = set()
    for first in people.known_by:
        rows, todo = set[int](), [first]
        while todo:
            row = todo.pop()
            if row not in seen:
                seen.add(row)
                rows.add(row)
                todo.extend(other for wire_id in known_by[row] for other in there[wire_id])
        if rows:
            yield frozenset(row for row in rows if row >= 0), min(rows) < 0


def _heirs(people: _People, alone: AbstractSet[int], found: _Verdict) -> None:
    """Whose id at the supplier goes on under another key: the same person, not one who left and one who came.

    Where the supplier does not know the new key yet, its creation takes the old one's place. Where it does (two registrations
    made one), the second registration goes first, and nothing is done to the old one; the next plan then finds the first case.
    Who is at school himself, by the export, is somebody else: he is removed, and the next plan gives his id to whom it is now.
    """
    wanting = {wire_id: row for row, wire_id in people.wants.items()}
    for row in people.departed & alone:
        wire_id, *doubt = people.known_by[row]
        heir = wanting.get(wire_id)
        if doubt or heir is None:
            continue
        found.left.add(row)
        if heir not in people.known_by:
            found.replaced[heir] = row
        else:
            found.first.add(heir)


def _moves(people: _People, found: _Verdict) -> None:
    """How those who get another id can get it.

    Nobody gets the id of one who keeps his, is deleted or waits; nor is anybody created under an id that is given up in this same
    plan: they wait for the next. Who takes the id of one who moves himself goes together with him.
    """
    still = people.gone | found.first | found.waiting
    new = people.wants.keys() - people.known_by.keys() - found.replaced.keys()
    movers = {row for row in people.moving - still if people.wants[row] not in people.known_by[row]}
    taken = frozenset[str]().union(
        *people.left_open, *(people.known_by[row] for row in people.known_by.keys() - movers)
    )
    giver_of = {wire_id: row for row in movers for wire_id in people.known_by[row]}
    takes = {row: giver_of[people.wants[row]] for row in new | movers if people.wants[row] in giver_of}
    late = {row for row in new | movers if people.wants[row] in taken} | (takes.keys() & new)
    found.waiting.update(late - takes.keys() - {*takes.values()})
    for line in _lines(takes):
        stop = next((place for place, row in enumerate(line) if row in late), len(line))
        going = frozenset(() if stop < len(line) and line[0] in takes else line[:stop])
        found.waiting.update({*line} - going)
        found.together.extend([going] if len(going) > 1 else [])


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
    changes: pd.DataFrame, replaced: Mapping[int, int], kind: Record, wanted: DeliverySet, known: Known, keys: Keys
) -> None:
    """Make the creations at these rows updates that take the place of those records, and tell what else changes.

    Where nobody can say whether the supplier has the old one it stays a creation: an update needs something to be there.
    """
    if not replaced:
        return
    changes.loc[[*replaced], "replaces_id"] = [*replaced.values()]
    state = known.state.set_index("record_id").loc[[*replaced.values()]].set_axis([*replaced])
    for number, old in state.groupby("field_set_id"):
        old_columns = columns_of(kind, known.fields[int(str(number))])
        told = rekeyed(kind, wanted, changes.loc[old.index], old, old_columns, keys)
        changes.loc[old.index, ["cause", "changed_fields"]] = told
        there = old.index[[not may_be_absent(fingerprint) for fingerprint in old["fingerprint"]]]
        changes.loc[there, "operation"] = "update"


def _delete_first(changes: pd.DataFrame, numbers: Mapping[int, int]) -> None:
    """Make the changes at these rows deletes of those records; the next plan has what they were.

    Where a value was to be cleared for want of a consent, that stays the cause: it waits for nobody.
    """
    rows = [*numbers]
    causes = changes.loc[rows, "cause"]
    changes.loc[rows, "cause"] = causes.where(causes.isin([*BY_RIGHT, NO_CONSENT]), str(Cause.REKEYED))
    changes.loc[rows, "record_id"] = [*numbers.values()]
    changes.loc[rows, ["operation", "changed_fields"]] = ["delete", ""]
    changes.loc[rows, "fingerprint"] = None


def _in_order(changes: pd.DataFrame) -> pd.DataFrame:
    """Each kind's creations before its updates, and deletes last and the other way round."""
    kinds = [str(kind) for kind in Record]
    upserts = {(kind, what): place for place, (kind, what) in enumerate(product(kinds, ("create", "update")))}
    deletes = {(kind, "delete"): 2 * len(kinds) + place for place, kind in enumerate(reversed(kinds))}
    places = upserts | deletes
    order = [places[change] for change in zip(changes["kind"], changes["operation"], strict=True)]
    return changes.iloc[np.argsort(order, kind="stable")]
