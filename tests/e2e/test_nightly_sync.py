"""The nightly sync from export to supplier, with everything real: a file, a ledger, servers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandbox.school import example_school, moved_to_other_group
from tests.world import World, a_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three suppliers, and a school that may deliver to them at once."""
    with a_world(tmp_path / "instance") as world:
        yield world


def test_one_pupil_who_moves_is_one_update_at_each_supplier(world: World) -> None:
    """After the first delivery, a pupil's other group reaches every supplier as one update, and nothing else is sent."""
    roster = example_school(250)
    world.export(roster)
    first = world.sync()
    assert {(o.state, o.reason) for o in first.values()} == {("delivered", "")}
    world.export(moved_to_other_group(roster, roster.leerlingen["key"].iloc[100]))
    second = world.sync()
    assert {o.state for o in second.values()} == {"delivered"}
    for outcome in second.values():
        assert {name: outcome.counts[name] for name in ("create", "update", "delete")} == {
            "create": 0,
            "update": 1,
            "delete": 0,
        }
    before = {s: world.requests_seen(s) for s in world.urls}
    assert {o.state for o in world.sync().values()} == {"unchanged"}
    assert {s: world.requests_seen(s) for s in world.urls} == before
