"""What is said of a supplier that holds data of a school without an agreement: by `status`, `doctor` and the report."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from lxml import html

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from data_contracts.dutch_time import HERE
from mappings.profiles import profile_texts
from pipelines.reports import write_report
from pipelines.standing import left_behind, standing
from pipelines.sync.case import NO_COUNTS, Outcome
from tests.commands import asked
from tests.world import SCHOOL, World, a_world

GONE, STAYING = "uwlr_lvs_set", "uwlr_smalle_set"
OTHER_SCHOOL = "schools:\n- {school: 99XX-01, name: De Dependance, source: {edexml: {path: inbox}}}\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with two suppliers that hold everything of it."""
    with a_world(tmp_path / "instance", {GONE: "json_delta", STAYING: "json_delta"}) as world:
        world.export(example_school(30))
        assert {outcome.state for outcome in world.sync().values()} == {"delivered"}
        yield world


def agreement(world: World, supplier: str = GONE) -> Path:
    """The file of an agreement."""
    return world.home / "agreements" / f"{supplier}.yaml"


def move_to_another_school(world: World, supplier: str) -> None:
    """Make an agreement one of the other school only."""
    file = agreement(world, supplier)
    file.write_text(file.read_text(encoding="utf-8").replace(SCHOOL, "99XX-01"), encoding="utf-8")


def held(world: World, supplier: str) -> int:
    """How many records a supplier holds, of any kind."""
    return sum(
        len(world.held_by(supplier, kind)) for kind in ("groep", "samengestelde_groep", "leerling", "leerkracht")
    )


def test_as_long_as_there_is_an_agreement_nothing_is_left_behind(world: World) -> None:
    """Also an agreement that has ended, or that begins later, is one: nobody is told to put it back."""
    file = agreement(world)
    ended = file.read_text(encoding="utf-8").replace("valid_until: 2027-07-31", "valid_until: 2026-08-02")
    file.write_text(ended, encoding="utf-8")
    assert list(left_behind(world.instance)) == []
    assert {outcome.state for outcome in standing(world.instance)} == {"delivered"}


def test_an_agreement_that_is_to_come_is_told_beside_what_was_delivered(world: World) -> None:
    """Where its file was overwritten nothing goes until its first day, whatever the last plan says."""
    file = agreement(world)
    file.write_text(file.read_text(encoding="utf-8").replace("2026-08-01", "2027-07-01"), encoding="utf-8")
    (told,) = (outcome for outcome in standing(world.instance) if outcome.supplier == GONE)
    assert told.state == "blocked"
    assert told.reason.startswith("De overeenkomst gaat pas in op 01-07-2027; tot die dag gaat er niets uit.")


def test_an_export_that_may_have_been_forgotten_is_told(world: World) -> None:
    """By the date in the file, of a school that still delivers."""
    for days, told in ((1, False), (40, True)):
        made = datetime.now(UTC) - timedelta(days=days)
        world.export_bytes(edexml(example_school(30), aanmaakdatum=made))
        world.sync()
        shown = asked("status", instance=world.home).stdout
        assert f"{made.astimezone(HERE):%d-%m-%Y %H:%M}" in shown
        assert (f"Let op, school {SCHOOL}: De export is van {made.astimezone(HERE):%d-%m-%Y}: zet een" in shown) is told
    for supplier in (GONE, STAYING):
        agreement(world, supplier).unlink()
    assert "Let op, school" not in asked("status", instance=world.home).stdout


def test_an_agreement_that_is_gone_is_told_with_what_the_supplier_holds(world: World) -> None:
    """The supplier stays in the list, with the number of its records and what to do, until the agreement is back."""
    text = agreement(world).read_text(encoding="utf-8")
    agreement(world).unlink()
    (left,) = left_behind(world.instance)
    assert left == Outcome(SCHOOL, GONE, "blocked", NO_COUNTS, None, left.reason)
    assert f"(records: {held(world, GONE)})" in left.reason
    assert "zet de overeenkomst dan terug met een valid_until in het verleden" in left.reason
    assert [(o.supplier, o.state) for o in standing(world.instance)] == [(STAYING, "delivered"), (GONE, "blocked")]
    agreement(world).write_text(text, encoding="utf-8")
    assert [(o.supplier, o.state) for o in standing(world.instance)] == [(GONE, "delivered"), (STAYING, "delivered")]


def test_a_school_that_was_taken_out_of_an_agreement_is_told(world: World) -> None:
    """The agreement goes on for another school; what the supplier holds of this one is not forgotten."""
    (world.home / "schools.yaml").write_text(
        (world.home / "schools.yaml").read_text(encoding="utf-8") + OTHER_SCHOOL.partition("\n")[2], encoding="utf-8"
    )
    move_to_another_school(world, GONE)
    assert [(o.school, o.supplier) for o in left_behind(world.instance)] == [(SCHOOL, GONE)]
    assert list(left_behind(world.instance, "99XX-01")) == []
    of_other = [(o.supplier, o.state, o.reason) for o in standing(world.instance, "99XX-01")]
    assert of_other == [(GONE, "blocked", "Nog nooit geleverd.")]


def test_a_school_that_is_no_longer_in_the_settings_is_told(world: World) -> None:
    """Its suppliers stay in the list, and it is said that the school must come back as well."""
    (world.home / "schools.yaml").write_text(OTHER_SCHOOL, encoding="utf-8")
    move_to_another_school(world, GONE)
    agreement(world, STAYING).unlink()
    left = list(left_behind(world.instance))
    assert [(o.school, o.supplier) for o in left] == [(SCHOOL, GONE), (SCHOOL, STAYING)]
    assert all("zet school en overeenkomst dan terug" in outcome.reason for outcome in left)


def test_the_commands_and_the_report_tell_it(world: World) -> None:
    """`status` has its row, `doctor` warns without failing, and the report says it without fields that nobody agreed to."""
    agreement(world).unlink()
    rows = json.loads(asked("status", "--json", instance=world.home).stdout)
    assert {row["supplier"]: row["state"] for row in rows} == {STAYING: "delivered", GONE: "blocked"}
    doctor = asked("doctor", instance=world.home)
    assert doctor.returncode == 0, doctor.stdout
    assert f"let op  {GONE} voor {SCHOOL}: Er is geen overeenkomst meer" in doctor.stdout
    page = html.fromstring(write_report(world.instance, SCHOOL).read_text(encoding="utf-8"))
    states = [[cell.text_content() for cell in row.iter("td", "th")][:2] for row in page.iter("tr")]
    assert ["UWLR LVS-set", "tegengehouden"] in states
    assert f"(records: {held(world, GONE)})" in page.text_content()
    assert [s.text_content() for s in page.iter("summary")] == ["Welke gegevens UWLR smalle set krijgt, en waarom"]


def test_a_report_can_be_made_where_the_profile_is_gone_too(tmp_path: Path) -> None:
    """A supplier of one's own, whose profile was deleted with its agreement, is named as the ledger knows it."""
    with a_world(tmp_path / "instance", {"eigen": "json_delta", STAYING: "json_delta"}) as world:
        profile = world.home / "profiles" / "eigen.yaml"
        profile.parent.mkdir()
        profile.write_text(profile_texts()[f"{STAYING}.yaml"].replace(STAYING, "eigen"), encoding="utf-8")
        world.export(example_school(30))
        world.sync("eigen")
        agreement(world, "eigen").unlink()
        profile.unlink()
        page = html.fromstring(write_report(world.instance, SCHOOL).read_text(encoding="utf-8"))
    assert [heading.text_content() for heading in page.iter("h3")] == ["UWLR smalle set", "eigen"]


def test_why_a_first_delivery_failed_is_told_until_the_next(tmp_path: Path) -> None:
    """Also where it was broken off: what the supplier answered, and not only that the next run goes on with it."""
    with a_world(tmp_path / "instance", {STAYING: "json_delta"}) as world:
        world.export(example_school(30))
        trouble = f"{world.urls[STAYING]}/_sandbox/misbehave"
        requests.post(trouble, json={"kind": "fail", "status": 500, "times": 20}, timeout=5).raise_for_status()
        assert world.sync()[STAYING].state == "failed"
        (one,) = standing(world.instance)
        assert (one.state, "storing (500)" in one.reason) == ("failed", True)
        requests.delete(trouble, timeout=5)
        world.sync()
        assert [o.state for o in standing(world.instance)] == ["delivered"]


def test_what_fails_before_there_is_a_plan_is_told_until_the_next_good_look(world: World) -> None:
    """A secret that is gone: `status` and the report say that it failed, and why; a preview neither says nor clears it."""
    looked = world.instance.ledger.looks(SCHOOL)[SCHOOL, STAYING]
    assert looked.reason is None
    secret = world.home / "teken"
    token = secret.read_text(encoding="utf-8")
    secret.unlink()
    roster = example_school(30)
    corrected = roster.leerlingen.assign(roepnaam=["Verbeterd", *roster.leerlingen["roepnaam"][1:]])
    world.export(replace(roster, leerlingen=corrected))
    reason = world.sync(STAYING)[STAYING].reason
    assert secret.name in reason
    told = {o.supplier: (o.state, o.reason) for o in standing(world.instance)}
    assert [o.counts for o in standing(world.instance) if o.state == "failed"] == [NO_COUNTS]
    assert told[GONE][0] == "delivered"
    assert told[STAYING] == ("failed", told[STAYING][1])
    assert told[STAYING][1].startswith("De laatste keer mislukt (")
    assert told[STAYING][1].endswith(reason)
    assert reason in (world.home / "reports" / f"{SCHOOL}.html").read_text(encoding="utf-8")
    secret.write_text(token, encoding="utf-8")
    secret.chmod(0o600)
    world.sync(STAYING, preview=True)
    assert {o.supplier: o.state for o in standing(world.instance)}[STAYING] == "failed"
    world.sync(STAYING)
    assert {o.supplier: o.state for o in standing(world.instance)}[STAYING] == "delivered"
    assert world.instance.ledger.looks(SCHOOL)[SCHOOL, STAYING].looked_at > looked.looked_at
