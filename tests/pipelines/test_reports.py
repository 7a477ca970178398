"""The report of a school: what stands in it, and what never does."""

import dataclasses
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree, html

from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
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
