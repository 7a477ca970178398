"""Any file that the official schemas accept is delivered traceably or ends in findings; any that they refuse does no harm."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.base import ConnectorError
from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import supplier_app
from data_contracts.findings import BrokenTable
from mappings.agreement import FieldSet
from pipelines.instance import open_instance
from pipelines.ledger.ledger import Ledger
from pipelines.sync.case import Outcome
from tests.e2e.edex_documents import documents
from tests.e2e.heart import Night, Records, night, shown
from tests.e2e.standards import VERSIONS, accepts, needs_standards
from tests.e2e.traced import File, normal, untraceable
from tests.world import FORMATS, SCHOOL, TOKEN, a_world

DAY = date(2026, 11, 24)
pytestmark = [needs_standards, pytest.mark.slow, pytest.mark.xdist_group("any_edexml")]
often = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


class Town:
    """Suppliers that stay, and a new school for every file: so that no file finds what another left."""

    def __init__(self, home: Path, apps: dict[str, Any], urls: dict[str, str]) -> None:
        self.home, self.apps, self.urls = home, apps, urls
        self._numbers = count()
        for folder in ("agreements", "inbox"):
            (home / folder).mkdir(parents=True)
        (home / "teken").write_text(TOKEN, encoding="utf-8")
        (home / "teken").chmod(0o600)

    def new_school(self) -> str:
        """Settle a school that nobody knows yet."""
        number = next(self._numbers)
        school = f"99{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}-{number // 676:02d}"
        (self.home / "schools.yaml").write_text(
            f"schools:\n- {{school: {school}, name: Proef, source: {{edexml: {{path: inbox}}}}}}\n", encoding="utf-8"
        )
        for supplier, url in self.urls.items():
            (self.home / "agreements" / f"{supplier}.yaml").write_text(
                AGREEMENT.format(supplier=supplier, school=school, url=url, optional=OPTIONAL.get(supplier, "[]")),
                encoding="utf-8",
            )
        return school

    def read(self, content: bytes, school: str) -> Night:
        """Put a file in the inbox and begin the night."""
        (self.home / "inbox" / "EDEX.XML").write_bytes(content)
        return night(self.home, school, DAY)

    def held(self, supplier: str, school: str) -> dict[str, dict[str, dict[str, Any]]]:
        """What a supplier has of a school."""
        kinds = self.apps[supplier].state.held.schools.get(school, {})
        return {kind: shown(records) for kind, records in kinds.items()}


OPTIONAL = {"basispoort": "[geboortedatum, geslacht]"}
AGREEMENT = """\
supplier: {supplier}
schools: [{school}]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
optional: {optional}
limits:
  first_delivery: allow
  unexplained_deletes: {{count: 1000}}
  all_deletes: {{count: 1000}}
  field_changes: {{count: 1000}}
  creates: {{count: 1000}}
  export_size: {{minimum_percent: 0, maximum_percent: 1000}}
connection: {{base_url: "{url}", token: "file:teken"}}
"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Three suppliers on loopback and an instance for all schools."""
    apps = {supplier: supplier_app(kind, TOKEN) for supplier, kind in FORMATS.items()}  # type: ignore[arg-type]
    with (
        running(apps["basispoort"]) as one,
        running(apps["uwlr_smalle_set"]) as two,
        running(apps["uwlr_lvs_set"]) as three,
    ):
        urls = dict(zip(apps, (one.url, two.url, three.url), strict=True))
        yield Town(tmp_path_factory.mktemp("stad") / "instance", apps, urls)


def as_read(content: bytes, ledger: Ledger, school: str) -> File:
    """The file, with what the ledger says is wrong with it."""
    findings = ledger.findings(school)
    records = findings[findings["gevolg"] == "record"]
    values = findings[findings["gevolg"] == "waarde"]
    return File(
        content,
        set(zip(records["soort"], records["key"], strict=True)),
        set(zip(values["soort"], values["key"], values["veld"], strict=True)),
    )


def check_traceable(held: Mapping[str, Records], file: File, fields: FieldSet) -> None:
    """What a supplier has is in the file, field by field, and whom the file says is at school is there."""
    for kind, records in held.items():
        assert [untraceable(file, kind, record, fields) for record in records.values()] == [[]] * len(records)
    pupils = held.get("leerling", {}).values()
    eckids = {file.value("leerling", key, "eckid"): key for key in file.records["leerling"]}
    assert {r.get("key") or eckids[r["eckid"]] for r in pupils} == file.at_school(DAY)
    in_use = {file.value("leerling", key, "groep") for key in file.at_school(DAY)} - {None}
    assert in_use <= held.get("groep", {}).keys()


def read_or_stopped(town: Town, content: bytes, school: str) -> tuple[Night, None] | tuple[None, BrokenTable]:
    """The night, or what stopped it."""
    try:
        return town.read(content, school), None
    except BrokenTable as error:
        return None, error


@pytest.mark.parametrize("version", VERSIONS)
@settings(often, max_examples=12)
@given(data=st.data())
def test_a_file_that_the_schema_accepts_is_delivered_traceably(town: Town, version: str, data: st.DataObject) -> None:
    """Every value at every supplier is the file's own, and nobody is left out without a finding."""
    school = town.new_school()
    content = data.draw(documents(version, school))
    assume(accepts(version, content))
    tonight, stopped = read_or_stopped(town, content, school)
    if tonight is None:
        assert stopped is not None
        assert stopped.code in {"te_veel_fouten", "geen_leerlingen"}
        assert len(stopped.findings)
        return
    file = as_read(content, tonight.instance.ledger, school)
    for supplier in FORMATS:
        outcome = tonight.deliver(supplier)
        assert (outcome.state, outcome.reason) in {("delivered", ""), ("unchanged", "")}
        fields = tonight.instance.settings.field_set(supplier, school)
        check_traceable(town.held(supplier, school), file, fields)
        assert tonight.left_to_do(supplier) == 0


@settings(often, max_examples=3)
@given(data=st.data())
def test_so_it_is_in_a_run_of_dagster(data: st.DataObject) -> None:
    """The same holds from inbox to supplier through the assets, where a broken table is a failure with its reason."""
    content = data.draw(documents("2.1", SCHOOL))
    with TemporaryDirectory() as folder, a_world(Path(folder) / "instance") as world:
        world.export_bytes(content)
        outcomes, instance = world.sync(), world.instance
        if {outcome.state for outcome in outcomes.values()} == {"failed"}:
            assert all(
                "quarantaine" in o.reason or "bruikbare" in o.reason or "te veel" in o.reason for o in outcomes.values()
            )
            return
        file = as_read(content, instance.ledger, SCHOOL)
        for supplier, outcome in outcomes.items():
            assert outcome.state in {"delivered", "unchanged"}
            fields = instance.settings.field_set(supplier, SCHOOL)
            held = {kind: shown(world.held_by(supplier, kind)) for kind in fields.kinds}
            check_traceable(held, file, fields)
        instance.ledger.close()


# Files that the schema refuses

Harm = Callable[[st.DataObject, etree._Element], bytes]


def _some(data: st.DataObject, root: Any, *tags: str) -> Any:
    """One of the elements with these names."""
    return data.draw(st.sampled_from(list(root.iter(*tags))))


def _written(root: Any) -> bytes:
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def required_element_removed(data: st.DataObject, root: Any) -> bytes:
    """A group without its name or year, a person without a name, a school without its year, or no pupils at all."""
    element = _some(data, root, "naam", "jaargroep", "schooljaar", "brincode", "leerlingen")
    element.getparent().remove(element)
    return _written(root)


def key_removed(data: st.DataObject, root: Any) -> bytes:
    """A record without a key, or with an empty one."""
    records = root.xpath("groepen/*|leerlingen/*|leerkrachten/*")
    record = data.draw(st.sampled_from(records))
    record.attrib.pop("key") if data.draw(st.booleans()) else record.set("key", "")
    return _written(root)


def key_doubled(data: st.DataObject, root: Any) -> bytes:
    """Two records of one kind with the same key."""
    section = data.draw(st.sampled_from(["groepen", "leerlingen", "leerkrachten"]))
    one, other = data.draw(st.permutations(list(root.find(section))))[:2]
    one.set("key", other.get("key"))
    return _written(root)


def eckid_doubled(data: st.DataObject, root: Any) -> bytes:
    """Two persons with one ECK iD."""
    one, other = data.draw(st.permutations([p for p in root.find("leerlingen") if p.get("eckid")]))[:2]
    one.set("eckid", other.get("eckid"))
    return _written(root)


def dangling_reference(data: st.DataObject, root: Any) -> bytes:
    """A reference to a group that is not there."""
    references = root.xpath("//leerling/groep|//leerling//samengestelde_groep|//leerkracht/groepen/*")
    data.draw(st.sampled_from(references)).set("key", "bestaat-niet")
    return _written(root)


def keyless_reference(data: st.DataObject, root: Any) -> bytes:
    """A reference to a group that names none."""
    references = root.xpath("//leerling/groep|//leerling//samengestelde_groep|//leerkracht/groepen/*")
    del data.draw(st.sampled_from(references)).attrib["key"]
    return _written(root)


def wrong_type(data: st.DataObject, root: Any) -> bytes:
    """A date that is none, or a code that does not exist."""
    read_by_all = ("geboortedatum", "geslacht", "jaargroep")
    _some(data, root, *read_by_all).text = data.draw(
        st.sampled_from(["31-12-2019", "2026-02-30", "XX", "-", "1e9", "٣"])
    )
    return _written(root)


def wrong_order(data: st.DataObject, root: Any) -> bytes:
    """Sections, or the fields of a pupil, the other way round: taken as it is."""
    element = data.draw(st.sampled_from([root, *root.find("leerlingen")]))
    element[:] = reversed(element[:])
    return _written(root)


def doubled_field(data: st.DataObject, root: Any) -> bytes:
    """A field that is there twice, differently."""
    element = _some(data, root, "roepnaam", "geboortedatum", "geslacht")
    again = etree.fromstring(etree.tostring(element))
    again.text = None
    element.addnext(again)
    return _written(root)


def other_record(data: st.DataObject, root: Any) -> bytes:
    """Among the pupils or teachers something that is no pupil or teacher."""
    data.draw(st.sampled_from([*root.find("leerlingen"), *root.find("leerkrachten")])).tag = "persoon"
    return _written(root)


def other_section(data: st.DataObject, root: Any) -> bytes:
    """A section under a name that is none, or one more."""
    section = data.draw(st.sampled_from([*root]))
    if data.draw(st.booleans()):
        section.addnext(etree.Element("leraren"))
    else:
        section.tag = section.tag.upper()
    return _written(root)


def other_school(data: st.DataObject, root: Any) -> bytes:
    """A file of another school or another year, or of none."""
    name, text = data.draw(
        st.sampled_from(
            [("brincode", "99ZZ"), ("dependancecode", "77"), ("schooljaar", "2031-2032"), ("brincode", "?")]
        )
    )
    root.find(f"school/{name}").text = text
    return _written(root)


def hostile(data: st.DataObject, root: Any) -> bytes:
    """A DOCTYPE, an unknown entity, or nesting without end."""
    content = _written(root)
    start, end = content.split(b"<EDEX", 1)
    deep = data.draw(st.sampled_from([40, 3000]))
    return data.draw(
        st.sampled_from(
            [
                start + b'<!DOCTYPE EDEX [<!ENTITY a "b">]><EDEX' + end,
                content.replace(b"<achternaam>", b"<achternaam>&onbekend;", 1),
                content.replace(b"<leerlingen>", b"<leerlingen>" + b"<a>" * deep + b"</a>" * deep, 1),
            ]
        )
    )


def cut_off(data: st.DataObject, root: Any) -> bytes:
    """The first part of a file, be it nothing."""
    content = _written(root)
    return content[: data.draw(st.integers(0, len(content) - 8))]


def damaged(data: st.DataObject, root: Any) -> bytes:
    """A few bytes changed, taken out or put in."""
    content = bytearray(_written(root))
    for _ in range(data.draw(st.integers(1, 3))):
        place, size = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 3))
        content[place : place + size] = data.draw(st.binary(max_size=3))
    return bytes(content)


HARMS = [
    required_element_removed,
    key_removed,
    key_doubled,
    eckid_doubled,
    dangling_reference,
    keyless_reference,
    wrong_type,
    wrong_order,
    doubled_field,
    other_record,
    other_section,
    other_school,
    hostile,
    cut_off,
    damaged,
]


def values_in(root: Any) -> set[str]:
    """Every text and attribute of a file, as it may be delivered."""
    raw = [text for element in root.iter(etree.Element) for text in (element.text, *element.attrib.values()) if text]
    return {normal(name, text) or "" for text in raw for name in ("naam", "geboortedatum", "key")} | {"00"}


def leaves(value: Any) -> Iterator[str]:
    """Every text in a value of a record."""
    if isinstance(value, str):
        yield value
    elif value is not None:
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@settings(often, max_examples=4)
@given(data=st.data())
def test_a_file_that_the_schema_refuses_does_no_harm(town: Town, harm: Harm, data: st.DataObject) -> None:
    """It ends in a named error or in findings; nobody is removed, and nothing arrives that was in no file."""
    school = town.new_school()
    good = edexml(example_school(24, brincode=school[:4], dependancecode=school[5:]))
    supplier = data.draw(st.sampled_from(["basispoort", "uwlr_lvs_set"]))
    assert town.read(good, school).deliver(supplier).state == "delivered"
    before = town.held(supplier, school)
    bad = harm(data, etree.fromstring(good))
    assume(not accepts("2.1", bad))
    outcome, code = delivered_or_refused(town, bad, school, supplier)
    after = town.held(supplier, school)
    if outcome is None:
        assert CODE.fullmatch(code)
        assert after == before
        return
    assert outcome.counts["delete"] == 0
    assert {kind: len(records) for kind, records in after.items()} == {kind: len(before[kind]) for kind in after}
    known = values_in(etree.fromstring(good)) | values_in(etree.fromstring(bad))
    assert set(leaves(after)) <= known
    assert harm in HARMLESS or len(open_instance(town.home).ledger.findings(school))


HARMLESS = (wrong_order, doubled_field, damaged)
"""What may be taken as if nothing were wrong: another order, an element that is empty, what nobody reads."""


def delivered_or_refused(town: Town, content: bytes, school: str, supplier: str) -> tuple[Outcome | None, str]:
    """How a delivery went, or the code of the error that came before it."""
    try:
        return town.read(content, school).deliver(supplier), ""
    except (ConnectorError, BrokenTable) as error:
        return None, error.code


CODE = re.compile(r"[a-z_]{4,40}")
