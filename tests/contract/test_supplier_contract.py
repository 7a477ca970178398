"""The one suite that every wire format passes, against a real server that can misbehave.

A new wire format adds a `Case`; the tests stay as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import pandas as pd
import pytest
import yaml

from connectors.base import (
    CannotListError,
    Delta,
    Envelope,
    PermanentError,
    Receipts,
    Supplier,
    TransientError,
    WholeSet,
)
from connectors.http import HttpSettings, open_session
from connectors.sandbox.serving import Misbehaviour, running
from connectors.sandbox.supplier_state import Refusals, SupplierState
from connectors.sandbox.suppliers import PAGE, supplier_app
from connectors.suppliers import WIRE_FORMATS
from connectors.suppliers.wire import Door
from data_contracts.fields import Record
from mappings.agreement import Agreement, Connection, FieldSet, field_set
from mappings.profile import Profile
from mappings.profiles import profile_texts

pytestmark = pytest.mark.xdist_group("supplier_contract")

TOKEN = "proef-sleutel"
ENVELOPE = Envelope(
    supplier="proef",
    school="99XX-00",
    school_fields={"schooljaar": "2024-2025", "brincode": "99XX", "dependancecode": "00", "auteur": "Iemand"},
)
SCHOOL = "99XX-00"


@dataclass(frozen=True)
class Case:
    """A wire format with a profile that uses it, and how a set of pupils becomes a message of it."""

    wire_format: Literal["edexml_whole_set", "json_delta"]
    profile: str
    message: Callable[[pd.DataFrame], Delta | WholeSet]
    smuggle: tuple[bytes, bytes]  # what to replace in a payload, and by what, to hide a field in it


def _whole_set(pupils: pd.DataFrame) -> WholeSet:
    groups = _frame(id=["g1"], key=["g1"], naam=["3 & 4 <a>"], jaargroep=["3"])
    return WholeSet({Record.GROEP: groups, Record.LEERLING: pupils})


CASES = [
    Case("edexml_whole_set", "basispoort", _whole_set, (b"</leerling>", b"<bsn>123456789</bsn></leerling>")),
    Case(
        "json_delta",
        "uwlr_smalle_set",
        lambda pupils: Delta(Record.LEERLING, "create", pupils),
        (b'"id"', b'"bsn":"123456789","id"'),
    ),
]


def _frame(**columns: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.array(values, dtype="str") for name, values in columns.items()})


def _agreed(profile: str) -> FieldSet:
    loaded = Profile.model_validate(yaml.safe_load(profile_texts()[f"{profile}.yaml"]))
    agreement = Agreement(
        supplier=profile,
        schools=(SCHOOL,),
        model="Privacyconvenant 4.0",
        signed=date(2026, 8, 1),
        valid_until=date(2027, 7, 31),
        legal_basis="publieke_taak",
        connection=Connection(base_url="https://leverancier.example", token="env:X"),
    )
    return field_set(loaded, agreement)


def _pupils(fields: FieldSet, *ids: str) -> pd.DataFrame:
    """Pupils with a value in every field that is agreed, and one that is not."""
    given = {"groep": "g1", "jaargroep": "3", "samengestelde_groepen": "[]", "achternaam": 'Öz & Zn. <b> "\'t"'}
    names = [f.name for f in fields.of(Record.LEERLING) if f.name not in ("key", "eckid", "voorvoegsel")]
    columns: dict[str, list[str | None]] = {"id": list(ids), "key": list(ids), "voorvoegsel": [None] * len(ids)}
    columns |= {name: [given.get(name, f"{name}-{i}") for i in ids] for name in names}
    if "leerling.eckid" in fields.ids:
        columns |= {"key": [None] * len(ids), "eckid": list(ids)}
    return _frame(**columns, postcodenl=["1234AB"] * len(ids))


@dataclass(frozen=True)
class Bench:
    """One supplier under test with the server it speaks to."""

    case: Case
    supplier: Supplier
    fields: FieldSet
    held: SupplierState
    misbehaviour: Misbehaviour
    url: str

    def payload(self, *ids: str) -> bytes:
        """A message with these pupils."""
        return self.supplier.encode(ENVELOPE, self.case.message(_pupils(self.fields, *ids)), self.fields)

    def pupils(self) -> dict[str, dict[str, Any]]:
        """The pupils that the server holds."""
        return self.held.schools.get(SCHOOL, {}).get("leerling", {})

    def applied(self, pupil: str) -> dict[str, int]:
        """How often the server created, updated and deleted this pupil."""
        return self.held.applied[SCHOOL]["leerling"][pupil]


def _supplier(case: Case, url: str, token: str = TOKEN) -> Supplier:
    settings = HttpSettings(token=token, backoff=0.0, attempts=3, breaker_failures=99)
    return WIRE_FORMATS[case.wire_format](Door(open_session(settings), url, "Proefleverancier"), None)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.wire_format)
def served(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Every wire format in turn, with one server for the whole suite."""
    case: Case = request.param
    app = supplier_app(case.wire_format, TOKEN)
    with running(app) as server:
        supplier, fields = _supplier(case, server.url), _agreed(case.profile)
        yield Bench(case, supplier, fields, app.state.held, app.state.misbehaviour, server.url)


@pytest.fixture
def bench(served: Bench) -> Bench:
    """That server, with an empty memory and good manners."""
    served.held.forget()
    served.misbehaviour.clear()
    return served


def _accepted(receipts: Receipts) -> set[str]:
    return {key for kind, key in receipts.accepted if kind is Record.LEERLING}


def test_only_agreed_fields_are_encoded(bench: Bench) -> None:
    """A column that is not in the field set is not in the message, nor is a school field that is not."""
    payload = bench.payload("l1")
    assert b"1234AB" not in payload
    assert b"Iemand" not in payload
    bench.supplier.check(payload, bench.fields)


def test_every_agreed_value_arrives_as_it_was(bench: Bench) -> None:
    """What the server reads is what the delivery set held, whatever characters it has; absent stays absent."""
    bench.supplier.send(bench.payload("l1"), "k1")
    got = bench.pupils()["l1"]
    assert got["achternaam"] == 'Öz & Zn. <b> "\'t"'
    assert got["roepnaam"] == "roepnaam-l1"
    assert got["groep"] == "g1"
    assert got["jaargroep"] == "3"
    assert got.get("voorvoegsel") is None


def test_what_is_held_can_be_read_back_or_is_said_not_to_be(bench: Bench) -> None:
    """Every agreed value of every page as the delivery set has it; a supplier that does not tell has its own error."""
    ids, asked = [f"l{number}" for number in range(PAGE + 2)], {Record.LEERLING: bench.fields.of(Record.LEERLING)}
    bench.supplier.send(bench.payload(*ids), "k1")
    if not bench.supplier.capabilities.lists:
        with pytest.raises(CannotListError):
            list(bench.supplier.held(SCHOOL, asked))
        return
    pages = [page for _, page in bench.supplier.held(SCHOOL, asked)]
    assert [len(page) for page in pages] == [PAGE, 2]
    sent = _pupils(bench.fields, *ids).replace("[]", None)
    assert pd.concat(pages)["id"].tolist() == ids
    for name in pages[0].columns.intersection(sent.columns):
        assert pd.concat(pages)[name].fillna("-").tolist() == sent[name].fillna("-").tolist(), name
    with pytest.raises(PermanentError) as caught:
        list(_supplier(bench.case, bench.url, token="verkeerd").held(SCHOOL, asked))
    assert caught.value.code == "niet_ingelogd"


def test_encoding_is_the_same_every_time(bench: Bench) -> None:
    """The same set makes the same bytes, so that a retry after a crash has the same effect."""
    assert bench.payload("l1", "l2") == bench.payload("l1", "l2")


def test_a_smuggled_field_is_refused_without_its_value(bench: Bench) -> None:
    """The check of the payload finds a field that the field set does not name, and does not repeat its value."""
    payload = bench.payload("l1").replace(*bench.case.smuggle, 1)
    assert b"123456789" in payload
    with pytest.raises(PermanentError) as caught:
        bench.supplier.check(payload, bench.fields)
    assert caught.value.code == "veld_niet_afgesproken"
    assert "bsn" in caught.value.message
    assert "123456789" not in str(caught.value)


def test_a_field_withheld_later_is_refused(bench: Bench) -> None:
    """A payload made for a wider field set does not pass the check of a narrower one."""
    narrow = replace(bench.fields, fields=tuple(f for f in bench.fields.fields if f.id != "leerling.roepnaam"))
    with pytest.raises(PermanentError) as caught:
        bench.supplier.check(bench.payload("l1"), narrow)
    assert "roepnaam" in caught.value.message


def test_a_payload_that_cannot_be_read_back_is_refused(bench: Bench) -> None:
    """Half a message is never sent, and the error holds nothing of it."""
    payload = bench.payload("l1")
    with pytest.raises(PermanentError) as caught:
        bench.supplier.check(payload[: len(payload) // 2], bench.fields)
    assert caught.value.code == "bericht_onleesbaar"
    assert caught.value.__cause__ is None
    assert "roepnaam-l1" not in str(caught.value)


def test_an_accepted_record_has_a_receipt_with_the_suppliers_own_number(bench: Bench) -> None:
    """Every accepted record comes back, by kind and id, with the number that the supplier gave it."""
    receipts = bench.supplier.send(bench.payload("l1", "l2"), "k1")
    assert _accepted(receipts) == {"l1", "l2"}
    assert receipts.refused == {}
    numbers = bench.held.own_numbers[SCHOOL]["leerling"]
    assert receipts.accepted[Record.LEERLING, "l1"] == numbers["l1"]
    assert numbers["l1"] != numbers["l2"]


def test_a_refused_record_has_its_reason_and_the_others_are_accepted(bench: Bench) -> None:
    """Partial acceptance is normal: the refused record comes back with the supplier's own words."""
    bench.held.refusals = Refusals(ids={"l2": "dubbel nummer"})
    receipts = bench.supplier.send(bench.payload("l1", "l2", "l3"), "k1")
    assert receipts.refused == {(Record.LEERLING, "l2"): "dubbel nummer"}
    assert _accepted(receipts) == {"l1", "l3"}
    assert set(bench.pupils()) == {"l1", "l3"}


def test_the_same_key_twice_has_one_effect(bench: Bench) -> None:
    """A message that is sent again gets the same receipts and changes nothing."""
    payload = bench.payload("l1")
    first, second = bench.supplier.send(payload, "k1"), bench.supplier.send(payload, "k1")
    assert first == second
    assert bench.applied("l1") == {"create": 1, "update": 0, "delete": 0}


def test_the_same_key_with_another_message_is_permanent(bench: Bench) -> None:
    """A key that is used twice for different messages is a mistake of the program, and has no effect."""
    bench.supplier.send(bench.payload("l1"), "k1")
    with pytest.raises(PermanentError):
        bench.supplier.send(bench.payload("l2"), "k1")
    assert set(bench.pupils()) == {"l1"}


def test_a_500_is_survived(bench: Bench) -> None:
    """A server that fails once is asked again."""
    bench.misbehaviour.fail(500)
    assert _accepted(bench.supplier.send(bench.payload("l1"), "k1")) == {"l1"}


def test_a_429_with_retry_after_is_survived(bench: Bench) -> None:
    """A server that asks for a moment is given it."""
    bench.misbehaviour.fail(429, retry_after=0)
    assert _accepted(bench.supplier.send(bench.payload("l1"), "k1")) == {"l1"}


def test_a_cut_connection_is_survived(bench: Bench) -> None:
    """A connection that breaks is made again."""
    bench.misbehaviour.cut()
    assert _accepted(bench.supplier.send(bench.payload("l1"), "k1")) == {"l1"}


def test_a_forgotten_answer_has_one_effect(bench: Bench) -> None:
    """A server that applied the message and lost its answer is asked again, and applies it no second time."""
    bench.misbehaviour.cut_after()
    assert _accepted(bench.supplier.send(bench.payload("l1"), "k1")) == {"l1"}
    assert bench.applied("l1") == {"create": 1, "update": 0, "delete": 0}


@pytest.mark.parametrize("what", ["cut_halfway", "truncate"])
def test_half_an_answer_is_transient_and_can_be_sent_again(bench: Bench, what: str) -> None:
    """Without a whole answer it is not known what was applied; the same message with the same key tells."""
    getattr(bench.misbehaviour, what)()
    payload = bench.payload("l1")
    with pytest.raises(TransientError):
        bench.supplier.send(payload, "k1")
    assert _accepted(bench.supplier.send(payload, "k1")) == {"l1"}
    assert bench.applied("l1") == {"create": 1, "update": 0, "delete": 0}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_trouble_that_stays_is_transient(bench: Bench, status: int) -> None:
    """A server that keeps failing leaves the message pending."""
    bench.misbehaviour.fail(status, 3)
    with pytest.raises(TransientError):
        bench.supplier.send(bench.payload("l1"), "k1")
    assert bench.pupils() == {}


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
def test_a_refused_message_is_permanent(bench: Bench, status: int) -> None:
    """A message that is refused as a whole needs a person, and is not sent again by itself."""
    bench.misbehaviour.fail(status, 2)
    with pytest.raises(PermanentError):
        bench.supplier.send(bench.payload("l1"), "k1")
    assert bench.misbehaviour.waiting == 1


def test_a_wrong_token_is_permanent_and_not_shown(bench: Bench) -> None:
    """401 needs a person; the error names the supplier and not the token."""
    with pytest.raises(PermanentError) as caught:
        _supplier(bench.case, bench.url, "verkeerd").send(bench.payload("l1"), "k1")
    assert caught.value.code == "niet_ingelogd"
    assert "Proefleverancier" in caught.value.message
    assert "verkeerd" not in str(caught.value)


def test_a_receipt_for_something_that_was_not_sent_counts_for_nothing(bench: Bench) -> None:
    """An id that is unknown to us in an answer is no receipt."""
    first = bench.payload("l1")
    bench.supplier.send(first, "k1")
    digest, answer = bench.held.answers["k1"]
    bench.held.answers["k1"] = (digest, answer.replace('"l1"', '"vreemd"'))
    receipts = bench.supplier.send(first, "k1")
    assert "l1" not in {key for _, key in receipts.accepted}


@pytest.mark.parametrize(
    "answer", ["[]", "null", '{"resultaten": 3, "leerlingen": 3}', '{"resultaten": [1], "leerlingen": [1]}']
)
def test_an_answer_of_another_shape_is_transient(bench: Bench, answer: str) -> None:
    """An answer that is not the agreed one does not say what was applied."""
    payload = bench.payload("l1")
    bench.supplier.send(payload, "k1")
    bench.held.answers["k1"] = (bench.held.answers["k1"][0], answer)
    with pytest.raises(TransientError) as caught:
        bench.supplier.send(payload, "k1")
    assert caught.value.code == "antwoord_onleesbaar"


def test_a_record_with_an_unknown_status_stays_pending(bench: Bench) -> None:
    """A status that was not agreed is neither an acceptance nor a refusal."""
    payload = bench.payload("l1")
    bench.supplier.send(payload, "k1")
    digest, answer = bench.held.answers["k1"]
    answer = answer.replace('"ok"', '"misschien"').replace('"verwerkt"', '"misschien"')
    bench.held.answers["k1"] = (digest, answer)
    receipts = bench.supplier.send(payload, "k1")
    assert not receipts.accepted
    assert not receipts.refused


def test_an_error_holds_nothing_of_the_message(bench: Bench) -> None:
    """Neither the text nor the causes of a failure repeat a value that was sent."""
    bench.misbehaviour.fail(422)
    with pytest.raises(PermanentError) as caught:
        bench.supplier.send(bench.payload("l1"), "k1")
    assert "roepnaam-l1" not in str(caught.value)
    assert caught.value.__cause__ is None
