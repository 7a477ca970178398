"""The pages for parents, the privacy officer and the board: they say what the agreement says, and name nobody."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree, html

from connectors.sandbox.school import example_school
from data_contracts.fields import CATALOGUE
from data_contracts.roster import Roster
from pipelines.pages import write_pages
from pipelines.pages.parents import ABOUT
from tests.pipelines.test_cli import asked
from tests.web_page import CHROMIUM, chromium
from tests.world import DAY, SCHOOL, World, a_world

NAMES = {"basispoort": "Basispoort", "uwlr_smalle_set": "UWLR smalle set"}
FORMATS = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
ELEVEN = {
    *("voornaam", "achternaam", "tussenvoegsel", "geboortedatum", "geslacht", "leerlingkey", "groepskey", "groepsnaam"),
    *("jaargroep", "identificatienummer van de school", "Basispoort-identificatienummer"),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with two suppliers."""
    with a_world(tmp_path / "instance", FORMATS) as world:
        yield world


@pytest.fixture
def roster() -> Roster:
    """The school's pupils and teachers."""
    return example_school(40)


def rewrite(world: World, file: str, old: str, new: str) -> None:
    """Change a settings file as a person does."""
    path = world.home / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def parents(world: World, day: date = DAY) -> etree._Element:
    """The page for parents, as a tree."""
    write_pages(world.instance, day)
    return html.fromstring((world.home / "reports" / "ouders" / f"{SCHOOL}.html").read_text(encoding="utf-8"))


def given(page: etree._Element, supplier: str) -> dict[str, list[str]]:
    """The fields that the page says a supplier gets: by heading, in its order."""
    found: dict[str, list[str]] = {}
    (heading,) = page.xpath(f"//h3[.='Wat {NAMES[supplier]} krijgt']")
    for element in heading.itersiblings():
        if element.tag == "h4":
            found[element.text_content()] = []
        elif element.tag == "ul":
            list(found.values())[-1].extend(item.findtext("strong") for item in element)
        else:
            return found
    return found


def labels(ids: Iterator[str] | tuple[str, ...]) -> dict[str, list[str]]:
    """What fields are called, by the heading that they belong under."""
    found: dict[str, list[str]] = {}
    for field_id in ids:
        found.setdefault(ABOUT[CATALOGUE[field_id].record], []).append(CATALOGUE[field_id].label)
    return found


def test_the_parents_page_names_exactly_the_fields_that_are_sent(world: World, roster: Roster) -> None:
    """Under each supplier the field set of the agreement, which is that of the last delivery too; none more, none fewer."""
    world.export(roster)
    world.sync()
    page = parents(world)
    for supplier in FORMATS:
        plan = world.instance.ledger.last_plan(supplier, SCHOOL)
        assert plan
        sent = labels(world.instance.ledger.field_ids(plan.field_set_id))
        assert given(page, supplier) == sent == labels(world.instance.settings.field_set(supplier, SCHOOL).in_order)


def test_a_field_that_is_withheld_or_not_switched_on_disappears(world: World) -> None:
    """It moves to what the supplier does not get, with the reason."""
    before = given(parents(world), "basispoort")["Over leerlingen"]
    rewrite(world, "agreements/basispoort.yaml", "[geboortedatum, geslacht]", "[geslacht]\nwithhold: [tussenvoegsel]")
    page = parents(world)
    after = given(page, "basispoort")["Over leerlingen"]
    assert {*before} - {*after} == {"geboortedatum", "voorvoegsel"}
    assert {*after} < {*before}
    (heading,) = page.xpath("//h3[.='Wat Basispoort niet van de school krijgt']")
    items = {item.findtext("strong"): item.text_content() for item in heading.getnext()}
    assert "niet aangezet" in items["geboortedatum"]
    assert "geeft dit niet" in items["voorvoegsel"]


def test_the_eleven_items_of_basispoort_are_named(world: World) -> None:
    """Also those that the school did not switch on, and the one that Basispoort gives itself."""
    rewrite(world, "agreements/basispoort.yaml", "[geboortedatum, geslacht]", "[]")
    text = parents(world).text_content()
    (listed,) = re.findall(r"Privacybijsluiter Basispoort.* noemt 11 gegevens: (.*?)\. Meer", text)
    assert set(listed.split(", ")) == ELEVEN


def test_the_page_tells_ground_term_and_whom_to_ask(world: World) -> None:
    """Each legal basis has its own right; the contact is the school's own, or the head of the school."""
    page = parents(world).text_content()
    assert "mag bezwaar maken" in page
    assert "Van 01-08-2026 tot en met 31-07-2027." in page
    assert "Vraag het aan: de directie van De Regenboog." in page
    rewrite(world, "agreements/basispoort.yaml", "publieke_taak", "toestemming")
    rewrite(world, "schools.yaml", "name:", "contact: privacy@regenboog.example, name:")
    page = parents(world).text_content()
    assert "toestemming altijd weer intrekken" in page
    assert "Vraag het aan: privacy@regenboog.example." in page


def test_what_has_ended_stays_until_the_supplier_holds_nothing(world: World, roster: Roster) -> None:
    """Before the first day the page says that nothing goes out yet; after the last day, what is still there."""
    ended = date(2027, 8, 1)
    assert "gaat in op 01-08-2026" in parents(world, date(2026, 7, 31)).text_content()
    assert "Op dit moment heeft De Regenboog met geen enkele leverancier" in parents(world, ended).text_content()
    world.export(roster)
    world.sync("basispoort")
    page = parents(world, ended)
    assert [h2.text for h2 in page.iter("h2")][:2] == ["Basispoort", "Wat niemand krijgt"]
    assert "afgelopen op 31-07-2027" in page.text_content()
    (world.home / "agreements" / "basispoort.yaml").unlink()
    assert "Met Basispoort is er geen afspraak meer" in parents(world).text_content()


def test_no_page_names_anybody(world: World, roster: Roster) -> None:
    """No name, birth date, address or key of a pupil or teacher of the export is in any of the files."""
    world.export(roster)
    world.sync()
    text = "\n".join(file.read_text(encoding="utf-8") for file in write_pages(world.instance, DAY))
    values = [
        value
        for people, columns in (
            (roster.leerlingen, ("achternaam", "roepnaam", "geboortedatum", "emailadres", "key", "eckid")),
            (roster.leerkrachten, ("achternaam", "roepnaam", "emailadres", "key", "eckid")),
        )
        for column in columns
        for value in people[column].dropna()
    ]
    assert len(values) > 200
    assert [value for value in values if re.search(rf"\b{re.escape(value)}\b", text)] == []


def test_every_page_stands_alone_and_reads_well_aloud(world: World, roster: Roster) -> None:
    """Nothing is fetched; language, title, headings in order and a header for every column. The fragment is only a part."""
    world.export(roster)
    world.sync()
    rewrite(world, "schools.yaml", "De Regenboog", '"De <b>Regenboog</b>"')
    for file in write_pages(world.instance, DAY):
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".html":
            continue
        assert "<b>" not in text
        assert re.findall(r"(?:src|href)=|url\(|<script", text) == []
        page = html.fromstring(text)
        levels = [int(element.tag[1]) for element in page.iter("h1", "h2", "h3", "h4")]
        if file.name.endswith(".fragment.html"):
            assert not re.search(r"<(html|head|body|style|h1)\b", text)
            assert levels[0] == 2
        else:
            assert page.get("lang") == "nl"
            assert page.findtext("head/title")
            assert levels[0] == 1
        assert max(after - before for before, after in pairwise(levels)) == 1
        assert all(head.get("scope") for head in page.iter("th"))
        assert all(table.find("thead") is not None for table in page.iter("table"))


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's package chromium")
def test_no_page_scrolls_sideways_on_a_telephone(world: World, roster: Roster) -> None:
    """At 390 pixels nothing is wider than the screen, nor scrolls inside it."""
    world.export(roster)
    world.sync()
    rewrite(
        world,
        "schools.yaml",
        "De Regenboog",
        "Basisschool De Regenboog van Zuidoostbeemsterdorpsgemeenschap",
    )
    wide = """[...document.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        || (getComputedStyle(e).overflowX !== "hidden" && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)).map(e => e.outerHTML.slice(0, 80))"""
    with chromium() as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for file in write_pages(world.instance, DAY):
            if file.suffix == ".html":
                page.goto(file.as_uri())
                assert page.evaluate(wide) == [], file.name
                assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_command_names_the_files_that_it_wrote(world: World) -> None:
    """They are for their owner alone until somebody publishes them."""
    answer = asked("publish", instance=world.home)
    assert answer.returncode == 0, answer.stderr
    files = [Path(line) for line in answer.stdout.splitlines()]
    assert world.home / "reports" / "ouders" / f"{SCHOOL}.html" in files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
