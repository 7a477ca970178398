"""What goes to a supplier as EDEXML, held against the official schema.

Needs the published standards, which the product does not ship: `DOORGEEFLUIK_STANDARDS`, else `../shared/standards`
beside the repository. Their list of school years ends at 2024-2025, so it is extended, in memory only.
"""

import os
import re
from datetime import date
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from lxml import etree

from connectors.base import Envelope, WholeSet
from connectors.http import HttpSettings, open_session
from connectors.sandbox.school import example_school
from connectors.suppliers.edexml_whole_set import EdexmlWholeSet
from connectors.suppliers.wire import Door
from data_contracts.findings import checked
from data_contracts.roster import Roster
from mappings.agreement import Agreement, Connection, FieldSet, LegalBasis, Scope, field_set
from mappings.choices import Release
from mappings.profile import Profile
from mappings.profiles import profile_texts
from mappings.projection import delivery_set

BESIDE = Path(__file__).parents[2].parent / "shared" / "standards"
SCHEMA = Path(os.environ.get("DOORGEEFLUIK_STANDARDS", BESIDE)) / "edexml-2.1" / "EDEXML.structuur.xsd"

pytestmark = [
    pytest.mark.skipif(
        not SCHEMA.exists(), reason="de officiële schema's zijn hier niet (DOORGEEFLUIK_STANDARDS wijst de map aan)"
    ),
    pytest.mark.xdist_group("supplier_conformance"),
]

SUPPLIER = EdexmlWholeSet(Door(open_session(HttpSettings()), "https://leverancier.example", "Proef"), None)
DAY = date(2026, 11, 2)


def _extended(path: Path) -> bytes:
    """A published schema file that knows the school years after 2024-2025 too, where it lists them."""
    years = "".join(f'<xs:enumeration value="{year}-{year + 1}"/>' for year in range(2024, 2030))
    return re.sub(rb'<xs:enumeration value="2024-2025"\s*/>', years.encode(), path.read_bytes())


class _Extending(etree.Resolver):
    """Gives the files that a schema includes, extended."""

    def resolve(self, system_url: str | None, public_id: str | None, context: object) -> object:
        path = SCHEMA.parent / Path(urlsplit(system_url or "").path).name
        return self.resolve_string(_extended(path), context, base_url=str(path))


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    """The official schema of EDEXML 2.1, with more school years."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Extending())
    return etree.XMLSchema(etree.parse(BytesIO(_extended(SCHEMA)), parser, base_url=str(SCHEMA)))


def _field_set(profile: str, optional: tuple[str, ...], scope: Scope) -> FieldSet:
    loaded = Profile.model_validate(yaml.safe_load(profile_texts()[f"{profile}.yaml"]))
    agreement = Agreement(
        supplier=profile,
        schools=("99XX-00",),
        model="Privacyconvenant 4.0",
        signed=date(2026, 8, 1),
        valid_until=date(2027, 7, 31),
        legal_basis="publieke_taak",
        optional=optional,
        scope=scope,
        connection=Connection(base_url="https://leverancier.example", token="env:X"),
    )
    return field_set(loaded, agreement)


def _document(roster: Roster, fields: FieldSet, scope: Scope) -> bytes:
    """What the supplier would be sent of this school."""
    delivery = delivery_set(checked(roster, DAY), fields, scope, Release(LegalBasis.PUBLIC_TASK), "99XX-00", DAY)
    envelope = Envelope(fields.supplier, "99XX-00", delivery.school_fields)
    payload = SUPPLIER.encode(envelope, WholeSet(delivery.records), fields)
    SUPPLIER.check(payload, fields)
    return payload


def _breaks(schema: etree.XMLSchema, payload: bytes) -> list[str]:
    """Where a document breaks the schema: rule and line, no values."""
    tree = etree.fromstring(payload)
    return [] if schema.validate(tree) else [f"{e.type_name} regel {e.line}" for e in schema.error_log]


@pytest.mark.parametrize("optional", [(), ("geslacht",), ("geboortedatum", "geslacht")])
@pytest.mark.parametrize("years", [(), ("3", "4", "5", "6", "7", "8")])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_delivery_to_basispoort_is_valid_edexml(
    schema: etree.XMLSchema, optional: tuple[str, ...], years: tuple[str, ...], seed: int
) -> None:
    """Whatever a school switches on, and whichever years it sends, the document is valid EDEXML 2.1."""
    scope = Scope(jaargroepen=years)
    payload = _document(example_school(seed=seed), _field_set("basispoort", optional, scope), scope)
    assert _breaks(schema, payload) == []
    assert payload.count(b"<leerling ") > 50


def test_the_schema_refuses_what_it_should(schema: etree.XMLSchema) -> None:
    """The extended schema still finds a document that is not in order."""
    payload = _document(example_school(), _field_set("basispoort", (), Scope()), Scope())
    assert _breaks(schema, payload.replace(b"<naam>", b"<naam2>").replace(b"</naam>", b"</naam2>")) != []


def test_a_document_holds_the_elements_of_the_agreement_and_no_others() -> None:
    """Counted by an independent reading: these are all the names that Basispoort sees."""
    payload = _document(example_school(), _field_set("basispoort", ("geboortedatum", "geslacht"), Scope()), Scope())
    root = etree.fromstring(payload)
    names = {f"{element.getparent().tag}/{element.tag}" for element in root.iterdescendants()}
    assert names - {"EDEX/school", "EDEX/groepen", "EDEX/leerlingen"} == {
        "school/schooljaar",
        "school/brincode",
        "school/dependancecode",
        "groepen/groep",
        "groep/naam",
        "groep/jaargroep",
        "leerlingen/leerling",
        "leerling/roepnaam",
        "leerling/achternaam",
        "leerling/voorvoegsel",
        "leerling/geboortedatum",
        "leerling/geslacht",
        "leerling/jaargroep",
        "leerling/groep",
    }
    assert {name for element in root.iter() for name in element.attrib} == {"key"}
