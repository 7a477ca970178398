"""A ledger on SQLite and on PostgreSQL, for every test that asks for one."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from pipelines.keys import Keys
from pipelines.ledger.engine import open_engine
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.migrate import upgrade
from pipelines.ledger.tables import metadata


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 2, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.create(tmp_path_factory.mktemp("instance") / "sleutels")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | URL:
    """The address of a database of the newest shape without any rows, once of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "grootboek.db")
        return f"sqlite:///{tmp_path / 'grootboek.db'}"
    address, emptied = request.getfixturevalue("_postgresql")
    emptied()
    return address


@pytest.fixture
def engine(database_url: str | URL) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(engine: Engine, keys: Keys, clock: Clock) -> Ledger:
    return Ledger(engine, keys, clock)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sjabloon") / "grootboek.db"
    engine = open_engine(f"sqlite:///{file}")
    upgrade(engine)
    engine.dispose()
    return file


@pytest.fixture(scope="session")
def _postgresql(postgresql_server: URL) -> Iterator[tuple[URL, Callable[[], None]]]:
    """A database of this worker's own, and how to empty it."""
    name = f"doorgeefluik_{os.getpid()}"
    admin = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    address = postgresql_server.set(database=name)
    engine = open_engine(address)
    upgrade(engine)
    tables = ", ".join(metadata.tables)

    def emptied() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")

    yield address, emptied
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
