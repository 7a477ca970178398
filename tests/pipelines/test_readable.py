"""Every page that we write, in Chromium: axe finds nothing against it, on a screen and on a telephone, and it never scrolls sideways."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from connectors.sandbox.school import example_school
from pipelines.pages import write_pages
from pipelines.rights.access import letter, write_letter
from pipelines.rights.erasure import followed, open_case
from tests.web_page import CHROMIUM, chromium
from tests.world import DAY, SCHOOL, a_world

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's package chromium"),
    pytest.mark.xdist_group("readable"),
]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LONG = "Basisschool De Regenboog van Zuidoostbeemsterdorpsgemeenschap"
WIDTHS = (390, 768, 1280)
WIDE = """[...document.querySelectorAll(":not(.stack thead, .stack thead *)")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    || (getComputedStyle(e).overflowX !== "hidden" && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)).map(e => e.outerHTML.slice(0, 80))"""
"""What is wider than the screen or than what it stands in; the clipped heads of stacked tables are for who listens."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of a school where something waits, something failed, something was delivered, and the export has a fault."""
    home = tmp_path_factory.mktemp("readable") / "instance"
    with a_world(home) as world:
        world.agree("basispoort", first_delivery="hold")
        (home / "schools.yaml").write_text(
            f"schools:\n- {{school: {SCHOOL}, name: {LONG}, source: {{edexml: {{path: inbox}}}}}}\n", encoding="utf-8"
        )
        roster = example_school(40)
        sexes = roster.leerlingen["geslacht"].where(roster.leerlingen.index != roster.leerlingen.index[0], "7")
        world.export(dataclasses.replace(roster, leerlingen=roster.leerlingen.assign(geslacht=sexes)))
        world.sync()
        pupil = roster.leerlingen["key"].iloc[5]
        write_letter(world.instance, letter(world.instance, SCHOOL, pupil, DAY))
        open_case(world.instance, SCHOOL, roster.leerlingen["key"].iloc[6], "directeur", "bericht")
        world.agree("uwlr_lvs_set", stage="create_update")
        followed(world.instance, DAY)
        world.export_bytes(b"geen EDEXML")
        world.sync("uwlr_smalle_set")
        write_pages(world.instance, DAY)
        return sorted((home / "reports").rglob("*.html"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A page of Chromium."""
    with chromium() as page:
        yield page


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(pages: list[Path], browser: Any, width: int) -> None:
    """Also with everything unfolded. The fragment is looked at in the page for parents, which holds the same text."""
    browser.set_viewport_size({"width": width, "height": 844})
    whole = [file for file in pages if not file.name.endswith(".fragment.html")]
    folders = {file.parent.parent.name if file.parent.name == SCHOOL else file.parent.name for file in whole}
    assert folders == {"reports", "ouders", "inzage", "wissen"}
    for file in whole:
        browser.goto(file.as_uri())
        browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = Axe().run(browser, options={"runOnly": RULES}).response
        assert len(found["passes"]) > 10
        assert {one["id"]: [node["html"] for node in one["nodes"]] for one in found["violations"]} == {}, file.name
        assert browser.evaluate(WIDE) == [], file.name
        assert browser.evaluate("document.documentElement.scrollWidth") == width, file.name


def test_what_can_be_unfolded_is_not_glued_to_the_table_above_it(pages: list[Path], browser: Any) -> None:
    """In the report of the school, below the last plan of a supplier."""
    (report,) = (file for file in pages if file.name == f"{SCHOOL}.html" and file.parent.name != "ouders")
    browser.goto(report.as_uri())
    gaps = browser.evaluate(
        "[...document.querySelectorAll('.stack + details')].map(e => e.getBoundingClientRect().top - "
        "e.previousElementSibling.getBoundingClientRect().bottom)"
    )
    assert min(gaps) > 10


def test_on_paper_a_table_is_a_table(pages: list[Path], browser: Any) -> None:
    """Printed on A4, what was folded in is there, and no column falls off the paper."""
    browser.emulate_media(media="print")
    browser.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    (report,) = (file for file in pages if file.name == f"{SCHOOL}.html" and file.parent.name != "ouders")
    try:
        for file in pages:
            browser.goto(file.as_uri())
            assert browser.evaluate("document.documentElement.scrollWidth") == 718, file.name
        browser.goto(report.as_uri())
        assert browser.locator("details table").first.evaluate("e => getComputedStyle(e).display") == "table"
        assert browser.locator("details table").first.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    finally:
        browser.emulate_media(media="screen")
