"""For all tests: steady examples of hypothesis, and a PostgreSQL server for whom asks for one, on a socket of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from sqlalchemy.engine import URL

# The same examples in every run, so that what passed here passes in CI; search for others with HYPOTHESIS_PROFILE=default.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first, after they were shuffled: at the end only short ones are left to deal out."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
