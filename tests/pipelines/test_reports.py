"""The report of a school: what stands in it, and what never does."""

import dataclasses
import logging
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from lxml import etree, html

from connectors.sandbox.school import example_school, newcomer
from data_contracts.roster import Roster
from pipelines.commands.holds import discard
from pipelines.reports import write_report
from tests.world import SCHOOL, World, a_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with two suppliers; the first delivery to one of them waits."""
    formats = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
    with a_world(tmp_path / "instance", formats) as world:
        world.agree("basispoort", first_delivery="hold")
        yield world


def page_of(world: World) -> tuple[str, etree._Element]:
    """The report as text, and as a tree."""
    text = write_report(world.instance, SCHOOL).read_text(encoding="utf-8")
    return text, html.fromstring(text)


def left_by_the_run(world: World) -> tuple[str, dict[str, str]]:
    """The report as the last run left it: its text, and the state of each supplier."""
    text = (world.home / "reports" / f"{SCHOOL}.html").read_text(encoding="utf-8")
    (table, *_) = html.fromstring(text).iter("table")
    return text, {row.findtext("th"): row.findtext("td") for row in table.find("tbody")}


def with_unknown_sex(roster: Roster, row: int) -> Roster:
    """A roster in which one pupil has a sex that does not exist."""
    pupils = roster.leerlingen.copy()
    pupils.loc[row, "geslacht"] = "7"
    return dataclasses.replace(roster, leerlingen=pupils)


def test_a_school_without_a_run_is_not_called_good(world: World) -> None:
    """Before the first export the page says that nothing was looked at, for every supplier too."""
    text, page = page_of(world)
    assert "nog geen export nagekeken" in text
    assert "alles" not in page.text_content().split("Bevindingen")[1].split("Per leverancier")[0]
    assert text.count("Nog nooit geleverd") == 2


def test_the_report_tells_what_waits_and_what_to_mend(world: World) -> None:
    """States, counts by cause, the command that approves, and each finding with key, field and what to do."""
    roster = with_unknown_sex(example_school(60), 3)
    world.export(roster)
    outcomes = world.sync()
    assert {s: o.state for s, o in outcomes.items()} == {"basispoort": "held", "uwlr_smalle_set": "delivered"}
    text, page = page_of(world)
    (hold,) = world.instance.ledger.holds()
    assert f"doorgeefluik hold approve {hold.id}" in text
    rows = [[cell.text_content() for cell in row.iter("td", "th")] for row in page.iter("tr")]
    (finding,) = [row for row in rows if row[2] == "geslacht"]
    assert finding[:3] == ["leerling", roster.leerlingen["key"].iloc[3], "geslacht"]
    assert "ParnasSys" in finding[4]
    created = str(outcomes["uwlr_smalle_set"].counts["create"])
    assert ["UWLR smalle set", "afgeleverd", created, "0", "0", "0", "0"] in rows
    assert ["geboortedatum", "leerling.geboortedatum"] in [row[:2] for row in rows]
    assert any(row[0] == "toevoegen" and row[2:4] == ["nieuw", "aangenomen"] for row in rows)


def test_the_report_names_nobody(world: World) -> None:
    """No surname, birth date or e-mail address of the export is in the page."""
    roster = with_unknown_sex(example_school(60), 3)
    world.export(roster)
    world.sync()
    text, _ = page_of(world)
    people = [*roster.leerlingen["achternaam"].dropna(), *roster.leerkrachten["achternaam"].dropna()]
    values = [*people, *roster.leerlingen["geboortedatum"].dropna(), *roster.leerkrachten["emailadres"].dropna()]
    assert sum(bool(re.search(rf"\b{re.escape(value)}\b", text)) for value in values) == 0


def test_the_report_stands_alone_and_reads_well_aloud(world: World) -> None:
    """One file that fetches nothing; language, title, headings in order, and a header for every column."""
    world.export(example_school(60))
    world.sync()
    text, page = page_of(world)
    assert re.findall(r"(?:src|href)=|url\(|<script", text) == []
    assert page.get("lang") == "nl"
    assert page.findtext("head/title")
    levels = [int(element.tag[1]) for element in page.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert max(after - before for before, after in pairwise(levels)) == 1
    assert all(head.get("scope") for head in page.iter("th"))
    assert all(table.find("thead") is not None for table in page.iter("table"))


def test_what_a_person_wrote_in_the_settings_is_text_and_not_html(world: World) -> None:
    """A school's name with a tag in it is shown as it was written."""
    settings = world.home / "schools.yaml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("De Regenboog", '"De <b>Regenboog</b>"'), encoding="utf-8"
    )
    text, _ = page_of(world)
    assert "<b>" not in text
    assert "&lt;b&gt;Regenboog" in text


def test_a_run_leaves_the_report_as_it_ended(world: World) -> None:
    """Held, delivered, refused by the supplier, a school whose data do not hold, all well again: the page says it."""
    roster = example_school(60)
    world.export(roster)
    world.sync()
    assert left_by_the_run(world)[1] == {"Basispoort": "wacht op goedkeuring", "UWLR smalle set": "afgeleverd"}
    misbehave = f"{world.urls['uwlr_smalle_set']}/_sandbox/misbehave"
    requests.post(misbehave, json={"kind": "fail", "status": 400}, timeout=10).raise_for_status()
    world.export(newcomer(roster))
    assert world.sync("uwlr_smalle_set")["uwlr_smalle_set"].state == "failed"
    assert left_by_the_run(world)[1]["UWLR smalle set"] == "mislukt"
    world.sync("uwlr_smalle_set")
    nameless = roster.leerlingen.assign(roepnaam=None, achternaam=None).astype("str")
    world.export(dataclasses.replace(roster, leerlingen=nameless))
    reason = world.sync()["basispoort"].reason
    text, states = left_by_the_run(world)
    assert states == {"Basispoort": "wacht op goedkeuring", "UWLR smalle set": "mislukt"}
    assert re.findall(r"De laatste keer mislukt \([-\d: ]+\): (.*?)</p>", text) == [reason] * 2
    assert text.count("Eerste levering") == 2  # where it waits, and beside the failure
    world.export(roster)
    world.sync("uwlr_smalle_set")
    text, states = left_by_the_run(world)
    assert states == {"Basispoort": "wacht op goedkeuring", "UWLR smalle set": "afgeleverd"}
    assert "De laatste keer mislukt" not in text


def test_a_decision_is_in_the_report_without_a_run(world: World) -> None:
    """What somebody refused is no longer offered for approval."""
    world.export(example_school(20))
    world.sync("basispoort")
    (hold,) = world.instance.ledger.holds()
    command = f"hold approve {hold.id}"
    assert command in left_by_the_run(world)[0]
    discard(world.home, str(hold.id), "directie")
    assert command not in left_by_the_run(world)[0]


def test_a_report_that_cannot_be_written_stops_no_delivery(world: World) -> None:
    """The run delivers, and its log says which report is not renewed."""
    (world.home / "reports").write_text("geen map", encoding="utf-8")
    world.export(example_school(20))
    assert world.sync("uwlr_smalle_set")["uwlr_smalle_set"].state == "delivered"
    (run,) = world.dagster.get_runs()
    told = [entry.user_message for entry in world.dagster.all_logs(run.run_id) if entry.level == logging.WARNING]
    assert len(told) == 1
    assert f"Het rapport van school {SCHOOL} is niet ververst" in told[0]
