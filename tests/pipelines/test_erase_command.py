"""`erase` as a person types it, and the job `wissen` of the web page: letters, confirmations, and what is left of the asking."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import requests
from typer.testing import CliRunner

from connectors.sandbox.school import example_school
from pipelines.build import build_defs
from pipelines.cli import app
from pipelines.dagster_home import prepare
from pipelines.instance import _ledger
from pipelines.removal import forget_keys
from pipelines.retention import clean, finish_erasures
from pipelines.runs import QUIET
from pipelines.settings import load_settings
from tests.commands import asked
from tests.e2e.marked import found
from tests.world import SCHOOL, World, a_world

pytestmark = pytest.mark.slow

ROSTER = example_school(40)
KEY = "kanarie-sleutel-4711"
ROSTER.leerlingen.loc[4, "key"] = KEY
ECKID = str(ROSTER.leerlingen["eckid"].iloc[4])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school that was delivered to two suppliers; Dagster keeps its own databases."""
    formats = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
    with a_world(tmp_path / "instance", formats) as world:
        home = str(prepare(load_settings(world.home), {}))
        with dg.DagsterInstance.from_config(home) as world.dagster:
            world.export(ROSTER)
            world.sync()
            yield world


def _typed(world: World, *words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["erase", *words, "--instance", str(world.home)])
    return answer.exit_code, answer.output


def _with_the_key(world: World) -> set[str]:
    files = [f for f in world.home.rglob("*") if f.is_file() and not f.is_relative_to(world.home / "inbox")]
    return {file for _, file in found(files, {KEY: "key", ECKID.rpartition("/")[2][:40]: "eckid"})}


def test_a_supplier_that_does_not_delete_gets_a_letter_and_its_word_counts(world: World) -> None:
    """It names the pupil as this supplier knows him, and nothing more; after the confirmation all is over, the letter too."""
    world.agree("uwlr_smalle_set", stage="create")
    code, told = _typed(world, "start", SCHOOL, KEY, "--by", "directeur", "--yes")
    assert (code, "heeft de leerling verwijderd" in told) == (2, True)
    for command in ("status", "sync"):
        answer = asked(command, instance=world.home)
        assert (answer.returncode, "Wisverzoek 1: een leverancier moet je zelf vragen" in answer.stdout) == (2, True)
    letter = world.home / "reports" / "wissen" / SCHOOL / "1-uwlr_smalle_set.html"
    text = letter.read_text(encoding="utf-8")
    assert ECKID in text
    assert not any(str(value) in text for value in ROSTER.leerlingen.loc[4, ["key", "achternaam", "geboortedatum"]])
    assert KEY not in world.held_by("basispoort")
    for number, supplier in (("1", "basispoort"), ("7", "uwlr_smalle_set")):
        assert _typed(world, "confirm", number, supplier, "--by", "directeur")[0] == 3
    assert _typed(world, "confirm", "1", "uwlr_smalle_set", "--by", "directeur")[0] == 0
    code, told = _typed(world, "list", "--json")
    (case,) = json.loads(told)
    assert (code, case["number"], case["in_export"]) == (0, 1, True)
    assert {s["supplier"]: s["done"] for s in case["suppliers"]} == {"basispoort": True, "uwlr_smalle_set": True}
    assert not letter.exists()
    assert _with_the_key(world) == set()


def test_a_supplier_whose_agreement_is_gone_is_asked_too(world: World) -> None:
    """What it left behind is not forgotten; the list writes the letter too, for who asked from the web page."""
    (world.home / "agreements" / "uwlr_smalle_set.yaml").unlink()
    assert _typed(world, "start", SCHOOL, KEY, "--yes")[0] == 2
    (world.home / "reports" / "wissen" / SCHOOL / "1-uwlr_smalle_set.html").unlink()
    code, told = _typed(world, "list")
    assert (code, "1-uwlr_smalle_set.html" in told, "klaar" in told) == (2, True, False)
    assert (world.home / "reports" / "wissen" / SCHOOL / "1-uwlr_smalle_set.html").exists()
    assert _typed(world, "confirm", "1", "uwlr_smalle_set")[0] == 0
    assert _with_the_key(world) == set()


def test_a_school_that_is_gone_from_the_settings_still_has_its_requests(world: World) -> None:
    """The letter names it by its code, and a confirmation closes the request."""
    world.agree("uwlr_smalle_set", stage="create")
    assert _typed(world, "start", SCHOOL, KEY, "--yes")[0] == 2
    for file in (world.home / "agreements").iterdir():
        file.unlink()
    schools = world.home / "schools.yaml"
    schools.write_text(schools.read_text(encoding="utf-8").replace(SCHOOL, "99YY-00"), encoding="utf-8")
    assert _typed(world, "list")[0] == 2
    letter = world.home / "reports" / "wissen" / SCHOOL / "1-uwlr_smalle_set.html"
    assert SCHOOL in letter.read_text(encoding="utf-8")
    assert _typed(world, "confirm", "1", "uwlr_smalle_set")[0] == 0


@pytest.mark.parametrize("agreement", ["gone", "to come"])
def test_a_delivery_that_no_agreement_lets_anybody_finish_is_given_up(world: World, agreement: str) -> None:
    """The supplier may have got the message: it is asked, and its word counts."""
    trouble = f"{world.urls['uwlr_smalle_set']}/_sandbox/misbehave"
    requests.post(trouble, json={"kind": "fail", "status": 500, "times": 20}, timeout=5).raise_for_status()
    assert _typed(world, "start", SCHOOL, KEY, "--yes")[0] == 1, "a delivery failed"
    file = world.home / "agreements" / "uwlr_smalle_set.yaml"
    if agreement == "gone":
        file.unlink()
    else:
        file.write_text(
            re.sub("signed: .*", "signed: 2050-01-01", re.sub("until: .*", "until: 2051-01-01", file.read_text()))
        )
    assert "levering afgebroken" in _typed(world, "list")[1]
    list(clean(world.instance, world.dagster, datetime.now(UTC)))
    code, told = _typed(world, "list")
    assert (code, "1-uwlr_smalle_set.html" in told, "levering afgebroken" in told) == (2, True, False)
    assert _typed(world, "confirm", "1", "uwlr_smalle_set")[0] == 0


def test_a_database_in_use_only_puts_it_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else is writing in the ledger when the request could be closed: it is closed the next time."""
    world.instance.ledger.erasures.open(SCHOOL, KEY, "directeur", "bericht")
    world.sync()
    monkeypatch.setattr("pipelines.ledger.engine._BUSY_SECONDS", 0.1)
    _ledger.cache_clear()  # it was opened before that
    instance = world.instance
    with closing(sqlite3.connect(world.home / "ledger.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        removed = finish_erasures(instance, world.dagster, world.day)
        assert (removed.number, "in gebruik" in removed.why) == (0, True)
    assert finish_erasures(instance, world.dagster, world.day).number == 1


def test_nobody_is_erased_by_mistake(world: World) -> None:
    """Not without a yes, nor somebody unknown; nothing is written down then."""
    for words in (("start", SCHOOL, KEY), ("start", "99ZZ-00", KEY, "--yes"), ("start", SCHOOL, "niemand", "--yes")):
        assert _typed(world, *words)[0] in {1, 3}
    assert _typed(world, "list") == (0, "Er zijn geen verzoeken om een leerling te wissen.\n")
    assert KEY in world.held_by("basispoort")


def test_from_the_web_page_the_asking_itself_is_forgotten(world: World) -> None:
    """The job starts a delivery by a sensor; when all is done a cleaning follows, and no run has the key any more."""
    definitions = build_defs(load_settings(world.home))
    config = {"ops": {"wis": {"config": {"leerling": KEY, "door": "directeur"}}}}
    job = definitions.resolve_job_def("wissen")
    assert job.execute_in_process(run_config=QUIET | config, partition_key=SCHOOL, instance=world.dagster).success
    assert "runs.db" in _with_the_key(world)

    def asked(sensor: str) -> list[str | None]:
        context = dg.build_sensor_context(instance=world.dagster, repository_def=definitions.get_repository_def())
        tick = definitions.get_repository_def().get_sensor_def(sensor).evaluate_tick(context)
        return [run.run_key for run in tick.run_requests or []]

    assert (asked("na_wisverzoek"), asked("na_wissen")) == (["wissen-1"], [])
    world.sync()
    (key,) = asked("na_wissen")
    assert re.fullmatch(r"gewist-1-\d{10}", key or ""), "a school that was busy is asked again the next hour"
    assert finish_erasures(world.instance, world.dagster, world.day).number == 1
    assert (asked("na_wisverzoek"), asked("na_wissen")) == ([], [])
    assert _with_the_key(world) == set()


def test_what_an_asset_told_last_is_forgotten_too(world: World) -> None:
    """Dagster keeps that apart from the runs, also of an asset that no run makes any more."""
    asset = dg.asset(name="oud")(lambda: dg.MaterializeResult(metadata={"sleutel": KEY}))
    dg.materialize([asset], instance=world.dagster)
    assert _with_the_key(world) >= {"index.db"}
    assert forget_keys(world.dagster, world.home / "dagster", [KEY]) >= 1
    assert not {name for name in _with_the_key(world) if name.endswith(".db")}
