"""What the doctor says of settings and exports, held against what a delivery would do with them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from pipelines.commands import doctor
from pipelines.commands.init import make_instance
from pipelines.settings import load_settings, schooljaar_on
from tests.world import DAY

EXPORT = edexml(example_school(30))
ANOTHER_YEAR = EXPORT.replace(schooljaar_on(DAY).encode(), schooljaar_on(DAY - timedelta(days=365)).encode())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new instance, on the day of the example school."""
    monkeypatch.setattr(doctor, "today_in_the_netherlands", lambda: DAY)
    make_instance(tmp_path / "school")
    return tmp_path / "school"


def told(home: Path) -> dict[str, str]:
    """What the doctor says of settings and exports: the mark and the sentence of each thing."""
    settings = load_settings(home)
    found = [*doctor._settings_files(settings), *doctor._exports(settings)]
    return {finding.what: f"{finding.mark}: {finding.told}" for finding in found}


def test_a_good_export_is_read_to_its_end(home: Path) -> None:
    """The file that a delivery would choose is named, with the number of pupils in it."""
    (home / "inbox" / "EDEX.XML").write_bytes(EXPORT)
    assert told(home)["export van 99XX-00 (EDEX.XML)"] == "ok: schooljaar 2026-2027, leerlingen: 30"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (EXPORT[: len(EXPORT) // 2], "houdt halverwege op"),
        (EXPORT.replace(b"<groepen>", b"<leraren/><groepen>"), "een onderdeel dat EDEXML niet kent"),
        (ANOTHER_YEAR, "verwacht werd 2026-2027"),
    ],
)
def test_an_export_that_a_delivery_would_refuse_is_wrong(home: Path, content: bytes, sentence: str) -> None:
    """A file whose beginning is good is still read whole, and refused in the reader's words."""
    (home / "inbox" / "EDEX.XML").write_bytes(content)
    answer = told(home)["export van 99XX-00 (EDEX.XML)"]
    assert answer.startswith("fout: ")
    assert sentence in answer


def test_an_export_without_pupils_is_no_good_export(home: Path) -> None:
    """A delivery would refuse it; the doctor tells why before that, and once."""
    none = re.sub(rb"(?s)<leerlingen>.*</leerlingen>", b"<leerlingen/>", EXPORT)
    (home / "inbox" / "EDEX.XML").write_bytes(none)
    assert told(home)["export van 99XX-00 (EDEX.XML)"].startswith("fout: De export bevat geen enkele leerling")
    assert not any(what.startswith("inbox/") for what in told(home))


def test_a_token_that_no_header_can_carry_is_wrong(home: Path) -> None:
    """A second line or an accent is found before the first night."""
    example = home / "agreements" / "basispoort.yaml.voorbeeld"
    example.rename(example.with_suffix(""))
    token = home / "geheimen" / "basispoort"
    for text, mark in (("een-sleutel", "ok"), ("een-sleutel\nvan-hen", "fout"), ("sléutel", "fout")):
        token.write_text(text, encoding="utf-8")
        token.chmod(0o600)
        (found,) = doctor._secrets(load_settings(home))
        assert (found.what, found.mark) == ("geheim file:geheimen/basispoort", mark)


def test_a_path_that_is_not_there_is_wrong_and_an_empty_inbox_is_not_yet(home: Path) -> None:
    """Only the second is how every instance begins."""
    assert told(home)["export van 99XX-00"].startswith("let op: Er is geen EDEXML-bestand")
    schools = home / "schools.yaml"
    schools.write_text(schools.read_text(encoding="utf-8").replace("path: inbox", "path: uitvoer"), encoding="utf-8")
    assert told(home)["export van 99XX-00"].startswith("fout: De map of het bestand `uitvoer`, waar de export")


def test_a_school_with_an_agreement_needs_an_export(home: Path) -> None:
    """Without one the next delivery fails."""
    example = home / "agreements" / "basispoort.yaml.voorbeeld"
    example.rename(example.with_suffix(""))
    assert told(home)["export van 99XX-00"].startswith("fout: Er is geen EDEXML-bestand")
    text = example.with_suffix("").read_text(encoding="utf-8")
    example.with_suffix("").write_text(re.sub(r"valid_until: .*", "valid_until: 2026-09-01", text), encoding="utf-8")
    assert told(home)["export van 99XX-00"].startswith("let op: Er is geen EDEXML-bestand")


def test_a_forgotten_export_of_a_school_with_an_agreement_is_told(home: Path) -> None:
    """By the date in it, not by when it was put there."""
    example = home / "agreements" / "basispoort.yaml.voorbeeld"
    example.rename(example.with_suffix(""))
    for month, mark in ((9, "let op"), (11, "ok")):
        content = edexml(example_school(30), aanmaakdatum=datetime(2026, month, 2, 12, tzinfo=UTC))
        (home / "inbox" / "EDEX.XML").write_bytes(content)
        assert told(home)["export van 99XX-00 (EDEX.XML)"].startswith(f"{mark}: schooljaar 2026-2027")


def test_of_two_exports_the_one_that_is_not_read_is_named(home: Path) -> None:
    """It is written later, and made earlier."""
    (home / "inbox" / "EDEX.XML").write_bytes(
        edexml(example_school(30), aanmaakdatum=datetime(2026, 11, 2, 12, tzinfo=UTC))
    )
    (home / "inbox" / "oud.xml").write_bytes(
        edexml(example_school(30), aanmaakdatum=datetime(2026, 9, 1, 12, tzinfo=UTC))
    )
    answers = told(home)
    assert answers["export van 99XX-00 (EDEX.XML)"].startswith("ok: ")
    assert answers["inbox/oud.xml"] == (
        "let op: school 99XX-00: wordt niet gelezen, want EDEX.XML gaat voor, die is later gemaakt; haal weg wat niet meer nodig is"
    )


def test_a_file_beside_the_one_that_is_named_by_path_is_told_as_that(home: Path) -> None:
    """Nobody compares the two: it may well be the newer one."""
    schools = home / "schools.yaml"
    schools.write_text(schools.read_text("utf-8").replace("path: inbox", "path: inbox/EDEX.XML"), encoding="utf-8")
    for name, day in (("EDEX.XML", 2), ("nieuw.xml", 9)):
        made = datetime(2026, 11, day, 12, tzinfo=UTC)
        (home / "inbox" / name).write_bytes(edexml(example_school(30), aanmaakdatum=made))
    assert "want `path` van deze school wijst naar iets anders" in told(home)["inbox/nieuw.xml"]


def test_a_file_that_nobody_reads_is_named(home: Path) -> None:
    """An export of a school that is not in the settings, or of another year, is told beside the one that is good."""
    (home / "inbox" / "EDEX.XML").write_bytes(EXPORT)
    (home / "inbox" / "oud.xml").write_bytes(ANOTHER_YEAR)
    (home / "inbox" / "buren.xml").write_bytes(EXPORT.replace(b"<brincode>99XX", b"<brincode>99YY"))
    (home / "inbox" / "vreemd.xml").write_bytes(EXPORT.replace(b"<brincode>99XX", b"<brincode>Jan Jansen"))
    (home / "inbox" / "EDEX.XML").touch()
    answers = told(home)
    assert answers["export van 99XX-00 (EDEX.XML)"].startswith("ok: ")
    assert "inbox/EDEX.XML" not in answers  # one verdict on a file
    assert answers["inbox/oud.xml"].startswith("let op: school 99XX-00, maar schooljaar 2025-2026")
    assert answers["inbox/buren.xml"].startswith("let op: van 99YY-00")
    assert answers["inbox/vreemd.xml"].startswith("let op: van een onbekende school")


def test_settings_that_are_skipped_or_not_filled_in_are_named(home: Path) -> None:
    """A file that does not end in .yaml is told; init's own example only while there is no agreement."""
    example, agreements = "agreements/basispoort.yaml.voorbeeld", home / "agreements"
    (home / "profiles" / "eigen.txt").write_text("x", encoding="utf-8")
    (home / "profiles" / ".verborgen").write_text("x", encoding="utf-8")
    before = told(home)
    assert before[example].startswith("let op: wordt niet gelezen")
    assert before["profiles/eigen.txt"].startswith("let op: wordt niet gelezen")
    assert "profiles/.verborgen" not in before
    assert "Naam van de school" in before["schools.yaml, 99XX-00"]
    text = (home / example).read_text(encoding="utf-8")
    (agreements / "basispoort.yaml").write_text(text, encoding="utf-8")
    (agreements / "uwlr.yaml.txt").write_text(text, encoding="utf-8")
    after = told(home)
    assert example not in after
    assert after["agreements/uwlr.yaml.txt"].startswith("let op: wordt niet gelezen")
