"""The ledger's database, opened with its keys: how it is made, the transactions on it, and what is done with it as a whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from pipelines.keys import KeyMissingError, Keys
from pipelines.ledger import renewal, resealings
from pipelines.ledger.engine import compact, for_reading, open_engine
from pipelines.ledger.migrate import upgrade
from pipelines.ledger.tables import export, failed_export, hold, key_use, plan, record
from pipelines.ledger.transaction import Transaction


def utc_now() -> datetime:
    """Now."""
    return datetime.now(UTC)


class Database:
    """A database and the keys in use. `clock` gives aware moments; the database's own clock is never asked."""

    def __init__(self, engine: Engine, keys: Keys, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._snapshots = for_reading(engine)
        self._keys = keys
        self._clock = clock

    @classmethod
    def open(cls, url: str | URL, keys: Keys, clock: Callable[[], datetime] = utc_now) -> Self:
        """The ledger at `url`, made or brought to the newest shape where needed.

        Raises:
            KeyMissingError: it was written with other keys; with these, every record would look new.
        """
        ledger = cls(open_engine(url), keys, clock)
        try:
            upgrade(ledger._engine)
            ledger._keys = ledger._keys_in_use()
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def keys(self) -> Keys:
        """The keys in use."""
        return self._keys

    def renew_keys(self, new: Keys, prints: renewal.Prints) -> None:
        """Bring everything under new keys. See `renewal.renew_keys`."""
        with self._writing(alone=True) as transaction:
            renewal.renew_keys(transaction, new, prints)
        self._keys = new

    def keys_renewed(self) -> datetime | None:
        """When the keys were last renewed; None if they never were."""
        with self._reading() as transaction:
            return resealings.last_resealed(transaction)

    def is_outdated(self) -> bool:
        """Whether another process has renewed the keys since this ledger was opened."""
        with self._engine.begin() as connection:
            found = renewal.ids_in_use(Transaction(connection, self._keys, self._now()))
        return found != renewal.ids_of(self._keys)

    def is_blank(self) -> bool:
        """Whether nothing is known of any school."""
        rows = (sa.exists(sa.select(table)) for table in (plan, export, failed_export, hold, record))
        with self._engine.begin() as connection:
            return not connection.execute(sa.select(sa.or_(*rows))).scalar_one()

    def close(self) -> None:
        """Give back the connections to the database."""
        self._engine.dispose()

    def compact(self) -> None:
        """Write the database anew, so that nothing of what was deleted stays in its files."""
        compact(self._engine)

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[Transaction]:
        with self._engine.begin() as connection:
            transaction = Transaction(connection, self._keys, self._now())
            if renewal.ids_in_use(transaction, alone=alone) not in ({}, renewal.ids_of(self._keys)):
                raise KeyMissingError("De sleutels zijn intussen vernieuwd. Draai de run opnieuw.")
            yield transaction

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self._snapshots.begin() as connection:
            yield Transaction(connection, self._keys, self._now())

    def _keys_in_use(self) -> Keys:
        """At first use, note the newest keys; later, find those that were noted."""
        with self._engine.begin() as connection:
            transaction = Transaction(connection, self._keys, self._now())
            rows = [{"purpose": purpose, "key_id": key_id} for purpose, key_id in renewal.ids_of(self._keys).items()]
            transaction.execute_many(transaction.insert(key_use).on_conflict_do_nothing(), rows)
            found = renewal.ids_in_use(transaction)
        return self._keys.as_of(found["encryption"], found["fingerprint"])
