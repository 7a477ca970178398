"""The EDEXML door: which file is taken, of what moment it is, and how a missing or strange file is named."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Export, PermanentError, SchoolId
from connectors.parnassys import EdexmlFile, SchoolBlock, school_of

Made = Callable[..., bytes]
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def put(path: Path, content: bytes, written: datetime = NOON) -> Path:
    """A file with `content`, written at a given moment."""
    path.write_bytes(content)
    os.utime(path, (written.timestamp(), written.timestamp()))
    return path


def block(brincode: str) -> str:
    """The inside of a school block."""
    return f"<schooljaar>2026-2027</schooljaar><brincode>{brincode}</brincode>"


def test_a_file_is_given_as_it_is(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """The export holds the bytes of the file, its name as origin, and the moment it was written."""
    path = put(tmp_path / "EDEX.XML", edexml())
    export = EdexmlFile(path).pull(school, None)
    assert export == Export(school, edexml(), "edexml EDEX.XML", NOON)


def test_another_file_with_the_same_name_size_and_dates_is_read(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """As it comes out of a zip file, or a back-up: nothing but the content tells that it is the file of last time."""
    for key in ("1", "2"):
        content = edexml(f'<leerling key="{key}"/>')
        assert EdexmlFile(put(tmp_path / "EDEX.XML", content)).pull(school, NOON).content == content


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2026-09-01T10:00:00Z", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("2026-09-01T10:00:00.5+02:00", datetime(2026, 9, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-09-01T10:00:00", datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ("2026-10-31", datetime(2026, 10, 30, 23, tzinfo=UTC)),
        ("2026-11-03T11:00:00Z", NOON + timedelta(hours=23)),
        ("2026-11-03T13:00:00Z", NOON),
        ("2026-09-01T10:00:00.1234567Z", datetime(2026, 9, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00", NOON),
        ("9999-12-31T23:59:59-05:00", NOON),
        ("gisteren", NOON),
        ("", NOON),
    ],
)
def test_an_export_is_of_the_moment_that_it_tells(
    edexml: Made, school: SchoolId, tmp_path: Path, told: str, moment: datetime
) -> None:
    """Without a time zone that is the clock of the school; where there is none in it, when the file was written.

    None is also a moment after that, but for clocks that differ.
    """
    inside = f"{block('99XX')}<aanmaakdatum>{told}</aanmaakdatum>"
    assert EdexmlFile(put(tmp_path / "EDEX.XML", edexml(school=inside))).pull(school, None).received_at == moment


def test_a_file_without_a_date_of_its_own_is_of_the_moment_that_it_tells(
    edexml: Made, school: SchoolId, tmp_path: Path
) -> None:
    """As unpacking can leave it."""
    inside = f"{block('99XX')}<aanmaakdatum>2026-09-01T10:00:00Z</aanmaakdatum>"
    path = put(tmp_path / "EDEX.XML", edexml(school=inside), datetime(1980, 1, 1, tzinfo=UTC))
    assert EdexmlFile(path).pull(school, None).received_at == datetime(2026, 9, 1, 10, tzinfo=UTC)


def test_of_two_time_zones_the_later_moment_is_the_newest(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """Half past eleven here is before ten o'clock in Greenwich."""
    for name, told in (("hier.xml", "2026-07-01T11:30:00+02:00"), ("daar.xml", "2026-07-01T10:00:00Z")):
        inside = f"{block('99XX')}<aanmaakdatum>{told}</aanmaakdatum>"
        put(tmp_path / name, edexml(school=inside), NOON + timedelta(hours=name == "hier.xml"))
    assert EdexmlFile(tmp_path).chosen(school).name == "daar.xml"


def test_the_newest_file_of_the_school_is_chosen(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """Files of other schools, broken files and files of another kind in the inbox do not matter."""
    put(tmp_path / "oud.xml", edexml(), NOON - timedelta(days=1))
    put(tmp_path / "EDEX (1).XML", edexml('<leerling key="2"/>'))
    put(tmp_path / "buren.xml", edexml(school=block("99YY")), NOON + timedelta(hours=1))
    put(tmp_path / "kapot.xml", b"<EDEX><sch", NOON + timedelta(hours=2))
    put(tmp_path / "lijst.csv", edexml(), NOON + timedelta(hours=3))
    (tmp_path / "map.xml").mkdir()
    export = EdexmlFile(tmp_path).pull(school, None)
    assert isinstance(export, Export)
    assert export.origin == "edexml EDEX (1).XML"


def test_an_export_that_says_to_be_of_later_is_not_the_newest_for_ever(
    edexml: Made, school: SchoolId, tmp_path: Path
) -> None:
    """The clock of who made it was wrong; until that moment no other file would be read."""
    for name, told in (("klok.xml", "2027-03-01T10:00:00"), ("EDEX.XML", "2026-11-02T13:30:00")):
        inside = f"{block('99XX')}<aanmaakdatum>{told}</aanmaakdatum>"
        put(tmp_path / name, edexml(school=inside), NOON + timedelta(hours=name == "EDEX.XML"))
    assert EdexmlFile(tmp_path).chosen(school).name == "EDEX.XML"


def test_a_copy_of_an_old_export_is_not_the_newest(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """What an export says itself counts; of one that says nothing, when the file was written."""
    inside = f"{block('99XX')}<aanmaakdatum>2026-{{}}-01T10:00:00</aanmaakdatum>"
    put(tmp_path / "kopie.xml", edexml(school=inside.format("09")), NOON + timedelta(hours=1))
    for made in (inside.format("11"), block("99XX")):
        put(tmp_path / "EDEX.XML", edexml(school=made))
        assert EdexmlFile(tmp_path).chosen(school).name == "EDEX.XML"


def test_an_export_of_another_year_does_not_stand_in_the_way(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """Somebody made the wrong one last; where it is all there is, it is read, and so refused by its year."""
    last_year = block("99XX").replace("2026-2027", "2025-2026")
    put(tmp_path / "vorig.xml", edexml(school=last_year), NOON + timedelta(hours=1))
    assert EdexmlFile(tmp_path).chosen(school).name == "vorig.xml"
    put(tmp_path / "EDEX.XML", edexml())
    assert EdexmlFile(tmp_path).chosen(school).name == "EDEX.XML"


def test_a_file_with_a_strange_section_is_still_the_schools(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """It is chosen, so that what is wrong with it can be told, instead of that there is no file."""
    content = edexml().replace(b"<EDEX>", b"<EDEX><leraren/>")
    put(tmp_path / "EDEX.XML", content)
    export = EdexmlFile(tmp_path).pull(school, None)
    assert isinstance(export, Export)
    assert export.content == content


def test_a_pattern_narrows_the_choice(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """A pattern chooses among the names, whatever their case."""
    put(tmp_path / "99xx.xml", edexml())
    put(tmp_path / "ander.xml", edexml(), NOON + timedelta(hours=1))
    export = EdexmlFile(tmp_path, "99XX*.xml").pull(school, None)
    assert isinstance(export, Export)
    assert export.origin == "edexml 99xx.xml"


def test_no_file_is_named(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """An empty inbox, and a place that is not there, as after a mistake in `path`."""
    (tmp_path / "leeg").mkdir()
    places = {"leeg": "geen_bestand", "weg.xml": "geen_plek", "weg/EDEX.XML": "geen_plek"}
    for path, code in places.items():
        with pytest.raises(PermanentError) as caught:
            EdexmlFile(tmp_path / path).pull(school, None)
        assert caught.value.code == code
        assert "99XX-00" in caught.value.message
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "EDEX.XML: een leeg bestand."),
        (b"sleutel;naam\n1;Kanarie\n", "EDEX.XML: geen EDEXML, of niet heel."),
        (b"<html><p>Kanarie</p></html>", "EDEX.XML: geen EDEXML, of niet heel."),
        (b"PK\x03\x04Kanarie", "EDEX.XML: geen EDEXML, of niet heel."),
        (b"<!DOCTYPE html><p>Kanarie</p>", "EDEX.XML: geen EDEXML, of niet heel."),
        (None, "EDEX.XML: van 99YY-00."),
    ],
    ids=["empty", "csv", "html", "zip", "page", "another school"],
)
def test_what_lies_there_instead_is_told(
    edexml: Made, school: SchoolId, tmp_path: Path, content: bytes | None, told: str
) -> None:
    """So that a person sees what to mend; never more of it than the code of a school."""
    put(tmp_path / "EDEX.XML", edexml(school=block("99YY")) if content is None else content)
    with pytest.raises(PermanentError) as caught:
        EdexmlFile(tmp_path).pull(school, None)
    assert caught.value.code == ("geen_edexml_bestand" if content is not None else "geen_bestand_van_deze_school")
    assert ("code in schools.yaml" in caught.value.action) is (content is None)
    assert caught.value.message.endswith(told)
    assert "Kanarie" not in str(caught.value)


def test_an_export_that_was_not_unpacked_or_lies_too_deep_is_told(
    edexml: Made, school: SchoolId, tmp_path: Path
) -> None:
    """As the browser and the unpacking leave it."""
    put(tmp_path / "EDEX.zip", b"PK")
    (tmp_path / "EDEX").mkdir()
    put(tmp_path / "EDEX" / "EDEX.XML", edexml())
    with pytest.raises(PermanentError) as caught:
        EdexmlFile(tmp_path).pull(school, None)
    assert caught.value.code == "geen_edexml_bestand"
    assert "EDEX.zip: een zip-bestand, pak het eerst uit" in caught.value.message
    assert "EDEX: een map" in caught.value.message


def test_an_export_of_another_school_is_told_behind_whatever_else_lies_there(
    edexml: Made, school: SchoolId, tmp_path: Path
) -> None:
    """It is likelier that the code in the settings is wrong than that somebody wants to deliver a picture."""
    put(tmp_path / "buren.xml", edexml(school=block("99YY")))
    for number in range(3):
        put(tmp_path / f"{number}.xml", b"PK", NOON + timedelta(hours=1))
    with pytest.raises(PermanentError) as caught:
        EdexmlFile(tmp_path).pull(school, None)
    assert caught.value.code == "geen_bestand_van_deze_school"
    assert "buren.xml: van 99YY-00" in caught.value.message


def test_a_file_over_the_limit_is_not_read(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """The size is looked at before the content."""
    path = put(tmp_path / "EDEX.XML", edexml())
    with pytest.raises(PermanentError) as caught:
        EdexmlFile(path, max_bytes=len(edexml()) - 1).pull(school, None)
    assert caught.value.code == "te_groot"


def test_school_of_tells_whose_file_it_is(edexml: Made, tmp_path: Path) -> None:
    """BRIN, location, year and key come out in one spelling."""
    inside = "<schooljaar>2026 / 2027</schooljaar><brincode>99XX02</brincode><schoolkey>k</schoolkey>"
    path = put(tmp_path / "EDEX.XML", edexml(school=inside))
    assert school_of(path) == SchoolBlock("99XX", "02", "2026-2027", "k")


def test_school_of_reads_no_further_than_the_school(edexml: Made, tmp_path: Path) -> None:
    """A large file that breaks off behind its school block still tells whose it is."""
    content = edexml("".join(f'<leerling key="{i}"/>' for i in range(20_000)))
    assert school_of(put(tmp_path / "EDEX.XML", content[:-30])).brincode == "99XX"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "leeg"),
        (b"<!DOCTYPE EDEX><EDEX/>", "doctype"),
        (b"naam;groep", "geen_edexml"),
        (b"<EDEX><school>", "afgebroken"),
        (b"<EDEX><leerlingen/></EDEX>", "geen_school"),
        (b"<EDEX><school><auteur>x</auteur></school></EDEX>", "geen_school"),
    ],
)
def test_school_of_names_what_is_wrong(tmp_path: Path, content: bytes, code: str) -> None:
    """A file that does not tell whose it is gives its named error."""
    with pytest.raises(PermanentError) as caught:
        school_of(put(tmp_path / "EDEX.XML", content))
    assert caught.value.code == code
