"""A whole kind of record that an agreement gives no more: the supplier loses it by the next delivery, whatever the wire format."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from connectors.sandbox.school import example_school, newcomer, renamed
from pipelines.rights.access import letter
from pipelines.rights.one_now import deliver_one
from pipelines.sync.readback import read_back
from tests.e2e.nights import causes, numbers, seen
from tests.e2e.test_nightly_sync import pupils_in_groups
from tests.world import SCHOOL, World, a_world

OWN = "eigen"
PROFILE = """\
supplier: eigen
name: Eigen
version: "1.0"
leaflet: Privacybijsluiter Eigen
purpose: Lesgeven.
wire_format: {wire_format}
record_key: key
fields:
  - {{item: groepen, field: groep.key, optional: true}}
  - {{item: groepen, field: groep.naam, optional: true}}
  - {{item: leerkrachten, field: leerkracht.key, optional: true}}
  - {{item: leerkrachten, field: leerkracht.achternaam, optional: true}}
  - {{item: leerkrachten, field: leerkracht.groepen, optional: true}}
  - {{item: leerlingen, field: leerling.key}}
  - {{item: leerlingen, field: leerling.roepnaam}}
envelope: [school.schooljaar, school.brincode, school.dependancecode]
"""
ROSTER = example_school(40)
JSON = "json_delta"


@pytest.fixture(params=[JSON, "edexml_whole_set"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A school that delivered groups, pupils and teachers to a supplier of which groups and teachers are optional."""
    home = tmp_path / "instance"
    with a_world(home, {OWN: request.param}) as world:
        (home / "profiles").mkdir()
        (home / "profiles" / f"{OWN}.yaml").write_text(PROFILE.format(wire_format=request.param), encoding="utf-8")
        gives(world, "groepen, leerkrachten")
        world.export(ROSTER)
        first = world.sync()[OWN]
        assert first.state == "delivered", first.reason
        yield world


def gives(world: World, optional: str, *, stage: str = "full", until: str = "2027-07-31") -> None:
    """An agreement with these optional items, whose limits every removed person reaches."""
    world.agree(OWN, stage=stage)
    file = world.home / "agreements" / f"{OWN}.yaml"
    text = file.read_text(encoding="utf-8").replace("optional: []", f"optional: [{optional}]")
    text = text.replace("limits: {", "limits: {all_deletes: {count: 1}, ").replace("2027-07-31", until)
    file.write_text(text, encoding="utf-8")


def held(world: World) -> dict[str, int]:
    """How many records of each kind the supplier has; the ledger must say the same."""
    kinds = {kind: len(world.held_by(OWN, kind)) for kind in ("groep", "leerling", "leerkracht")}
    there = {kind: number for kind, number in kinds.items() if number}
    assert world.instance.ledger.held_by_kind(SCHOOL).get((SCHOOL, OWN), {}) == there
    return there


def reads_back(world: World) -> bool:
    """Whether it is a supplier that tells what it holds, and that is what the ledger has."""
    found = read_back(world.instance, OWN, SCHOOL)
    assert found.state in ("equal", "cannot"), found
    return found.state == "equal"


def test_a_withdrawn_kind_is_removed_and_nobody_is_asked(world: World) -> None:
    """With its own cause, while pupils stay; then the nights are quiet. Until it is gone, read-back watches it still."""
    before, pupil = held(world), pupils_in_groups(ROSTER)[0]
    assert before.keys() == {"groep", "leerling", "leerkracht"}
    gives(world, "groepen")
    now = deliver_one(world.instance, SCHOOL, pupil, [OWN], world.day, "proef")
    assert (now[0].state, numbers(now[0]), held(world)) == ("unchanged", (0, 0, 0), before)
    if reads_back(world):
        lost = next(iter(world.held_by(OWN, "leerkracht")))
        body = {"school": SCHOOL, "kind": "leerkracht", "records": {lost: None}}
        requests.post(f"{world.urls[OWN]}/_sandbox/drift", json=body, timeout=5).raise_for_status()
        assert read_back(world.instance, OWN, SCHOOL).missing == {"leerkracht": [lost]}

    outcome = world.sync()[OWN]
    assert (outcome.state, numbers(outcome)) == ("delivered", (0, 0, before["leerkracht"]))
    assert set(causes(world, OWN)) == {"veld_ingetrokken"}
    gives(world, "")
    assert numbers(world.sync()[OWN]) == (0, 0, before["groep"])
    assert held(world) == {"leerling": before["leerling"]}
    reads_back(world)
    sent = seen(world)
    assert (world.sync()[OWN].state, seen(world)) == ("unchanged", sent)
    (receiver,) = letter(world.instance, SCHOOL, pupil, world.day).receivers
    assert (receiver.holds, {value.about for value in receiver.values}) == ("ja", {"de leerling"})
    assert world.instance.ledger.verify() is None


def test_it_goes_with_the_clearing_out_after_the_end(world: World) -> None:
    """Withdrawn when the clearing out was already approved, it is part of all that goes."""
    before = held(world)
    gives(world, "groepen, leerkrachten", until="2026-11-23")
    assert world.sync()[OWN].state == "held"
    (hold,) = world.instance.ledger.holds(SCHOOL)
    world.instance.ledger.decide_hold(str(hold.id), "approved", "directeur")
    gives(world, "", until="2026-11-23")
    outcome = world.sync()[OWN]
    assert (outcome.state, numbers(outcome)) == ("delivered", (0, 0, sum(before.values())))
    assert held(world) == {}


def test_where_deleting_is_not_agreed_yet_it_stays(world: World) -> None:
    """A format with changes brings the rest meanwhile; one with whole sets would take it away, so it sends nothing."""
    before, pupil = held(world), pupils_in_groups(ROSTER)[0]
    gives(world, "groepen", stage="create_update")
    world.export(renamed(newcomer(ROSTER), pupil, "Roosmarijn"))
    outcome = world.sync()[OWN]
    assert "stage: create_update" in outcome.reason
    if reads_back(world):
        assert held(world) == {**before, "leerling": before["leerling"] + 1}
    else:
        assert (outcome.state, held(world)) == ("held", before)
        assert "wat de overeenkomst niet meer geeft" in outcome.reason
    gives(world, "groepen")
    assert world.sync()[OWN].state == "delivered"
    assert held(world) == {"groep": before["groep"], "leerling": before["leerling"] + 1}
