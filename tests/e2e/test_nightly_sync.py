"""The nightly sync from export to supplier, with everything real: a file, a ledger, servers on loopback."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.engine import URL
from typer.testing import CliRunner

from connectors.sandbox.administration import Administration
from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import (
    example_school,
    left_school,
    moved_to_other_group,
    newcomer,
    renamed,
    without,
)
from data_contracts.roster import Roster
from pipelines.cli import app
from pipelines.standing import standing
from tests.e2e.nights import causes, effects, long_unchanged, numbers, seen, served_by_parnassys, states
from tests.world import DAY, SCHOOL, World, a_world

MADE = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three suppliers, and a school that may deliver to them at once."""
    with a_world(tmp_path / "instance") as world:
        yield world


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[World, Administration]]:
    """The same world, whose school is read from ParnasSys' web service."""
    with served_by_parnassys(tmp_path / "instance") as both:
        yield both


def status(world: World) -> tuple[int, list[dict[str, Any]]]:
    """What `status --json` exits with, and says."""
    answer = CliRunner().invoke(app, ["status", "--json", "--instance", str(world.home)])
    return answer.exit_code, json.loads(answer.stdout)


def approve_all(world: World) -> None:
    ledger = world.instance.ledger
    for hold in ledger.holds():
        ledger.decide_hold(str(hold.id), "approved", "de directeur")


def pupils_in_groups(roster: Roster) -> list[str]:
    """Keys of pupils who are at school, in a group, and whose names are whole."""
    pupils = roster.leerlingen
    here = pupils["groep"].notna() & pupils["uitstroomdatum"].isna() & pupils["roepnaam"].notna()
    return pupils.loc[here & pupils["jaargroep"].ne("H"), "key"].tolist()


def classmate(roster: Roster) -> str:
    """The key of a pupil who is not the only one in his group."""
    keys = pupils_in_groups(roster)
    here = roster.leerlingen[roster.leerlingen["key"].isin(keys)]
    return str(here.loc[here["groep"] == here["groep"].value_counts().idxmax(), "key"].iloc[0])


def test_from_the_first_approval_to_one_pupil_who_moves(world: World) -> None:
    """The first delivery waits; a preview sends nothing; once approved it arrives; then one move is one update each."""
    for supplier in world.urls:
        world.agree(supplier, first_delivery="hold")
    roster = example_school(250)
    world.export(roster)
    assert states(world.sync(preview=True)) == {"preview"}
    assert states(world.sync()) == {"held"}
    assert set(seen(world).values()) == {0}
    approve_all(world)
    assert states(world.sync()) == {"delivered"}
    first, sent = {s: effects(world, s) for s in world.urls}, seen(world)
    assert min(effect["create"] for effect in first.values()) > 240
    moved = pupils_in_groups(roster)[100]
    world.export(moved_to_other_group(roster, moved))
    assert {numbers(o) for o in world.sync(preview=True).values()} == {(0, 1, 0)}
    assert seen(world) == sent
    second = world.sync()
    assert {(o.state, o.reason, numbers(o)) for o in second.values()} == {("delivered", "", (0, 1, 0))}
    assert {s: number - sent[s] for s, number in seen(world).items()} == dict.fromkeys(world.urls, 1)
    assert {s: effects(world, s) for s in world.urls} == {s: {**e, "update": 1} for s, e in first.items()}
    assert {tuple(causes(world, s)) for s in world.urls} == {("andere_groep",)}
    sent = seen(world)
    assert states(world.sync()) == {"unchanged"}
    assert seen(world) == sent
    assert world.instance.ledger.verify() is None


def test_an_approval_is_for_one_plan(world: World) -> None:
    """What changed since the approval must be approved anew, and nothing is sent meanwhile."""
    world.agree("basispoort", first_delivery="hold")
    roster = example_school(40)
    world.export(roster)
    assert world.sync("basispoort")["basispoort"].state == "held"
    approve_all(world)
    told = {outcome.supplier: outcome.reason for outcome in standing(world.instance)}
    assert told["basispoort"].startswith("Goedgekeurd, en gaat bij de volgende levering mee: Eerste levering")
    world.export(newcomer(roster))
    assert world.sync("basispoort")["basispoort"].state == "held"
    assert world.requests_seen("basispoort") == 0


def test_a_leaver_is_one_delete_that_says_why(world: World) -> None:
    """A last school day that has passed removes the pupil at each supplier, with that as cause."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    before = {s: len(world.held_by(s)) for s in world.urls}
    world.export(left_school(roster, [classmate(roster)], DAY - timedelta(days=1)))
    outcomes = world.sync()
    assert {(o.state, numbers(o)) for o in outcomes.values()} == {("delivered", (0, 0, 1))}
    assert {tuple(causes(world, s)) for s in world.urls} == {("van_school",)}
    assert {s: len(world.held_by(s)) for s in world.urls} == {s: number - 1 for s, number in before.items()}


def test_a_day_that_comes_is_a_change_too(world: World) -> None:
    """A last school day that was known beforehand removes the pupil on the day after, from the same export."""
    roster = example_school(60)
    world.export(left_school(roster, [classmate(roster)], DAY))
    assert {numbers(o)[2] for o in world.sync().values()} == {0}
    world.day = DAY + timedelta(days=1)
    assert {(o.state, numbers(o)) for o in world.sync().values()} == {("delivered", (0, 0, 1))}


def test_an_export_that_says_the_same_later_is_the_last_one(world: World) -> None:
    """One that was made in between is older than that, though nothing was delivered since."""
    roster = example_school(40)
    one, between, same = (MADE + timedelta(days=days) for days in (0, 1, 2))
    states = []
    for made, there in ((one, roster), (same, roster), (between, newcomer(roster))):
        world.export_bytes(edexml(there, aanmaakdatum=made))
        states.append(world.sync("uwlr_lvs_set")["uwlr_lvs_set"].state)
    assert states == ["delivered", "unchanged", "held"]


def test_a_wrong_file_that_is_taken_away_is_forgotten(world: World) -> None:
    """The export before it counts again, be it written at the very same moment; it is older, so a person must have seen that."""
    roster, inbox = example_school(60), world.home / "inbox"
    key = classmate(roster)
    right, wrong = (edexml(r, aanmaakdatum=MADE) for r in (roster, renamed(roster, key, "Roosmarijn")))
    world.export_bytes(right)
    world.sync("uwlr_lvs_set")
    before = world.held_by("uwlr_lvs_set")
    (inbox / "verkeerd.xml").write_bytes(wrong.replace(b"2026-11-02T", b"2026-11-03T"))
    os.utime(inbox / "EDEX.XML", (MADE.timestamp(), MADE.timestamp()))
    os.utime(inbox / "verkeerd.xml", (MADE.timestamp(), MADE.timestamp()))
    assert numbers(world.sync("uwlr_lvs_set")["uwlr_lvs_set"]) == (0, 1, 0)
    assert "Roosmarijn" in {record.get("roepnaam") for record in world.held_by("uwlr_lvs_set").values()}
    (inbox / "verkeerd.xml").unlink()
    outcome = world.sync("uwlr_lvs_set")["uwlr_lvs_set"]
    assert (outcome.state, "ouder dan die van de vorige levering, van 03-11-2026" in outcome.reason) == ("held", True)
    approve_all(world)
    assert numbers(world.sync("uwlr_lvs_set")["uwlr_lvs_set"]) == (0, 1, 0)
    assert world.held_by("uwlr_lvs_set") == before


def test_many_who_vanish_are_held_and_the_rest_goes_on(world: World) -> None:
    """Twelve pupils who are suddenly gone stay until somebody approves; a newcomer and a new name go out at once."""
    roster = example_school(250)
    world.export(roster)
    world.sync()
    keys = pupils_in_groups(roster)
    before = {s: (len(world.held_by(s)), effects(world, s)) for s in world.urls}
    world.export(without(newcomer(renamed(roster, keys[0], "Roosmarijn")), keys[100:112]))
    held = world.sync()
    assert {(o.state, numbers(o)) for o in held.values()} == {("held", (1, 1, 12))}
    assert all("12" in o.reason for o in held.values())
    for supplier, (records, effect) in before.items():
        assert len(world.held_by(supplier)) == records + 1
        assert effects(world, supplier) == {"create": effect["create"] + 1, "update": 1, "delete": 0}
        assert "Roosmarijn" in {record.get("roepnaam") for record in world.held_by(supplier).values()}
    approve_all(world)
    assert states(world.sync()) == {"delivered"}
    assert {s: len(world.held_by(s)) for s in world.urls} == {s: records - 11 for s, (records, _) in before.items()}


def test_a_pupil_in_quarantine_keeps_what_he_had(world: World) -> None:
    """A pupil whose record breaks its contract is neither changed nor removed, and comes along again once it is mended."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    key = pupils_in_groups(roster)[10]
    before = {s: world.held_by(s) for s in world.urls}
    broken = roster.leerlingen.copy()
    broken.loc[broken["key"] == key, ["achternaam", "roepnaam"]] = None
    world.export(Roster(roster.school, roster.groepen, broken, roster.leerkrachten))
    outcomes = world.sync()
    assert {(o.state, numbers(o), o.counts["quarantined"]) for o in outcomes.values()} == {("unchanged", (0, 0, 0), 1)}
    assert {s: world.held_by(s) for s in world.urls} == before
    findings = world.instance.ledger.findings(SCHOOL)
    assert findings[["key", "regel", "gevolg"]].to_numpy().tolist() == [[key, "naam", "record"]]
    world.export(renamed(roster, key, "Roosmarijn"))
    assert {(o.state, numbers(o)) for o in world.sync().values()} == {("delivered", (0, 1, 0))}


def test_nothing_is_fetched_where_nothing_changed(served: tuple[World, Administration]) -> None:
    """Over UWLR the second night asks for what changed since, hears that nothing did, and sends nothing."""
    world, administration = served
    roster = example_school(60)
    administration.put(SCHOOL, roster)
    long_unchanged(administration)
    assert states(world.sync()) == {"delivered"}
    sent = seen(world)
    assert states(world.sync()) == {"unchanged"}
    assert seen(world) == sent
    administration.put(SCHOOL, moved_to_other_group(roster, pupils_in_groups(roster)[5]))
    assert {(o.state, numbers(o)) for o in world.sync().values()} == {("delivered", (0, 1, 0))}
    assert [(asked.since is None, asked.outcome) for asked in administration.asked] == [
        (True, "gegevens"),
        (False, "geenwijzigingen"),
        (False, "gegevens"),
    ]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("fault:Client.AutorisatieOngeldig", "sleutel"),
        ("no_data", "geen gegevens"),
        ("other_school", "99ZZ"),
    ],
)
def test_a_source_that_fails_takes_nothing_away(served: tuple[World, Administration], trouble: str, words: str) -> None:
    """Each supplier is told why in Dutch, keeps what it had, and gets the rest the next night."""
    world, administration = served
    roster = example_school(40)
    administration.put(SCHOOL, roster)
    world.sync()
    before, sent = {s: world.held_by(s) for s in world.urls}, seen(world)
    administration.put(SCHOOL, renamed(roster, pupils_in_groups(roster)[0], "Roosmarijn"))
    administration.misbehaviour.custom(trouble)
    failed = world.sync()
    assert states(failed) == {"failed"}
    assert all(words in outcome.reason for outcome in failed.values())
    assert (seen(world), {s: world.held_by(s) for s in world.urls}) == (sent, before)
    assert {(o.state, numbers(o)) for o in world.sync().values()} == {("delivered", (0, 1, 0))}


def test_the_status_says_that_parnassys_was_down_until_it_is_back(served: tuple[World, Administration]) -> None:
    """Nobody takes the last good delivery for last night's, also where ParnasSys then has nothing new."""
    world, administration = served
    administration.put(SCHOOL, example_school(40))
    long_unchanged(administration)
    world.sync()
    well = status(world)
    assert well[0] == 0
    administration.misbehaviour.fail(503, retry_after=3600)
    reasons = {supplier: outcome.reason for supplier, outcome in world.sync().items()}
    code, rows = status(world)
    assert code == 1
    assert {row["state"] for row in rows} == {"failed"}
    moment = r"De laatste keer mislukt \(\d\d-\d\d-\d{4} \d\d:\d\d\): "
    assert {row["supplier"]: re.sub(f"^{moment}", "", row["reason"]) for row in rows} == reasons
    assert all(re.match(moment, row["reason"]) for row in rows)
    assert {number for row in rows for number in row["counts"].values()} == {0}  # nothing was done
    assert states(world.sync()) == {"unchanged"}
    assert administration.asked[-1].outcome == "gegevens"  # after trouble everything is fetched
    assert status(world) == well


@pytest.mark.parametrize("content", [b"", b"<EDEX><school>", b"geen xml", b"<html/>"])
def test_a_file_that_cannot_be_read_takes_nothing_away(world: World, content: bytes) -> None:
    """A broken file in the inbox is a failure with a reason; who was delivered stays so."""
    world.export(example_school(40))
    world.sync("uwlr_smalle_set")
    before = world.held_by("uwlr_smalle_set")
    world.export_bytes(content)
    outcome = world.sync("uwlr_smalle_set")["uwlr_smalle_set"]
    assert outcome.state == "failed"
    assert outcome.reason.endswith(".")
    assert world.held_by("uwlr_smalle_set") == before


def test_one_supplier_that_is_down_stops_no_other(world: World) -> None:
    """Two are delivered, the third fails with a reason, and catches up the next night."""
    down = world.urls["uwlr_lvs_set"]
    behaviour = {"kind": "fail", "status": 503, "retry_after": "3600"}
    requests.post(f"{down}/_sandbox/misbehave", json=behaviour, timeout=10)
    world.export(example_school(40))
    outcomes = world.sync()
    assert {s: o.state for s, o in outcomes.items()} == {
        "basispoort": "delivered",
        "uwlr_smalle_set": "delivered",
        "uwlr_lvs_set": "failed",
    }
    assert "UWLR LVS-set" in outcomes["uwlr_lvs_set"].reason
    again = world.sync()
    assert {s: o.state for s, o in again.items()} == {
        "basispoort": "unchanged",
        "uwlr_smalle_set": "unchanged",
        "uwlr_lvs_set": "delivered",
    }
    assert len(world.held_by("uwlr_lvs_set")) == len(world.held_by("basispoort")) > 30


@pytest.mark.parametrize("supplier", ["basispoort", "uwlr_smalle_set"])
def test_an_ended_agreement_still_clears_up(world: World, supplier: str) -> None:
    """After its last day nobody new goes out; who leaves is removed all the same."""
    roster = example_school(60)
    world.export(roster)
    world.sync(supplier)
    before, effect = world.held_by(supplier), effects(world, supplier)
    agreement = world.home / "agreements" / f"{supplier}.yaml"
    ended = agreement.read_text(encoding="utf-8").replace("valid_until: 2027-07-31", "valid_until: 2026-11-23")
    agreement.write_text(ended, encoding="utf-8")
    world.export(left_school(newcomer(roster), [classmate(roster)], DAY - timedelta(days=3)))
    outcome = world.sync(supplier)[supplier]
    assert numbers(outcome) == (1, 0, 1)
    assert "afgelopen op 23-11-2026" in outcome.reason
    assert effects(world, supplier) == {**effect, "delete": 1}
    assert world.held_by(supplier).keys() < before.keys()


def test_the_ledger_may_be_postgresql(world: World, postgresql_server: URL) -> None:
    """With its ledger in PostgreSQL a school is delivered, unchanged, and delivered one change, as with SQLite."""
    name = f"doorgeefluik_nacht_{world.home.parent.name.replace('-', '_')}"[:60].lower()
    admin = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    address = postgresql_server.set(database=name).render_as_string(hide_password=False)
    (world.home / "grootboek").write_text(address, encoding="utf-8")
    (world.home / "grootboek").chmod(0o600)
    (world.home / "instance.yaml").write_text("ledger: file:grootboek\n", encoding="utf-8")
    try:
        roster = example_school(40)
        world.export(roster)
        assert states(world.sync()) == {"delivered"}
        assert states(world.sync()) == {"unchanged"}
        world.export(renamed(roster, pupils_in_groups(roster)[3], "Roosmarijn"))
        assert {(o.state, numbers(o)) for o in world.sync().values()} == {("delivered", (0, 1, 0))}
        assert not (world.home / "ledger.db").exists()
        ledger = world.instance.ledger
        assert ledger.verify() is None
        ledger.close()
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_web_page_names_whom_a_held_plan_would_remove(world: World) -> None:
    """A person who must say whether these pupils have left sees their keys, and first of all."""
    roster = example_school(40)
    world.export(roster)
    world.sync("uwlr_smalle_set")
    gone = roster.leerlingen["key"].tolist()[:5]
    world.export(replace(roster, leerlingen=roster.leerlingen[5:].assign(roepnaam="Anders")))
    assert world.sync("uwlr_smalle_set")["uwlr_smalle_set"].state == "held"
    event = world.dagster.get_latest_materialization_event(dg.AssetKey(["uwlr_smalle_set", "wijzigingsplan"]))
    assert event is not None
    assert event.asset_materialization is not None
    table = event.asset_materialization.metadata["Wijzigingen"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = [record.data for record in table.records]
    assert {str(row["Sleutel"]) for row in rows if row["Soort"] == "leerling"} >= set(gone)
    assert {row["Handeling"] for row in rows[:5]} == {"verwijderen"}
