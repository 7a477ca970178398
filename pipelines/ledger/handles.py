"""Under which ids a supplier knows its records: encrypted, those of one batch together, and each record in one place only."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

import orjson
import sqlalchemy as sa

from pipelines.keys import Keys
from pipelines.ledger.frames import among
from pipelines.ledger.tables import change, delivered, handles
from pipelines.ledger.transaction import Transaction


class Handle(NamedTuple):
    """How a supplier knows a record: by which id, where that is not the record's key, and by which number of its own.

    `other_id` is the id by which it may know the record as well: to that it was moved, and nobody answered.
    """

    wire_id: str | None
    own_id: str | None
    other_id: str | None = None

    def __repr__(self) -> str:
        return "Handle(...)"


NO_HANDLE = Handle(None, None)
"""Of a record that goes by its key, at a supplier that gave it no number."""


Places = dict[int, int | None]
"""In which bundle the handle of each record that the supplier holds stands, by record number; None where it has none."""


def handles_of(transaction: Transaction, supplier: str, record_ids: Iterable[int]) -> dict[int, Handle]:
    """The handles of these records, decrypted; a record without one is left out."""
    return handles_in(transaction, supplier, places_of(transaction, supplier, record_ids))


def places_of(transaction: Transaction, supplier: str, record_ids: Iterable[int]) -> Places:
    """The places of these records, as far as the supplier holds them."""
    query = sa.select(delivered.c.record_id, delivered.c.handles_id).where(delivered.c.supplier == supplier)
    found: Places = {}
    for condition in among(delivered.c.record_id, record_ids):
        found |= dict(transaction.raw(query.where(condition)))
    return found


def places_of_changes(transaction: Transaction, supplier: str, here: sa.ColumnElement[bool]) -> Places:
    """The places of the records of the changes that `here` finds, as far as the supplier holds them."""
    same = (delivered.c.supplier == supplier) & (delivered.c.record_id == change.c.record_id)
    query = sa.select(delivered.c.record_id, delivered.c.handles_id).join_from(change, delivered, same)
    return dict(transaction.raw(query.where(here)))


def handles_in(transaction: Transaction, supplier: str, places: Places) -> dict[int, Handle]:
    """The handles that stand in these places; a record without one is left out."""
    found: dict[int, Handle] = {}
    for place, numbers in _by_place(places).items():
        bundle = _bundle(transaction, supplier, place)
        at = dict(zip(bundle.numbers, range(len(bundle.numbers)), strict=True))
        there = (number for number in numbers if number in at)
        found |= {number: Handle(*(column[at[number]] for column in bundle[1:])) for number in there}
    return found


def keep_handles(transaction: Transaction, supplier: str, given: Mapping[int, Handle]) -> int | None:
    """Put these handles together, and give the number by which `delivered` finds them; None if there are none."""
    if not given:
        return None
    place = transaction.number(sa.insert(handles).values(content_encrypted=b"").returning(handles.c.id))
    _write(transaction, supplier, place, _Bundle(list(given), *zip(*given.values(), strict=True)))
    return place


def forget_handles(transaction: Transaction, supplier: str, gone: AbstractSet[int], places: Places) -> None:
    """Take these records out of the places where their handles stand."""
    for place in _by_place({number: place for number, place in places.items() if number in gone}):
        left = [row for row in zip(*_bundle(transaction, supplier, place), strict=True) if row[0] not in gone]
        if left:
            _write(transaction, supplier, place, _Bundle(*zip(*left, strict=True)))
        else:
            transaction.execute(sa.delete(handles).where(handles.c.id == place))


def encrypt_again(transaction: Transaction, new: Keys) -> None:
    """Encrypt all handles with other keys; what no record refers to can be found by nobody, and goes."""
    owners = sa.select(delivered.c.handles_id, delivered.c.supplier).where(delivered.c.handles_id.is_not(None))
    places = dict(transaction.execute(owners.distinct()).all())
    transaction.execute(sa.delete(handles).where(handles.c.id.not_in(owners.with_only_columns(delivered.c.handles_id))))
    under = replace(transaction, keys=new)
    for number, supplier in places.items():
        _write(under, supplier, number, _bundle(transaction, supplier, number))


class _Bundle(NamedTuple):
    """The handles of one place, column by column: by what number the ledger knows each record, and how the supplier does."""

    numbers: Sequence[int]
    wire_ids: Sequence[str | None]
    own_ids: Sequence[str | None]
    other_ids: Sequence[str | None]  # mostly all absent, and then not written

    def __repr__(self) -> str:
        return "_Bundle(...)"


def _by_place(places: Places) -> dict[int, list[int]]:
    """The records whose handles stand in each place."""
    found: dict[int, list[int]] = {}
    for number, place in places.items():
        if place is not None:
            found.setdefault(place, []).append(number)
    return found


def _bundle(transaction: Transaction, supplier: str, place: int) -> _Bundle:
    encrypted = transaction.execute(sa.select(handles.c.content_encrypted).where(handles.c.id == place)).scalar_one()
    columns = orjson.loads(transaction.keys.decrypt(encrypted, _place(supplier, place)))
    others = [] if len(columns) == len(_Bundle._fields) else [[None] * len(columns[0])]
    return _Bundle(*columns, *others)


def _write(transaction: Transaction, supplier: str, place: int, bundle: _Bundle) -> None:
    columns = bundle if any(bundle.other_ids) else bundle[:-1]
    encrypted = transaction.keys.encrypt(orjson.dumps(list(columns)), _place(supplier, place))
    transaction.execute(sa.update(handles).where(handles.c.id == place).values(content_encrypted=encrypted))


def _place(supplier: str, number: int) -> bytes:
    """Handles are bound to their supplier and their place."""
    return f"{supplier}/{number}".encode()
