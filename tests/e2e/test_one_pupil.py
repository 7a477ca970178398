"""One pupil now, with everything real: only he arrives or goes, and the next night does the rest as if nothing had been between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import requests

from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
from mappings.choices import Choice
from pipelines.consent import Said, write_down
from pipelines.rights.one_now import deliver_one
from pipelines.sync.case import Outcome
from tests.e2e.nights import effects, numbers, states
from tests.world import DAY, SCHOOL, World, a_world

SUPPLIERS = ("basispoort", "uwlr_smalle_set", "uwlr_lvs_set")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with three suppliers, to whom nothing was delivered yet."""
    with a_world(tmp_path / "instance") as world:
        yield world


def now(world: World, pupil: str, *suppliers: str) -> dict[str, Outcome]:
    outcomes = deliver_one(world.instance, SCHOOL, pupil, suppliers or SUPPLIERS, world.day, "proef")
    return {outcome.supplier: outcome for outcome in outcomes}


def pupils_of(world: World) -> list[str]:
    """The keys of those whom Basispoort gets, for it goes by the key."""
    return sorted(world.held_by("basispoort"))


def in_year_4(roster: Roster) -> list[str]:
    """The keys of pupils whom every supplier gets."""
    pupils = roster.leerlingen
    return pupils.loc[pupils["jaargroep"].eq("4") & pupils["uitstroomdatum"].isna(), "key"].tolist()


def renamed(roster: Roster, *keys: str) -> Roster:
    pupils = roster.leerlingen.copy()
    pupils.loc[pupils["key"].isin(keys), "roepnaam"] = "Hernoemd"
    return replace(roster, leerlingen=pupils)


def without(roster: Roster, *keys: str) -> Roster:
    return replace(roster, leerlingen=roster.leerlingen[~roster.leerlingen["key"].isin(keys)].reset_index(drop=True))


def test_only_he_arrives_and_the_next_night_brings_the_others(world: World) -> None:
    """Two pupils are new and two changed: of each pair one goes now, to every supplier; the night does the other ones."""
    roster = example_school(60)
    new, other, changed, later = in_year_4(roster)[:4]
    world.export(without(roster, new, other))
    assert states(world.sync()) == {"delivered"}
    world.export(renamed(roster, changed, later))
    before = {supplier: len(world.held_by(supplier)) for supplier in SUPPLIERS}
    for key, counts in ((new, (1, 0, 0)), (changed, (0, 1, 0))):
        assert {(o.state, numbers(o)) for o in now(world, key).values()} == {("delivered", counts)}
    assert {s: len(world.held_by(s)) for s in SUPPLIERS} == {s: n + 1 for s, n in before.items()}
    assert new in world.held_by("basispoort")
    assert other not in world.held_by("basispoort")
    held = {key: world.held_by("basispoort")[key]["roepnaam"] for key in (changed, later)}
    assert (held[changed], held[later] == "Hernoemd") == ("Hernoemd", False)
    assert states(now(world, new)) == {"unchanged"}
    night = world.sync()
    assert {(o.state, numbers(o)) for o in night.values()} == {("delivered", (1, 1, 0))}
    assert world.held_by("basispoort")[later]["roepnaam"] == "Hernoemd"
    assert world.instance.ledger.holds(state=None) == []
    assert states(world.sync()) == {"unchanged"}
    assert world.instance.ledger.verify() is None


def test_an_export_that_went_back_is_delivered_again(world: World) -> None:
    """What one pupil got in between is not forgotten: the night after sees the old export again and puts him back."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    pupil = pupils_of(world)[0]
    world.export(renamed(roster, pupil))
    now(world, pupil)
    assert world.held_by("basispoort")[pupil]["roepnaam"] == "Hernoemd"
    world.export(roster)
    assert {numbers(o) for o in world.sync().values()} == {(0, 1, 0)}
    assert world.held_by("basispoort")[pupil]["roepnaam"] != "Hernoemd"


def test_what_is_held_or_approved_as_a_whole_does_not_go_one_by_one(world: World) -> None:
    """A first delivery waits for him too, before and after its approval; the hold stays what it was, and then goes whole."""
    roster = example_school(60)
    for supplier in SUPPLIERS:
        world.agree(supplier, first_delivery="hold")
    world.export(roster)
    assert states(world.sync()) == {"held"}
    pupil = in_year_4(roster)[0]
    ledger = world.instance.ledger
    held = ledger.holds()
    for _ in range(2):
        assert {o.state for o in now(world, pupil).values()} == {"held"}
        assert {s: world.requests_seen(s) for s in SUPPLIERS} == dict.fromkeys(SUPPLIERS, 0)
        for hold in ledger.holds():
            ledger.decide_hold(str(hold.id), "approved", "directeur")
    assert [h.id for h in ledger.holds(state="approved")] == [h.id for h in held]
    assert states(world.sync()) == {"delivered"}


def test_a_right_goes_now_also_where_the_rest_is_held(world: World) -> None:
    """After an objection he is gone at that supplier at once, though half the school seems to have left; they stay and wait."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    keys = pupils_of(world)
    pupil = keys[0]
    said = Said(SCHOOL, by="directeur")
    write_down(world.instance, said, {"basispoort": {pupil: Choice.OBJECTION}}, DAY)
    world.export(without(roster, *keys[len(keys) // 2 :]))
    outcome = now(world, pupil, "basispoort")["basispoort"]
    assert (outcome.state, numbers(outcome), outcome.reason) == ("delivered", (0, 0, 1), "")
    assert sorted(world.held_by("basispoort")) == keys[1:]
    assert now(world, keys[-1], "basispoort")["basispoort"].state == "held"
    assert world.instance.ledger.holds() == []
    night = world.sync("basispoort")["basispoort"]
    assert (night.state, "De export telt" in night.reason) == ("held", True)
    assert sorted(world.held_by("basispoort")) == keys[1:]


def test_a_pupil_in_a_new_group_brings_that_group_and_no_other(world: World) -> None:
    """The supplier knows every group that he is in; the other new group, and who is in it, wait."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    keys = pupils_of(world)
    template = roster.groepen[roster.groepen["soort"].eq("groep")].head(1)
    added = pd.concat([roster.groepen, *(template.assign(key=key, naam=key) for key in ("nieuw1", "nieuw2"))])
    pupils = roster.leerlingen.copy()
    for key, group in zip(keys[:2], ("nieuw1", "nieuw2"), strict=True):
        pupils.loc[pupils["key"].eq(key), "groep"] = group
    world.export(replace(roster, leerlingen=pupils, groepen=added.reset_index(drop=True)))
    assert {numbers(o)[:2] for o in now(world, keys[0]).values()} == {(1, 1)}
    groups = {s: set(world.held_by(s, "groep")) & {"nieuw1", "nieuw2"} for s in SUPPLIERS}
    assert groups == {s: {"nieuw1"} for s in SUPPLIERS}
    world.sync()
    assert {"nieuw1", "nieuw2"} <= set(world.held_by("basispoort", "groep"))


def test_what_he_was_refused_is_told_and_tried_again(world: World) -> None:
    """A supplier that says no to him makes this run fail and no more: the standing of the others stays, the night tries again."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    pupil = pupils_of(world)[0]
    world.export(renamed(roster, pupil))
    supplier = "uwlr_smalle_set"
    eckid = roster.leerlingen.set_index("key").loc[pupil, "eckid"]
    refuse(world, supplier, {eckid if isinstance(eckid, str) else pupil: "onbekend"})
    outcome = now(world, pupil, supplier)[supplier]
    assert (outcome.state, numbers(outcome)) == ("failed", (0, 1, 0))
    assert "niet aangenomen" in outcome.reason
    refuse(world, supplier, {})
    assert numbers(world.sync(supplier)[supplier]) == (0, 1, 0)
    assert effects(world, supplier)["update"] == 1


def refuse(world: World, supplier: str, ids: dict[str, str]) -> None:
    requests.post(f"{world.urls[supplier]}/_sandbox/refuse", json={"ids": ids}, timeout=10).raise_for_status()
