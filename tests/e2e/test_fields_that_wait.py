"""A field that a school gives besides waits for a person, and nothing else does: the nights are quiet, and every page says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import html

from connectors.sandbox.school import example_school, renamed
from pipelines.pages import write_pages
from pipelines.reports import write_report
from pipelines.rights.one_now import deliver_one
from pipelines.standing import standing
from tests.commands import asked
from tests.e2e.nights import numbers, seen
from tests.e2e.test_nightly_sync import pupils_in_groups
from tests.workbooks import sheets
from tests.world import SCHOOL, World, a_world

ROSTER = example_school(40)


@pytest.fixture(params=["basispoort", "uwlr_lvs_set"])
def waiting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A school with one supplier that got everything but a field that the agreement gives now."""
    supplier = request.param
    formats = {supplier: "edexml_whole_set" if supplier == "basispoort" else "json_delta"}
    with a_world(tmp_path / "instance", formats) as world:
        world.agree(supplier, more="withhold: [geslacht]\n")
        world.export(ROSTER)
        assert world.sync()[supplier].state == "delivered"
        world.agree(supplier)
        yield world, supplier


def plan_number(world: World, supplier: str) -> int:
    """The number of the last plan."""
    plan = world.instance.ledger.last_plan(supplier, SCHOOL)
    assert plan is not None
    return plan.id


def decide(world: World, decision: str) -> None:
    """Approve or discard the one thing that a person can decide about."""
    hold = world.instance.ledger.holds(SCHOOL, state=None)[-1]
    world.instance.ledger.decide_hold(str(hold.id), decision, "directeur")  # type: ignore[arg-type]


def test_the_nights_are_quiet_while_a_field_waits_or_is_refused(waiting: tuple[World, str]) -> None:
    """No plan and no message, yet it is told every night; what changes at school goes, and a decision counts at once."""
    world, supplier = waiting
    for change in (ROSTER, renamed(ROSTER, pupils_in_groups(ROSTER)[5], "Roosmarijn")):
        world.export(change)
        first = world.sync()[supplier]
        assert (first.state, first.reason.partition(":")[0]) == ("held", "Nieuw in de overeenkomst")
        made, sent = plan_number(world, supplier), seen(world)
        again = world.sync()[supplier]
        assert (again.state, again.reason, numbers(again)) == ("held", first.reason, (0, 0, 0))
        assert (plan_number(world, supplier), seen(world)) == (made, sent)
        assert [(o.state, first.reason in o.reason) for o in standing(world.instance)] == [("held", True)]

    decide(world, "discarded")
    for _ in range(2):
        refused = world.sync()[supplier]
        assert (refused.state, refused.reason.partition(":")[0]) == ("blocked", "Afgewezen door directeur")
        assert (plan_number(world, supplier), seen(world)) == (made + 1, sent)
        assert [(o.state, o.reason) for o in standing(world.instance)] == [("blocked", refused.reason)]

    decide(world, "approved")
    assert world.sync()[supplier].state == "delivered"
    assert all(record["geslacht"] for record in world.held_by(supplier).values())
    assert (world.sync()[supplier].state, plan_number(world, supplier)) == ("unchanged", made + 2)


def told(world: World, supplier: str) -> dict[str, str]:
    """What is said of the field, page by page."""
    write_pages(world.instance, world.day)
    reports = world.home / "reports"
    parents = html.fromstring((reports / "ouders" / f"{SCHOOL}.html").read_text(encoding="utf-8"))
    register = {row["gegeven"]: row["afgesproken"] for row in sheets(reports / "verwerkingsregister.xlsx")["Gegevens"]}
    report = html.fromstring(write_report(world.instance, SCHOOL).read_text(encoding="utf-8"))
    explained = asked("explain", supplier, instance=world.home).stdout
    gets, _, not_ = explained.partition("Krijgt deze leverancier niet")
    return {
        "ouders": next(li.text_content() for li in parents.iter("li") if li.findtext("strong") == "geslacht"),
        "register": register.get("geslacht", "staat er niet in"),
        "rapport": next(tr.text_content() for tr in report.iter("tr") if tr.findtext("th") == "geslacht"),
        "explain": "wel" if "geslacht" in gets else " ".join(not_.split()),
    }


def test_every_page_tells_what_goes_and_what_waits(waiting: tuple[World, str]) -> None:
    """A field that waits is given to nobody yet; one that was refused is not given; one that was approved is."""
    world, supplier = waiting
    world.sync()
    now = told(world, supplier)
    assert "moet dit nog goedkeuren" in now["ouders"]
    assert now["register"] == "wacht op goedkeuring"
    assert "niet gegeven" in now["rapport"]
    assert "wacht op goedkeuring" in now["rapport"]
    assert "wacht op goedkeuring" in now["explain"]
    decide(world, "discarded")
    now = told(world, supplier)
    assert "maar de school geeft dit niet" in now["ouders"]
    assert now["register"] == "staat er niet in"
    assert "afgewezen" in now["rapport"]
    assert "afgewezen" in now["explain"]
    decide(world, "approved")
    world.sync()
    now = told(world, supplier)
    assert "goedkeuren" not in now["ouders"]
    assert (now["register"], now["explain"]) == ("ja", "wel")
    assert "leerling.geslacht" in now["rapport"]


def test_once_approved_the_field_may_go_to_one_pupil_first(waiting: tuple[World, str]) -> None:
    """With him the question is done, and the night brings it to the others."""
    world, supplier = waiting
    world.sync()
    decide(world, "approved")
    one = pupils_in_groups(ROSTER)[0]
    (outcome,) = deliver_one(world.instance, SCHOOL, one, [supplier], world.day, "proef")
    assert (outcome.state, numbers(outcome)) == ("delivered", (0, 1, 0))
    assert len([1 for record in world.held_by(supplier).values() if record.get("geslacht")]) == 1
    assert world.sync()[supplier].state == "delivered"
    assert all(record["geslacht"] for record in world.held_by(supplier).values())
    assert [hold.state for hold in world.instance.ledger.holds(SCHOOL, state=None)] == ["done"]
