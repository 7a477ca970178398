"""What the reader makes of a good export: which columns, which values, and nothing that was not asked for."""

import json
from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest
from lxml import etree

from connectors.base import SchoolId
from connectors.parnassys import read_roster
from connectors.parnassys.records import layout
from data_contracts.fields import CATALOGUE, STEERING, Record, columns
from data_contracts.findings import checked
from tests.connectors.parnassys.conftest import PUPIL

EVERYTHING = frozenset(CATALOGUE)
NOTHING_MORE: frozenset[str] = frozenset()

Made = Callable[..., bytes]


def first(frame: pd.DataFrame, name: str) -> str | None:
    """The first value of a column, None where it is absent."""
    return None if frame[name].isna().iloc[0] else str(frame[name].iloc[0])


def test_every_wanted_field_is_a_column_in_catalogue_order(edexml: Made, school: SchoolId) -> None:
    """A field that was asked for is a text column, even where no record has it."""
    roster = read_roster(edexml(), EVERYTHING, school)
    assert list(roster.leerlingen) == columns(Record.LEERLING, EVERYTHING)
    assert list(roster.leerkrachten) == columns(Record.LEERKRACHT, EVERYTHING)
    assert list(roster.school) == columns(Record.SCHOOL, EVERYTHING)
    assert list(roster.groepen) == ["soort", *columns(Record.GROEP, EVERYTHING)]
    assert {str(dtype) for _, table in roster.tables() for dtype in table.dtypes} == {"str"}
    assert len(roster.leerkrachten) == 0


def test_only_steering_fields_when_nothing_is_asked(edexml: Made, school: SchoolId) -> None:
    """What nobody may have is not a column, whatever the export holds."""
    content = edexml('<leerling key="1" eckid="e"><roepnaam>Noor</roepnaam><bsn>999999990</bsn></leerling>')
    roster = read_roster(content, NOTHING_MORE, school)
    assert list(roster.leerlingen) == columns(Record.LEERLING, STEERING)
    assert "999999990" not in roster.leerlingen.to_csv()


class Watched:
    """Stands in for an element and remembers whether its text was read."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.read = False

    @property
    def text(self) -> str:
        """The text, whose reading is noticed."""
        self.read = True
        return "waarde"


class WatchedRecord(list[Watched]):
    """Stands in for a record and remembers which attributes were read."""

    def __init__(self, *tags: str) -> None:
        super().__init__(Watched(tag) for tag in tags)
        self.attributes: set[str] = set()

    def get(self, name: str) -> str:
        """An attribute, whose reading is noticed."""
        self.attributes.add(name)
        return "sleutel"


def test_a_field_nobody_asked_for_is_not_decoded() -> None:
    """Neither the text nor the attribute of an unwanted field is read out of the parser."""
    wanted = frozenset({"leerling.key", "leerling.roepnaam"})
    record = WatchedRecord("{urn:x}bsn", "{urn:x}roepnaam", "eckid")
    row = layout(Record.LEERLING, wanted, ["key", "roepnaam"]).row(record)  # type: ignore[arg-type]
    assert row == ["sleutel", "waarde"]
    assert record.attributes == {"key"}
    assert [child.tag for child in record if child.read] == ["{urn:x}roepnaam"]


def test_a_soap_answer_reads_as_the_file_does(edexml: Made, soap_answer: Made, school: SchoolId) -> None:
    """Namespace, prefixes and envelope do not matter."""
    content = edexml(
        '<leerling key="1"><achternaam>Çelik</achternaam><groep key="g"/></leerling>',
        groepen='<groep key="g"><naam>3</naam><jaargroep>3</jaargroep></groep>',
    )
    assert read_roster(soap_answer(content), EVERYTHING, school).digest() == (
        read_roster(content, EVERYTHING, school).digest()
    )


def test_order_of_sections_and_elements_does_not_matter(school: SchoolId) -> None:
    """Real servers send another order than the schema's."""
    content = (
        b'<EDEX><leerlingen><leerling key="1"><groep key="g"/><geslacht>2</geslacht><roepnaam>Noor</roepnaam>'
        b"</leerling></leerlingen><groepen><groep key='g'><jaargroep>3</jaargroep><naam>Drie</naam></groep></groepen>"
        b"<school><brincode>99XX</brincode><schooljaar>2026-2027</schooljaar></school></EDEX>"
    )
    roster = read_roster(content, EVERYTHING, school)
    assert [first(roster.leerlingen, name) for name in ("roepnaam", "geslacht", "groep")] == ["Noor", "2", "g"]
    assert first(roster.groepen, "naam") == "Drie"


@pytest.mark.parametrize(
    ("field", "written", "read"),
    [
        ("achternaam", "  de\n   Vries ", "de Vries"),
        ("roepnaam", "Noa\u00a0 Lynn", "Noa Lynn"),
        ("roepnaam", "Rene\u0301e", "Ren\u00e9e"),
        ("roepnaam", "No<!-- x -->or", "Noor"),
        ("roepnaam", "<![CDATA[D'Arcy & zn]]>", "D'Arcy & zn"),
        ("roepnaam", "&#239;&amp;", "ï&"),
        ("voorvoegsel", "", None),
        ("voorvoegsel", "   ", None),
        ("voorvoegsel", "van de van der", "van de van der"),
        ("geboortedatum", "2018-01-01+01:00", "2018-01-01"),
        ("geboortedatum", "2018-01-01Z", "2018-01-01"),
        ("geboortedatum", " 2018-02-31 ", "2018-02-31"),
        ("mutatiedatum", "2026-09-01T10:00:00Z", "2026-09-01T10:00:00Z"),
        ("jaargroep", "C", "C"),
        ("emailadres", "a  b", "a  b"),
    ],
)
def test_values_are_tidied_and_not_judged(
    edexml: Made, school: SchoolId, field: str, written: str, read: str | None
) -> None:
    """White space, Unicode form and time zones are tidied; a value that is wrong comes through as it is."""
    content = edexml(f'<leerling key="1"><{field}>{written}</{field}></leerling>')
    assert first(read_roster(content, EVERYTHING, school).leerlingen, field) == read


def test_keys_come_through_as_they_are(edexml: Made, school: SchoolId) -> None:
    """Dummy and duplicate keys are the contract's to judge; only the white space around a key goes, an empty one is absent."""
    content = edexml(
        '<leerling key=" #1 " eckid=""/><leerling key="#1" eckid="geen-url"/><leerling><roepnaam>Noor</roepnaam></leerling>'
    )
    pupils = read_roster(content, EVERYTHING, school).leerlingen
    assert pupils["key"].fillna("-").tolist() == ["#1", "#1", "-"]
    assert pupils["eckid"].fillna("-").tolist() == ["-", "geen-url", "-"]


def test_lists_are_json(edexml: Made, school: SchoolId) -> None:
    """Composed groups, roles, taught groups, free blocks and sites become JSON text, with what is there."""
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    content = edexml(
        '<leerling key="1"><samengestelde_groepen><samengestelde_groep key=" a "/><samengestelde_groep key="b"/>'
        f'</samengestelde_groepen><toevoegingen><blok {xsi} xsi:type="x:OpmerkingGegevensType"><code>k</code><omschrijving/>'
        "<opmerking>tekst</opmerking></blok></toevoegingen></leerling>",
        leerkrachten='<leerkracht key="L"><rol>LRK</rol><rolomschrijving>Coach</rolomschrijving><rol>IB</rol><groepen>'
        '<groep key="g"><rol>STA</rol><rolomschrijving>Tweede</rolomschrijving></groep><samengestelde_groep key="s"/>'
        "</groepen></leerkracht>",
        rest='<vestigingen><vestiging key="V"><naam>De  Hoek</naam></vestiging></vestigingen>',
    )
    roster = read_roster(content, EVERYTHING, school)

    def listed(table: pd.DataFrame, name: str) -> object:
        return json.loads(first(table, name) or "null")

    assert listed(roster.leerlingen, "samengestelde_groepen") == ["a", "b"]
    assert listed(roster.leerlingen, "toevoegingen") == [
        {"type": "OpmerkingGegevensType", "code": "k", "opmerking": "tekst"}
    ]
    assert listed(roster.leerkrachten, "rollen") == [{"rol": "LRK"}, {"rolomschrijving": "Coach"}, {"rol": "IB"}]
    assert listed(roster.leerkrachten, "groepen") == [
        {"groep": "g", "rollen": [{"rol": "STA"}, {"rolomschrijving": "Tweede"}]},
        {"samengestelde_groep": "s"},
    ]
    assert listed(roster.school, "vestigingen") == [{"key": "V", "naam": "De Hoek"}]
    assert first(roster.leerkrachten, "toevoegingen") is None


@pytest.mark.parametrize("reference", ["<samengestelde_groep/>", '<samengestelde_groep key=" "/>'])
def test_a_reference_without_a_key_is_a_finding(
    edexml: Made, soap_answer: Made, school: SchoolId, reference: str
) -> None:
    """It is not passed over: the pupil, the field and the rule are told, and his other composed groups stay."""
    content = edexml(
        '<leerling key="1"><roepnaam>Noor</roepnaam><jaargroep>4</jaargroep>'
        '<samengestelde_groepen><samengestelde_groep key="s"/>'
        f"{reference}</samengestelde_groepen></leerling>",
        groepen='<samengestelde_groep key="s"><naam>Plus</naam></samengestelde_groep>',
    )
    for export in (content, soap_answer(content)):
        result = checked(read_roster(export, EVERYTHING, school), date(2026, 11, 24))
        assert first(result.roster.leerlingen, "samengestelde_groepen") == '["s"]'
        finding = ["leerling", "1", "samengestelde_groepen", "verwijzing", "waarde"]
        assert result.findings.to_numpy().tolist() == [finding]


@pytest.mark.parametrize("read", [EVERYTHING, EVERYTHING - {"school.vestigingen"}], ids=["all", "no locations"])
@pytest.mark.parametrize("field", ["groep", "vestiging"])
@pytest.mark.parametrize("key", ["", 'key=" "'])
def test_the_own_group_or_location_without_a_key_is_a_finding(
    edexml: Made, school: SchoolId, read: frozenset[str], field: str, key: str
) -> None:
    """It says that there is one and not which; a pupil of whom it says nothing is in order."""
    content = edexml(
        f'<leerling key="1"><roepnaam>Noor</roepnaam><jaargroep>4</jaargroep><{field} {key}/></leerling>'
        '<leerling key="2"><roepnaam>Sem</roepnaam><jaargroep>4</jaargroep></leerling>'
    )
    result = checked(read_roster(content, read, school), date(2026, 11, 24), read=read)
    assert result.findings.to_numpy().tolist() == [["leerling", "1", field, "verwijzing", "waarde"]]
    assert result.roster.leerlingen[field].isna().all()


@pytest.mark.parametrize("record", ["groep", "samengestelde_groep", "leerling", "leerkracht"])
@pytest.mark.parametrize("key", ["", 'key=" "'])
def test_a_record_without_a_key_is_a_finding(edexml: Made, school: SchoolId, record: str, key: str) -> None:
    """Whatever else it lacks: it is kept out, and nobody can be named."""
    section = {"leerling": "leerlingen", "leerkracht": "leerkrachten"}.get(record, "groepen")
    content = edexml(**{section: f"<{record} {key}/>" + (PUPIL if record == "leerling" else "")})
    result = checked(read_roster(content, EVERYTHING, school), date(2026, 11, 24))
    assert result.quarantined[["soort", "key"]].to_numpy().tolist() == [[record, ""]]
    assert [record, "", "key", "verplicht", "record"] in result.findings.to_numpy().tolist()


def test_a_field_is_decoded_for_the_kind_that_it_was_asked_for(edexml: Made, school: SchoolId) -> None:
    """`groep.naam` does not open `samengestelde_groep.naam`, though both stand in one table."""
    content = edexml(
        groepen='<samengestelde_groep key="s"><naam>Plus</naam></samengestelde_groep>'
        '<groep key="g"><naam>Drie</naam><jaargroep>3</jaargroep></groep>'
    )
    groups = read_roster(content, frozenset({"groep.naam"}), school).groepen
    assert list(groups) == ["soort", "key", "naam", "jaargroep"]
    assert groups.fillna("-").to_numpy().tolist() == [
        ["samengestelde_groep", "s", "-", "-"],
        ["groep", "g", "Drie", "3"],
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1", "utf-16"])
def test_encodings(edexml: Made, school: SchoolId, encoding: str) -> None:
    """A byte order mark and a declared ISO-8859-1 are read as they should."""
    text = edexml('<leerling key="1"><roepnaam>Zoë</roepnaam></leerling>').decode()
    declared = encoding.removesuffix("-sig")
    content = f'<?xml version="1.0" encoding="{declared}"?>\n{text}'.encode(encoding)
    assert first(read_roster(content, EVERYTHING, school).leerlingen, "roepnaam") == "Zoë"


def test_records_across_chunks_are_each_read_once(edexml: Made, soap_answer: Made, school: SchoolId) -> None:
    """A file of many chunks gives every record, whole and once, wherever a chunk ends."""
    pupils = "".join(
        f'<leerling key="{i}"><roepnaam>Naam {i}</roepnaam><jaargroep>{i % 8 + 1}</jaargroep><groep key="g{i % 9}"/></leerling>\n'
        for i in range(5000)
    )
    teachers = "".join(f'<leerkracht key="L{i}"><roepnaam>Juf {i}</roepnaam></leerkracht>' for i in range(2000))
    content = edexml(pupils, leerkrachten=teachers)
    for export in (content, soap_answer(content)):
        roster = read_roster(export, EVERYTHING, school)
        assert roster.leerlingen["key"].tolist() == [str(i) for i in range(5000)]
        assert roster.leerlingen["roepnaam"].tolist() == [f"Naam {i}" for i in range(5000)]
        assert roster.leerlingen["groep"].tolist() == [f"g{i % 9}" for i in range(5000)]
        assert roster.leerkrachten["roepnaam"].tolist() == [f"Juf {i}" for i in range(2000)]


def test_unknown_elements_in_a_record_are_passed_over(edexml: Made, school: SchoolId) -> None:
    """An element that no standard knows changes nothing of a record."""
    plain = read_roster(edexml(), EVERYTHING, school)
    strange = edexml('<leerling key="1"><hobby>x</hobby><roepnaam>Noor</roepnaam></leerling>')
    assert read_roster(strange, EVERYTHING, school).digest() == plain.digest()


def test_the_tree_is_not_kept(edexml: Made, monkeypatch: pytest.MonkeyPatch, school: SchoolId) -> None:
    """While a large export is read, only the records of the last chunk are in memory."""
    from connectors.parnassys import stream

    content = edexml("".join(f'<leerling key="{i}"><roepnaam>Naam</roepnaam></leerling>' for i in range(20_000)))
    most = 0
    for _, element in stream.finished_records(stream.chunks_of(content)):
        parent = element.getparent()
        assert isinstance(parent, etree._Element)
        most = max(most, len(parent))
    assert 0 < most < 3000
