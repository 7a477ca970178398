"""The web page as an ICT coordinator meets it: real servers, a real browser, and everything done by clicking."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from connectors.sandbox.school import example_school
from mappings.choices import Choice
from pipelines.consent import Said, write_down
from pipelines.settings import schooljaar_on
from tests.web_page import CHROMIUM, PATIENCE, asked, chromium, web_page
from tests.world import SCHOOL, World, a_world

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's package chromium"),
    pytest.mark.xdist_group("web_page"),
]

JOBS = "/locations/doorgeefluik/jobs"
HELD = "uwlr_lvs_set"


@dataclass
class Site:
    """An instance with its web page at `url`, and the browser's `page`."""

    world: World
    url: str
    page: Any

    def open(self, path: str) -> None:
        """Go to a part of the web page."""
        self.page.goto(self.url + path)

    def sees(self, text: str | re.Pattern[str], *, exact: bool = False) -> None:
        """Wait until `text` can be read on the page, by itself where it must be `exact`."""
        self.page.get_by_text(text, exact=exact).filter(visible=True).first.wait_for()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A school with its export ready and three agreements, of which one asks approval of the first delivery."""
    with a_world(tmp_path_factory.mktemp("web") / "instance") as world:
        _ready_today(world)
        with web_page(world.home) as url, chromium() as page:
            yield Site(world, url, page)


@pytest.fixture(scope="module")
def delivered(site: Site) -> Site:
    """The site after a person had the school delivered, by clicking."""
    page = site.page
    site.open(f"{JOBS}/leveren")
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_text("Select a partition").click()
    page.get_by_role("menuitem").filter(has_text=SCHOOL).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*")
    return site


def test_the_assets_stand_in_a_group_for_each_supplier(site: Site) -> None:
    """The lineage page shows the school and each supplier as a group, and no welcome pop-up before it."""
    site.open("/asset-groups")
    for group in ("school", *site.world.urls):
        site.page.get_by_text(group, exact=True).first.wait_for()
    assert site.page.get_by_role("dialog").count() == 0


def test_every_asset_and_job_tells_in_dutch_what_it_is(site: Site) -> None:
    """No asset, job, schedule or sensor is without a description, and one is read on its own page."""
    query = """{repositoryOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "doorgeefluik"})
        {... on Repository {assetNodes {assetKey {path} description} jobs {name description} sensors {name description}
        schedules {name description}}}}"""
    found = asked(site.url, query)["repositoryOrError"]
    things = [*found["assetNodes"], *found["jobs"], *found["sensors"], *found["schedules"]]
    nameless = [t.get("name") or t["assetKey"]["path"] for t in things if not t["description"]]
    assert [name for name in nameless if not str(name).startswith("__")] == []
    site.open("/assets/basispoort/gegevensset")
    site.sees("precies de afgesproken velden van de afgesproken leerlingen")


def test_a_run_that_was_clicked_delivers_the_school(delivered: Site) -> None:
    """A run that a person starts for one school succeeds, the supplier holds its pupils, and the report tells it."""
    _run_succeeds(delivered)
    pupils = delivered.world.held_by("basispoort")
    assert len(pupils) > 100
    report = delivered.world.home / "reports" / f"{SCHOOL}.html"
    assert "afgeleverd" in report.read_text(encoding="utf-8")


def test_the_delivery_tells_its_counts(delivered: Site) -> None:
    """The page of a delivery says in one Dutch sentence how many records went out: as many as the supplier holds."""
    _run_succeeds(delivered)
    held = sum(len(delivered.world.held_by("basispoort", kind)) for kind in ("groep", "leerling"))
    delivered.open("/assets/basispoort/levering")
    delivered.sees(f"Afgeleverd: {held} toevoegen.")


def test_what_waits_is_approved_by_clicking(delivered: Site) -> None:
    """A held first delivery shows its number; two fields filled in and one click later it is approved, and goes out by itself."""
    _run_succeeds(delivered)
    site, page = delivered, delivered.page
    assert site.world.held_by(HELD) == {}
    (hold,) = site.world.instance.ledger.holds(SCHOOL, HELD, None)
    site.open(f"/assets/{HELD}/levering")
    site.sees(re.compile("Wacht op goedkeuring: .*Eerste levering"))
    page.get_by_role("link", name="goedkeuren").click()
    page.get_by_role("tab", name="Launchpad").click()
    _fill_in(page, f"ops: {{keur_goed: {{config: {{vasthouding: '{hold.id}', door: directie}}}}}}")
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/*")
    site.sees("Success", exact=True)
    (decided,) = site.world.instance.ledger.holds(SCHOOL, HELD, None)
    assert (decided.state in {"approved", "done"}, decided.decided_by) == (True, "directie")
    _wait_until(lambda: len(site.world.held_by(HELD)) > 100)


def test_from_the_launchpad_a_letter_is_written(delivered: Site) -> None:
    """The run tells where the letter lies, and nothing that is in it."""
    _run_succeeds(delivered)
    key, pupil = next(iter(delivered.world.held_by("basispoort").items()))
    _launch(delivered, "inzage", "schrijf_brief", leerling=key)
    delivered.sees("De brief is geschreven en gaat over")
    (file,) = (delivered.world.home / "reports" / "inzage" / SCHOOL).iterdir()
    delivered.sees(str(file))
    assert pupil["achternaam"] in file.read_text(encoding="utf-8")
    assert pupil["achternaam"] not in delivered.page.content()


def test_from_the_launchpad_one_pupil_goes_now_and_a_mistake_is_told(delivered: Site) -> None:
    """After an objection he is gone from the one supplier; for a key that nobody has, the run says so in Dutch."""
    _run_succeeds(delivered)
    world, supplier = delivered.world, "uwlr_smalle_set"
    key = next(key for key, pupil in world.held_by("basispoort").items() if pupil["jaargroep"] == "4")
    before = len(world.held_by(supplier))
    write_down(world.instance, Said(SCHOOL, by="directie"), {supplier: {key: Choice.OBJECTION}}, _today())
    _launch(delivered, "een_leerling_nu", "lever_een_leerling", leerling=key, leveranciers=supplier)
    delivered.sees(f"{supplier} afgeleverd: 1 verwijderen.")
    assert len(world.held_by(supplier)) == before - 1
    _launch(delivered, "een_leerling_nu", "lever_een_leerling", leerling="niemand")
    delivered.sees("Deze leerling is bij deze school niet bekend")


@pytest.mark.parametrize(("job", "op"), [("goedkeuren", "keur_goed"), ("afwijzen", "wijs_af")])
def test_the_launchpad_shows_two_fields_to_fill_in(site: Site, job: str, op: str) -> None:
    """The Launchpad of a decision opens with exactly its two fields, each explained in Dutch."""
    query = """query Form($job: String!) {runConfigSchemaOrError(selector: {pipelineName: $job, repositoryName: "__repository__",
        repositoryLocationName: "doorgeefluik"}) {... on RunConfigSchema {
        allConfigTypes {... on CompositeConfigType {fields {name description}}}}}}"""
    form = asked(site.url, query, {"job": job})["runConfigSchemaOrError"]
    site.open(JOBS)
    site.page.evaluate("localStorage.clear()")  # else the page offers what was typed the last time
    site.open(f"{JOBS}/{job}/playground")
    lines = site.page.locator(".CodeMirror-line")
    lines.filter(has_text="vasthouding").wait_for()
    words = " ".join(lines.all_inner_texts()).replace("\u200b", "").split()
    assert words == ["ops:", f"{op}:", "config:", "door:", "''", "vasthouding:", "''"]
    told = {f["name"]: f["description"] for t in form["allConfigTypes"] for f in t.get("fields", [])}
    assert "doorgeefluik hold list" in told["vasthouding"]
    assert "naam of functie" in told["door"]


def test_a_job_about_a_pupil_lets_a_person_choose_the_school(site: Site) -> None:
    """The school is picked out of a list, and then the lines about the pupil are there to fill in."""
    site.open(JOBS)
    site.page.evaluate("localStorage.clear()")
    site.open(f"{JOBS}/wissen/playground")
    _choose_school(site)
    lines = site.page.locator(".CodeMirror-line")
    lines.filter(has_text="leerling").wait_for()
    assert not lines.filter(has_text="school").count()


def _choose_school(site: Site) -> None:
    """A list that was opened while the page was still being built closes again; so would a person open it once more."""
    school = site.page.get_by_role("menuitem").filter(has_text=SCHOOL)
    for _ in range(60):
        site.page.get_by_placeholder("Partition").click()
        site.page.wait_for_timeout(1_000)
        if school.count():
            break
    school.click()


def _ready_today(world: World) -> None:
    """The servers know no other day than today; and the export lies outside the inbox, lest the sensor be the first to start."""
    today = _today()
    world.agree(HELD, first_delivery="hold")
    for file in (world.home / "agreements").iterdir():
        text = re.sub("signed: .*", f"signed: {today - timedelta(30)}", file.read_text(encoding="utf-8"))
        file.write_text(re.sub("valid_until: .*", f"valid_until: {today + timedelta(300)}", text), encoding="utf-8")
    schools = world.home / "schools.yaml"
    schools.write_text(schools.read_text(encoding="utf-8").replace("inbox", "exports"), encoding="utf-8")
    (world.home / "instance.yaml").write_text("on: false\n", encoding="utf-8")
    world.export(example_school(schooljaar=schooljaar_on(today), peildatum=today))
    (world.home / "inbox").rename(world.home / "exports")


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Amsterdam")).date()


def _launch(site: Site, job: str, op: str, **config: str) -> None:
    """Open the Launchpad of a job with this filled in, as a link can, and press its button; ends on the page of the run."""
    filled_in = {
        "config": json.dumps({"ops": {op: {"config": config}}}),
        "tags[0][key]": "dagster/partition",
        "tags[0][value]": SCHOOL,
    }
    site.open(f"{JOBS}/{job}/playground/setup?{urlencode(filled_in)}")
    site.page.get_by_role("button", name="Launch Run").click()
    site.page.wait_for_url("**/runs/*")


def _run_succeeds(site: Site) -> None:
    """Wait on the page of the school's run until it says so."""
    site.open("/runs")
    site.page.get_by_role("link", name="leveren", exact=True).first.wait_for()
    runs = asked(site.url, '{runsOrError(filter: {pipelineName: "leveren"}) {... on Runs {results {runId}}}}')
    site.open(f"/runs/{runs['runsOrError']['results'][-1]['runId']}")
    site.sees("Success", exact=True)


def _wait_until(reached: Callable[[], bool]) -> None:
    """Ask until it is so; the sensor looks every fifteen seconds."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.2)


def _fill_in(page: Any, text: str) -> None:
    """Put `text` in the place of what stands in the editor of the Launchpad."""
    page.locator(".CodeMirror").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
