"""Dagster's own folder: made once, whole, whoever comes first."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PREPARE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from pipelines.dagster_home import prepare
prepare(SimpleNamespace(dagster_home=Path(sys.argv[1]), home=Path(sys.argv[1])), {})
"""


@pytest.mark.parametrize("processes", [1, 3])
def test_its_databases_stand_before_more_than_one_process_opens_them(tmp_path: Path, processes: int) -> None:
    """Each database carries one version: with two, the web page would never load this instance again."""
    running = [subprocess.Popen([sys.executable, "-c", PREPARE, str(tmp_path)]) for _ in range(processes)]
    assert [process.wait(60) for process in running] == [0] * processes
    databases = list(tmp_path.rglob("*.db"))
    assert len(databases) > 2
    for database in databases:
        with closing(sqlite3.connect(database)) as connection:
            assert len(connection.execute("select * from alembic_version").fetchall()) == 1, database
