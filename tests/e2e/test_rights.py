"""The letter for access and the reason why, with everything real: what they say is what the suppliers hold."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from lxml import html

from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
from mappings.choices import Choice
from pipelines.build import build_defs
from pipelines.consent import Said, write_down
from pipelines.resources import InstanceResource
from pipelines.retention import clean_letters
from pipelines.rights.access import Letter, Receiver, letter, write_letter
from pipelines.rights.looking import UnknownPupilError, found_by_name, fresh
from pipelines.rights.trace import trace
from pipelines.runs import run_one_pupil
from pipelines.settings import load_settings
from tests.e2e.test_one_pupil import SUPPLIERS, in_year_4, refuse, renamed, without
from tests.web_page import CHROMIUM, chromium
from tests.world import DAY, SCHOOL, World, a_world

CANARY = "Kanariepietje"
LISTS = {"samengestelde_groepen"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school with three suppliers, to whom nothing was delivered yet."""
    with a_world(tmp_path / "instance") as world:
        yield world


@pytest.fixture
def roster() -> Roster:
    return example_school(60)


def called(roster: Roster, key: str, name: str) -> Roster:
    pupils = roster.leerlingen.copy()
    pupils.loc[pupils["key"].eq(key), "roepnaam"] = name
    return replace(roster, leerlingen=pupils)


def at(told: Letter, supplier: str) -> Receiver:
    return next(one for one in told.receivers if one.supplier == supplier)


def held(world: World, supplier: str, key: str, eckid: str) -> dict[str, Any]:
    """What the supplier really holds of him, by name on the wire."""
    records = world.held_by(supplier)
    record = records.get(key) or records[eckid]
    return {name: value for name, value in record.items() if value not in (None, []) and name != "id"}


def told_of(world: World, receiver: Receiver) -> dict[str, Any]:
    """What the letter says that the supplier holds of him, by name on the wire."""
    wires = {f.id: f.wire for f in world.instance.settings.field_set(receiver.supplier, SCHOOL).fields}
    mine = [v for v in receiver.values if v.about == "de leerling" and v.value]
    return {wires[v.field_id]: str(v.value).split(", ") if v.field_id.split(".")[1] in LISTS else v.value for v in mine}


def test_the_letter_says_what_every_supplier_holds_and_held(world: World, roster: Roster) -> None:
    """Three suppliers got him and one had to remove him: the letter tells exactly what is there, and what was."""
    key = in_year_4(roster)[0]
    eckid = str(roster.leerlingen.set_index("key").loc[key, "eckid"])
    world.export(called(roster, key, CANARY))
    world.sync()
    write_down(world.instance, Said(SCHOOL, by="directeur"), {"uwlr_lvs_set": {key: Choice.OBJECTION}}, DAY)
    world.sync()
    told = letter(world.instance, SCHOOL, key, DAY)
    assert [(one.supplier, one.holds) for one in told.receivers] == [
        ("basispoort", "ja"),
        ("uwlr_lvs_set", "nee"),
        ("uwlr_smalle_set", "ja"),
    ]
    for supplier in ("basispoort", "uwlr_smalle_set"):
        assert told_of(world, at(told, supplier)) == held(world, supplier, key, eckid)
        assert at(told, supplier).own_number
        assert at(told, supplier).pending == ""
    gone = at(told, "uwlr_lvs_set")
    assert [(e.operation, e.cause) for e in gone.events] == [("toegevoegd", "nieuw"), ("verwijderd", "bezwaar")]
    assert (gone.removed is not None, gone.values, "geboortedatum" in gone.fields) == (True, (), True)
    assert [(c.supplier, c.choice) for c in told.choices] == [("UWLR LVS-set", "bezwaar")]
    assert told.name.startswith(CANARY)
    with pytest.raises(UnknownPupilError):
        letter(world.instance, SCHOOL, CANARY, DAY)


def test_a_letter_lies_in_one_folder_and_its_values_nowhere_else(
    world: World, roster: Roster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The job and the search leave the name in no event, log or ledger; the file does not bear it, and is cleaned away in time."""
    key = in_year_4(roster)[0]
    world.export(called(roster, key, CANARY))
    settings = load_settings(world.home)
    job = build_defs(
        settings, resources={"instance": InstanceResource(home=str(world.home), day=DAY.isoformat())}
    ).resolve_job_def("inzage")
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as dagster:
        config = {"ops": {"schrijf_brief": {"config": {"leerling": key}}}}
        assert job.execute_in_process(instance=dagster, partition_key=SCHOOL, run_config=config).success
    assert [hit.key for hit in found_by_name(fresh(world.instance, SCHOOL, DAY), CANARY.upper())] == [key]
    (file,) = (world.home / "reports" / "inzage" / SCHOOL).iterdir()
    known = world.instance.ledger.dossier(SCHOOL, key)
    assert known
    assert (file.stat().st_mode & 0o077, file.name) == (0, f"{known.number}-{DAY}.html")
    export = world.home / "inbox" / "EDEX.XML"
    found = [f for f in tmp_path.rglob("*") if f.is_file() and CANARY.encode() in f.read_bytes()]
    assert sorted(found) == sorted([file, export])
    assert CANARY not in "".join(capfd.readouterr())
    assert clean_letters(world.instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert clean_letters(world.instance, datetime.now(UTC) + timedelta(days=1)) == 1
    assert not file.exists()


def test_without_an_export_the_letter_tells_the_rest(world: World, roster: Roster) -> None:
    """Why there are no values is said; who holds what since when stands there all the same."""
    key = in_year_4(roster)[0]
    world.export(roster)
    world.sync()
    world.export_bytes(b"<kapot")
    told = letter(world.instance, SCHOOL, key, DAY)
    assert "export" in told.missing
    assert [(one.holds, one.values, bool(one.fields)) for one in told.receivers] == [("ja", (), True)] * 3


def why(world: World, key: str, supplier: str = "basispoort") -> dict[str, tuple[bool | None, str]]:
    steps = trace(world.instance, SCHOOL, supplier, key, fresh(world.instance, SCHOOL, DAY), DAY)
    return {step.name: (step.ok, step.told) for step in steps}


def test_why_tells_the_step_that_stands_in_the_way(world: World, roster: Roster) -> None:
    """Held, delivered, unknown, in quarantine, objected, refused and left: each is told at its own step, and nothing is sent."""
    keys = in_year_4(roster)
    held_one, broken, objected, refused, left = keys[:5]
    for supplier in SUPPLIERS:
        world.agree(supplier, first_delivery="hold")
    world.export(roster)
    world.sync()
    (hold,) = world.instance.ledger.holds(SCHOOL, "basispoort")
    assert why(world, held_one)["Plan"][0] is False
    assert f"Vasthouding {hold.id}." in why(world, held_one)["Plan"][1]
    assert why(world, held_one)["Verstuurd"][0] is None
    for supplier in SUPPLIERS:
        world.agree(supplier)
    world.sync()
    steps = why(world, held_one)
    assert {ok for ok, _ in steps.values()} == {True}
    assert "heeft hem al zo" in steps["Plan"][1]
    assert why(world, "weetniet")["In de export"][0] is False

    eckid = roster.leerlingen.set_index("key").loc[refused, "eckid"]
    refuse(world, "uwlr_smalle_set", {str(eckid): "Kanarie mag niet"})
    write_down(world.instance, Said(SCHOOL, by="directeur"), {"basispoort": {objected: Choice.OBJECTION}}, DAY)
    pupils = renamed(roster, refused).leerlingen.copy()
    pupils.loc[pupils["key"].eq(broken), "jaargroep"] = "99"
    pupils.loc[pupils["key"].eq(left), "uitstroomdatum"] = "2026-11-01"
    world.export(replace(roster, leerlingen=pupils))
    seen = world.requests_seen("basispoort")
    assert (why(world, left)["Binnen het bereik"][0], "van school" in why(world, left)["Plan"][1]) == (False, True)
    assert why(world, objected)["Keuze van ouders"][0] is False
    assert why(world, objected)["Plan"][0] is True
    assert why(world, broken)["Gegevens"][1].count("jaargroep") >= 1
    assert world.requests_seen("basispoort") == seen
    world.sync()
    answer = why(world, refused, "uwlr_smalle_set")["Antwoord"]
    assert answer == (False, "geweigerd. De leverancier zegt: Kanarie mag niet")
    assert why(world, objected)["Verstuurd"][1].count("verwijderen") == 1


def test_why_tells_that_a_doubled_key_leaves_the_other_as_he_was(world: World, roster: Roster) -> None:
    """One pupil now has the key of another: of the first nothing is certain, and of the second the reason is told once."""
    world.export(roster)
    world.sync()
    one, other = in_year_4(roster)[:2]
    pupils = roster.leerlingen.assign(key=roster.leerlingen["key"].replace(one, other))
    world.export(replace(roster, leerlingen=pupils))
    ok, told = why(world, one)["Plan"]
    assert (ok, "niet te zeggen wie het is" in told) == (False, True)
    assert why(world, other)["Gegevens"][1].count("Dezelfde sleutel komt meer dan één keer voor") == 1


def test_why_tells_that_an_agreement_has_not_begun(world: World, roster: Roster) -> None:
    """Its fields are not even read until then."""
    world.export(roster)
    for supplier in SUPPLIERS:
        file = world.home / "agreements" / f"{supplier}.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace("signed: 2026-08-01", "signed: 2027-01-01"))
    steps = why(world, in_year_4(roster)[0])
    assert steps["Overeenkomst"] == (False, "gaat pas in op 01-01-2027.")
    assert steps["Plan"][0] is None


def test_the_job_for_one_pupil_does_as_the_command_asks(world: World, roster: Roster) -> None:
    """Its outcomes come back by supplier; an unknown pupil is told in Dutch at each."""
    key = in_year_4(roster)[0]
    world.export(without(roster, key))
    world.sync()
    world.export(roster)
    resources = {"instance": InstanceResource(home=str(world.home), day=DAY.isoformat())}
    settings = load_settings(world.home)
    done = run_one_pupil(settings, SCHOOL, key, ["basispoort"], world.dagster, resources=resources)
    assert [(o.supplier, o.state, o.counts["create"]) for o in done] == [("basispoort", "delivered", 1)]
    assert key in world.held_by("basispoort")
    (run,) = world.dagster.get_runs(dg.RunsFilter(job_name="een_leerling_nu"))
    told = [
        e.dagster_event.step_output_data.metadata["Stappen"].records
        for e in world.dagster.all_logs(run.run_id)
        if e.dagster_event and e.dagster_event.is_successful_output
    ]
    steps = {record.data["Stap"]: record.data["Uitkomst"] for record in told[0]}
    assert list(steps) == list(why(world, key))
    assert steps["Antwoord"] == "aangenomen."
    unknown = run_one_pupil(settings, SCHOOL, "weetniet", ["basispoort"], world.dagster, resources=resources)
    assert [(o.state, "is bij deze school niet bekend" in o.reason) for o in unknown] == [("failed", True)]


def test_of_a_photo_the_letter_tells_that_it_rests_on_consent_and_how_that_stands(tmp_path: Path) -> None:
    """Never given, given, withdrawn: whatever the ground of the agreement, in the letter and in what JSON is made of."""
    with a_world(tmp_path / "instance", {"parro": "json_delta"}) as world:
        file = world.home / "agreements" / "parro.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace("optional: []", "optional: [foto]"), encoding="utf-8")
        world.export(example_school(20))
        world.sync()
        key = min(world.held_by("parro"))
        for choice, standing, told in (
            (None, "niet gegeven", "U gaf die niet."),
            (Choice.GIVEN, "gegeven", "U gaf die op 24-11-2026, en mag haar altijd weer intrekken."),
            (Choice.WITHDRAWN, "ingetrokken", "U trok die in op 24-11-2026."),
        ):
            if choice:
                write_down(world.instance, Said(SCHOOL, by="directeur"), {"foto_parro": {key: choice}}, DAY)
            written = letter(world.instance, SCHOOL, key, DAY)
            assert [(c.field_id, c.standing) for c in at(written, "parro").consents] == [("leerling.fotourl", standing)]
            page = html.fromstring(write_letter(world.instance, written).read_bytes())
            (own,) = page.xpath("//dt[.='Alleen met uw toestemming: foto']/following-sibling::dd[1]")
            assert own.text_content().endswith(told)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="er is geen Chromium")
def test_the_letter_can_be_read_on_a_telephone(world: World, roster: Roster) -> None:
    """Nothing sticks out of a narrow window, and the headings follow each other."""
    world.export(roster)
    world.sync()
    file = write_letter(world.instance, letter(world.instance, SCHOOL, in_year_4(roster)[0], DAY))
    headings = [int(h.tag[1]) for h in html.fromstring(file.read_bytes()).iter("h1", "h2", "h3")]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}
    with chromium() as page:
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        cut = "[...document.querySelectorAll('td')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert page.evaluate(cut) == 0


def test_a_parent_reads_no_name_of_a_column_and_no_foreign_date(world: World, roster: Roster) -> None:
    """Every key has a Dutch name, a date stands in Dutch order, and a code has its meaning."""
    key = in_year_4(roster)[0]
    world.export(roster)
    page = html.fromstring(write_letter(world.instance, letter(world.instance, SCHOOL, key, DAY)).read_bytes())
    rows = {
        row.xpath("string(th)"): row.xpath("string(td)") for row in page.xpath("//div[contains(@class, 'letter')]//tr")
    }
    pupil = roster.leerlingen.set_index("key").loc[key]
    assert rows["sleutel van de stamgroep"] == rows["sleutel van de groep"] == pupil["groep"]
    assert rows["geboortedatum"] == "-".join(reversed(pupil["geboortedatum"].split("-")))
    assert rows["geslacht"] in {"1 (jongen)", "2 (meisje)"}
    assert "key" not in page.text_content()


def test_the_letter_gives_no_field_that_is_empty_for_the_pupil(world: World, roster: Roster) -> None:
    """What he does not have is not told as given: it stands in one sentence, as agreed and empty; what a name is that is no company, too."""
    key = in_year_4(roster)[0]
    roster.leerlingen.loc[roster.leerlingen["key"].eq(key), ["voorvoegsel", "samengestelde_groepen"]] = None
    world.export(roster)
    world.sync()
    told = letter(world.instance, SCHOOL, key, DAY)
    receiver = at(told, "uwlr_lvs_set")
    assert receiver.empty == ("sleutel van de leerling", "voorvoegsel", "samengestelde groepen")
    assert {*receiver.empty} & {*receiver.fields} == set()
    assert "achternaam" in receiver.fields
    text = html.fromstring(write_letter(world.instance, told).read_bytes()).text_content()
    assert "niet gegeven: sleutel van de leerling, voorvoegsel, samengestelde groepen." in text
    assert text.count("Dit is geen bedrijf, maar een landelijke afspraak (UWLR)") == 2
    ended = replace(told, day=date(2027, 8, 1))
    assert "afgelopen op 31-07-2027" in write_letter(world.instance, ended).read_text(encoding="utf-8")


def test_a_letter_as_json_has_every_field(world: World, roster: Roster) -> None:
    """The same facts, one document on standard output, and no file."""
    from typer.testing import CliRunner

    from pipelines.cli import app

    world.export(roster)
    world.sync()
    key = in_year_4(roster)[0]
    answer = CliRunner().invoke(app, ["access", SCHOOL, key, "--json", "--instance", str(world.home)])
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["pupil"], len(document["receivers"])) == (0, key, 3)
    assert not (world.home / "reports" / "inzage").exists()
