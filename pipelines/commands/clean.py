"""`clean`: what was kept long enough is taken away now, through Dagster, so that the run shows in the web page."""

import os
from dataclasses import asdict
from pathlib import Path

import dagster as dg

from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import FAILED, OK, out, table
from pipelines.dagster_home import prepare
from pipelines.instance import open_instance
from pipelines.retention import NOT_WHOLE
from pipelines.runs import run_cleaning
from pipelines.settings import home_folder, load_settings


def clean_up(option: Path | None, *, as_json: bool) -> int:
    """Clean, and tell how many of each kind were taken away and why; a ledger that is not whole is a failure."""
    settings = load_settings(home_folder(option))
    open_instance(settings.home)  # a key or a secret of its own that is missing is told once, and before any run
    prepare(settings, os.environ)
    with dg.DagsterInstance.get() as instance:
        removed = run_cleaning(settings, instance)
    if as_json:
        write_json([asdict(one) for one in removed])
    else:
        rows = [(one.what, one.number, one.why) for one in removed]
        out.print(table("Opgeruimd", ("wat", "aantal", "waarom"), rows, ("aantal",)))
    return FAILED if any(one.why == NOT_WHOLE for one in removed) else OK
