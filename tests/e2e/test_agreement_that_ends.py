"""An agreement that ends at midnight, with everything real: the clock of the Netherlands decides, and a person has the last word."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.sandbox.school import example_school, left_school, newcomer, renamed
from data_contracts.dutch_time import day_in_the_netherlands
from pipelines.cli import app
from pipelines.standing import left_behind
from tests.e2e.nights import causes, effects, numbers, seen
from tests.e2e.test_nightly_sync import classmate, pupils_in_groups
from tests.world import SCHOOL, World, a_world

BEFORE = datetime(2026, 11, 24, 22, 59, 59, tzinfo=UTC)
KINDS = ("groep", "samengestelde_groep", "leerling", "leerkracht")


@pytest.fixture(params=["basispoort", "uwlr_smalle_set"])
def ending(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A school with one supplier, one second before the agreement is over."""
    supplier = request.param
    wire_format = "edexml_whole_set" if supplier == "basispoort" else "json_delta"
    with a_world(tmp_path / "instance", {supplier: wire_format}) as world:
        file = world.home / "agreements" / f"{supplier}.yaml"
        text = file.read_text(encoding="utf-8").replace("valid_until: 2027-07-31", "valid_until: 2026-11-24")
        file.write_text(text, encoding="utf-8")
        world.day = day_in_the_netherlands(BEFORE)
        yield world, supplier


def test_where_it_ended_before_anything_went_a_preview_tells_why_nothing_does(ending: tuple[World, str]) -> None:
    """Nobody to add, nobody to remove, and the day on which it ended."""
    world, supplier = ending
    world.day = day_in_the_netherlands(BEFORE + timedelta(seconds=1))
    world.export(example_school(40))
    looked = world.sync(preview=True)[supplier]
    assert (looked.state, numbers(looked)) == ("preview", (0, 0, 0))
    assert "is afgelopen op 24-11-2026" in looked.reason
    assert world.sync()[supplier].reason == looked.reason


def test_at_midnight_nothing_new_goes_deletes_do_and_the_rest_waits_to_be_cleared_out(
    ending: tuple[World, str],
) -> None:
    """A newcomer of before midnight goes, one of after it does not; all that is left goes when a person says so."""
    world, supplier = ending
    roster = newcomer(example_school(40))
    world.export(roster)
    assert world.sync()[supplier].state == "delivered"
    before, effect = world.held_by(supplier), effects(world, supplier)

    world.day = day_in_the_netherlands(BEFORE + timedelta(seconds=1))
    leaver, other = classmate(roster), pupils_in_groups(roster)[5]
    world.export(
        left_school(newcomer(renamed(roster, other, "Roosmarijn"), seed=2), [leaver], world.day - timedelta(days=3))
    )
    outcome = world.sync()[supplier]
    assert (outcome.state, numbers(outcome)) == ("held", (1, 1, 1))
    assert outcome.reason.count("24-11-2026") == 2, "why nobody new goes, and what an approval would do"
    assert "Na goedkeuring wordt verwijderd" in outcome.reason
    done = {name: number - effect[name] for name, number in effects(world, supplier).items()}
    assert done == {"create": 0, "update": 1, "delete": 1}
    assert len(world.held_by(supplier)) == len(before) - 1

    (hold,) = world.instance.ledger.holds(SCHOOL)
    left = sum(len(world.held_by(supplier, kind)) for kind in KINDS)
    assert (hold.operation, hold.number) == ("clear_out", left + 1)  # one of them left while it was asked
    shown = CliRunner().invoke(app, ["hold", "list", "--instance", str(world.home)])
    assert "leegruimen" in shown.stdout
    world.instance.ledger.decide_hold(str(hold.id), "approved", "de directeur")
    outcome = world.sync()[supplier]
    assert (outcome.state, numbers(outcome)) == ("delivered", (0, 0, left))
    assert set(causes(world, supplier)) == {"overeenkomst_afgelopen"}
    assert [len(world.held_by(supplier, kind)) for kind in KINDS] == [0, 0, 0, 0]

    sent = seen(world)
    assert [world.sync()[supplier].state for _ in range(2)] == ["unchanged"] * 2
    assert (seen(world), world.instance.ledger.holds(SCHOOL)) == (sent, [])
    (world.home / "agreements" / f"{supplier}.yaml").unlink()
    assert list(left_behind(world.instance)) == []
    assert world.instance.ledger.verify() is None


def test_at_midnight_the_next_agreement_takes_over(tmp_path: Path) -> None:
    """Until then its fields go nowhere; from then on what it does not give is cleared, newcomers go on, and nobody is asked to clear out."""
    supplier = "basispoort"
    with a_world(tmp_path / "instance", {supplier: "edexml_whole_set"}) as world:
        file = world.home / "agreements" / f"{supplier}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("valid_until: 2027-07-31", "valid_until: 2026-11-24"), encoding="utf-8")
        following = text.replace("signed: 2026-08-01", "signed: 2026-11-25").replace(
            "[geboortedatum, geslacht]", "[geslacht]"
        )
        (file.parent / "volgende.yaml").write_text(following, encoding="utf-8")
        world.day = day_in_the_netherlands(BEFORE)
        roster = example_school(40)
        world.export(roster)
        assert world.sync()[supplier].state == "delivered"
        assert all(pupil.get("geboortedatum") for pupil in world.held_by(supplier).values())

        world.day = day_in_the_netherlands(BEFORE + timedelta(seconds=1))
        world.export(newcomer(roster))
        outcome = world.sync()[supplier]
        assert (outcome.state, outcome.counts["create"], outcome.counts["delete"]) == ("delivered", 1, 0)
        assert set(causes(world, supplier)) == {"nieuw", "veld_ingetrokken"}
        assert not any(pupil.get("geboortedatum") for pupil in world.held_by(supplier).values())
        assert all(pupil.get("geslacht") for pupil in world.held_by(supplier).values())
        assert (world.instance.ledger.holds(SCHOOL), world.sync()[supplier].state) == ([], "unchanged")
