"""What a person asks in the web page and no delivery follows from: each job tells what the command tells, and no value of a pupil."""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import sqlalchemy as sa

from connectors.sandbox.school import example_school
from mappings.choices import Choice
from pipelines.build import build_defs
from pipelines.consent import Said, write_down
from pipelines.ledger.tables import plan, seal
from pipelines.resources import InstanceResource
from pipelines.retention import finish_erasures
from pipelines.rights.erasure import open_case
from pipelines.runs import QUIET
from pipelines.settings import load_settings
from tests.pipelines.test_cli import asked
from tests.world import DAY, SCHOOL, World, a_world

ROSTER = example_school(40)
KEY, NAME, ECKID = (str(ROSTER.leerlingen[name].iloc[4]) for name in ("key", "achternaam", "eckid"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school that was delivered to two suppliers."""
    formats = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
    with a_world(tmp_path / "instance", formats) as world:
        world.export(ROSTER)
        world.sync()
        yield world


@dataclass(frozen=True)
class Ran:
    """How a job ended, what it told, and the rows of its tables."""

    success: bool
    told: str
    tables: dict[str, list[dict[str, Any]]]


def _run(world: World, job: str, op: str, school: str | None = None, **config: Any) -> Ran:
    resources = {"instance": InstanceResource(home=str(world.home), day=DAY.isoformat())}
    definition = build_defs(load_settings(world.home), resources=resources).resolve_job_def(job)
    form = QUIET | ({"ops": {op: {"config": config}}} if config else {})
    result = definition.execute_in_process(
        run_config=form, partition_key=school, instance=world.dagster, raise_on_error=False
    )
    metadata: dict[str, Any] = {}
    told = ""
    for event in result.all_events:
        if event.is_successful_output:
            metadata |= event.step_output_data.metadata
        elif event.is_step_failure and (failure := event.step_failure_data.user_failure_data):
            metadata |= failure.metadata
            told = failure.description or ""
    rows = {
        name: [dict(record.data) for record in value.records]
        for name, value in metadata.items()
        if isinstance(value, dg.TableMetadataValue)
    }
    assert NAME not in repr(metadata), "a run keeps what it tells, so it tells no name"
    return Ran(result.success, told or str(metadata["Samenvatting"].text), rows)


def test_why_a_supplier_has_a_pupil_is_told_step_by_step(world: World) -> None:
    """As the command tells it; a pupil or a supplier that nobody knows is a mistake, and is not repeated."""
    write_down(world.instance, Said(SCHOOL, by="directie"), {"basispoort": {KEY: Choice.OBJECTION}}, DAY)
    ran = _run(world, "waarom", "leg_uit", SCHOOL, leerling=f" {KEY} ", leverancier="basispoort")
    steps = {row["Stap"]: (row[""], row["Uitkomst"]) for row in ran.tables["Stappen"]}
    assert (ran.success, steps["Keuze van ouders"]) == (True, ("✗", "een ouder maakte bezwaar."))
    assert list(steps)[-1] == "Antwoord"
    assert "Keuze van ouders: een ouder maakte bezwaar." in ran.told
    other = _run(world, "waarom", "leg_uit", SCHOOL, leerling=KEY, leverancier="uwlr_smalle_set")
    assert other.told == "uwlr_smalle_set. Niets houdt hem tegen."
    refuse = f"{world.urls['uwlr_smalle_set']}/_sandbox/refuse"
    said = f"{NAME} is hier al"
    requests.post(refuse, json={"ids": {ECKID: said, KEY: said}}, timeout=5).raise_for_status()
    pupils = ROSTER.leerlingen.copy()
    pupils.loc[4, "roepnaam"] = "Verbeterd"
    world.export(dataclasses.replace(ROSTER, leerlingen=pupils))
    world.sync()
    refused = _run(world, "waarom", "leg_uit", SCHOOL, leerling=KEY, leverancier="uwlr_smalle_set")
    assert "geweigerd" in refused.told, "and not in the supplier's own words: `_run` looks for the name"
    unknown = _run(world, "waarom", "leg_uit", SCHOOL, leerling="Kanarie", leverancier="basispoort")
    assert (unknown.success, "is bij deze school niet bekend" in unknown.told, "Kanarie" in unknown.told) == (
        False,
        True,
        False,
    )
    nobody = _run(world, "waarom", "leg_uit", SCHOOL, leerling=KEY, leverancier="basispor")
    assert (nobody.success, "kies uit: basispoort" in nobody.told) == (False, True)


def test_a_correction_is_followed_and_one_that_is_late_fails_the_run(world: World) -> None:
    """It stands in the export, is refused by one supplier for days, and is accepted in the end."""
    pupils = ROSTER.leerlingen.copy()
    pupils.loc[4, "roepnaam"] = "Verbeterd"
    world.export(dataclasses.replace(ROSTER, leerlingen=pupils))
    before = _run(world, "correctie", "volg_correctie", SCHOOL, leerling=KEY)
    rows = {row["Leverancier"]: row for row in before.tables["Per leverancier"]}
    assert before.success
    assert rows["basispoort"]["Wat"] == "staat in de export; gaat mee met de volgende levering"
    assert rows["basispoort"]["Velden"] == "roepnaam"
    refuse = f"{world.urls['uwlr_smalle_set']}/_sandbox/refuse"
    requests.post(refuse, json={"ids": {ECKID: f"{NAME}: nee", KEY: f"{NAME}: nee"}}, timeout=5).raise_for_status()
    world.sync()
    with world.instance.ledger._engine.begin() as connection:
        connection.execute(sa.update(plan).values(created_at=datetime.now(UTC) - timedelta(days=3)))
    late = _run(world, "correctie", "volg_correctie", SCHOOL, leerling=KEY)
    assert (late.success, late.told) == (False, "Te laat bij uwlr_smalle_set. Zie de tabel.")
    assert _run(world, "correctie", "volg_correctie", SCHOOL, leerling=KEY, dagen=4).success
    requests.post(refuse, json={}, timeout=5).raise_for_status()
    world.sync()
    after = _run(world, "correctie", "volg_correctie", SCHOOL, leerling=KEY)
    assert {row["Wat"] for row in after.tables["Per leverancier"]} == {"aangenomen; gelijk aan de export"}
    assert "Verbeterd" not in repr((before, late, after))
    unknown = _run(world, "correctie", "volg_correctie", SCHOOL, leerling="Kanarie")
    assert (unknown.success, "staat niet in de export" in unknown.told) == (False, True)


def test_every_agreement_is_told_with_what_a_person_should_know(world: World) -> None:
    """One that has ended comes with what to do about it."""
    file = world.home / "agreements" / "uwlr_smalle_set.yaml"
    file.write_text(re.sub("valid_until: .*", "valid_until: 2026-10-01", file.read_text(encoding="utf-8")))
    ran = _run(world, "overeenkomsten", "toon_overeenkomsten")
    stands = {row["Leverancier"]: (row["Stand"], row["Leerlingen"]) for row in ran.tables["Overeenkomsten"]}
    assert stands["uwlr_smalle_set"][0] == "afgelopen"
    assert stands["basispoort"] == ("actief", len(world.held_by("basispoort")))
    assert any("is afgelopen op 01-10-2026" in row["Opmerking"] for row in ran.tables["Opmerkingen"])
    assert ran.told.startswith("Overeenkomsten: ")
    text = (
        file.read_text(encoding="utf-8")
        .replace("2026-10-01", "2028-07-31")
        .replace("stage: full", "stage: report_only")
    )
    (file.parent / "straks.yaml").write_text(text.replace("2026-08-01", "2027-08-01"), encoding="utf-8")
    ran = _run(world, "overeenkomsten", "toon_overeenkomsten")
    rows = [(row["Stand"], row["Leerlingen"]) for row in ran.tables["Overeenkomsten"] if "smalle" in row["Leverancier"]]
    assert rows == [("afgelopen", len(world.held_by("uwlr_smalle_set"))), ("gaat nog in", 0)]
    assert any("met `stage: report_only`" in row["Opmerking"] for row in ran.tables["Opmerkingen"])


def test_a_ledger_that_is_not_whole_fails_the_run(world: World) -> None:
    """A link that was noted before is looked for too; what is no link is a mistake."""
    whole = _run(world, "grootboek_nakijken", "kijk_grootboek_na", schakel="")
    assert (whole.success, whole.told.startswith("Het grootboek is heel")) == (True, True)
    link = whole.told.rpartition(": ")[2]
    assert _run(world, "grootboek_nakijken", "kijk_grootboek_na", schakel=link).success
    other = _run(world, "grootboek_nakijken", "kijk_grootboek_na", schakel="0" * 64)
    assert (other.success, "staat niet meer in de keten" in other.told) == (False, True)
    assert "64 tekens" in _run(world, "grootboek_nakijken", "kijk_grootboek_na", schakel="onzin").told
    with world.instance.ledger._engine.begin() as connection:
        connection.execute(sa.update(seal).values(changes=b"x" * 32))
    broken = _run(world, "grootboek_nakijken", "kijk_grootboek_na", schakel="")
    assert (broken.success, broken.told.startswith("Het grootboek is NIET heel")) == (False, True)


def test_a_request_to_erase_is_followed_and_confirmed(world: World) -> None:
    """The letter is written by the job that shows the request; a confirmation is written down as the command does."""
    assert _run(world, "wisverzoeken", "toon_wisverzoeken").told == "Er zijn geen verzoeken om een leerling te wissen."
    world.agree("uwlr_smalle_set", stage="create")
    open_case(world.instance, SCHOOL, KEY, "directeur", "mondeling")
    world.sync()
    ran = _run(world, "wisverzoeken", "toon_wisverzoeken")
    stands = {row["Leverancier"]: row["Wat"] for row in ran.tables["Wisverzoeken"]}
    assert ran.told == "Verzoeken om te wissen: 1, waarvan 1 open."
    assert stands["basispoort"] == "heeft de leerling verwijderd"
    assert stands["uwlr_smalle_set"] == "verwijdert niet vanzelf: vraag het"
    (letter,) = (world.home / "reports" / "wissen" / SCHOOL).iterdir()
    assert str(letter) in {row["Wat"] for row in ran.tables["Wat te doen"]}
    assert KEY not in repr(ran)
    for wrong, told in (
        ({"verzoek": "een"}, "nummer van het wisverzoek"),
        ({"verzoek": "9"}, "geen wisverzoek 9"),
        ({"leverancier": "basispoort"}, "heeft niets (meer)"),
        ({"door": " "}, "wie dit doet"),
    ):
        config = {"verzoek": "1", "leverancier": "uwlr_smalle_set", "door": "directeur"} | wrong
        refused = _run(world, "wissen_bevestigen", "bevestig_wissen", **config)
        assert (refused.success, told in refused.told) == (False, True), refused.told
    config = {"verzoek": "1", "leverancier": "uwlr_smalle_set", "door": "directeur"}
    done = _run(world, "wissen_bevestigen", "bevestig_wissen", **config)
    assert (done.success, done.told.startswith("Vastgelegd: uwlr_smalle_set")) == (True, True)
    (told,) = [
        row
        for row in _run(world, "wisverzoeken", "toon_wisverzoeken").tables["Wisverzoeken"]
        if "smalle" in row["Leverancier"]
    ]
    assert told["Wat"] == "heeft het bevestigd (directeur)"


def test_a_list_of_consents_is_taken_in_as_a_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    """With the numbers of the lines that are wrong, and nothing that stands in them."""
    file = tmp_path / "lijst.csv"
    file.write_text(f"Sleutel;Website;Parro\n{KEY};ja;nee\n", encoding="utf-8")
    config = {
        "bestand": str(file),
        "sleutelkolom": "Sleutel",
        "kolommen": "foto_website=Website, foto_parro=Parro",
        "door": "administratie",
    }
    ran = _run(world, "keuzes_inlezen", "lees_in", SCHOOL, **config)
    assert (ran.success, "Nieuw vastgelegd: 2" in ran.told) == (True, True)
    listed = asked("consent", "list", SCHOOL, "--json", instance=world.home).stdout
    assert listed.count('"administratie"') == 2
    file.write_text("Sleutel;Website;Parro\nKanarie;misschien;\n", encoding="utf-8")
    wrong = _run(world, "keuzes_inlezen", "lees_in", SCHOOL, **config)
    assert (wrong.success, "Regel 2" in wrong.told, "Kanarie" in wrong.told) == (False, True, False)
    open_case(world.instance, SCHOOL, KEY, "directeur", "mondeling")
    world.sync()
    finish_erasures(world.instance, world.dagster, DAY)
    file.write_text(f"Sleutel;Website;Parro\n{KEY};ja;\n", encoding="utf-8")
    erased = _run(world, "keuzes_inlezen", "lees_in", SCHOOL, **config)
    assert (erased.success, "Regel 2: deze leerling is op verzoek gewist" in erased.told) == (False, True), erased.told
    assert "Haal deze regel uit het bestand." in erased.told
    for missing, told in (
        ({"kolommen": " "}, "Vul bij `kolommen`"),
        ({"bestand": "er-is-niets.csv"}, "bestaat niet"),
        ({"kolommen": "Website"}, "is geen onderwerp en kolom"),
    ):
        refused = _run(world, "keuzes_inlezen", "lees_in", SCHOOL, **(config | missing))
        assert (refused.success, told in refused.told) == (False, True), refused.told
