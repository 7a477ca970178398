"""Consent and objection with everything real: commands that write them down, nights that carry them out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.sandbox.administration import Administration
from connectors.sandbox.school import example_school, with_photos
from pipelines.cli import app
from pipelines.rights.access import letter
from pipelines.rights.one_now import deliver_one
from tests.e2e.nights import causes, long_unchanged, numbers, seen, served_by_parnassys, states
from tests.world import SCHOOL, World


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[World, Administration]]:
    """A school that is read from ParnasSys' web service, one supplier by law, one by consent, one by public task."""
    with served_by_parnassys(tmp_path / "instance") as (world, administration):
        _ground(world, "uwlr_smalle_set", "toestemming")
        _ground(world, "uwlr_lvs_set", "wettelijke_verplichting")
        yield world, administration


def _ground(world: World, supplier: str, legal_basis: str) -> None:
    file = world.home / "agreements" / f"{supplier}.yaml"
    text = file.read_text(encoding="utf-8").replace("legal_basis: publieke_taak", f"legal_basis: {legal_basis}")
    file.write_text(text, encoding="utf-8")


def _asked(world: World, *words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["consent", *words, "--instance", str(world.home)])
    return answer.exit_code, answer.output


def test_each_supplier_gets_whom_its_ground_allows_also_where_parnassys_has_nothing_new(
    served: tuple[World, Administration], tmp_path: Path
) -> None:
    """From nobody to who consented, to who withdrew or objected, on nights on which no export changed."""
    world, administration = served
    roster = example_school(60)
    administration.put(SCHOOL, roster)
    long_unchanged(administration)
    first = world.sync()
    assert {s: o.state for s, o in first.items()} == {
        "basispoort": "delivered",
        "uwlr_smalle_set": "unchanged",
        "uwlr_lvs_set": "delivered",
    }
    assert world.held_by("uwlr_smalle_set") == {}
    everybody = len(world.held_by("uwlr_lvs_set"))
    assert states(world.sync()) == {"unchanged"}
    assert administration.asked[-1].outcome == "geenwijzigingen"

    keys = sorted(world.held_by("basispoort"))
    file = tmp_path / "antwoorden.csv"
    file.write_text("leerling;mag\n" + "".join(f"{key};ja\n" for key in keys[:20]), encoding="utf-8")
    imported = ("import", SCHOOL, str(file), "--key", "leerling", "--column", "uwlr_smalle_set=mag")
    assert _asked(world, *imported)[0] == 0
    assert _asked(world, "object", SCHOOL, keys[0], "basispoort", "--by", "directeur")[0] == 0
    assert _asked(world, "object", SCHOOL, keys[0], "uwlr_lvs_set", "--by", "directeur")[0] == 3
    second = world.sync()
    assert (second["basispoort"].state, numbers(second["basispoort"])) == ("delivered", (0, 0, 1))
    assert causes(world, "basispoort") == ["bezwaar"]
    assert (len(world.held_by("uwlr_smalle_set")), second["uwlr_lvs_set"].state) == (20, "unchanged")
    assert keys[0] not in world.held_by("basispoort")

    sent = seen(world)
    assert states(world.sync()) == {"unchanged"}
    assert administration.asked[-1].outcome == "geenwijzigingen"
    assert seen(world) == sent

    assert (
        "Vastgelegd: toestemming ingetrokken, uwlr" in _asked(world, "withdraw", SCHOOL, keys[1], "uwlr_smalle_set")[1]
    )
    assert _asked(world, "restore", SCHOOL, keys[0], "basispoort")[0] == 0
    third = world.sync()
    assert numbers(third["basispoort"]) == (1, 0, 0)
    assert ("delete", "toestemming_ingetrokken") in _operations(world, "uwlr_smalle_set")
    assert {s: o.state for s, o in third.items() if s != "uwlr_lvs_set"} == {
        "basispoort": "delivered",
        "uwlr_smalle_set": "delivered",
    }
    assert sorted(world.held_by("basispoort")) == keys
    assert (len(world.held_by("uwlr_smalle_set")), len(world.held_by("uwlr_lvs_set"))) == (19, everybody)
    assert world.instance.ledger.verify() is None


def test_a_photo_follows_the_consent_for_it_from_night_to_night(tmp_path: Path) -> None:
    """Of Parro: enrolled without a photo, given, withdrawn and objected, each by a command and a night in which ParnasSys has no news."""
    parro = {"parro": "json_delta"}
    with served_by_parnassys(tmp_path / "instance", parro) as (world, administration):
        file = world.home / "agreements" / "parro.yaml"
        text = file.read_text(encoding="utf-8").replace("publieke_taak", "overeenkomst").replace("[]", "[foto]")
        limits = "first_delivery: allow, field_changes: {count: 2}, all_deletes: {percent: 1}"
        file.write_text(text.replace("first_delivery: allow", limits), encoding="utf-8")
        administration.put(SCHOOL, with_photos(example_school(60)))
        long_unchanged(administration)
        assert world.sync()["parro"].state == "delivered"
        keys = sorted(world.held_by("parro"))
        assert _photos(world) == set()

        assert _asked(world, "give", SCHOOL, keys[0], "foto_website")[0] == 0
        assert states(world.sync()) == {"unchanged"}
        assert administration.asked[-1].outcome == "geenwijzigingen"
        assert "vanaf de volgende levering" in _asked(world, "give", SCHOOL, keys[0], "foto_parro")[1]
        assert numbers(world.sync()["parro"]) == (0, 1, 0)
        assert (_photos(world), causes(world, "parro")) == ({keys[0]}, ["toestemming_gegeven"])

        assert _asked(world, "withdraw", SCHOOL, keys[0], "foto_parro", "--how", "parro")[0] == 0
        outcome = world.sync()["parro"]
        assert (outcome.state, numbers(outcome), outcome.reason) == ("delivered", (0, 1, 0), "")
        assert (_photos(world), causes(world, "parro")) == (set(), ["toestemming_ingetrokken"])

        assert _asked(world, "object", SCHOOL, keys[0], "parro")[0] == 0
        assert numbers(world.sync()["parro"]) == (0, 0, 1)
        assert (sorted(world.held_by("parro")), causes(world, "parro")) == (keys[1:], ["bezwaar"])
        assert world.instance.ledger.verify() is None


def test_a_new_key_in_parnassys_does_not_undo_what_a_parent_chose(served: tuple[World, Administration]) -> None:
    """In the night in which the key changes: who objected goes everywhere and does not come back, who consented stays one pupil."""
    world, administration = served
    roster = example_school(60)
    administration.put(SCHOOL, roster)
    pupils = roster.leerlingen
    (objects, consents, *others) = pupils.loc[pupils["eckid"].notna(), "key"].head(6)
    world.sync("uwlr_lvs_set")
    for key in (consents, *others):
        assert _asked(world, "give", SCHOOL, key, "uwlr_smalle_set")[0] == 0
    world.sync()
    assert objects in world.held_by("basispoort")
    before = len(world.held_by("basispoort"))
    assert len(world.held_by("uwlr_smalle_set")) == 5
    assert _asked(world, "object", SCHOOL, objects, "basispoort")[0] == 0
    renamed = {objects: "nieuw-1", consents: "nieuw-2"}
    administration.put(SCHOOL, replace(roster, leerlingen=pupils.assign(key=pupils["key"].replace(renamed))))
    for _ in range(2):
        world.sync()
        held = set(world.held_by("basispoort"))
        assert (len(held), held & {*renamed, *renamed.values()}) == (before - 1, {"nieuw-2"})
        assert len(world.held_by("uwlr_smalle_set")) == 5
    assert ("update", "nieuwe_sleutel") in _operations(world, "uwlr_smalle_set")


def test_an_objection_follows_to_a_new_key_and_counts_under_the_old_one(served: tuple[World, Administration]) -> None:
    """Also where it was carried out before, so that nobody holds him any more; where he is tried alone; and said of the old key after it was gone."""
    world, administration = served
    roster = example_school(60)
    administration.put(SCHOOL, roster)
    pupils = roster.leerlingen
    before, alone, after = pupils.loc[pupils["eckid"].notna(), "key"].head(3)
    world.sync("uwlr_lvs_set")
    assert _asked(world, "object", SCHOOL, before, "basispoort")[0] == 0
    world.sync()
    assert _asked(world, "object", SCHOOL, alone, "basispoort")[0] == 0
    renamed = {before: "nieuw-1", alone: "nieuw-2", after: "nieuw-3"}
    administration.put(SCHOOL, replace(roster, leerlingen=pupils.assign(key=pupils["key"].replace(renamed))))
    deliver_one(world.instance, SCHOOL, "nieuw-2", ["basispoort"], world.day, "een-leerling")
    assert not world.held_by("basispoort").keys() & {alone, "nieuw-2"}
    world.sync()
    assert world.held_by("basispoort").keys() & {*renamed, *renamed.values()} == {"nieuw-3"}
    assert _asked(world, "object", SCHOOL, after, "basispoort")[0] == 0
    world.sync()
    assert not world.held_by("basispoort").keys() & {*renamed, *renamed.values()}
    listed = _asked(world, "list", SCHOOL, "nieuw-3", "--now")[1]
    assert (after in listed, "nieuw-1" in listed) == (True, False)


def test_who_says_no_without_ever_a_yes_is_not_told_to_have_withdrawn(served: tuple[World, Administration]) -> None:
    """In the list, in what is said at once, and in the letter; after a yes it is. What is stored is the same."""
    world, administration = served
    administration.put(SCHOOL, example_school(60))
    world.sync()
    never, once = sorted(world.held_by("basispoort"))[:2]
    _ground(world, "basispoort", "toestemming")
    assert "Vastgelegd: geen toestemming, basispoort" in _asked(world, "withdraw", SCHOOL, never, "basispoort")[1]
    assert "Dit was al vastgelegd: geen toestemming" in _asked(world, "withdraw", SCHOOL, never, "basispoort")[1]
    for word in ("withdraw", "give", "withdraw"):
        assert _asked(world, word, SCHOOL, once, "basispoort")[0] == 0
    deliver_one(world.instance, SCHOOL, never, ["basispoort"], world.day, "een-leerling")
    deliver_one(world.instance, SCHOOL, once, ["basispoort"], world.day, "een-leerling")
    told = {key: letter(world.instance, SCHOOL, key, world.day) for key in (never, once)}
    assert [choice.choice for choice in told[never].choices] == ["geen toestemming"]
    assert [choice.choice for choice in told[once].choices] == [
        "geen toestemming",
        "toestemming",
        "toestemming ingetrokken",
    ]
    went = {key: [r.events[-1].cause for r in told[key].receivers if r.supplier == "basispoort"] for key in told}
    assert went == {never: ["geen toestemming"], once: ["toestemming ingetrokken"]}
    listed = _asked(world, "list", SCHOOL)[1]
    assert (listed.count("geen toestemming"), listed.count("toestemming ingetrokken")) == (2, 1)
    now = _asked(world, "list", SCHOOL, "--now")[1]
    assert (now.count("geen toestemming"), now.count("toestemming ingetrokken")) == (1, 1)
    assert _asked(world, "list", SCHOOL, "--json")[1].count('"toestemming_ingetrokken"') == 3


def _photos(world: World) -> set[str]:
    return {key for key, record in world.held_by("parro").items() if record.get("fotourl")}


def _operations(world: World, supplier: str) -> list[tuple[str, str]]:
    plan = world.instance.ledger.last_plan(supplier, SCHOOL)
    assert plan is not None
    frame = world.instance.ledger.changes(plan.id)
    return list(zip(frame["operation"], frame["cause"], strict=True))


def test_who_writes_an_objection_down_hears_that_the_stage_lets_no_delete_go(
    served: tuple[World, Administration],
) -> None:
    """Only where the supplier holds somebody: else there is nothing to take away."""
    world, administration = served
    administration.put(SCHOOL, example_school(20))
    world.sync()
    key = min(world.held_by("basispoort"))
    world.agree("basispoort", stage="create")
    told = " ".join(_asked(world, "object", SCHOOL, key, "basispoort", "--by", "directeur")[1].split())
    assert "naar basispoort gaat dat nu niet" in told
    assert "vanaf de volgende levering" in _asked(world, "give", SCHOOL, key, "uwlr_smalle_set", "--by", "directeur")[1]
    assert "vanaf de volgende levering" in _asked(world, "withdraw", SCHOOL, key, "uwlr_smalle_set")[1]
