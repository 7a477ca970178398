"""What was kept long enough goes, and nothing else: on a real instance with a real Dagster beside it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from connectors.sandbox.school import example_school
from pipelines.build import build_defs
from pipelines.dagster_home import prepare
from pipelines.job_metadata import REMOVED
from pipelines.keys import changing
from pipelines.removal import Removed
from pipelines.resources import InstanceResource
from pipelines.retention import clean
from pipelines.rotation import rotate
from pipelines.runs import run_cleaning
from pipelines.settings import load_settings
from tests.commands import asked
from tests.world import SCHOOL, World, a_world

CHANGES, KEYS, OLD_KEYS = "wijzigingen in het grootboek", "sleutels in het grootboek", "oude sleutels"
LETTERS = "brieven voor inzage"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A supplier that takes the whole set, and Dagster with its databases in the instance."""
    with a_world(tmp_path / "instance", {"basispoort": "edexml_whole_set"}) as world:
        home = prepare(load_settings(world.home), {})
        with dg.DagsterInstance.from_config(str(home)) as kept:
            world.dagster = kept
            yield world


def _cleaned(world: World, **later: float) -> dict[str, int]:
    removed = clean(world.instance, world.dagster, datetime.now(UTC) + timedelta(**later))
    return {one.what: one.number for one in removed if one.what not in {CHANGES, KEYS, OLD_KEYS}}


def _forgotten(world: World, **later: float) -> dict[str, Removed]:
    removed = clean(world.instance, world.dagster, datetime.now(UTC) + timedelta(**later))
    return {one.what: one for one in removed if one.what in {CHANGES, KEYS}}


def _files(world: World, folder: str) -> list[str]:
    root = world.home / folder
    return sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())


def _events(world: World) -> int:
    with closing(sqlite3.connect(world.home / "dagster" / "history" / "runs" / "index.db")) as connection:
        return int(connection.execute("select count(*) from event_logs").fetchone()[0])


def test_everything_has_a_term_of_its_own(world: World) -> None:
    """Nothing goes too early; of the vault only the last whole set stays, and Dagster keeps nothing of an old run."""
    world.export(example_school(20))
    world.sync()
    found = pd.DataFrame([("leerling", "a", "roepnaam", "te_lang", "waarde")], dtype="str")
    found.columns = pd.Index(["soort", "key", "veld", "regel", "gevolg"])
    world.instance.ledger.replace_findings(SCHOOL, "run", found)
    (world.home / "reports" / "inzage" / SCHOOL).mkdir(parents=True)
    (world.home / "reports" / "inzage" / SCHOOL / "1-2026-11-24.html").write_text("brief", encoding="utf-8")
    assert _cleaned(world, days=6.9) == {"kluis": 0, "bevindingen": 0, LETTERS: 0, "runs van de webpagina": 0}
    assert _cleaned(world, days=29.9) == {"kluis": 5, "bevindingen": 0, LETTERS: 0, "runs van de webpagina": 0}
    assert _files(world, "vault") == [f"momentopname/basispoort/{SCHOOL}.kluis"]
    assert _events(world)
    assert _cleaned(world, days=30.1) == {"kluis": 0, "bevindingen": 1, LETTERS: 1, "runs van de webpagina": 1}
    assert world.dagster.get_runs() == []
    assert _events(world) == 0
    assert _files(world, "dagster/history/runs") == ["index.db"]
    assert {outcome.state for outcome in world.sync().values()} == {"unchanged"}


def test_a_run_that_names_a_pupil_goes_at_the_first_cleaning(world: World) -> None:
    """What a parent chose stands in the ledger; the key that was typed in the web page does not stay in Dagster."""
    world.instance.ledger.register_records(SCHOOL, "leerling", pd.Series(["KANARIEPIET"], dtype="str"))
    job = build_defs(load_settings(world.home)).resolve_job_def("keuze_vastleggen")
    config = {"leerling": "KANARIEPIET", "onderwerp": "basispoort", "keuze": "bezwaar", "door": "ik"}
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run_config = {**quiet, "ops": {"leg_vast": {"config": config}}}
    resources = {"instance": InstanceResource(home=str(world.home))}
    asked = job.execute_in_process(
        run_config=run_config, partition_key=SCHOOL, instance=world.dagster, resources=resources
    )
    assert asked.success
    assert len(world.dagster.get_runs()) == 1
    assert _cleaned(world)["runs van de webpagina"] == 1
    assert world.dagster.get_runs() == []
    assert len(world.instance.ledger.choice_history(SCHOOL)) == 1
    assert b"KANARIEPIET" not in b"".join(file.read_bytes() for file in (world.home / "dagster").rglob("*.db"))


def test_what_nobody_holds_is_forgotten_after_two_years(world: World) -> None:
    """Changes and keys go, the ledger stays whole; where it is not whole, all stays and it is said why."""
    world.export(example_school(20))
    world.sync()
    assert _forgotten(world, days=731)[CHANGES].number == 0
    with closing(sqlite3.connect(world.home / "ledger.db")) as connection, connection:
        number = connection.execute("delete from delivered").rowcount
        (cause,) = connection.execute("select cause from change where id = 1").fetchone()
        connection.execute("update change set cause = 'x' where id = 1")
    told = _forgotten(world, days=731)[CHANGES]
    assert (told.number, "doorgeefluik verify" in told.why) == (0, True)
    with closing(sqlite3.connect(world.home / "ledger.db")) as connection, connection:
        connection.execute("update change set cause = ? where id = 1", [cause])
    assert _forgotten(world, days=730)[CHANGES].number == 0
    assert [one.number for one in _forgotten(world, days=731).values()] == [number, number]
    assert world.instance.ledger.verify() is None
    assert world.instance.ledger.removed()[0] == number


def test_the_terms_are_those_of_the_settings(world: World) -> None:
    """What the school wrote in `retention` counts."""
    (world.home / "instance.yaml").write_text("retention: {vault_days: 2, runs_days: 40}\n", encoding="utf-8")
    world.export(example_school(20))
    world.sync()
    assert _cleaned(world, days=2.1) == {"kluis": 5, "bevindingen": 0, LETTERS: 0, "runs van de webpagina": 0}
    assert _cleaned(world, days=39)["runs van de webpagina"] == 0
    assert _cleaned(world, days=41)["runs van de webpagina"] == 1


def test_who_is_at_the_keys_keeps_nothing_else_from_being_cleaned(world: World) -> None:
    """It is told, and the old keys go the next time."""
    job = dg.job(name="leeg")(lambda: None)
    world.dagster.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    rotate(world.instance)
    later = datetime.now(UTC) + timedelta(days=40)
    with changing(world.home / "sleutels"):
        told = {one.what: one for one in clean(world.instance, world.dagster, later)}
    assert (told[OLD_KEYS].number, "aan de sleutels gewerkt" in told[OLD_KEYS].why) == (0, True)
    assert told["runs van de webpagina"].number == 1
    assert {one.what: one.number for one in clean(world.instance, world.dagster, later)}[OLD_KEYS] == 1


def test_a_run_that_is_not_over_stays(world: World) -> None:
    """However old: it waits, or is at work."""
    statuses = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED]
    job = dg.job(name="leeg")(lambda: None)
    for status in statuses:
        world.dagster.create_run_for_job(job, status=status)
    assert _cleaned(world, days=100)["runs van de webpagina"] == 1
    assert {run.status for run in world.dagster.get_runs()} == set(statuses[:2])


def test_more_runs_than_fit_in_one_question_all_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first cleaning after a long time takes everything."""
    monkeypatch.setattr("pipelines.retention._AT_ONCE", 3)
    job = dg.job(name="leeg")(lambda: None)
    for _ in range(7):
        world.dagster.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    assert _cleaned(world, days=31)["runs van de webpagina"] == 7


def test_the_run_of_a_cleaning_tells_what_went(world: World) -> None:
    """Counts with their reason stand in the run's own metadata, and the run itself stays."""
    removed = run_cleaning(load_settings(world.home), world.dagster)
    assert len(removed) == 7
    assert {one.number for one in removed} == {0}
    (run,) = world.dagster.get_runs()
    told = [e.dagster_event.step_output_data.metadata for e in world.dagster.all_logs(run.run_id) if _is_output(e)]
    assert REMOVED in told[0]
    assert _files(world, "vault") == []


def _is_output(entry: dg.EventLogEntry) -> bool:
    return entry.dagster_event is not None and entry.dagster_event.is_successful_output


def test_a_ledger_that_is_not_whole_makes_cleaning_a_failure(world: World) -> None:
    """Nothing is taken out of it, and who reads only the exit code knows it too."""
    world.export(example_school(20))
    world.sync()
    with closing(sqlite3.connect(world.home / "ledger.db")) as database, database:
        for table in ("change", "delivered", "finding"):
            database.execute(f"DELETE FROM {table} WHERE record_id = (SELECT min(record_id) FROM change)")
    answer = asked("clean", instance=world.home)
    assert answer.returncode == 1
    assert "het grootboek is niet heel" in " ".join(answer.stdout.split())
