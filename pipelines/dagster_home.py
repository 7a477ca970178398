"""Dagster's own folder in an instance: its settings file, made once, and the environment that belongs to it."""

import logging
from collections.abc import Mapping, MutableMapping
from importlib.resources import files
from pathlib import Path

import dagster as dg
from filelock import FileLock

from pipelines.settings import Settings

ENVIRONMENT: Mapping[str, str] = {
    # Errors of our code in Dagster's database and log get a number instead of their text: a text may hold a value.
    "DAGSTER_REDACT_USER_CODE_ERRORS": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
}


def prepare(settings: Settings, environment: MutableMapping[str, str]) -> Path:
    """Make the folder, its `dagster.yaml` and its databases where they are not there yet, and tell `environment` of them."""
    home = settings.dagster_home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(files("pipelines").joinpath("dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    silence()
    environment.update(ENVIRONMENT)
    environment["DAGSTER_HOME"] = str(home)
    environment["DOORGEEFLUIK_HOME"] = str(settings.home)
    _make_databases(home)
    return home


def _make_databases(home: Path) -> None:
    """Have one process make Dagster's databases: two that do it at once write each version twice, and no process can read that."""
    with FileLock(home / "databases.lock"), dg.DagsterInstance.from_config(str(home)):
        pass


def silence() -> None:
    """Let nobody hear the logger that still gets the full text of errors where Dagster redacts them."""
    logger = logging.getLogger("dagster.redacted_errors")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
