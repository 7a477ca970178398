"""Agreements over time: their states, the warnings before they end, and what the supplier holds by them."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from connectors.sandbox.school import example_school
from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.agreements import agreed, every_agreed, read_for_nobody
from pipelines.settings import load_settings
from tests.commands import asked
from tests.world import DAY, SCHOOL, World, a_world

SECOND = "- {school: 99XX-01, name: De Dependance, source: {edexml: {path: inbox}}}\n"
SMALL, LVS = "uwlr_smalle_set", "uwlr_lvs_set"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with two suppliers."""
    with a_world(tmp_path / "instance", {SMALL: "json_delta", LVS: "json_delta"}) as world:
        yield world


def dated(world: World, supplier: str, signed: date, valid_until: date) -> None:
    """Give an agreement other dates."""
    file = world.home / "agreements" / f"{supplier}.yaml"
    text = file.read_text(encoding="utf-8").replace("2026-08-01", str(signed)).replace("2027-07-31", str(valid_until))
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("day", "state", "within"),
    [
        ("2026-07-31", "upcoming", None),
        ("2026-08-01", "active", None),
        ("2027-05-31", "active", None),
        ("2027-06-01", "ending", 60),
        ("2027-07-01", "ending", 30),
        ("2027-07-24", "ending", 7),
        ("2027-07-31", "ending", 7),
        ("2027-08-01", "ended", None),
    ],
)
def test_the_state_follows_the_day(world: World, day: str, state: str, within: int | None) -> None:
    """Before the first day, in force, 60, 30 and 7 days before the last day, on it, and after it."""
    found = list(agreed(load_settings(world.home), date.fromisoformat(day)))
    assert {(one.state, one.within) for one in found} == {(state, within)}
    assert {one.warning is not None for one in found} == {state != "active"}


@pytest.mark.parametrize(
    ("first", "day", "warned"),
    [
        ("2027-08-01", "2027-07-01", None),
        ("2027-08-15", "2026-11-24", "15-08-2027"),
        ("2027-08-15", "2027-07-01", "15-08-2027"),
        ("2027-08-15", "2027-08-10", "15-08-2027"),
    ],
)
def test_one_that_is_followed_at_once_asks_for_nothing(world: World, first: str, day: str, warned: str | None) -> None:
    """A gap between the two is told, before it and in it; the command shows the one that is to come as well."""
    text = (world.home / "agreements" / f"{SMALL}.yaml").read_text(encoding="utf-8")
    following = text.replace("2026-08-01", first).replace("2027-07-31", "2028-07-31")
    (world.home / "agreements" / "volgend_jaar.yaml").write_text(following, encoding="utf-8")
    today = date.fromisoformat(day)
    settings = load_settings(world.home, today)
    (one,) = (each for each in agreed(settings, today) if each.agreement.supplier == SMALL)
    assert (one.warning is None) is (warned is None)
    assert (warned or "") in (one.warning or "")
    (_, coming) = (each for each in every_agreed(settings, today) if each.agreement.supplier == SMALL)
    assert (coming.told, coming.counts, coming.warning) == ("gaat nog in", False, None)
    later = date(2027, 9, 1)
    (gone, _) = (
        each for each in every_agreed(load_settings(world.home, later), later) if each.agreement.supplier == SMALL
    )
    assert (gone.told, gone.leaflet) == ("opgevolgd", None)
    world.export(example_school(30))
    world.sync(SMALL)
    rows = [r for r in json.loads(asked("agreements", "--json", instance=world.home).stdout) if r["supplier"] == SMALL]
    assert [(row["state"], row["pupils"] > 0, bool(row["empty_fields"])) for row in rows] == [
        ("active", True, bool(rows[0]["empty_fields"])),
        ("upcoming", False, False),
    ]
    explained = asked("explain", SMALL, instance=world.home).stdout
    assert explained.count("Privacyconvenant 4.0, van ") == 2
    assert explained.index("van 01-08-2026") < explained.index("moet nog ingaan")


def test_one_school_that_is_not_followed_is_warned_about(world: World) -> None:
    """The next agreement of a supplier may name fewer schools; for the others it ends."""
    schools = world.home / "schools.yaml"
    schools.write_text(schools.read_text(encoding="utf-8") + SECOND, encoding="utf-8")
    file = world.home / "agreements" / f"{SMALL}.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[99XX-00]", "[99XX-00, 99XX-01]"), encoding="utf-8")
    following = text.replace("2026-08-01", "2027-08-01").replace("2027-07-31", "2028-07-31")
    (file.parent / "volgend_jaar.yaml").write_text(following, encoding="utf-8")
    today = date(2027, 7, 1)
    (one,) = (each for each in agreed(load_settings(world.home, today), today) if each.agreement.supplier == SMALL)
    assert one.warning == "loopt tot en met 31-07-2027, en de volgende noemt deze scholen niet: 99XX-01"


def test_the_command_tells_what_ends_and_what_is_held(world: World) -> None:
    """One row an agreement, as text and as JSON; a warning is no failure, and the doctor gives the same one."""
    world.export(example_school(30))
    world.sync()
    today = today_in_the_netherlands()
    dated(world, SMALL, date(2026, 8, 1), today + timedelta(days=61))
    dated(world, LVS, date(2026, 8, 1), today + timedelta(days=30))
    answer = asked("agreements", "--json", instance=world.home)
    assert answer.returncode == 0, answer.stderr
    rows = {row["supplier"]: row for row in json.loads(answer.stdout)}
    assert {s: (row["state"], row["ends_within"]) for s, row in rows.items()} == {
        SMALL: ("active", None),
        LVS: ("ending", 30),
    }
    assert rows[LVS]["pupils"] == len(world.held_by(LVS)) > 0
    assert rows[LVS]["fields"] == len(load_settings(world.home).field_set(LVS, SCHOOL).fields)
    assert rows[LVS]["schools"] == [SCHOOL]
    assert rows[LVS]["file"] == f"agreements/{LVS}.yaml"
    shown = asked("agreements", instance=world.home)
    assert f"let op: {LVS} ({LVS}.yaml) loopt af op" in shown.stdout
    doctor = asked("doctor", instance=world.home)
    assert doctor.returncode == 0
    assert [line for line in doctor.stdout.splitlines() if line.startswith("let op  overeenkomst")] != []


def test_a_supplier_that_holds_nothing_yet_has_no_empty_fields(world: World) -> None:
    """Before the first delivery every agreement is told, with no pupils and nothing to mend."""
    answer = asked("agreements", "--json", instance=world.home)
    assert answer.returncode == 0, answer.stderr
    assert [(row["pupils"], row["empty_fields"]) for row in json.loads(answer.stdout)] == [(0, {}), (0, {})]


def test_a_field_that_nobody_has_is_told_and_one_that_somebody_has_is_not(world: World) -> None:
    """The fingerprints tell an absent value: a field is named only while it is empty in every record that is held."""
    roster = example_school(30)
    pupils = roster.leerlingen.assign(start_ondw_jgr3=None).astype({"start_ondw_jgr3": "str"})
    world.export(dataclasses.replace(roster, leerlingen=pupils))
    world.sync()

    def empty() -> dict[str, list[str]]:
        rows = json.loads(asked("agreements", "--json", instance=world.home).stdout)
        return {row["supplier"]: row["empty_fields"].get(SCHOOL, []) for row in rows}

    assert "leerling.start_ondw_jgr3" in empty()[LVS]
    assert not {"leerling.roepnaam", "leerling.key", "groep.naam"} & {*empty()[LVS], *empty()[SMALL]}
    started = pupils["start_ondw_jgr3"].copy()
    started.iloc[: len(started) // 5] = "2025-08-01"  # fewer than would have to wait for a person
    world.export(dataclasses.replace(roster, leerlingen=pupils.assign(start_ondw_jgr3=started.astype("str"))))
    world.sync()
    assert "leerling.start_ondw_jgr3" not in empty()[LVS]


def test_fields_that_are_read_for_an_agreement_that_is_over_are_told(world: World) -> None:
    """Not while the supplier still holds something by it, for then corrections go on."""
    world.export(example_school(30))
    world.sync()
    today = today_in_the_netherlands()
    dated(world, LVS, date(2026, 8, 1), today - timedelta(days=1))
    assert read_for_nobody(world.instance, today) == {}
    world.day = today
    world.sync(LVS)
    for hold in world.instance.ledger.holds(SCHOOL):
        world.instance.ledger.decide_hold(str(hold.id), "approved", "directeur")
    world.sync(LVS)
    assert "leerling.geslacht" in read_for_nobody(world.instance, today)[SCHOOL]
    assert "leerling.roepnaam" not in read_for_nobody(world.instance, today)[SCHOOL]
    assert f"{SCHOOL}: gelezen, maar voor niemand: " in asked("agreements", instance=world.home).stdout


OWN = """\
supplier: oefen
name: Oefenplatform
version: "2.0"
earlier_versions: ["1.0"]
leaflet: Privacybijsluiter Oefenplatform
purpose: oefenen
wire_format: json_delta
record_key: key
fields:
- {item: leerlingkey, field: leerling.key}
- {item: geslacht, field: leerling.geslacht, since: "2.0"}
"""


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        ("", "noemt geen leaflet_version, dus geldt de eerste versie van de Privacybijsluiter Oefenplatform, 1.0"),
        (
            "leaflet_version: 1.0",
            "is getekend bij versie 1.0 van de Privacybijsluiter Oefenplatform; er is een nieuwere, 2.0",
        ),
        ("leaflet_version: 2.0", None),
    ],
)
def test_another_version_of_the_leaflet_is_told(world: World, signed: str, told: str | None) -> None:
    """By the doctor and in the list, with what counts until the school decides; nothing is refused."""
    (world.home / "profiles").mkdir()
    (world.home / "profiles" / "oefen.yaml").write_text(OWN, encoding="utf-8")
    text = (world.home / "agreements" / f"{SMALL}.yaml").read_text(encoding="utf-8").replace(SMALL, "oefen")
    (world.home / "agreements" / "oefen.yaml").write_text(f"{text}{signed}\n", encoding="utf-8")
    (one,) = (one for one in agreed(load_settings(world.home), DAY) if one.agreement.supplier == "oefen")
    assert (one.leaflet or "").startswith(told or "")
    assert (one.leaflet is None) is (told is None)
    assert ("leerling.geslacht" in one.fields.ids) is (signed == "leaflet_version: 2.0")
    doctor = asked("doctor", instance=world.home).stdout
    assert (f"overeenkomst oefen voor {SCHOOL}: {told}" in doctor) is (told is not None)
