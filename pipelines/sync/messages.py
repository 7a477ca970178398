"""Changes as messages: which records go out together, in which order, and under which id the supplier knows them.

What is sent, and what the answer means for the ledger, is in `deliver`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from connectors.base import Capabilities, Delta, Receipts, WholeSet
from data_contracts.fields import Record
from mappings.projection import DeliverySet, consented
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.ledger import Ledger
from pipelines.sync.compare import gets_another_id

Snapshot = Mapping[Record, pd.DataFrame]
"""Per kind what a supplier that takes whole sets holds: frames as in a delivery set."""


NO_SNAPSHOT = "Een deel van de gegevens moet bij deze leverancier blijven zoals het was, maar wat hij het laatst kreeg is niet meer in de kluis."
NOT_GIVEN = "Met een bericht verdwijnt bij deze leverancier ook alles wat de overeenkomst niet meer geeft. Dat gaat nu niet mee, dus er is niets verstuurd."


class CannotStay(Exception):  # noqa: N818  says what happened
    """A whole set would take away records that must stay at the supplier; the text says why, in Dutch."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message and the changes it carries out: the rows of the plan, with the `id` of each on the wire."""

    content: Delta | WholeSet
    changes: pd.DataFrame = field(repr=False)


def addressed(changes: pd.DataFrame, wanted: DeliverySet, ledger: Ledger) -> pd.DataFrame:
    """The changes with the `key` of every record, its `id` on the wire, and `previous_id` where the supplier knows it by another.

    Of a delete that is the id by which the supplier may have it as well, where a move went unanswered.
    """
    upserts = changes["operation"].ne("delete").to_numpy()
    renewed = upserts & gets_another_id(changes).to_numpy()
    keys = changes["key"].to_numpy(dtype=object, copy=True)
    ids = np.full(len(changes), None, dtype=object)
    previous, others = ids.copy(), ids.copy()
    for kind, frame in wanted.records.items():
        rows = upserts & changes["kind"].eq(kind).to_numpy()
        ids[rows] = frame["id"].to_numpy(dtype=object)[_places(frame, keys[rows])]
    for column, rows in ((ids, ~upserts), (previous, renewed)):
        record_ids = [int(i) for i in changes["record_id"].to_numpy()[rows]]
        known, found = ledger.record_keys(record_ids), ledger.handles(wanted.supplier, record_ids)
        handles = [found.get(i, NO_HANDLE) for i in record_ids]
        keys[rows] = [known[i] for i in record_ids]
        column[rows] = [handle.wire_id or known[i] for handle, i in zip(handles, record_ids, strict=True)]
        others[rows] = [handle.other_id for handle in handles]
    elsewhere = np.where((previous == ids) | ~upserts, others, previous)
    columns = {"key": keys, "id": ids, "previous_id": elsewhere}
    return changes.assign(**{name: pd.Series(c, changes.index, dtype=object) for name, c in columns.items()})


def deltas(
    changes: pd.DataFrame, together: Collection[Collection[int]], wanted: DeliverySet, capabilities: Capabilities
) -> Iterator[Message]:
    """The changes in the order of the plan, one kind and one operation a message, at most a batch each.

    Rows that are `together`, of those who take each other's ids, go first, each such group in one message, be it larger than a
    batch: a supplier cannot do it by halves.
    """
    run = (changes[["kind", "operation"]] != changes[["kind", "operation"]].shift()).any(axis=1).cumsum()
    for _, rows in changes.groupby(run):
        size, here = capabilities.batch_size, frozenset(rows.index if together else ())
        groups = [[*group] for group in together if not here.isdisjoint(group)]
        for labels in _filled(groups, size):
            yield from _in_batches(rows.loc[labels], wanted, len(labels))
        rest = rows[~rows.index.isin([row for group in groups for row in group])] if groups else rows
        yield from _in_batches(rest, wanted, size)


def _filled(groups: Iterable[list[int]], size: int) -> Iterator[list[int]]:
    """The rows of as many groups as go in one batch; of one that is larger by itself, all."""
    batch: list[int] = []
    for group in groups:
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch += group
    if batch:
        yield batch


def _in_batches(rows: pd.DataFrame, wanted: DeliverySet, size: int) -> Iterator[Message]:
    if rows.empty:
        return
    kind, operation = Record(rows["kind"].iloc[0]), rows["operation"].iloc[0]
    records = None if operation == "delete" else _records(rows, wanted.of(kind))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        content = _ids_of(rows.iloc[part]) if records is None else records.iloc[part]
        yield Message(Delta(kind, operation, content), rows.iloc[part])


def whole_set(
    chosen: pd.DataFrame, waiting: pd.DataFrame, staying: pd.DataFrame, wanted: DeliverySet, snapshot: Snapshot | None
) -> Message:
    """One message that leaves the supplier with everything it should have, and with what must stay as it is.

    Args:
        chosen: the changes that are carried out.
        waiting: those that are not: what they would create or update is left out.
        staying: `kind` and `key` of the records that keep their last good state.
        wanted: the delivery set.
        snapshot: what the supplier was sent last, or None where the vault no longer has it.

    Raises:
        CannotStay: a record must keep a state that nobody knows any more, or that may no longer be given.
    """
    if not staying["kind"].isin(list(wanted.records)).all():
        raise CannotStay(NOT_GIVEN)
    records = {}
    for kind, frame in wanted.records.items():
        new = frame[~frame.index.isin(waiting.loc[waiting["kind"] == kind, "key"])]
        stay = staying.loc[staying["kind"] == kind, "key"].tolist()
        records[kind] = pd.concat([new, _last_good(kind, stay, wanted, snapshot)]) if stay else new
    return Message(WholeSet(records), chosen)


def merged(sent: Snapshot, receipts: Receipts, before: Snapshot | None) -> Snapshot:
    """What the supplier holds after its answer: what was sent, without what it refused, which it keeps as it was."""
    after = {}
    for kind, frame in sent.items():
        refused = frame["id"].isin([wire_id for refused_kind, wire_id in receipts.refused if refused_kind == kind])
        old = frame.iloc[:0] if before is None or kind not in before else before[kind]
        kept = old[old.index.isin(frame.index[refused])].reindex(columns=frame.columns)
        after[kind] = pd.concat([frame[~refused], kept])
    return after


def _last_good(kind: Record, stay: list[str], wanted: DeliverySet, snapshot: Snapshot | None) -> pd.DataFrame:
    """The rows that must stay as they are, cut down to the columns of today's field set, and to the photos of today's consents."""
    before = None if snapshot is None else snapshot.get(kind)
    if before is None or not pd.Index(stay).isin(before.index).all():
        raise CannotStay(NO_SNAPSHOT)
    rows = before.loc[stay].reindex(columns=wanted.records[kind].columns)
    asked = wanted.consents.items() if kind is Record.LEERLING else ()
    return rows.assign(**{name: consented(rows[name], newest) for name, newest in asked})


def _ids_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Every id by which the supplier may know these."""
    both = [*rows["id"], *rows["previous_id"].dropna()]
    return pd.DataFrame({"id": list(dict.fromkeys(both))}, dtype="str")


def _records(rows: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    records = frame.take(_places(frame, rows["key"]))
    if rows["previous_id"].notna().any():
        return records.assign(previous_id=rows["previous_id"].to_numpy())
    return records


def _places(frame: pd.DataFrame, keys: "pd.Series | npt.NDArray[np.object_]") -> npt.NDArray[np.intp]:
    """Where the records with these keys stand. Never a place for one that is not there: -1 would be the last record."""
    places = frame.index.get_indexer(pd.Index(keys, dtype="str"))
    if (places < 0).any():
        raise KeyError("a change is about a record that is not in the delivery set")
    return places
