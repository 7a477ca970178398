"""A ledger on SQLite and on PostgreSQL, for every test that asks for one."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
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
def postgresql_server() -> Iterator[URL]:
    """The address of a PostgreSQL server: the one in DOORGEEFLUIK_TEST_POSTGRES, or one of our own on a socket."""
    given = os.environ.get("DOORGEEFLUIK_TEST_POSTGRES")
    if given:
        yield sa.make_url(given)
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is hier niet: installeer postgresql, of zet DOORGEEFLUIK_TEST_POSTGRES")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # not under pytest's own, which user postgres may not enter
    try:
        yield from _own_server(programs[-1].parent, folder)
    finally:
        shutil.rmtree(folder)


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


def _own_server(programs: Path, folder: Path) -> Iterator[URL]:
    user = _unprivileged_user()
    if user:
        shutil.chown(folder, user)
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    initdb = [programs / "initdb", "-D", folder / "data", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C"]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd=folder, **who)
    quick = ["-F", "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "shared_buffers=32MB"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *quick], stdout=log, stderr=log, cwd=folder, **who
        )
    try:
        address = URL.create("postgresql+psycopg", "test", query={"host": str(folder)}, database="postgres")
        _wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _wait_for(address: URL, server: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    for _ in range(200):
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            assert server.poll() is None, "PostgreSQL did not start"
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PostgreSQL was not ready in ten seconds")
