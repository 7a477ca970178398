"""`sync` and `preview`: every school in turn, through Dagster, so that each run shows in the web page."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.outcomes import show_next, tell, with_requests
from pipelines.commands.telling import err, terminal
from pipelines.dagster_home import prepare
from pipelines.instance import open_instance
from pipelines.names import chosen_pairs
from pipelines.retention import finish_erasures
from pipelines.runs import run_school
from pipelines.settings import Settings, home_folder, load_settings
from pipelines.sync.case import Outcome


def run_schools(
    option: Path | None,
    schools: Sequence[str] | None,
    suppliers: Sequence[str] | None,
    *,
    as_json: bool,
    preview: bool = False,
) -> int:
    """Run these schools (None: all) for these suppliers (None: all), and tell what came of it."""
    settings = load_settings(home_folder(option))
    instance = open_instance(
        settings.home
    )  # a key or a secret of its own that is missing is told once, and before any run
    chosen = chosen_pairs(settings, schools, suppliers)
    if not chosen:
        err.print("Hiervoor is er geen overeenkomst, dus er is niets te doen.")
    title = "Wat een levering zou doen; er is niets verstuurd" if preview else "Uitkomst"
    outcomes = deliver(settings, chosen, preview=preview)
    code = tell(outcomes, title, as_json=as_json)
    if not as_json:
        show_next(instance, outcomes, option)
    return code if preview else with_requests(instance, code, option, aloud=not as_json)


def deliver(settings: Settings, chosen: dict[str, list[str]], *, preview: bool = False) -> list[Outcome]:
    """Run each school for its suppliers; a school that fails does not stop the next. Closes the requests to erase that are done."""
    prepare(settings, os.environ)
    outcomes: list[Outcome] = []
    with dg.DagsterInstance.get() as instance, _progress(len(chosen)) as progress:
        for done, (school, suppliers) in enumerate(chosen.items()):
            progress(school, done)
            outcomes += run_school(settings, school, suppliers, instance, preview=preview)
        if not preview:
            finish_erasures(open_instance(settings.home), instance, today_in_the_netherlands())
    return outcomes


@contextmanager
def _progress(total: int) -> "Iterator[_Tell]":
    """Tells a person at a terminal which school is at work."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not terminal()) as progress:
        yield _Tell(progress, progress.add_task("", total=total))


class _Tell:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def __call__(self, school: str, done: int) -> None:
        self._progress.update(self._task, description=f"School {school}", completed=done)
