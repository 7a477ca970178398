"""Under which ids a supplier knows its records: encrypted, those of one batch together, and each record in one place only."""

from collections.abc import Iterable, Mapping
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
    """How a supplier knows a record: by which id, where that is not the record's key, and by which number of its own."""

    wire_id: str | None
    own_id: str | None

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
    bundles = {place: _bundle(transaction, supplier, place) for place in _bundles(places)}
    known = (
        (record_id, bundles[place].get(str(record_id))) for record_id, place in places.items() if place is not None
    )
    return {record_id: Handle(*entry) for record_id, entry in known if entry}


def keep_handles(transaction: Transaction, supplier: str, given: Mapping[int, Handle]) -> int | None:
    """Put these handles together, and give the number by which `delivered` finds them; None if there are none."""
    if not given:
        return None
    number = transaction.number(sa.insert(handles).values(content_encrypted=b"").returning(handles.c.id))
    _write(transaction, supplier, number, {str(record_id): list(handle) for record_id, handle in given.items()})
    return number


def forget_handles(transaction: Transaction, supplier: str, gone: AbstractSet[int], places: Places) -> None:
    """Take these records out of the places where their handles stand."""
    for place in _bundles({number: place for number, place in places.items() if number in gone}):
        content = _bundle(transaction, supplier, place)
        left = {name: entry for name, entry in content.items() if int(name) not in gone}
        if left:
            _write(transaction, supplier, place, left)
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


_Bundle = dict[str, list[str | None]]
"""By record number, as JSON has it: wire id and the supplier's own id."""


def _bundles(places: Places) -> set[int]:
    return {place for place in places.values() if place is not None}


def _bundle(transaction: Transaction, supplier: str, number: int) -> _Bundle:
    encrypted = transaction.execute(sa.select(handles.c.content_encrypted).where(handles.c.id == number)).scalar_one()
    content: _Bundle = orjson.loads(transaction.keys.decrypt(encrypted, _place(supplier, number)))
    return content


def _write(transaction: Transaction, supplier: str, number: int, content: _Bundle) -> None:
    encrypted = transaction.keys.encrypt(orjson.dumps(content), _place(supplier, number))
    transaction.execute(sa.update(handles).where(handles.c.id == number).values(content_encrypted=encrypted))


def _place(supplier: str, number: int) -> bytes:
    """Handles are bound to their supplier and their place."""
    return f"{supplier}/{number}".encode()
