"""What the reader refuses: each reason has its own code, is found quickly, and repeats nothing out of the export."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.base import PermanentError, SchoolId
from connectors.parnassys import read_roster
from connectors.parnassys.refusals import _TEXTS
from data_contracts.fields import CATALOGUE

EVERYTHING = frozenset(CATALOGUE)
MARKER = "Zonnebloem"

Made = Callable[..., bytes]


def refused(content: bytes, school: SchoolId, **limits: int) -> PermanentError:
    """The error for `content`, after a look that it came quickly and tells nothing."""
    begun = time.process_time()
    with pytest.raises(PermanentError) as caught:
        read_roster(content, EVERYTHING, school, **limits)
    assert time.process_time() - begun < 5
    assert MARKER not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.message.endswith(".")
    assert caught.value.action.endswith(".")
    return caught.value


LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    ("prolog", "code"),
    [
        (f'<!DOCTYPE EDEX [<!ENTITY l0 "ha">{LAUGHS}]>', "doctype"),
        ('<!DOCTYPE EDEX SYSTEM "file:///etc/hostname">', "doctype"),
        ('<?xml version="1.0"?>\n<!-- x -->\n<?p x?><!DOCTYPE EDEX>', "doctype"),
        (f"<!--{'x' * 200_000}--><!DOCTYPE EDEX>", "doctype"),
    ],
    ids=["billion laughs", "external subset", "after comment and instruction", "beyond the first chunk"],
)
def test_any_doctype_is_refused(edexml: Made, school: SchoolId, prolog: str, code: str) -> None:
    """A DOCTYPE is refused wherever it hides, before anything that it declares is looked at."""
    assert refused(prolog.encode() + edexml(), school).code == code


def test_a_doctype_is_refused_in_utf_16(edexml: Made, school: SchoolId) -> None:
    """Another encoding does not hide a DOCTYPE, with or without a byte order mark."""
    text = "<!DOCTYPE EDEX>" + edexml().decode()
    assert refused(text.encode("utf-16"), school).code == "doctype"
    assert refused(('<?xml version="1.0" encoding="UTF-16LE"?>' + text).encode("utf-16-le"), school).code == "doctype"


def test_laughs_behind_a_long_comment_stay_unexpanded(edexml: Made, school: SchoolId) -> None:
    """Where the DOCTYPE is not seen beforehand, in text or attribute, its entities still are not expanded."""
    prolog = f'<!--{"x" * 200_000}--><!DOCTYPE EDEX [<!ENTITY l0 "ha">{LAUGHS}]>'
    for pupil in ('<leerling key="&l9;"/>', '<leerling key="1"><roepnaam>&l9;</roepnaam></leerling>'):
        assert refused(prolog.encode() + edexml(pupil), school).code in {"doctype", "entiteiten"}


def test_an_external_entity_is_not_opened(edexml: Made, school: SchoolId, tmp_path: Path) -> None:
    """A file that an entity points to ends up nowhere."""
    secret = tmp_path / "geheim.txt"
    secret.write_text(MARKER)
    prolog = f'<!DOCTYPE EDEX [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    content = prolog.encode() + edexml('<leerling key="1"><roepnaam>&x;</roepnaam></leerling>')
    assert refused(content, school).code == "doctype"


@pytest.mark.parametrize("pupil", ['<leerling key="&x;"/>', '<leerling key="1"><roepnaam>&x;</roepnaam></leerling>'])
def test_an_unknown_entity_is_refused(edexml: Made, school: SchoolId, pupil: str) -> None:
    """Only the five entities of XML itself, and character references, are taken."""
    assert refused(edexml(pupil), school).code == "entiteiten"


@pytest.mark.parametrize("depth", [33, 257, 10_000])
def test_deep_nesting_is_refused(edexml: Made, school: SchoolId, depth: int) -> None:
    """Nesting deeper than 32 levels is refused, wherever it stands."""
    inside = depth - 3  # EDEX, leerlingen and leerling are levels too
    nest = "<n>" * inside + "</n>" * inside
    assert refused(edexml(f'<leerling key="1">{nest}</leerling>'), school).code == "te_diep"
    assert refused(edexml(rest=f"<x><y>{nest}</y></x>"), school).code == "te_diep"


def test_nesting_of_32_is_taken(edexml: Made, school: SchoolId) -> None:
    """The limit itself is still allowed."""
    content = edexml(f'<leerling key="1">{"<n>" * 29 + "</n>" * 29}</leerling>')
    assert len(read_roster(content, EVERYTHING, school).leerlingen) == 1


@pytest.mark.parametrize("section", ["leerlingen", "leerkrachten"])
def test_a_stranger_among_persons_is_refused(edexml: Made, school: SchoolId, section: str) -> None:
    """What is no pupil or teacher there could be one under another name, who would seem to have left."""
    stranger = f'<persoon key="{MARKER}"/>'
    content = edexml(stranger) if section == "leerlingen" else edexml(rest=f"<{section}>{stranger}</{section}>")
    assert refused(content, school).code == "vreemd_record"


TEACHERS = "".join(f'<leerkracht key="{i}"><roepnaam>{MARKER}</roepnaam></leerkracht>' for i in range(2000))


@pytest.mark.parametrize(
    "section",
    [
        "<leraren/>",
        f"<Leerkrachten>{TEACHERS}</Leerkrachten>",
        "<ouders><leerling key='8'/></ouders>",
        "<leerling key='8'/>",
        "<toevoegingen/>",
    ],
    ids=["empty", "of many chunks", "with a pupil in it", "a pupil", "free blocks"],
)
def test_a_section_that_no_schema_knows_is_refused(
    edexml: Made, soap_answer: Made, school: SchoolId, section: str
) -> None:
    """Who stands in it would seem to have left: it is named, wherever it stands, in a file and in an answer."""
    first = edexml(rest=section)
    last = edexml().replace(b"</EDEX>", section.encode() + b"</EDEX>")
    for content in (first, last, first.replace(b"<EDEX><school>", b"<EDEX>" + section.encode() + b"<school>")):
        assert refused(content, school).code == "vreemd_onderdeel"
        assert refused(soap_answer(content), school).code == "vreemd_onderdeel"


def test_sections_are_known_by_their_own_name_only(edexml: Made, soap_answer: Made, school: SchoolId) -> None:
    """Every section of the standard, also an empty one, is taken, under any prefix and with a comment beside it."""
    content = edexml(rest="<!-- x --><vestigingen/>", leerkrachten='<leerkracht key="L"/>')
    prefixed = re.sub(rb"<(/?)(?=[a-z])", rb"<\1u:", content).replace(b"<EDEX>", b"<EDEX xmlns:u='urn:x'>")
    for export in (content, prefixed, soap_answer(content)):
        assert len(read_roster(export, EVERYTHING, school).leerkrachten) == 1


def test_size_limit(edexml: Made, school: SchoolId) -> None:
    """An export over the limit is refused unread, and one of exactly the limit is taken."""
    content = edexml()
    assert refused(content, school, max_bytes=len(content) - 1).code == "te_groot"
    assert len(read_roster(content, EVERYTHING, school, max_bytes=len(content)).leerlingen) == 1


@pytest.mark.parametrize(
    "pupils",
    [
        f'<leerling key="1"><roepnaam>{"x" * 11_000_000}</roepnaam></leerling>',
        f'<leerling key="{"x" * 11_000_000}"/>',
        f'<leerling key="1">{"<hobby/>" * 600_000}</leerling>',
    ],
    ids=["text", "attribute", "children"],
)
def test_one_record_without_end_is_refused(edexml: Made, school: SchoolId, pupils: str) -> None:
    """A single value or record of many megabytes is refused before it fills the memory."""
    assert refused(edexml(pupils), school).code == "te_groot"


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body/></html>",
        b"<html><EDEX/></html>",
        b"PK\x03\x04 zip",
        MARKER.encode(),
        b"\x00\x01\x02",
        b"<Envelope><Body><Fault><faultcode>Client</faultcode></Fault></Body></Envelope>",
        b"<Envelope><Body><leerlinggegevens_antwoord><geenwijzigingen/></leerlinggegevens_antwoord></Body></Envelope>",
    ],
)
def test_something_else_is_refused(school: SchoolId, content: bytes) -> None:
    """What is no EDEXML and no UWLR answer with pupils is named as such."""
    assert refused(content, school).code == "geen_edexml"


def test_every_truncation_is_refused(edexml: Made, soap_answer: Made, school: SchoolId) -> None:
    """An export cut off at any byte is refused, never read as a smaller school."""
    file = edexml('<leerling key="1"><roepnaam>Noor</roepnaam></leerling><leerling key="2"/>')
    for content in (file, soap_answer(file)):
        codes = {refused(content[:end], school).code for end in range(1, len(content))}
        assert codes <= {"afgebroken", "geen_edexml"}
        assert refused(content[: len(content) // 2], school).code == "afgebroken"


@pytest.mark.parametrize("broken", [b"<a></b>", b"<a b=1/>", b"\xff\xfe\xff", b"<a>\x01</a>"])
def test_xml_that_is_not_well_formed_is_refused(edexml: Made, school: SchoolId, broken: bytes) -> None:
    """A mistake in the XML stops the whole export."""
    content = edexml().replace(b"<groepen>", b"<groepen>" + broken)
    assert refused(content, school).code == "afgebroken"


@pytest.mark.parametrize("content", [b"", b"  \n"])
def test_an_empty_file_is_refused(school: SchoolId, content: bytes) -> None:
    """Nothing at all is not a school without pupils."""
    assert refused(content, school).code == "leeg"


def test_an_export_without_pupils_is_refused(edexml: Made, school: SchoolId) -> None:
    """A school of the right name without a pupil stops, and never deletes all."""
    assert refused(edexml(""), school).code == "leeg"


def test_no_data_is_refused_under_its_own_name(school: SchoolId) -> None:
    """`geengegevens` is an answer of its own."""
    content = (
        b"<Envelope><Body><leerlinggegevens_antwoord><geengegevens/></leerlinggegevens_antwoord></Body></Envelope>"
    )
    assert refused(content, school).code == "geengegevens"


YEAR = "<schooljaar>2026-2027</schooljaar>"


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (f"{YEAR}<brincode>99YY</brincode>", "verkeerde_school"),
        (f"{YEAR}<brincode>99XX</brincode><dependancecode>01</dependancecode>", "verkeerde_school"),
        (f"{YEAR}<brincode>99XX01</brincode>", "verkeerde_school"),
        (f"{YEAR}<brincode>99XX00</brincode><dependancecode>01</dependancecode>", "verkeerde_school"),
        (f"{YEAR}<brincode>{MARKER}</brincode>", "verkeerde_school"),
        (f"{YEAR}<schoolkey>{MARKER}</schoolkey>", "verkeerde_school"),
        (f"{YEAR}<instellingsnummer>123456</instellingsnummer>", "verkeerde_school"),
        (f"{YEAR}<auteur>{MARKER}</auteur>", "geen_school"),
        (f"{YEAR}<brincode> </brincode>", "geen_school"),
        (None, "geen_school"),
        ("<schooljaar>2025-2026</schooljaar><brincode>99XX</brincode>", "verkeerd_schooljaar"),
        (f"<schooljaar>{MARKER}</schooljaar><brincode>99XX</brincode>", "verkeerd_schooljaar"),
        ("<schooljaar/><brincode>99XX</brincode>", "verkeerd_schooljaar"),
        (f"{YEAR}<brincode>99XX</brincode></school><school>{YEAR}<brincode>99YY</brincode>", "meer_scholen"),
    ],
)
def test_another_school_or_year_is_refused(edexml: Made, school: SchoolId, block: str | None, code: str) -> None:
    """An export that is not certainly of the expected school and year stops."""
    assert refused(edexml(school=block), school).code == code


def test_years_that_do_not_follow_each_other_are_refused(edexml: Made) -> None:
    """A school year of two years is none, even where it was expected."""
    wrong = SchoolId("99XX", "00", "2026-2028")
    content = edexml(school="<schooljaar>2026-2028</schooljaar><brincode>99XX</brincode>")
    assert refused(content, wrong).code == "verkeerd_schooljaar"


@pytest.mark.parametrize(
    ("block", "row"),
    [
        (f"{YEAR}<brincode>99XX</brincode>", ["2026-2027", "99XX", "-"]),
        (f"{YEAR}<brincode>99XX00</brincode>", ["2026-2027", "99XX", "00"]),
        (f"{YEAR}<brincode>99XX0</brincode>", ["2026-2027", "99XX", "00"]),
        ("<schooljaar>2026 / 2027</schooljaar><brincode>99XX</brincode>", ["2026-2027", "99XX", "-"]),
        (f"{YEAR}<schoolkey> sk-1 </schoolkey>", ["2026-2027", "-", "-"]),
        (f"{YEAR}<brincode>99XX</brincode><schoolkey>een andere</schoolkey>", ["2026-2027", "99XX", "-"]),
    ],
)
def test_spellings_of_the_right_school_are_taken(edexml: Made, school: SchoolId, block: str, row: list[str]) -> None:
    """A BRIN of six, an absent location, a year with spaces and a school key alone all name the school."""
    table = read_roster(edexml(school=block), EVERYTHING, school).school
    assert table[["schooljaar", "brincode", "dependancecode"]].fillna("-").iloc[0].tolist() == row


def test_the_found_school_is_named_where_it_is_a_code(edexml: Made, school: SchoolId) -> None:
    """A coordinator reads which school's file it was."""
    error = refused(edexml(school=f"{YEAR}<brincode>99YY</brincode>"), school)
    assert "99YY-00" in error.message
    assert "99XX-00" in error.message


def test_every_refusal_has_a_sentence_and_an_action() -> None:
    """Both are whole Dutch sentences."""
    assert all(part.endswith(".") and part[0].isupper() for text in _TEXTS.values() for part in text)
