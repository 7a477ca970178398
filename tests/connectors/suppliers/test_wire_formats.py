"""The two wire formats, each in what is its own: order and shape of the document, lists, deletes, references."""

from typing import Any

import orjson
import pandas as pd
import pytest
from lxml import etree

from connectors.base import Delta, Envelope, PermanentError, WholeSet
from connectors.http import HttpSettings, open_session
from connectors.suppliers.edexml_whole_set import EdexmlWholeSet
from connectors.suppliers.json_delta import JsonDelta
from connectors.suppliers.wire import Door
from data_contracts.fields import CATALOGUE, Kind, Privacy, Record
from mappings.agreement import AgreedField, FieldSet

DOOR = Door(open_session(HttpSettings()), "https://leverancier.example", "Proef")
EDEXML, DELTA = EdexmlWholeSet(DOOR, None), JsonDelta(DOOR, None)
EVERYTHING = tuple(f.id for f in CATALOGUE.values() if f.privacy is not Privacy.NEVER)
ENVELOPE = Envelope("proef", "99XX-00", {"schooljaar": "2024-2025", "brincode": "99XX", "dependancecode": "00"})


def _fields(*ids: str, wires: dict[str, str] | None = None) -> FieldSet:
    agreed = tuple(AgreedField(i, i, (wires or {}).get(i, CATALOGUE[i].name), None, "proef") for i in ids)
    return FieldSet("proef", "1", "key", agreed, ())


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pd.array([row.get(name) for row in rows], dtype="str") for name in names}
    return pd.DataFrame({"id": columns["key"], **columns})


def _value(field_id: str) -> str:
    """A value of the right kind for any field."""
    lists = {
        "school.vestigingen": '[{"key": "v1", "naam": "Noord"}]',
        "leerling.samengestelde_groepen": '["s1"]',
        "leerkracht.rollen": '[{"rol": "LRK"}, {"rolomschrijving": "coach"}]',
        "leerkracht.groepen": '[{"groep": "g1", "rollen": [{"rol": "LRK"}]}, {"samengestelde_groep": "s1"}]',
    }
    field = CATALOGUE[field_id]
    plain = {Kind.DATE: "2020-02-29", Kind.MOMENT: "2026-11-01T06:00:00"}.get(field.kind, f"{field.name}-waarde")
    return lists.get(field_id, plain)


def _everything() -> tuple[Envelope, dict[Record, pd.DataFrame], FieldSet]:
    """Every field that may go to anyone, with one record of each kind."""
    fields = _fields(*EVERYTHING)
    frames = {kind: _frame([{f.name: _value(f.id) for f in fields.of(kind)}]) for kind in fields.kinds}
    school = {f.name: _value(f.id) for f in fields.of(Record.SCHOOL)}
    return Envelope("proef", "99XX-00", school), frames, fields


def test_a_document_of_every_field_passes_its_own_check() -> None:
    """Every field of the catalogue that may go to anyone can be written as EDEXML."""
    envelope, frames, fields = _everything()
    payload = EDEXML.encode(envelope, WholeSet(frames), fields)
    EDEXML.check(payload, fields)
    text = payload.decode()
    assert '<samengestelde_groepen><samengestelde_groep key="s1"/></samengestelde_groepen>' in text
    assert "<rol>LRK</rol><rolomschrijving>coach</rolomschrijving>" in text
    assert '<groep key="g1"><rol>LRK</rol></groep><samengestelde_groep key="s1"></samengestelde_groep>' in text
    assert '<vestigingen><vestiging key="v1"><naam>Noord</naam></vestiging></vestigingen>' in text


def test_batches_of_every_field_pass_their_own_check() -> None:
    """Every field of the catalogue that may go to anyone can be written as JSON."""
    envelope, frames, fields = _everything()
    for kind, frame in frames.items():
        DELTA.check(DELTA.encode(envelope, Delta(kind, "update", frame), fields), fields)


@pytest.mark.parametrize("taken", [i for i in EVERYTHING if not i.endswith(".key")])
def test_every_field_is_missed_by_a_field_set_without_it(taken: str) -> None:
    """The check of each format finds any one field that was not agreed."""
    envelope, frames, fields = _everything()
    without = _fields(*(i for i in EVERYTHING if i != taken))
    with pytest.raises(PermanentError):
        EDEXML.check(EDEXML.encode(envelope, WholeSet(frames), fields), without)
    kind = CATALOGUE[taken].record
    sent = Record.GROEP if kind is Record.SCHOOL else kind
    with pytest.raises(PermanentError) as caught:
        DELTA.check(DELTA.encode(envelope, Delta(sent, "create", frames[sent]), fields), without)
    assert taken in caught.value.message


def test_a_group_has_its_year_right_after_its_name() -> None:
    """The order of the schema is kept where the catalogue's is another."""
    fields = _fields("groep.key", "groep.naam", "groep.omschrijving", "groep.mutatiedatum", "groep.jaargroep")
    row = {"key": "g1", "naam": "3a", "omschrijving": "zon", "mutatiedatum": "2026-11-01T06:00:00", "jaargroep": "3"}
    root = etree.fromstring(EDEXML.encode(ENVELOPE, WholeSet({Record.GROEP: _frame([row])}), fields))
    names = [element.tag for element in root.find("groepen/groep")]
    assert names == ["naam", "jaargroep", "omschrijving", "mutatiedatum"]


def test_an_empty_set_still_has_its_pupils_container() -> None:
    """After an agreement ends the whole set is empty, and says so."""
    fields = _fields("school.brincode", "leerling.key", "leerling.roepnaam")
    payload = EDEXML.encode(
        ENVELOPE, WholeSet({Record.LEERLING: _frame([{"key": "l1", "roepnaam": "A"}]).iloc[:0]}), fields
    )
    EDEXML.check(payload, fields)
    root = etree.fromstring(payload)
    assert [element.tag for element in root] == ["school", "leerlingen"]
    assert len(root.find("leerlingen")) == 0


def test_the_version_of_a_document_is_its_own() -> None:
    """An agreed `xsdversie` tells of the document that is sent, not of the export."""
    fields = _fields("school.schooljaar", "school.xsdversie", "leerling.key")
    envelope = Envelope("proef", "99XX-00", {"schooljaar": "2024-2025", "xsdversie": "1.0.3"})
    assert b"<xsdversie>2.1</xsdversie>" in EDEXML.encode(envelope, WholeSet({}), fields)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<leerling key", b"<!--geheim--><leerling key"),
        (b"<EDEX>", b"<!--geheim--><EDEX>"),
        (b"</EDEX>", b"</EDEX><!--geheim-->"),
        (b"<leerlingen>", b"<leerlingen>geheim"),
        (b"</roepnaam>", b"</roepnaam>geheim"),
        (b"<roepnaam>", b'<roepnaam taal="geheim">'),
        (b"</roepnaam>", b"<b>geheim</b></roepnaam>"),
        (b"</leerlingen>", b"</leerlingen><ouders>geheim</ouders>"),
        (b"<EDEX>", b'<EDEX xmlns:a="a" a:b="geheim">'),
        (b"<leerlingen>", b"<leerlingen><leerkracht/>"),
    ],
)
def test_nothing_hides_in_a_document(old: bytes, new: bytes) -> None:
    """Comments, loose text, attributes and elements in odd places are all found, and their values not told."""
    fields = _fields("school.schooljaar", "leerling.key", "leerling.roepnaam")
    frame = _frame([{"key": "l1", "roepnaam": "Daan"}])
    payload = EDEXML.encode(ENVELOPE, WholeSet({Record.LEERLING: frame}), fields)
    EDEXML.check(payload, fields)
    with pytest.raises(PermanentError) as caught:
        EDEXML.check(payload.replace(old, new, 1), fields)
    assert "geheim" not in str(caught.value)


def test_a_document_with_a_doctype_is_refused() -> None:
    """Nothing of ours has a DOCTYPE."""
    payload = b"<!DOCTYPE EDEX [<!ENTITY a 'x'>]><EDEX><school/><leerlingen/></EDEX>"
    with pytest.raises(PermanentError):
        EDEXML.check(payload, _fields("leerling.key"))


@pytest.mark.parametrize(
    "record",
    [
        {"id": "l1", "roepnaam": {"bsn": "1"}},
        {"id": "l1", "roepnaam": ["x"]},
        {"id": {"bsn": "1"}},
        {"id": "l1", "samengestelde_groepen": [{"bsn": "1"}]},
        {"id": "l1", "samengestelde_groepen": {"bsn": "1"}},
        {"id": "l1", "bsn": None},
    ],
)
def test_nothing_hides_in_a_batch(record: dict[str, Any]) -> None:
    """Names inside values, and values of another shape, are found."""
    fields = _fields("leerling.key", "leerling.roepnaam", "leerling.samengestelde_groepen")
    body = {"school": {}, "soort": "leerling", "bewerking": "create", "records": [{"id": "l0"}, record]}
    with pytest.raises(PermanentError) as caught:
        DELTA.check(orjson.dumps(body), fields)
    assert caught.value.code == "veld_niet_afgesproken"


@pytest.mark.parametrize(
    "change", [{"extra": 1}, {"soort": "leerkracht"}, {"bewerking": "merge"}, {"school": {"auteur": "x"}}]
)
def test_a_batch_says_only_what_was_agreed_about_itself(change: dict[str, Any]) -> None:
    """Kind, operation and school of a batch are checked as its records are."""
    body = {"school": {}, "soort": "leerling", "bewerking": "create", "records": [{"id": "l0"}]}
    with pytest.raises(PermanentError):
        DELTA.check(orjson.dumps(body | change), _fields("leerling.key"))


def test_a_deletion_has_nothing_but_the_id() -> None:
    """Who leaves is named by the key and by nothing else, in the message and in its check."""
    fields = _fields("leerling.key", "leerling.roepnaam")
    payload = DELTA.encode(
        ENVELOPE, Delta(Record.LEERLING, "delete", pd.DataFrame({"id": ["l1"]}, dtype="str")), fields
    )
    assert orjson.loads(payload)["records"] == [{"id": "l1"}]
    DELTA.check(payload, fields)
    with pytest.raises(PermanentError):
        DELTA.check(payload.replace(b'"id"', b'"roepnaam":"x","id"'), fields)


@pytest.mark.parametrize(
    "change",
    [
        {"bewerking": "create"},
        {"bewerking": "update"},
        {"soort": "school"},
        {"soort": "ouder"},
        {"soort": ["groep"]},
        {"records": [{"id": "g1", "naam": "Groep 3"}]},
        {"records": [{"id": {"naam": "Groep 3"}}]},
    ],
)
def test_of_a_kind_that_is_given_no_more_only_deletions_pass(change: dict[str, Any]) -> None:
    """They are how it goes away; no more than ids, and of nothing but records."""
    fields = _fields("school.brincode", "leerling.key")
    groups = pd.DataFrame({"id": ["g1"]}, dtype="str")
    payload = DELTA.encode(ENVELOPE, Delta(Record.GROEP, "delete", groups), fields)
    DELTA.check(payload, fields)
    with pytest.raises(PermanentError):
        DELTA.check(orjson.dumps(orjson.loads(payload) | change), fields)


def test_fields_go_by_their_wire_names() -> None:
    """A profile may give a field another name on the wire; the EDEXML name is then not agreed."""
    fields = _fields("leerling.key", "leerling.roepnaam", wires={"leerling.roepnaam": "firstName"})
    payload = DELTA.encode(
        ENVELOPE, Delta(Record.LEERLING, "create", _frame([{"key": "l1", "roepnaam": "Daan"}])), fields
    )
    assert orjson.loads(payload)["records"] == [{"id": "l1", "key": "l1", "firstName": "Daan"}]
    DELTA.check(payload, fields)
    with pytest.raises(PermanentError):
        DELTA.check(payload, _fields("leerling.key", "leerling.roepnaam"))


def test_a_format_refuses_the_message_of_the_other() -> None:
    """Each format has one shape of message."""
    with pytest.raises(TypeError):
        DELTA.encode(ENVELOPE, WholeSet({}), _fields("leerling.key"))
    with pytest.raises(TypeError):
        EDEXML.encode(ENVELOPE, Delta(Record.LEERLING, "create", _frame([{"key": "l1"}])), _fields("leerling.key"))
