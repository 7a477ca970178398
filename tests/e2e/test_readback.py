"""Reading back: what drifted at a supplier is found and named, and set right by the next plan only."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from connectors.sandbox.school import example_school
from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import PAGE, supplier_app
from pipelines.build import build_defs
from pipelines.runs import QUIET
from pipelines.settings import load_settings
from pipelines.sync.readback import ReadBack, read_back
from tests.commands import asked
from tests.e2e.nights import effects, numbers, seen, states
from tests.e2e.test_nightly_sync import pupils_in_groups
from tests.world import SCHOOL, TOKEN, World, a_world

LVS = "uwlr_lvs_set"
ROSTER = example_school(60)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school that was delivered to a supplier that tells what it holds, and to one that does not."""
    with a_world(tmp_path / "instance", {LVS: "json_delta", "basispoort": "edexml_whole_set"}) as world:
        world.export(ROSTER)
        assert states(world.sync()) == {"delivered"}
        yield world


def drift(world: World, records: dict[str, dict[str, Any] | None]) -> None:
    body = {"school": SCHOOL, "kind": "leerling", "records": records}
    requests.post(f"{world.urls[LVS]}/_sandbox/drift", json=body, timeout=10).raise_for_status()


def wire_id(world: World, key: str) -> str:
    """The ECK iD by which the supplier knows a pupil."""
    ledger = world.instance.ledger
    (number,) = (
        n for n, (_, known) in ledger.named(ledger.delivered_state(LVS, SCHOOL)["record_id"]).items() if known == key
    )
    return ledger.handles(LVS, [number])[number].wire_id or key


def test_what_did_not_drift_is_equal_page_after_page(world: World) -> None:
    """Every record is read, lists and absent values too, and nothing is sent."""
    sent = seen(world)
    found = read_back(world.instance, LVS, SCHOOL)
    assert found.read > len(world.held_by(LVS)) > PAGE
    assert found == ReadBack(SCHOOL, LVS, "equal", read=found.read)
    assert seen(world) == sent


def test_who_has_nothing_has_what_he_should(tmp_path: Path) -> None:
    """Before the first delivery, and after all was cleared out; what he has all the same is counted."""
    with a_world(tmp_path / "instance", {LVS: "json_delta"}) as world:
        assert read_back(world.instance, LVS, SCHOOL) == ReadBack(SCHOOL, LVS, "equal")
        drift(world, {"vreemd-1": {"achternaam": "Piet"}})
        found = read_back(world.instance, LVS, SCHOOL)
        assert (found.state, found.strangers) == ("different", {"leerling": 1})


def test_each_sort_of_drift_is_named_and_the_next_plan_sets_it_right(world: World) -> None:
    """Lost, altered, known but too much, and never known: of the last not even the id is repeated, nor a value of any."""
    world.export(ROSTER)
    lost, altered = pupils_in_groups(ROSTER)[:2]
    before = world.held_by(LVS)
    changed = {"achternaam": "Kanarie", "jaargroep": None}
    drift(world, {wire_id(world, lost): None, wire_id(world, altered): changed, "vreemd-1": {"achternaam": "Piet"}})
    sent = seen(world)
    found = read_back(world.instance, LVS, SCHOOL)
    assert found.state == "different", found.reason
    assert (found.missing, found.different) == ({"leerling": [lost]}, {"leerling": [altered]})
    assert found.fields == {"leerling.achternaam": 1, "leerling.jaargroep": 1}
    assert (found.extra, found.strangers, found.repaired) == ({}, {"leerling": 1}, 0)
    assert "Kanarie" not in repr(found)
    assert "vreemd" not in repr(found)
    assert states(world.sync()) == {"unchanged"}, "a look alone changes nothing"
    assert read_back(world.instance, LVS, SCHOOL, repair=True).repaired == 2
    assert seen(world) == sent
    done = effects(world, LVS)
    assert numbers(world.sync()[LVS]) == (1, 1, 0)
    assert effects(world, LVS) == {**done, "create": done["create"] + 1, "update": done["update"] + 1}
    after = world.held_by(LVS)
    after.pop("vreemd-1")
    assert after == before
    assert read_back(world.instance, LVS, SCHOOL).strangers == {"leerling": 1}
    assert world.instance.ledger.verify() is None


def test_whom_the_supplier_kept_is_removed_by_the_next_plan(world: World) -> None:
    """A pupil of this school whom the ledger counts as gone, and the supplier has."""
    pupil = pupils_in_groups(ROSTER)[3]
    record = world.held_by(LVS)[wire_id(world, pupil)]
    choice = asked("consent", "object", SCHOOL, pupil, LVS, "--since", "2026-11-01", instance=world.home)
    assert choice.returncode == 0, choice.stderr
    assert numbers(world.sync(LVS)[LVS]) == (0, 0, 1)
    drift(world, {pupil: {**record, "id": pupil}})
    assert read_back(world.instance, LVS, SCHOOL, repair=True).extra == {"leerling": [pupil]}
    assert numbers(world.sync(LVS)[LVS]) == (0, 0, 1)
    assert pupil not in world.held_by(LVS)
    assert read_back(world.instance, LVS, SCHOOL).state == "equal"


def test_a_supplier_that_does_not_tell_is_told_as_such(world: World) -> None:
    """Whether the format has no such thing, or this supplier of it: no failure. A wrong token is one."""
    assert read_back(world.instance, "basispoort", SCHOOL).state == "cannot"
    with ExitStack() as stack:
        world.urls = {
            **world.urls,
            LVS: stack.enter_context(running(supplier_app("json_delta", TOKEN, lists=False))).url,
        }
        world.agree(LVS)
        found = read_back(world.instance, LVS, SCHOOL)
        assert (found.state, found.repaired) == ("cannot", 0)
    (world.home / "teken").write_text("verkeerd", encoding="utf-8")
    world.urls = {**world.urls, LVS: "http://127.0.0.1:9"}
    world.agree(LVS)
    assert read_back(world.instance, LVS, SCHOOL).state == "failed"


def test_while_a_delivery_goes_on_the_rest_is_read_back(world: World) -> None:
    """A busy supplier is told as such and stops no other one."""
    with world.instance.ledger.lease(LVS, SCHOOL):
        assert read_back(world.instance, LVS, SCHOOL).state == "unfinished"
        told = asked("readback", instance=world.home)
    assert "eerst leveren" in told.stdout, told.stderr
    assert "kan niet teruglezen" in told.stdout


def test_the_command_tells_counts_keys_and_fields(world: World) -> None:
    """Exit code 2 where something differs; values stay unsaid."""
    altered = pupils_in_groups(ROSTER)[1]
    drift(world, {wire_id(world, altered): {"achternaam": "Kanarie"}})
    told = asked("readback", "--repair", instance=world.home)
    assert told.returncode == 2, told.stderr
    assert f"leerling anders: {altered}" in told.stdout
    assert "leerling.achternaam (1)" in told.stdout
    assert "kan niet teruglezen" in told.stdout
    assert "Kanarie" not in told.stdout + told.stderr


def test_the_weekly_job_fails_where_something_differs_and_names_nobody(world: World, tmp_path: Path) -> None:
    """A person sees a failed run with a table of counts; where all is equal, or cannot be read, it succeeds."""
    (tmp_path / "dagster").mkdir()
    job = build_defs(load_settings(world.home)).resolve_job_def("teruglezen")
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as dagster:
        assert job.execute_in_process(instance=dagster, run_config=QUIET).success
        altered = pupils_in_groups(ROSTER)[0]
        drift(world, {wire_id(world, altered): {"achternaam": "Kanarie"}})
        result = job.execute_in_process(instance=dagster, run_config=QUIET, raise_on_error=False)
    assert not result.success
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    metadata = failed.step_failure_data.user_failure_data.metadata
    assert metadata["Samenvatting"].text.startswith(f"Kijk naar {LVS} ({SCHOOL}). ")
    rows = metadata["Teruggelezen"].records
    told = {row.data["Leverancier"]: (row.data["Stand"], row.data["Anders"], row.data["Velden"]) for row in rows}
    assert told == {LVS: ("verschil", 1, "leerling.achternaam"), "basispoort": ("kan niet teruglezen", 0, "")}
    assert altered not in str([row.data for row in rows])
