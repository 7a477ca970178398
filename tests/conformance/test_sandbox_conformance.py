"""What the sandbox serves, held against the official schemas and called by a foreign client with the official WSDL.

Needs the published standards, which the product does not ship: `DOORGEEFLUIK_STANDARDS`, else `../shared/standards`
beside the repository. Their list of school years ends at 2024-2025, so it is extended, in memory only.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from connectors.base import SchoolId
from connectors.sandbox.administration import Administration, example_administration
from connectors.sandbox.edexml_writer import SOAP, UWLR, edexml, uwlr_answer
from connectors.sandbox.parnassys import FAULTS, parnassys_app
from connectors.sandbox.school import changed_share, example_school, left_school, newcomer, next_school_year
from connectors.sandbox.serving import running
from data_contracts.roster import Roster

BESIDE = Path(__file__).parents[2].parent / "shared" / "standards"
STANDARDS = Path(os.environ.get("DOORGEEFLUIK_STANDARDS", BESIDE))
EDEXML_21 = STANDARDS / "edexml-2.1" / "EDEXML.structuur.xsd"
EDEXML_20 = STANDARDS / "edexml-2.0" / "EDEXML.structuur.xsd"
UWLR_22 = STANDARDS / "uwlr-2.2" / "Schemas" / "UWLR_Leerlinggegevens_v2p2.xsd"
WSDL = STANDARDS / "uwlr-2.2" / "wsdl" / "UWLR_Leerlinggegevens_v2p2.wsdl"

pytestmark = [
    pytest.mark.skipif(
        not WSDL.exists(), reason="de officiële schema's zijn hier niet (DOORGEEFLUIK_STANDARDS wijst de map aan)"
    ),
    pytest.mark.xdist_group("sandbox_conformance"),
]

LAST_YEAR = re.compile(rb'<xs:enumeration value="2024-2025"\s*/>')
SCHOOL = SchoolId("99XX", "00", "2026-2027")


def _extended(path: Path) -> bytes:
    """A published schema with the school years 2025-2026 to 2029-2030 added, where it has such a list."""
    more = b"".join(f'<xs:enumeration value="{year}-{year + 1}"/>'.encode() for year in range(2024, 2030))
    return LAST_YEAR.sub(more, path.read_bytes())


class _Extending(etree.Resolver):
    """Gives the includes of a schema from its own folder, extended; nothing from elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, system_url: str | None, public_id: str | None, context: object) -> object:
        path = self.folder / Path(urlsplit(system_url or "").path).name
        return self.resolve_string(_extended(path), context, base_url=str(path))  # type: ignore[arg-type]


def _schema(path: Path) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Extending(path.parent))
    return etree.XMLSchema(etree.parse(BytesIO(_extended(path)), parser, base_url=str(path)))


def _places(schema: etree.XMLSchema, tree: etree._Element) -> list[str]:
    """Where `tree` breaks the schema: rule and line, no values."""
    return [] if schema.validate(tree) else [f"{e.type_name} regel {e.line}" for e in schema.error_log]


ROSTERS = {
    "the demo's": example_school(),
    "a large one": example_school(1500, seed=4),
    "a small one": example_school(3, seed=5),
    "another year": example_school(60, schooljaar="2024-2025", peildatum=datetime(2024, 12, 1, tzinfo=UTC).date()),
    "a year later": next_school_year(example_school()),
    "changed": changed_share(newcomer(left_school(example_school(), ["10003"], datetime.now(UTC).date())), 0.1),
}


@pytest.mark.parametrize("roster", ROSTERS.values(), ids=ROSTERS.keys())
def test_the_edexml_file_is_valid(roster: Roster) -> None:
    """Every school that the generator makes is a valid EDEXML 2.1 document."""
    content = edexml(roster, aanmaakdatum=datetime(2026, 11, 2, 6, 30, tzinfo=UTC))
    assert _places(_schema(EDEXML_21), etree.fromstring(content)) == []


def test_the_older_edexml_file_is_valid() -> None:
    """Asked for EDEXML 2.0, the writer keeps to that schema, which 2.1 would break."""
    schema = _schema(EDEXML_20)
    assert _places(schema, etree.fromstring(edexml(ROSTERS["the demo's"], version="2.0"))) == []
    assert _places(schema, etree.fromstring(edexml(ROSTERS["the demo's"]))) != []


def test_the_published_schema_itself_refuses_the_current_year() -> None:
    """The extension is needed: as published, the schema knows no school year after 2024-2025."""
    published = etree.XMLSchema(etree.parse(str(EDEXML_21)))
    assert not published.validate(etree.fromstring(edexml(ROSTERS["the demo's"])))
    assert published.validate(etree.fromstring(edexml(ROSTERS["another year"])))


@pytest.mark.parametrize("roster", ROSTERS.values(), ids=ROSTERS.keys())
def test_the_uwlr_answer_is_valid(roster: Roster) -> None:
    """The body of the answer is valid against the schema of UWLR 2.2."""
    body = etree.fromstring(uwlr_answer(roster)).find(f"{{{SOAP}}}Body")
    assert body is not None
    assert _places(_schema(UWLR_22), etree.fromstring(etree.tostring(body[0]))) == []


class _OnlyLocal(Transport):  # type: ignore[misc]  # zeep has no types
    """Loads the official files, extended, from disk, and posts to loopback only."""

    def load(self, url: str) -> bytes:
        path = Path(urlsplit(url).path)
        assert path.resolve().is_relative_to(STANDARDS.resolve())
        return _extended(path)

    def post(self, address: str, message: str, headers: dict[str, str]) -> object:
        assert urlsplit(address).hostname == "127.0.0.1"
        return super().post(address, message, headers)


Called = tuple[Administration, zeep.Client, str]


@pytest.fixture(scope="module")
def called() -> Iterator[Called]:
    """The sandbox, a client made from the official WSDL, and the address to call instead of the one in it."""
    administration = example_administration([(SCHOOL, "sleutel")])
    with running(parnassys_app(administration)) as served, requests.Session() as session:
        yield administration, zeep.Client(str(WSDL), transport=_OnlyLocal(session=session)), f"{served.url}/uwlr"


HEADER = {"autorisatiesleutel": "sleutel", "klantcode": "doorgeefluik", "klantnaam": "Doorgeefluik"}
REQUEST = {"schooljaar": "2026-2027", "brincode": "99XX", "dependancecode": "00", "xsdversie": "2.2"}


def _call(called: Called, **changes: object) -> Any:
    service = called[1].create_service(f"{{{UWLR}}}bndLeerlinggegevens", called[2])
    return service.HaalLeerlinggegevens(**(REQUEST | changes), _soapheaders={"msgpHeader": HEADER})


def _valid_answer(called: Called, **changes: object) -> etree._Element:
    """The answer to zeep's request, valid; undecoded, as zeep 4.3 loses its way in the schema's nested choices."""
    with called[1].settings(raw_response=True):
        response = _call(called, **changes)
    body = etree.fromstring(response.content).find(f"{{{SOAP}}}Body")
    assert body is not None
    answer = etree.fromstring(etree.tostring(body[0]))
    assert _places(_schema(UWLR_22), answer) == []
    return answer[0]


def test_zeep_gets_the_whole_school(called: Called) -> None:
    """A request built by a foreign client from the official WSDL is answered with every pupil, group and teacher."""
    answer = _valid_answer(called)
    school = ROSTERS["the demo's"]
    assert answer.tag == f"{{{UWLR}}}leerlinggegevens"
    assert [pupil.get("key") for pupil in answer.iter(f"{{{UWLR}}}leerling")] == school.leerlingen["key"].tolist()
    assert len(answer.findall(f"{{{UWLR}}}leerkrachten/*")) == len(school.leerkrachten)
    assert len(answer.findall(f"{{{UWLR}}}groepen/*")) == len(school.groepen)


def test_zeep_is_told_of_no_changes_and_no_data(called: Called) -> None:
    """The two empty answers are given to a foreign client, and are valid."""
    assert _valid_answer(called, laatstontvangengegevens=datetime.now(UTC)).tag == f"{{{UWLR}}}geenwijzigingen"
    assert _valid_answer(called, schooljaar="2025-2026").tag == f"{{{UWLR}}}geengegevens"


@pytest.mark.parametrize("code", FAULTS)
def test_zeep_sees_a_fault_with_its_code(called: Called, code: str) -> None:
    """Every fault reaches a foreign client as a SOAP fault with the standard's code."""
    called[0].misbehaviour.custom(f"fault:{code}")
    with pytest.raises(Fault) as caught:
        _call(called)
    assert caught.value.code.split(":")[-1] == code


def test_zeep_is_refused_with_an_unknown_version(called: Called) -> None:
    """A real refusal, not a pretended one, comes out as a fault too."""
    with pytest.raises(Fault) as caught:
        _call(called, xsdversie="1.0")
    assert caught.value.code == "soap:Client.XsdVersieOngeldig"
