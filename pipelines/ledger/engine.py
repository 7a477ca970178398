"""Opening the ledger's database: SQLite in the instance by default, PostgreSQL by URL.

Only connections and transactions. What stands in the database is in `tables`, how it gets there in `migrate`.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from pipelines.ledger.tables import metadata

_BUSY_SECONDS = 30


def open_engine(url: str | URL) -> Engine:
    """An engine for `sqlite:///PATH` or `postgresql+psycopg://...`.

    A new SQLite file, and all that SQLite puts beside it, is for its owner alone. Errors never show bound values.

    Raises:
        ValueError: another kind of database.
    """
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    if address.drivername == "postgresql+psycopg":
        return sa.create_engine(address, hide_parameters=True, pool_pre_ping=True)
    raise ValueError("het grootboek werkt met sqlite:///PAD of postgresql+psycopg://…")


def for_reading(engine: Engine) -> Engine:
    """The same engine, each of whose transactions sees one state of affairs, without waiting for a writer."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(sqlite_begin="BEGIN")
    return engine.execution_options(isolation_level="REPEATABLE READ")


def compact(engine: Engine) -> None:
    """Write every table anew: a deleted row otherwise stays in free pages and in the WAL (SQLite), or as a dead row (PostgreSQL)."""
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"VACUUM FULL {', '.join(metadata.tables)}")
        return
    with closing(engine.raw_connection()) as raw:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement)


def _sqlite(address: URL) -> Engine:
    if not address.database or address.database == ":memory:":
        raise ValueError("het grootboek staat in een bestand: sqlite:///PAD")
    _private_file(Path(address.database))
    engine = sa.create_engine(address, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _private_file(file: Path) -> None:
    """Make the file with mode 0600 before SQLite does; its WAL and shared memory take over that mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _on_connect(connection: Any, _record: object) -> None:
    """FULL: what was committed outlives a power cut, which WAL alone does not promise.

    A delivery writes thousands of rows side by side: with large pages, which a new file gets, a commit takes half the time.
    """
    connection.isolation_level = None  # transactions are begun by `_on_begin`, not by Python's sqlite3
    for setting in ("page_size = 16384", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")


def _on_begin(connection: Connection) -> None:
    """IMMEDIATE: a transaction that reads and then writes would otherwise fail when another wrote in between."""
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))
