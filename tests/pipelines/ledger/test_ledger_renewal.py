"""New keys for the ledger: nothing is lost, nothing can be read or tested with the old ones, and what was altered shows still."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.keys import KeyMissingError, Keys
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.handles import Handle
from pipelines.ledger.leases import BusyError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.records import refs_of
from pipelines.ledger.tables import batch, change, metadata, resealing
from pipelines.sync.fingerprint import renewed
from tests.pipelines.ledger.conftest import SCHOOL, SUPPLIER
from tests.pipelines.ledger.test_ledger_seals import alter, cut_off

OLD, NEW = Keys(b"e" * 32, b"v" * 32), Keys([b"e" * 32, b"E" * 32], [b"v" * 32, b"V" * 32])
AFTERWARDS = Keys(b"E" * 32, [b"v" * 32, b"V" * 32])
"""The new keys without the old encryption key."""


@pytest.fixture
def keys() -> Keys:
    return OLD


@pytest.fixture
def ledger(database_url: Any, keys: Keys, clock: Any) -> Iterator[Ledger]:
    with closing(Ledger.open(database_url, keys, clock)) as opened:
        yield opened


@pytest.fixture
def full(deliveries: Any, clock: Any) -> Any:
    """A ledger with everything in it that is under a key: handles, a refusal, a shredded record, a removed change, a request to erase."""
    ledger = deliveries.ledger
    a, b, gone = deliveries.pupils("a", "b", "gone")
    plan_id = ledger.open_plan(deliveries.plan("d1"), deliveries.changes([a, b, gone], print_=b"print-of"))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([a, b, gone], ["1", "2", "3"], ["eck-a", None, None]), {})
    ledger.finish_plan(plan_id, "delivered")
    deliveries.deliver([gone], "delete", digest="d2")
    clock.forward(days=800)
    ledger.remove_changes(clock.now)
    ledger.shred_unused_keys()
    changes = [deliveries.changes([a, b], "update", print_=b"print-2-", batch=batch) for batch in (0, 1)]
    plan_id = ledger.open_plan(deliveries.plan("d3"), pd.concat([changes[0][:1], changes[1][1:]]))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([]), {a: "te laat"})
    ledger.presume_batch(plan_id, 1)
    ledger.finish_plan(plan_id, "failed")
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"b": "eck-b"})
    ledger.erasures.open(SCHOOL, "b", "directeur", "bericht")
    return deliveries


def renew(ledger: Ledger, old: Keys = OLD, new: Keys = NEW) -> None:
    ledger.renew_keys(new, partial(renewed, before=old, keys=new))


def test_everything_can_be_read_afterwards_without_the_old_key(full: Any, database_url: Any, clock: Any) -> None:
    """Record keys, ids, refusals and the chain; a presumed record stays presumed, and a shredded one gets its number back."""
    before = full.ledger.delivered_state(SUPPLIER, SCHOOL)
    renew(full.ledger)
    with closing(Ledger.open(database_url, AFTERWARDS, clock)) as ledger:
        assert ledger.record_keys([1, 2, 3]) == {1: "a", 2: "b"}
        assert ledger.handles(SUPPLIER, [1, 2]) == {1: Handle("eck-a", "1"), 2: Handle(None, "2")}
        assert ledger.refusals(3) == {1: "te laat"}
        assert ledger.verify() is None
        after = ledger.delivered_state(SUPPLIER, SCHOOL)
        assert after["record_id"].tolist() == before["record_id"].tolist()
        assert after["ref"].tolist() == refs_of(SCHOOL, "leerling", ["a", "b"], NEW)
        assert list(ledger.erasures.refs(SCHOOL)) == refs_of(SCHOOL, "leerling", ["b"], NEW)
        assert after["fingerprint"][1] == before["fingerprint"][1] == b"\xff" * 64
        back = refs_of(SCHOOL, "leerling", ["gone"], NEW)[0]
        assert ledger.numbers(SCHOOL, "leerling", {back: "gone"})[back] == 3


def test_nothing_in_the_ledger_is_what_the_old_keys_made(full: Any, engine: Engine) -> None:
    """Every binary column was renewed: a new one must be thought of here, and in `renewal`."""
    under_a_key = {
        "record": {"ref", "key_encrypted", "eckid"},
        "change": {"fingerprint", "answer_encrypted"},
        "delivered": {"fingerprint"},
        "handles": {"content_encrypted"},
        "seal": {"changes", "previous", "chain"},
        "removal": {"left_over", "proof"},
        "resealing": {"links", "proof"},
        "erasure": {"proof"},
        "erased_record": {"ref"},
        "erased_eckid": {"ref"},
    }
    binary = {
        name: {c.name for c in table.c if isinstance(c.type, sa.LargeBinary)} for name, table in metadata.tables.items()
    }
    assert {name: columns for name, columns in binary.items() if columns} == under_a_key
    before = _contents(engine, under_a_key)
    renew(full.ledger)
    after = _contents(engine, {name: columns for name, columns in under_a_key.items() if name != "resealing"})
    still = {place for place, values in after.items() if values & before[place]}
    assert still == {("delivered", "fingerprint")}, "only that of a presumed record says nothing"
    assert before["delivered", "fingerprint"] & after["delivered", "fingerprint"] == {b"\xff" * 64}


def _contents(engine: Engine, places: dict[str, set[str]]) -> dict[tuple[str, str], set[bytes]]:
    with engine.connect() as connection:
        return {
            (name, column): set(connection.execute(sa.select(metadata.tables[name].c[column])).scalars())
            - {None, b"", bytes(32)}
            for name, columns in places.items()
            for column in columns
        }


def test_a_link_noted_before_is_known_still(full: Any) -> None:
    """Whoever noted the head before, and whoever noted an earlier one, finds that the chain was made anew since."""
    head = bytes.fromhex(full.ledger.head())
    renew(full.ledger)
    assert full.ledger.keys_renewed() is not None
    assert (full.ledger.is_link(head), full.ledger.was_link(head)) == (False, True)
    assert not full.ledger.was_link(bytes(32))
    newer = Keys([b"e" * 32, b"E" * 32, b"F" * 32], [b"v" * 32, b"V" * 32, b"W" * 32])
    renew(full.ledger, NEW, newer)
    assert full.ledger.verify() is None
    assert full.ledger.was_link(head), "also after a second renewal"


@pytest.mark.parametrize(
    "statement",
    [
        lambda: sa.update(change).where(change.c.id == 1).values(cause="van_school"),
        lambda: sa.delete(change).where(change.c.id == 1),
        lambda: sa.update(resealing).values(seals=1),
        lambda: sa.update(resealing).values(links=bytes(64)),
        lambda: sa.delete(resealing),
    ],
    ids=["changed", "removed", "note: fewer seals", "note: other links", "note gone"],
)
def test_what_is_altered_afterwards_is_found(full: Any, engine: Engine, statement: Callable[[], sa.Executable]) -> None:
    """In what was disclosed, and in the note of the renewal itself."""
    renew(full.ledger)
    with engine.begin() as connection:
        connection.execute(statement())
    assert full.ledger.verify() is not None


def test_seals_from_before_that_are_cut_off_are_found(deliveries: Any, engine: Engine) -> None:
    """The note knows how many there were, so that needs no noted head."""
    ids = deliveries.pupils("a", "b")
    deliveries.deliver(ids, print_=b"print-of")
    deliveries.deliver(ids, "update", digest="d2", print_=b"print-2-")
    renew(deliveries.ledger)
    alter(engine, *cut_off(2, change, batch))
    assert "weggehaald" in deliveries.ledger.verify().reason


def test_an_altered_ledger_is_not_renewed(full: Any, engine: Engine) -> None:
    """New seals would make what was altered look true."""
    with engine.begin() as connection:
        connection.execute(sa.update(change).where(change.c.id == 1).values(cause="van_school"))
    with pytest.raises(LedgerBrokenError):
        renew(full.ledger)
    assert full.ledger.verify() is not None


def test_not_while_a_delivery_is_going_on(full: Any) -> None:
    """Its changes are in memory under the old keys."""
    with full.ledger.lease(SUPPLIER, SCHOOL), pytest.raises(BusyError, match="levering"):
        renew(full.ledger)


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger, full: ledger.open_plan(full.plan("d4"), full.changes([1])),
        lambda ledger, full: ledger.register_records(SCHOOL, "leerling", pd.Series(["z"], dtype="str")),
    ],
    ids=["a delivery", "a new pupil"],
)
def test_who_comes_in_between_waits_and_leaves_nothing_under_the_old_keys(
    full: Any, database_url: Any, clock: Any, write: Callable[[Ledger, Any], object]
) -> None:
    """What it would write then is refused; neither of the two is broken off by the database."""
    with closing(Ledger.open(database_url, OLD, clock)) as other, ThreadPoolExecutor(1) as thread:
        came: list[Future[object]] = []

        def meanwhile(*of: Any) -> list[bytes]:
            if not came:
                came.append(thread.submit(write, other, full))
                wait(came, timeout=1)
            return renewed(*of, before=OLD, keys=NEW)

        full.ledger.renew_keys(NEW, meanwhile)
        assert isinstance(came[0].exception(), KeyMissingError)
    assert full.ledger.verify() is None


def test_who_opened_the_ledger_before_can_write_nothing_any_more(full: Any, database_url: Any, clock: Any) -> None:
    """Under the old keys every record would look new."""
    with closing(Ledger.open(database_url, NEW, clock)) as other:
        assert other.keys.fingerprint_id == OLD.fingerprint_id, "newer keys in the files are not in use yet"
        renew(full.ledger)
        assert other.is_outdated()
        with pytest.raises(KeyMissingError, match="vernieuwd"):
            other.register_records(SCHOOL, "leerling", pd.Series(["z"], dtype="str"))
    with pytest.raises(KeyMissingError, match="andere sleutels"):
        Ledger.open(database_url, OLD, clock)


def test_deliveries_go_on_in_the_chain(deliveries: Any) -> None:
    """Also where there was no seal before the renewal."""
    renew(deliveries.ledger)
    deliveries.deliver(deliveries.pupils("a"), print_=b"print-of")
    assert deliveries.ledger.verify() is None
