"""Taking away, for good: how it is told, and what Dagster keeps of its runs (events, configuration, what an asset told last)."""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
"""A run that waits or is at work is never taken away."""

_BUSY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Removed:
    """How many of a kind of thing were taken away, and why, in Dutch. Never a name."""

    what: str
    number: int
    why: str


def delete_run(dagster: dg.DagsterInstance, home: Path, run_id: str) -> None:
    """Remove a run with its events; `home` is Dagster's own folder."""
    dagster.delete_run(run_id)
    for emptied in (home / "history" / "runs").glob(f"{run_id}.db*"):  # by Dagster, which leaves it
        emptied.unlink(missing_ok=True)


def forget_keys(dagster: dg.DagsterInstance, home: Path, keys: Iterable[str]) -> int:
    """Remove every run that ended in which one of these record keys stands somewhere; how many. What was removed is nowhere in SQLite's files.

    A run that waits or is at work may hold one still: the caller sees to it that there is none.
    """
    texts = [re.escape(key) for key in keys]
    if not texts:
        return 0
    named = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(texts)})(?![0-9A-Za-z])")
    number = 0
    for run in dagster.get_runs(dg.RunsFilter(statuses=ENDED)):
        told = (str(run.run_config), str(run.tags), *map(str, dagster.all_logs(run.run_id)))
        if any(map(named.search, told)):
            delete_run(dagster, home, run.run_id)
            number += 1
    _forget_last_told(dagster, named)
    for database in home.rglob("*.db"):
        _compact(database)
    return number


def _forget_last_told(dagster: dg.DagsterInstance, named: re.Pattern[str]) -> None:
    """Dagster keeps what each asset told last, also when the run itself is gone."""
    last = dagster.get_latest_materialization_events(dagster.all_asset_keys())
    if gone := [key for key, event in last.items() if event and named.search(str(event))]:
        dagster.wipe_assets(gone)


def _compact(database: Path) -> None:
    """Write a file of SQLite anew: what was deleted otherwise stays in free pages and in the WAL."""
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            connection.execute(statement).fetchall()
