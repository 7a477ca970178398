"""Published samples and schemas of Edustandaard, read completely: nothing dropped, nothing invented.

They are not in this repository: set DOORGEEFLUIK_STANDARDS, or put them beside it in `shared/standards`.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
from lxml import etree

from connectors.base import SchoolId
from connectors.parnassys import read_roster, school_of
from connectors.parnassys.stream import SECTIONS
from data_contracts.fields import CATALOGUE
from data_contracts.roster import Roster

EVERYTHING = frozenset(CATALOGUE)
STANDARDS = Path(os.environ.get("DOORGEEFLUIK_STANDARDS") or Path(__file__).parents[3] / "shared" / "standards")
SAMPLES = sorted(path for path in STANDARDS.glob("**/*.xml") if b"<EDEX" in path.read_bytes())
SCHEMAS = sorted(STANDARDS.glob("edexml-*/EDEXML.elementen.xsd"))
XS = "{http://www.w3.org/2001/XMLSchema}"
PUPIL_DATA = "http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens"

present = pytest.mark.skipif(not SAMPLES, reason="the published standards are not here (DOORGEEFLUIK_STANDARDS)")


def named(path: Path) -> str:
    """Test name of a file."""
    return f"{path.parent.name}/{path.name}"


def values_in(root: etree._Element) -> Counter[str]:
    """Every text and attribute value below the root, as a plain tree gives them; a type without its prefix."""
    found: Counter[str] = Counter()
    for element in root.iterdescendants(etree.Element):
        found.update(value.rpartition(":")[2] if "instance}" in name else value for name, value in element.items())
        if element.text and element.text.strip():
            found[element.text.strip()] += 1
    return found


def values_of(roster: Roster) -> Counter[str]:
    """Every value in the tables, those in lists one by one; `soort` is an element's name, not a value."""
    found: Counter[str] = Counter()
    for name, table in roster.tables():
        for column in table.columns.drop("soort", errors="ignore"):
            for value in table[column].dropna():
                found.update(leaves(json.loads(value)) if value[:1] == "[" else [value])
        assert isinstance(table, pd.DataFrame), name
    return found


def leaves(value: object) -> Iterator[str]:
    """The texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)


def school_named_in(path: Path) -> SchoolId:
    """The school that a sample is about."""
    block = school_of(path)
    return SchoolId(block.brincode or "", block.dependancecode, block.schooljaar or "", block.schoolkey)


def as_soap_answer(root: etree._Element) -> bytes:
    """The sample as a UWLR service would send it: the same elements, in the namespace of UWLR."""
    envelope = etree.fromstring(
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:leerlinggegevens_antwoord '
        f'xmlns:u="{PUPIL_DATA}"><u:leerlinggegevens/></u:leerlinggegevens_antwoord></s:Body></s:Envelope>'
    )
    inside = next(envelope.iter(f"{{{PUPIL_DATA}}}leerlinggegevens"))
    inside.extend(list(root))
    for element in inside.iterdescendants(etree.Element):
        element.tag = f"{{{PUPIL_DATA}}}{element.tag}"
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)


@present
@pytest.mark.parametrize("path", SAMPLES or [STANDARDS], ids=named)
def test_a_published_sample_is_read_completely(path: Path) -> None:
    """Every value in the file is in the tables as often as in the file, and no other."""
    roster = read_roster(path.read_bytes(), EVERYTHING, school_named_in(path))
    assert values_of(roster) == values_in(etree.parse(path).getroot())


@present
@pytest.mark.parametrize("path", SAMPLES or [STANDARDS], ids=named)
def test_a_published_sample_reads_the_same_over_uwlr(path: Path) -> None:
    """The file and the web service give one and the same roster."""
    school = school_named_in(path)
    over_uwlr = read_roster(as_soap_answer(etree.parse(path).getroot()), EVERYTHING, school)
    assert over_uwlr.digest() == read_roster(path.read_bytes(), EVERYTHING, school).digest()


NESTED = frozenset({"groep", "groepen", "samengestelde_groepen", "vestiging", "toevoegingen"})
RECORDS = {
    "SchoolType": "<school>{}</school>",
    "VestigingType": '<vestigingen><vestiging key="v">{}</vestiging></vestigingen>',
    "GroepType": '<groepen><groep key="g">{}</groep></groepen>',
    "SamengesteldeGroepType": '<groepen><samengestelde_groep key="s">{}</samengestelde_groep></groepen>',
    "LeerlingType": '<leerlingen><leerling key="l">{}</leerling></leerlingen>',
    "LeerkrachtType": '<leerkrachten><leerkracht key="k">{}</leerkracht></leerkrachten>',
}
GIVEN = {"schooljaar": "2026-2027", "brincode": "99XX", "dependancecode": "00"}


def everything_in(schema: Path) -> bytes:
    """A file with every plain element that a schema knows, each with a value of its own."""
    numbers = count(1)
    types = {t.get("name"): t for t in etree.parse(schema).iter(f"{XS}complexType")}
    sections = []
    for name, section in RECORDS.items():
        elements = types[name].iter(f"{XS}element") if name in types else ()
        known = dict.fromkeys(str(e.get("name")) for e in elements if e.get("name") != "blok")
        texts = {e: GIVEN.get(e) or f"waarde {next(numbers)}" for e in known if e not in NESTED}
        sections.append(section.format("".join(f"<{e}>{text}</{e}>" for e, text in texts.items())))
    return f"<EDEX>{''.join(sections)}</EDEX>".encode()


@present
@pytest.mark.parametrize("schema", SCHEMAS or [STANDARDS], ids=named)
def test_every_element_of_every_schema_is_read(schema: Path) -> None:
    """The catalogue and the reader know each field of EDEXML 1.0.3, 2.0 and 2.1."""
    content = everything_in(schema)
    roster = read_roster(content, EVERYTHING, SchoolId("99XX", "00", "2026-2027"))
    assert values_of(roster) == values_in(etree.fromstring(content))


@present
def test_no_schema_knows_another_section() -> None:
    """Beside the school block stand the sections that the reader takes, of which only `leerlingen` must be there."""
    place = "//{0}complexType[@name='EDEXType']/{0}sequence/*|//{0}element[@name='leerlinggegevens']/{0}complexType/{0}sequence/*"
    paths = [path for path in STANDARDS.glob("**/*.xsd") if not path.name.startswith("imsvdex")]
    parts = [etree.parse(path).xpath(place.format("xs:"), namespaces={"xs": XS[1:-1]}) for path in paths]
    sections = [{part.get("name"): part.get("minOccurs", "1") for part in found} for found in parts if len(found)]
    assert len(sections) > len(SCHEMAS)  # those of UWLR as well
    for known in sections:
        assert known.keys() <= SECTIONS | {"school"}
        assert {name for name, least in known.items() if least != "0"} == {"school", "leerlingen"}
