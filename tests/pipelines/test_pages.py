"""The pages for parents, the privacy officer and the board: they say what the agreement says, and name nobody."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import etree, html

from connectors.sandbox.school import example_school
from data_contracts.dutch_time import HERE
from data_contracts.fields import CATALOGUE
from data_contracts.roster import Roster
from pipelines.ledger.held import Sent
from pipelines.pages import write_pages
from pipelines.pages.parents import ABOUT, _in_words
from pipelines.pages.register import Entry
from tests.commands import asked
from tests.web_page import CHROMIUM, chromium
from tests.workbooks import sheets
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


def test_the_page_names_teachers_only_where_some_supplier_gets_them(world: World) -> None:
    """Basispoort gets pupils alone; together with another agreement the school gives of teachers too."""
    assert "geeft gegevens van leerlingen en leerkrachten door" in parents(world).text_content()
    (world.home / "agreements" / "uwlr_smalle_set.yaml").unlink()
    told = parents(world).text_content()
    assert "geeft gegevens van leerlingen door aan leveranciers" in told
    assert "leerkracht" not in told


def test_of_a_photo_every_page_says_that_it_goes_with_consent_only(tmp_path: Path) -> None:
    """The page for parents, the register, its table and `explain`: a photo is agreed, and still goes of few."""
    with a_world(tmp_path / "instance", {"parro": "json_delta"}) as world:
        rewrite(world, "agreements/parro.yaml", "optional: []", "optional: [foto]")
        (item,) = [one for one in parents(world).iter("li") if one.findtext("strong") == "foto"]
        assert "Alleen met uw toestemming (foto in Parro)." in item.text_content()
        (ground,) = parents(world).xpath("//dt[.='Alleen met uw toestemming: foto']/following-sibling::dd[1]")
        assert "artikel 6 lid 1 onder a); die mag u altijd weer intrekken" in ground.text_content()
        register = (world.home / "reports" / "verwerkingsregister.html").read_text(encoding="utf-8")
        assert (
            '<th scope="row">leerling: foto</th><td data-label="afgesproken">ja, alleen met toestemming</td><td data-label="gestuurd">nee</td>'
            in register
        )
        assert "<dt>Grondslag</dt><dd>publieke taak; foto: toestemming</dd>" in register
        book = sheets(world.home / "reports" / "verwerkingsregister.xlsx")
        assert [one["grondslag"] for one in book["Verwerkingen"]] == ["publieke taak; foto: toestemming"]
        (row,) = (one for one in book["Gegevens"] if one["veld"] == "leerling.fotourl")
        assert (row["afgesproken"], row["gestuurd"]) == ("ja, alleen met toestemming", "nee")
        told = " ".join(asked("explain", "parro", instance=world.home).stdout.split())
        assert "foto: alleen van wie toestemming gaf voor foto_parro (foto in Parro)" in told


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
    assert page.count("En de leerkrachten van hun groepen.") == 1  # Basispoort gets no teachers
    rewrite(world, "agreements/basispoort.yaml", "publieke_taak", "toestemming")
    rewrite(world, "schools.yaml", "name:", "contact: privacy@regenboog.example, name:")
    page = parents(world).text_content()
    assert "toestemming altijd weer intrekken" in page
    assert page.count("Alleen wie daarvoor toestemming gaf.") == 1
    assert "Vraag het aan: privacy@regenboog.example." in page


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (("8", "7", "6"), "groep 6 tot en met 8"),
        (("3", "5", "4", "8"), "groep 3, 4, 5 en 8"),
        (("3",), "groep 3"),
        (("8", "S"), "groep 8 en S"),
        ((), ""),
    ],
)
def test_year_groups_are_told_as_a_parent_names_them(groups: tuple[str, ...], told: str) -> None:
    """A run of groups by its first and last; others one by one."""
    assert _in_words(groups) == told


def test_a_parent_reads_what_a_name_is_that_is_no_company(world: World) -> None:
    """UWLR is the name of an agreement between many: the page says so, and names no contract with it."""
    text = parents(world).text_content()
    assert text.count("Dit is geen bedrijf, maar een landelijke afspraak (UWLR)") == 1
    assert "tussen de school en UWLR" not in text


def test_what_has_ended_stays_until_the_supplier_holds_nothing(world: World, roster: Roster) -> None:
    """Before the first day the page says that nothing goes out yet; after the last day, what is still there."""
    ended = date(2027, 8, 1)
    assert "gaat in op 01-08-2026" in parents(world, date(2026, 7, 31)).text_content()
    assert "Op dit moment heeft De Regenboog met geen enkele leverancier" in parents(world, ended).text_content()
    world.export(roster)
    world.sync("basispoort")
    page = parents(world, ended)
    assert [h2.text for h2 in page.iter("h2")][:2] == ["Basispoort", "Wat niemand krijgt"]
    text = page.text_content()
    assert "afgelopen op 31-07-2027" in text
    assert ("Wat Basispoort kreeg" in text, "die op school zaten" in text, "Basispoort krijgt" in text) == (1, 1, 0)
    (world.home / "agreements" / "basispoort.yaml").unlink()
    assert "Met Basispoort is er geen afspraak meer" in parents(world).text_content()


def register(world: World) -> dict[str, dict[str, list[str]]]:
    """By supplier and field what the register says of it: agreed, sent."""
    write_pages(world.instance, DAY)
    page = html.fromstring((world.home / "reports" / "verwerkingsregister.html").read_text(encoding="utf-8"))
    found = {}
    for heading in page.iter("h3"):
        table = next(element for element in heading.itersiblings() if element.tag == "div")[0]
        found[heading.text] = {row.findtext("th"): [td.text for td in row.iter("td")] for row in table.find("tbody")}
    return found


def test_the_register_puts_what_was_agreed_beside_what_was_sent(world: World, roster: Roster) -> None:
    """A field that was withdrawn was sent all the same, and what is only agreed was not; the spreadsheet says the same."""
    world.export(roster)
    world.sync("basispoort")
    rewrite(world, "agreements/basispoort.yaml", "[geboortedatum, geslacht]", "[geboortedatum]")
    found = register(world)
    both = {name for name, told in found["Basispoort"].items() if told == ["ja", "ja"]}
    assert {name: told for name, told in found["Basispoort"].items() if told != ["ja", "ja"]} == {
        "leerling: geslacht": ["nee", "ja"]
    }
    agreed = world.instance.settings.field_set("basispoort", SCHOOL).fields
    assert both == {f"{field.record}: {CATALOGUE[field.id].label}" for field in agreed}
    assert set(map(tuple, found["UWLR smalle set"].values())) == {("ja", "nee")}
    book = sheets(world.home / "reports" / "verwerkingsregister.xlsx")
    told = {row["veld"]: row for row in book["Gegevens"] if row["leverancier"] == "Basispoort"}
    assert (told["leerling.geslacht"]["afgesproken"], told["leerling.geslacht"]["gestuurd"]) == ("nee", "ja")
    assert {name.partition(": ")[2] for name in found["Basispoort"]} == {row["gegeven"] for row in told.values()}
    (pupils,) = (row for row in book["Gestuurd"] if row["soort"] == "leerling")
    assert pupils["records gestuurd"] == len(world.held_by("basispoort")) > 0
    first = world.instance.ledger.sent()[-1].first.astimezone(HERE).replace(tzinfo=None)
    assert abs(pupils["eerste keer"] - first) < timedelta(seconds=1)
    assert {row["geldig van"] for row in book["Verwerkingen"]} == {datetime(2026, 8, 1)}  # noqa: DTZ001  a day


def test_the_register_remembers_what_went_under_an_agreement_that_is_gone(world: World, roster: Roster) -> None:
    """Without the agreement, the fields that were sent stay, as not agreed."""
    world.export(roster)
    world.sync("basispoort")
    before = register(world)["Basispoort"]
    (world.home / "agreements" / "basispoort.yaml").unlink()
    assert register(world)["Basispoort"] == {name: ["nee", "ja"] for name in before}


def test_a_field_counts_as_sent_only_with_a_record_that_has_it() -> None:
    """Where only pupils went, no field of a group did; those of the school itself go along with any record."""
    fields = frozenset({"leerling.roepnaam", "groep.naam", "school.brincode"})
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    pupils = Sent(SCHOOL, "basispoort", "leerling", fields, 1, 1, 0, moment, moment)
    lines = Entry(SCHOOL, "De Regenboog", "Basispoort", None, None, (pupils,), {}).lines
    assert {line.field.id for line in lines if line.sent} == {"leerling.roepnaam", "school.brincode"}


def test_a_name_is_no_formula_in_a_spreadsheet(world: World) -> None:
    """A spreadsheet does not calculate what a person wrote in the settings, and does not change it."""
    rewrite(world, "schools.yaml", "De Regenboog", '"=1+1"')
    write_pages(world.instance, DAY)
    assert {row["naam"] for row in sheets(world.home / "reports" / "verwerkingsregister.xlsx")["Verwerkingen"]} == {
        "=1+1"
    }


def test_the_board_sees_every_school_and_supplier_once(world: World, roster: Roster) -> None:
    """States and counts of the ledger, an agreement that ends, and a school of which nothing came in yet."""
    world.agree("basispoort", first_delivery="hold")
    world.export(roster)
    world.sync()
    with (world.home / "schools.yaml").open("a", encoding="utf-8") as file:
        file.write("- {school: 99XX-01, name: De Dependance, source: {edexml: {path: inbox}}}\n")
    write_pages(world.instance, date(2027, 7, 1))
    page = html.fromstring((world.home / "reports" / "bestuur.html").read_text(encoding="utf-8"))
    pairs, exports = ([[cell.text for cell in row] for row in table.find("tbody")] for table in page.iter("table"))
    school, pupils, teachers = (f"De Regenboog ({SCHOOL})", *map(str, map(len, held_by_both(world))))
    ends = "loopt af binnen 30 dagen"
    assert [row[:-1] for row in pairs] == [
        [school, "Basispoort", ends, "wacht op goedkeuring", "0", "0"],
        [school, "UWLR smalle set", ends, "afgeleverd", pupils, teachers],
    ]
    assert pairs[0][-1] == "nog nooit"
    assert exports[0][2] == str(len(roster.leerlingen))
    assert exports[1] == ["De Dependance (99XX-01)", "nog geen"]


def held_by_both(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pupils and the teachers that the supplier of the smalle set has."""
    return world.held_by("uwlr_smalle_set"), world.held_by("uwlr_smalle_set", "leerkracht")


def test_no_page_names_anybody(world: World, roster: Roster) -> None:
    """No name, birth date, address or key of a pupil or teacher of the export is in any of the files."""
    world.export(roster)
    world.sync()
    files = write_pages(world.instance, DAY)
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.suffix == ".html")
    text += str(sheets(world.home / "reports" / "verwerkingsregister.xlsx"))
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
        if file.suffix != ".html":
            continue
        text = file.read_text(encoding="utf-8")
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


@pytest.mark.skipif(not CHROMIUM.exists(), reason="er is geen Chromium")
def test_every_page_can_be_read_on_a_telephone(world: World, roster: Roster) -> None:
    """Nothing sticks out of a narrow window, and no cell stands beside another in it."""
    world.export(roster)
    world.sync("basispoort")
    with chromium() as page:
        page.set_viewport_size({"width": 390, "height": 800})
        for file in write_pages(world.instance, DAY):
            if file.suffix == ".html" and "fragment" not in file.name:
                page.goto(file.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= 390
                beside = "[...document.querySelectorAll('tbody td')].filter(e => e.offsetLeft > 40).length"
                assert page.evaluate(beside) == 0, file.name


def test_the_command_names_the_files_that_it_wrote(world: World) -> None:
    """They are for their owner alone until somebody publishes them."""
    answer = asked("publish", instance=world.home)
    assert answer.returncode == 0, answer.stderr
    files = [Path(line) for line in answer.stdout.splitlines()]
    assert world.home / "reports" / "ouders" / f"{SCHOOL}.html" in files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
