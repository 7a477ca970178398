"""Runs of the real assets: what they tell, what they keep, and that no supplier stops another."""

import dataclasses
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import requests

from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
from pipelines.assets import UNFORESEEN
from pipelines.build import build_defs
from pipelines.resources import InstanceResource
from pipelines.runs import run_school
from pipelines.settings import load_settings
from pipelines.vault_io import VaultIOManager
from tests.faults.trouble import instance_with
from tests.world import SCHOOL, World, a_world

MARK = "Kanarie"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two suppliers, one of each wire format."""
    with a_world(tmp_path / "instance", {"basispoort": "edexml_whole_set", "uwlr_lvs_set": "json_delta"}) as world:
        yield world


def _marked(pupils: int = 40) -> Roster:
    """A school in which every name of a person is a marker."""
    roster = example_school(pupils)
    tables = {}
    for name in ("leerlingen", "leerkrachten"):
        table = getattr(roster, name)
        marks = {c: table[c].where(table[c].isna(), f"{MARK}{c}") for c in ("achternaam", "roepnaam")}
        tables[name] = table.assign(**marks)
    return dataclasses.replace(roster, **tables)


def _told(world: World) -> str:
    """Every event and log line of every run, as text."""
    runs = world.dagster.get_runs()
    return "\n".join(str(entry) for run in runs for entry in world.dagster.all_logs(run.run_id))


def _trouble(world: World, supplier: str, **behaviour: object) -> None:
    requests.post(f"{world.urls[supplier]}/_sandbox/misbehave", json=behaviour, timeout=5).raise_for_status()


def test_a_delivery_tells_no_value(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Events, metadata and logs of a run have counts, keys and field names, never a name of a pupil."""
    caplog.set_level(logging.DEBUG)
    world.export(_marked())
    assert {outcome.state for outcome in world.sync().values()} == {"delivered"}
    assert MARK in str(world.held_by("basispoort"))
    assert "roepnaam" in _told(world)
    assert MARK not in _told(world)
    assert MARK not in caplog.text


def test_a_broken_table_tells_no_value(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A school that stops says which rules were broken how often, not by whom; nothing is sent."""
    caplog.set_level(logging.DEBUG)
    roster = _marked()
    broken = roster.leerlingen.assign(roepnaam=pd.NA, achternaam=pd.NA, geboortedatum=f"{MARK}-01-01").astype("str")
    world.export(dataclasses.replace(roster, leerlingen=broken))
    outcomes = world.sync()
    assert {outcome.state for outcome in outcomes.values()} == {"failed"}
    assert all(outcome.reason for outcome in outcomes.values())
    assert "geen_leerlingen" in _told(world)
    assert MARK not in _told(world)
    assert MARK not in caplog.text
    assert world.requests_seen("basispoort") == 0


def test_a_failing_supplier_tells_no_value_and_stops_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One supplier refuses everything; the other is delivered, in the same run."""
    caplog.set_level(logging.DEBUG)
    _trouble(world, "basispoort", kind="fail", status=422)
    world.export(_marked())
    outcomes = world.sync()
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "basispoort": "failed",
        "uwlr_lvs_set": "delivered",
    }
    assert outcomes["basispoort"].reason
    assert MARK not in _told(world)
    assert MARK not in caplog.text


@pytest.mark.parametrize(
    ("side", "told"),
    [("source", rf"De laatste keer mislukt \([-\d: ]+\): {UNFORESEEN}"), ("supplier", "De levering is afgebroken")],
)
def test_trouble_that_nobody_foresaw_is_in_the_report_without_a_value(world: World, side: str, told: str) -> None:
    """A connector raises what it read or was to send: the page says for each supplier that it went wrong, in words of ours."""
    world.export(_marked())
    resources = {"instance": instance_with(side, home=str(world.home), day=world.day.isoformat())}
    settings = load_settings(world.home)
    outcomes = run_school(settings, SCHOOL, settings.suppliers, world.dagster, resources=resources)
    assert {(outcome.state, outcome.reason) for outcome in outcomes} == {("failed", UNFORESEEN)}
    text = (world.home / "reports" / f"{SCHOOL}.html").read_text(encoding="utf-8")
    assert len(re.findall(told, text)) == len(outcomes)
    assert MARK not in text


def test_an_unreadable_export_fails_the_school_and_sends_nothing(world: World) -> None:
    """A cut-off file ends as a named error for each supplier, and the last good state stays."""
    world.export(_marked())
    world.sync()
    before = world.held_by("uwlr_lvs_set")
    world.export_bytes(b'<?xml version="1.0"?><EDEX><school><schooljaar>2026-2027</schooljaar>')
    assert {outcome.state for outcome in world.sync().values()} == {"failed"}
    assert world.held_by("uwlr_lvs_set") == before


def test_a_preview_sends_nothing_and_says_what_would_happen(world: World) -> None:
    """The same plan as a delivery would have, and no request."""
    world.export(_marked())
    previews = world.sync(preview=True)
    assert {outcome.state for outcome in previews.values()} == {"preview"}
    assert world.requests_seen("basispoort") == 0
    plans = {name: outcome.plan for name, outcome in previews.items()}
    assert {name: outcome.plan for name, outcome in world.sync().items()} == plans


def test_nothing_in_the_vault_can_be_read(world: World) -> None:
    """Every byte that a run keeps between its steps is encrypted, whatever asset it is of."""
    world.export(_marked())
    world.sync()
    files = [file for file in (world.home / "vault").rglob("*") if file.is_file()]
    assert any("levering" in file.as_posix() for file in files)
    for file in files:
        content = file.read_bytes()
        assert MARK.encode() not in content
        assert b"pandas" not in content
        assert file.stat().st_mode & 0o077 == 0


def _again(world: World, *keys: str) -> dg.ExecuteInProcessResult:
    """A later run of some steps, as another process would do it: with resources of its own."""
    settings = load_settings(world.home)
    instance = InstanceResource(home=str(world.home), day=world.day.isoformat())
    defs = build_defs(settings, resources={"instance": instance, "io_manager": VaultIOManager(instance=instance)})
    return defs.resolve_job_def("leveren").execute_in_process(
        run_config=QUIET,
        instance=world.dagster,
        partition_key=SCHOOL,
        asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
        raise_on_error=False,
    )


def test_a_later_run_reads_what_an_earlier_one_made(world: World) -> None:
    """A step can be run again from the web page without fetching the export again."""
    world.export(_marked())
    world.sync(preview=True)
    (world.home / "inbox" / "EDEX.XML").unlink()
    result = _again(world, "uwlr_lvs_set/gegevensset", "uwlr_lvs_set/wijzigingsplan", "uwlr_lvs_set/levering")
    assert result.success
    assert world.held_by("uwlr_lvs_set")


def test_a_step_whose_input_is_gone_says_what_to_do(world: World) -> None:
    """An emptied vault is told in Dutch, and is no crash."""
    result = _again(world, "schoolgegevens")
    assert not result.success
    assert "Draai eerst de stap die ze maakt" in _told(world)


def _kept(vault: VaultIOManager, value: str) -> None:
    vault.handle_output(dg.build_output_context(asset_key="export", partition_key=SCHOOL), value)


def _loaded(vault: VaultIOManager) -> str:
    output = dg.build_output_context(asset_key="export", partition_key=SCHOOL)
    context = dg.build_input_context(asset_key="export", partition_key=SCHOOL, upstream_output=output)
    found: str = vault.load_input(context)
    return found


def test_a_new_run_does_not_see_what_an_old_one_had_in_memory(world: World) -> None:
    """Another process may have written since: at its start a run forgets what it had."""
    instance = InstanceResource(home=str(world.home))
    here, elsewhere = VaultIOManager(instance=instance), VaultIOManager(instance=instance)
    _kept(here, "oud")
    _kept(elsewhere, "nieuw")
    assert _loaded(here) == "oud"
    here.setup_for_execution(dg.build_init_resource_context())
    assert _loaded(here) == "nieuw"


def test_another_school_is_another_place_in_the_vault(world: World) -> None:
    """One school's data is never taken for that of another."""
    vault = VaultIOManager(instance=InstanceResource(home=str(world.home)))
    vault.handle_output(dg.build_output_context(asset_key="export", partition_key="99XX-01"), "ander")
    _kept(vault, "eigen")
    assert _loaded(vault) == "eigen"
