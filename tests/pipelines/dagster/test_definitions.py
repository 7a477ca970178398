"""What Dagster is given: assets, jobs, schedule and sensors, and what each of them starts."""

import gc
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from pipelines.build import build_defs
from pipelines.decisions import NoAgreementError, decide
from pipelines.instance import open_instance
from pipelines.jobs import DELIVER
from pipelines.ledger.holds import NewHold
from pipelines.pupil_jobs import OF_PUPILS
from pipelines.schedules import nightly, run_requests
from pipelines.settings import Settings, load_settings

AGREEMENT = """\
supplier: {supplier}
schools: [{schools}]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
connection: {{base_url: "https://voorbeeld.test", token: "env:TEKEN"}}
"""
SCHOOLS = """\
schools:
- {school: 99XX-00, name: De Regenboog, source: {edexml: {path: inbox}}}
- {school: 99XX-01, name: De Zon, source: {edexml: {path: inbox}}}
- school: 99YY-00
  name: De Maan
  source: {uwlr: {url: "https://las.test", autorisatiesleutel: "env:A", klantcode: "env:B", klantnaam: x}}
"""
NIGHT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Three schools; Basispoort for the first two, the LVS set for the last two."""
    for folder in ("agreements", "inbox"):
        (tmp_path / folder).mkdir()
    (tmp_path / "schools.yaml").write_text(SCHOOLS, encoding="utf-8")
    for supplier, schools in (("basispoort", "99XX-00, 99XX-01"), ("uwlr_lvs_set", "99XX-01, 99YY-00")):
        text = AGREEMENT.format(supplier=supplier, schools=schools)
        (tmp_path / "agreements" / f"{supplier}.yaml").write_text(text, encoding="utf-8")
    return load_settings(tmp_path)


@pytest.fixture
def dagster() -> Iterator[dg.DagsterInstance]:
    """An instance that leaves nothing behind."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_a_process_that_runs_searches_for_circles_rarely(settings: Settings) -> None:
    """What it has loaded by then is left out for good, once: else every run would look at all of it again and again."""
    build_defs(settings)
    left_out = gc.get_freeze_count()
    build_defs(settings)
    assert (left_out > 0, gc.get_freeze_count()) == (True, left_out)
    assert gc.get_threshold()[0] > 700


def test_the_definitions_can_be_loaded(settings: Settings) -> None:
    """Everything that refers to something finds it."""
    dg.Definitions.validate_loadable(build_defs(settings))


def test_these_are_the_assets_jobs_schedules_and_sensors(settings: Settings) -> None:
    """A vanished supplier, job or sensor shows here first."""
    repository = build_defs(settings).get_repository_def()
    assert sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()) == [
        "basispoort/gegevensset",
        "basispoort/levering",
        "basispoort/wijzigingsplan",
        "export",
        "schoolgegevens",
        "uwlr_lvs_set/gegevensset",
        "uwlr_lvs_set/levering",
        "uwlr_lvs_set/wijzigingsplan",
    ]
    jobs = {name for name in repository.job_names if not name.startswith("__")}
    about_pupils = {"keuze_vastleggen", "keuzes_inlezen", "een_leerling_nu", "waarom", "correctie", "inzage", "wissen"}
    assert set(OF_PUPILS) == about_pupils
    assert jobs == about_pupils | {
        *("leveren", "voorbeeld", "goedkeuren", "afwijzen"),
        *("overeenkomsten", "publiceren", "wisverzoeken", "wissen_bevestigen"),
        *("grootboek_nakijken", "teruglezen", "opruimen"),
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "nachtelijk",
        "dagelijks_opruimen",
        "wekelijks_teruglezen",
    }
    assert {sensor.name for sensor in repository.sensor_defs} >= {
        *("inbox", "na_goedkeuring", "na_wisverzoek", "na_wissen", "afgebroken_runs"),
    }


def test_every_asset_has_a_partition_a_school_a_group_and_a_description(settings: Settings) -> None:
    """So that a person finds the supplier, and can run one school."""
    graph = build_defs(settings).get_repository_def().asset_graph
    for node in graph.asset_nodes:
        assert node.partitions_def is not None
        assert list(node.partitions_def.get_partition_keys()) == list(settings.school_keys)
        assert node.description
        assert node.group_name == (node.key.path[0] if len(node.key.path) == 2 else "school")


def test_a_preview_cannot_send(settings: Settings) -> None:
    """The job of a preview has no step that delivers."""
    job = build_defs(settings).resolve_job_def("voorbeeld")
    assert not [name for name in job.graph.node_dict if "levering" in name]


def _nightly(settings: Settings) -> dg.ScheduleDefinition:
    schedule = build_defs(settings).resolve_schedule_def("nachtelijk")
    assert isinstance(schedule, dg.ScheduleDefinition)
    return schedule


def test_the_night_runs_in_dutch_time_and_by_itself(settings: Settings) -> None:
    """A new installation delivers at night without anybody switching that on."""
    schedule = _nightly(settings)
    assert schedule.execution_timezone == "Europe/Amsterdam"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "30 2 * * *"


def test_every_morning_is_cleaned_by_itself(settings: Settings) -> None:
    """Also where the nightly sync is switched off: what was kept long enough goes."""
    (settings.home / "instance.yaml").write_text("on: false\n", encoding="utf-8")
    schedule = build_defs(load_settings(settings.home)).resolve_schedule_def("dagelijks_opruimen")
    assert (schedule.job_name, schedule.execution_timezone) == ("opruimen", "Europe/Amsterdam")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_the_night_can_be_switched_off(settings: Settings) -> None:
    """`on: false` in instance.yaml is obeyed."""
    (settings.home / "instance.yaml").write_text("on: false\n", encoding="utf-8")
    assert _nightly(load_settings(settings.home)).default_status is dg.DefaultScheduleStatus.STOPPED


def test_each_night_is_one_run_a_school_of_its_own_suppliers(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """A school's run asks for the assets of its own suppliers only, under a key for that school and night."""
    repository = build_defs(settings).get_repository_def()
    context = dg.build_schedule_context(instance=dagster, repository_def=repository, scheduled_execution_time=NIGHT)
    found = _nightly(settings).evaluate_tick(context).run_requests or []
    runs = {run.partition_key: run for run in found}
    assert {key: run.run_key for key, run in runs.items()} == {
        school: f"2026-11-24-{school}" for school in settings.school_keys
    }
    chosen = {
        key: {asset.path[0] for asset in run.asset_selection or [] if len(asset.path) == 2} for key, run in runs.items()
    }
    assert chosen == {
        "99XX-00": {"basispoort"},
        "99XX-01": {"basispoort", "uwlr_lvs_set"},
        "99YY-00": {"uwlr_lvs_set"},
    }
    assert {run.tags["school"] for run in found} == set(settings.school_keys)


def test_a_school_without_an_agreement_is_not_pulled(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """Its data would be got for nobody, in the night as after an approval whose agreement is gone."""
    approved = _hold(settings, "basispoort")
    open_instance(settings.home).ledger.decide_hold(str(approved), "approved", "ICT-coördinator")
    for file in (settings.home / "agreements").iterdir():
        file.unlink()
    left = load_settings(settings.home)
    repository = build_defs(settings).get_repository_def()
    context = dg.build_schedule_context(instance=dagster, repository_def=repository, scheduled_execution_time=NIGHT)
    assert (nightly(left).evaluate_tick(context).run_requests or []) == []
    assert list(run_requests(left, "99XX-01", "sleutel", ("basispoort",))) == []


def _ticked(settings: Settings, name: str, dagster: dg.DagsterInstance) -> list[dg.RunRequest]:
    repository = build_defs(settings).get_repository_def()
    context = dg.build_sensor_context(instance=dagster, repository_def=repository)
    return list(repository.get_sensor_def(name).evaluate_tick(context).run_requests or [])


def _put(settings: Settings, name: str, **school: str) -> Path:
    file = settings.inbox / name
    file.write_bytes(edexml(example_school(20, schooljaar="2026-2027", **school)))
    return file


def test_a_file_in_the_inbox_starts_one_run_of_its_school(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """And every tick asks for the same run, which Dagster starts once."""
    _put(settings, "EDEX.XML", dependancecode="01")
    first, again = _ticked(settings, "inbox", dagster), _ticked(settings, "inbox", dagster)
    assert [run.partition_key for run in first] == ["99XX-01"]
    assert [run.job_name for run in first] == [DELIVER]
    assert [run.run_key for run in first] == [run.run_key for run in again]


def test_a_changed_file_starts_another_run(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """A new export under the same name is a new run."""
    file = _put(settings, "EDEX.XML")
    (first,) = _ticked(settings, "inbox", dagster)
    os.utime(file, ns=(1, 1))
    (second,) = _ticked(settings, "inbox", dagster)
    assert first.run_key != second.run_key


@pytest.mark.parametrize("brincode", ["99ZZ", "99YY"], ids=["unknown school", "school that takes no files"])
def test_a_file_of_another_school_starts_nothing(
    settings: Settings, dagster: dg.DagsterInstance, brincode: str
) -> None:
    """An export that no school of ours expects is left alone."""
    _put(settings, "EDEX.XML", brincode=brincode)
    assert _ticked(settings, "inbox", dagster) == []


def test_an_unreadable_file_is_told_and_does_not_stop_the_others(
    settings: Settings, dagster: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no EDEXML is named in the log of the tick; files of another kind are nobody's concern."""
    (settings.inbox / "a.xml").write_bytes(b"<EDEX><school>")
    (settings.inbox / "b.xml").write_bytes(b'<!DOCTYPE x [<!ENTITY e "x">]><EDEX>&e;</EDEX>')
    (settings.inbox / "c.txt").write_bytes(b"leerlingen")
    _put(settings, "d.xml")
    assert [run.partition_key for run in _ticked(settings, "inbox", dagster)] == ["99XX-00"]
    told = capsys.readouterr().err
    assert [name for name in ("a.xml", "b.xml", "c.txt", "d.xml") if name in told] == ["a.xml", "b.xml"]


def _hold(settings: Settings, supplier: str) -> int:
    new = NewHold(supplier, "99XX-01", "create", f"kenmerk-{supplier}", 20, "Eerste levering.", "plan")
    return open_instance(settings.home).ledger.open_hold(new)


def test_an_approval_starts_the_delivery_of_that_supplier_only(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """A hold that nobody approved starts nothing."""
    _hold(settings, "uwlr_lvs_set")
    approved = _hold(settings, "basispoort")
    open_instance(settings.home).ledger.decide_hold(str(approved), "approved", "ICT-coördinator")
    (run,) = _ticked(settings, "na_goedkeuring", dagster)
    assert (run.partition_key, run.run_key) == ("99XX-01", f"goedgekeurd-{approved}")
    assert {key.path[0] for key in run.asset_selection or [] if len(key.path) == 2} == {"basispoort"}


TOLD = {"approved": "Goedgekeurd", "discarded": "Afgewezen"}


@pytest.mark.parametrize(
    ("job", "op", "state"), [("goedkeuren", "keur_goed", "approved"), ("afwijzen", "wijs_af", "discarded")]
)
def test_a_person_decides_a_hold_from_the_web_page(
    settings: Settings, dagster: dg.DagsterInstance, job: str, op: str, state: str
) -> None:
    """The decision is written down with who took it, and the run says what it was and what follows; a hold that is not there is a failure."""
    number = _hold(settings, "basispoort")
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    for which, works in ((str(number), True), ("9999", False)):
        answers = {"ops": {op: {"config": {"vasthouding": which, "door": "ICT-coördinator"}}}}
        result = (
            build_defs(settings)
            .resolve_job_def(job)
            .execute_in_process(run_config=config | answers, instance=dagster, raise_on_error=False)
        )
        assert result.success is works
        told = [e.step_output_data.metadata["Samenvatting"].text for e in result.all_events if e.is_successful_output]
        assert [text.partition(".")[0] for text in told] == [
            f"{TOLD[state]}: toevoegen (20) bij basispoort, school 99XX-01"
        ] * works
    (hold,) = open_instance(settings.home).ledger.holds(state=None)
    assert (hold.state, hold.decided_by) == (state, "ICT-coördinator")


def test_nothing_is_approved_for_which_there_is_no_agreement(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """It could be delivered to nobody; it can be discarded, as the sentence says."""
    number = str(_hold(settings, "basispoort"))
    (settings.home / "agreements" / "basispoort.yaml").unlink()
    instance, log = open_instance(settings.home), logging.getLogger(__name__)
    with pytest.raises(NoAgreementError, match=f"hold discard {number}"):
        decide(instance, number, "approved", "ICT-coördinator", log)
    assert decide(instance, number, "discarded", "ICT-coördinator", log).state == "discarded"


def test_a_person_writes_the_pages_from_the_web_page(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """The job writes the pages for parents of every school, the register and the page for the board."""
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = build_defs(settings).resolve_job_def("publiceren").execute_in_process(run_config=config, instance=dagster)
    assert result.success
    written = {file.name for file in settings.reports.rglob("*") if file.is_file()}
    parents = {f"{school}{end}" for school in settings.school_keys for end in (".html", ".fragment.html")}
    assert written == parents | {"verwerkingsregister.html", "verwerkingsregister.xlsx", "bestuur.html"}
