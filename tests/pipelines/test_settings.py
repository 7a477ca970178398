"""The instance folder: what is read from it, how its files must fit together, and where things stand in it."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from connectors.base import PermanentError, SchoolId
from data_contracts.fields import STEERING
from mappings.yaml_source import SettingsError
from pipelines.settings import EdexmlSource, UwlrSource, home_folder, load_settings, schooljaar_on

SCHOOLS = """\
schools:
  - school: 99XX-00
    name: De Voorbeeldschool
    source: {edexml: {path: inbox}}
  - school: 99XX-01
    name: De Dependance
    schoolkey: dep
    source:
      uwlr:
        url: https://parnassys.example/uwlr/
        version: 2.3
        autorisatiesleutel: env:UWLR_SLEUTEL
        klantcode: file:klantcode
        klantnaam: De Dependance
"""
PROFILE = """\
supplier: {supplier}
name: {supplier}
version: "1.0"
leaflet: Bijsluiter
purpose: oefenen
wire_format: json_delta
record_key: key
fields: [{{item: sleutel, field: leerling.key}}, {{item: veld, field: {field}}}]
"""
AGREEMENT = """\
supplier: {supplier}
schools: {schools}
model: Privacyconvenant 4.0
signed: {signed}
valid_until: 2027-07-31
legal_basis: publieke_taak
connection: {{base_url: https://voorbeeld.example, token: env:TOKEN}}
"""
TODAY = date(2026, 11, 24)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An instance with two schools, and two suppliers that are not in the shipped profiles."""
    write(tmp_path, "schools.yaml", SCHOOLS)
    for supplier, field in (("een", "leerling.roepnaam"), ("twee", "leerling.geboortedatum")):
        write(tmp_path, f"profiles/{supplier}.yaml", PROFILE.format(supplier=supplier, field=field))
    agree(tmp_path, "een", "[99XX-00, 99XX-01]")
    agree(tmp_path, "twee", "[99XX-00]", signed="2027-01-01")
    return tmp_path


def write(home: Path, name: str, text: str) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text(text, encoding="utf-8")


def agree(home: Path, supplier: str, schools: str, *, signed: str = "2026-08-01", name: str = "") -> None:
    text = AGREEMENT.format(supplier=supplier, schools=schools, signed=signed)
    write(home, f"agreements/{name or supplier}.yaml", text)


def problems(home: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(SettingsError) as caught:
        load_settings(home)
    return [(problem.file, problem.line, problem.message) for problem in caught.value.problems]


def test_schools_have_one_source_of_their_own_kind(home: Path) -> None:
    """A school's source is the settings of an EDEXML folder or of a UWLR service, as the file says."""
    first, second = load_settings(home).schools
    assert first.source == EdexmlSource(path=Path("inbox"))
    assert second.source == UwlrSource(
        url="https://parnassys.example/uwlr/",
        autorisatiesleutel="env:UWLR_SLEUTEL",
        klantcode="file:klantcode",
        klantnaam="De Dependance",
    )


def test_every_mistake_stands_under_its_file(home: Path) -> None:
    """Whatever finds it, and in whatever order: a person goes through the files one by one."""
    agree(home, "een", "[99XX-77]")
    write(home, "agreements/twee.yaml", "supplier: twee\nsigned: geen datum\n")
    write(home, "schools.yaml", "schools: [{school: 99XX-00}]\n")
    files = [file for file, _, _ in problems(home)]
    assert files == sorted(files)
    assert {"agreements/twee.yaml", "schools.yaml"} <= set(files)


def test_a_school_is_asked_for_by_number_and_year(home: Path) -> None:
    """The identity of an export follows from the school's key and the day."""
    second = load_settings(home).school("99XX-01")
    assert second.id_on(TODAY) == SchoolId("99XX", "01", "2026-2027", "dep")


@pytest.mark.parametrize(
    ("day", "year"), [("2026-07-31", "2025-2026"), ("2026-08-01", "2026-2027"), ("2027-01-01", "2026-2027")]
)
def test_the_school_year_begins_on_the_first_of_august(day: str, year: str) -> None:
    """31 July is the last day of a school year, 1 August the first."""
    assert schooljaar_on(date.fromisoformat(day)) == year


def test_only_fields_of_agreements_that_have_begun_are_wanted(home: Path) -> None:
    """An agreement that has not begun asks for nothing, nor does another school's; one that ended still clears up."""
    settings = load_settings(home)
    assert settings.wanted_fields("99XX-00", TODAY) - STEERING == {"leerling.roepnaam"}
    assert "leerling.geboortedatum" in settings.wanted_fields("99XX-00", date(2027, 1, 1))
    assert "leerling.geboortedatum" not in settings.wanted_fields("99XX-01", date(2027, 1, 1))
    assert "leerling.roepnaam" in settings.wanted_fields("99XX-00", date(2027, 8, 1))


@pytest.mark.parametrize(
    ("day", "first", "second"),
    [
        ("2026-07-01", "2026-08-01", "2026-08-01"),
        ("2027-07-31", "2026-08-01", "2026-08-01"),
        ("2027-08-01", "2026-08-01", "2026-08-01"),
        ("2027-08-14", "2026-08-01", "2026-08-01"),
        ("2027-08-15", "2027-08-15", "2026-08-01"),
        ("2030-01-01", "2027-08-15", "2026-08-01"),
    ],
)
def test_of_agreements_that_follow_each_other_the_newest_that_has_begun_counts(
    home: Path, day: str, first: str, second: str
) -> None:
    """Each school by its own: one that the new agreement does not name stays with the old, and between two the old one clears up."""
    following = AGREEMENT.format(supplier="een", schools="[99XX-00]", signed="2027-08-15").replace(
        "2027-07-31", "2028-07-31"
    )
    write(home, "agreements/een-vanaf-2027.yaml", following)
    settings = load_settings(home, date.fromisoformat(day))
    counting = [settings.agreement("een", school) for school in ("99XX-00", "99XX-01")]
    assert [str(one.signed) for one in counting if one] == [first, second]
    assert [one.schools for one in settings.agreements if one.supplier == "een"].count(("99XX-00", "99XX-01")) == (
        first == second
    )
    (other,) = settings.others
    assert (other.schools, str(other.signed)) == (("99XX-00",), "2027-08-15" if first == second else "2026-08-01")


@pytest.mark.parametrize(("signed", "valid_until"), [("2027-07-31", "2028-07-31"), ("2026-01-01", "2026-08-01")])
def test_agreements_of_a_school_do_not_count_at_the_same_time(home: Path, signed: str, valid_until: str) -> None:
    """Not even on the last day of the one, which is the first of the other."""
    text = AGREEMENT.format(supplier="een", schools="[99XX-01]", signed=signed).replace(
        "2027-07-31\nlegal", f"{valid_until}\nlegal"
    )
    write(home, "agreements/zelfde.yaml", text)
    ((file, line, message),) = problems(home)
    assert (file, line) == ("agreements/zelfde.yaml", 2)
    assert (
        "99XX-01 heeft al een overeenkomst met een, in agreements/een.yaml, van 01-08-2026 tot en met 31-07-2027; zet `valid_until`"
        in message
    )


def test_agreements_are_found_by_supplier_and_school(home: Path) -> None:
    """Who has no agreement has None, and no field set."""
    settings = load_settings(home)
    assert settings.suppliers == ("een", "twee")
    assert settings.agreement("twee", "99XX-01") is None
    assert settings.field_set("een", "99XX-01").ids == {"leerling.key", "leerling.roepnaam"}
    with pytest.raises(LookupError, match="99XX-01"):
        settings.field_set("twee", "99XX-01")


def test_shipped_profiles_are_there_and_cannot_be_replaced(home: Path) -> None:
    """An own profile under the name of a shipped one would widen a leaflet unseen, so it is refused."""
    assert "basispoort" in load_settings(home).profiles
    write(home, "profiles/anders.yaml", PROFILE.format(supplier="basispoort", field="leerling.emailadres"))
    assert problems(home) == [("profiles/anders.yaml", 1, "voor deze leverancier is er al een profiel")]


def test_a_supplier_is_not_named_as_a_purpose(home: Path) -> None:
    """What parents chose about the one would count for the other."""
    write(home, "profiles/foto_parro.yaml", PROFILE.format(supplier="foto_parro", field="leerling.roepnaam"))
    told = "zo heet een doel waarvoor ouders toestemming geven; kies een andere naam"
    assert problems(home) == [("profiles/foto_parro.yaml", 1, told)]


def test_every_place_is_in_the_instance_folder(home: Path) -> None:
    """Ledger, vault, inbox, reports, keys and Dagster's own files stand under the instance."""
    settings = load_settings(home)
    places = [settings.vault, settings.inbox, settings.reports, settings.dagster_home, settings.sleutels]
    assert {place.parent for place in places} == {home}
    assert settings.ledger_url == f"sqlite:///{home / 'ledger.db'}"


def test_the_ledger_may_stand_behind_a_reference(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of PostgreSQL carries a password, so it is a reference, looked up only when it is needed."""
    write(home, "instance.yaml", "ledger: env:LEDGER_ADDRESS\nschedule: 0 3 * * 1-5\non: false\n")
    monkeypatch.delenv("LEDGER_ADDRESS", raising=False)
    settings = load_settings(home)
    assert (settings.instance.schedule, settings.instance.on) == ("0 3 * * 1-5", False)
    with pytest.raises(PermanentError):
        _ = settings.ledger_url
    monkeypatch.setenv("LEDGER_ADDRESS", "postgresql+psycopg://doorgeefluik@localhost/doorgeefluik")
    assert settings.ledger_url == "postgresql+psycopg://doorgeefluik@localhost/doorgeefluik"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("ledger: postgresql://u:kanarie@host/db", 1, "hier hoort een verwijzing"),
        ("on: true\nschedule: 30 25 * * *", 2, "`25` kan niet bij uur; verwacht 0 tot en met 23, of *"),
        ("schedule: 30 2 * * ma", 1, "`ma` kan niet bij weekdag"),
        ("schedule: elke nacht", 1, "vijf delen"),
        ("schedul: 0 2 * * *", 1, "bedoeld is misschien `schedule`"),
        ("retention:\n  vault_days: 0", 2, "verwacht 1 of meer"),
        ("retention: {findings_day: 3}", 1, "bedoeld is misschien `findings_days`"),
    ],
)
def test_a_mistake_in_the_instances_own_settings_is_told(home: Path, text: str, line: int, part: str) -> None:
    """A literal address, an impossible time, nothing kept and an unknown key are refused with their line."""
    write(home, "instance.yaml", text)
    ((file, found_line, message),) = problems(home)
    assert (file, found_line) == ("instance.yaml", line)
    assert part in message
    assert "kanarie" not in message


@pytest.mark.parametrize("schedule", ["30 2 * * *", "*/15 1-5 * * 1-5", "0 2,4 1,15 * 0"])
def test_ordinary_cron_times_are_taken(home: Path, schedule: str) -> None:
    """Lists, ranges and steps of cron are all right."""
    write(home, "instance.yaml", f"schedule: '{schedule}'")
    assert load_settings(home).instance.schedule == schedule


@pytest.mark.parametrize(
    ("old", "new", "line", "part"),
    [
        ("{edexml: {path: inbox}}", "{edexml: {}, uwlr: {}}", 4, "precies één bron"),
        ("{edexml: {path: inbox}}", "{excel: {path: inbox}}", 4, "`excel` is geen bron"),
        ("{edexml: {path: inbox}}", "{edexml: {paht: inbox}}", 4, "bedoeld is misschien `path`"),
        ("{edexml: {path: inbox}}", "{edexml: inbox}", 4, "zet onder edexml de instellingen"),
        ("env:UWLR_SLEUTEL", "kanarie", 12, "hier hoort een verwijzing"),
        ("file:klantcode", "kanarie", 13, "hier hoort een verwijzing"),
        ("klantnaam: De", "klantname: De", 14, "bedoeld is misschien `klantnaam`"),
        ("2.3", "3.0", 11, "verwacht een van: 2.2, 2.3"),
        ("https://parnassys", "http://parnassys", 10, "https://"),
        ("99XX-01", "99XX-00", 1, "school staat er twee keer: 99XX-00"),
        ("99XX-01", "99XX", 5, "zoals 99XX-00"),
    ],
)
def test_a_mistake_in_the_schools_is_told_with_its_line(home: Path, old: str, new: str, line: int, part: str) -> None:
    """Each mistake in `schools.yaml` stops the loading, at the line where it stands, and repeats no secret."""
    write(home, "schools.yaml", SCHOOLS.replace(old, new))
    found = [problem for problem in problems(home) if problem[:2] == ("schools.yaml", line)]
    assert part in found[0][2]
    assert "kanarie" not in str(found)


def test_a_list_is_not_called_too_short_for_what_is_wrong_in_it(home: Path) -> None:
    """One mistake in a school is one problem: there is a school, only not a good one."""
    write(home, "schools.yaml", SCHOOLS.replace("name: De Dependance", "naam: De Dependance"))
    told = [message for file, _, message in problems(home) if file == "schools.yaml"]
    assert len(told) == 2  # an unknown key, and one that is absent
    assert "minstens" not in str(told)


def test_everything_that_a_profile_does_not_allow_is_told_at_once(home: Path) -> None:
    """Each unknown or forbidden item of `optional` and `withhold` is named."""
    path = home / "agreements" / "een.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "optional: [bsn, geslagt]\nwithhold: [sleutel, achternam]\n",
        encoding="utf-8",
    )
    told = " ".join(message for _, _, message in problems(home))
    assert [name for name in ("`bsn`", "`geslagt`", "`sleutel`", "`achternam`") if name not in told] == []


def test_a_second_agreement_with_the_same_supplier_is_refused(home: Path) -> None:
    """Two agreements of one school with one supplier contradict each other; the first file is named."""
    agree(home, "een", "[99XX-01]", name="later")
    ((file, line, message),) = problems(home)
    assert (file, line) == ("agreements/later.yaml", 2)
    assert "agreements/een.yaml" in message


def test_problems_of_all_files_come_at_once(home: Path) -> None:
    """A person sees every mistake of every file in one go."""
    write(home, "schools.yaml", SCHOOLS.replace("2.3", "9"))
    write(home, "instance.yaml", "of: true")
    agree(home, "drie", "[99XX-00]")
    assert {file for file, _, _ in problems(home)} == {"schools.yaml", "instance.yaml", "agreements/drie.yaml"}


def test_an_absent_instance_says_how_to_make_one(tmp_path: Path) -> None:
    """A folder that is not there is told as such, with the command that makes it."""
    ((_, _, told),) = problems(tmp_path / "nergens")
    assert 0 < told.index("--instance MAP") < told.index("DOORGEEFLUIK_HOME") < told.index("doorgeefluik init")


def test_a_file_in_another_encoding_is_refused(home: Path) -> None:
    """Bytes that are no UTF-8 give a problem, not a crash."""
    (home / "instance.yaml").write_bytes(b"# caf\xe9\n")
    ((file, _, message),) = problems(home)
    assert (file, "UTF-8" in message) == ("instance.yaml", True)


def test_a_byte_order_mark_does_no_harm(home: Path) -> None:
    """Notepad's mark at the beginning of a file is passed over."""
    (home / "instance.yaml").write_bytes(b"\xef\xbb\xbfon: false\n")
    assert load_settings(home).instance.on is False


def test_the_folder_is_the_option_then_the_environment_then_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for goes before `DOORGEEFLUIK_HOME`, and that before the folder `instance` here."""
    monkeypatch.setenv("DOORGEEFLUIK_HOME", os.sep + "omgeving")
    assert home_folder(Path(os.sep, "optie")) == Path(os.sep, "optie")
    assert home_folder(None) == Path(os.sep, "omgeving")
    monkeypatch.delenv("DOORGEEFLUIK_HOME")
    assert home_folder(None) == Path.cwd() / "instance"


def test_reading_settings_does_not_load_dagster() -> None:
    """Settings are read by small commands too, which must not pay for Dagster's imports."""
    code = "import sys, pipelines.settings; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
