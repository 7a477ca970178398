"""The stand-in for ParnasSys: it answers as the real service does, and misbehaves as it is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import requests
from lxml import etree
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.base import SchoolId
from connectors.parnassys.reader import read_roster
from connectors.sandbox.administration import Administration, example_administration
from connectors.sandbox.edexml_writer import SOAP, UWLR, edexml
from connectors.sandbox.parnassys import AUTHORISATION, FAULTS, OTHER_SCHOOL, parnassys_app
from connectors.sandbox.school import example_school, next_school_year
from connectors.sandbox.serving import Served, running
from data_contracts.fields import CATALOGUE, STEERING

pytestmark = pytest.mark.xdist_group("sandbox_parnassys")

SCHOOL = SchoolId("99XX", "00", "2026-2027", "sleutel-99XX")
EMPTY = SchoolId("99YY", "00", "2026-2027")


@dataclass
class Sandbox:
    """A running stand-in, and a session with it."""

    administration: Administration
    served: Served
    session: requests.Session

    def ask(self, content: bytes | None = None, headers: dict[str, str] | None = None) -> requests.Response:
        """Send one request."""
        head = {"SOAPAction": '"HaalLeerlinggegevens"', "Content-Type": "text/xml; charset=utf-8"} | (headers or {})
        return self.session.post(f"{self.served.url}/uwlr", content or envelope(), headers=head, timeout=5)

    def control(self, method: str, path: str, **kwargs: object) -> requests.Response:
        """Steer it as another process would."""
        return self.session.request(method, f"{self.served.url}/_sandbox/{path}", timeout=5, **kwargs)  # type: ignore[arg-type]


class Switch:
    """An ASGI application that can be exchanged while its server runs, so that each test has a fresh one at no cost."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on to the application of this test."""
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Switch, Served]]:
    """One server for all tests of this file."""
    switch = Switch()
    with running(switch) as served:
        yield switch, served


@pytest.fixture
def sandbox(server: tuple[Switch, Served]) -> Iterator[Sandbox]:
    """Two schools, one of them without data."""
    switch, served = server
    administration = example_administration([(SCHOOL, "sleutel")], pupils=20)
    administration.add(EMPTY, "andere-sleutel")
    switch.app = parnassys_app(administration)
    with requests.Session() as session:
        yield Sandbox(administration, served, session)


@dataclass(frozen=True)
class Request:
    """The parts of a request, each good until it is replaced."""

    key: str = "sleutel"
    klantcode: str = "doorgeefluik"
    klantnaam: str = "Doorgeefluik"
    body: dict[str, str] = field(default_factory=dict)


def envelope(request: Request | None = None, **body: str | None) -> bytes:
    """A request as the field report describes it; None leaves an element out."""
    wanted = request or Request()
    good = {"schooljaar": "2026-2027", "brincode": "99XX", "dependancecode": "00", "xsdversie": "2.3"}
    values = {name: value for name, value in (good | body).items() if value is not None}
    inner = "".join(f"<lg:{name}>{value}</lg:{name}>" for name, value in values.items())
    header = "".join(
        f"<au:{name}>{value}</au:{name}>"
        for name, value in [
            ("autorisatiesleutel", wanted.key),
            ("klantcode", wanted.klantcode),
            ("klantnaam", wanted.klantnaam),
        ]
    )
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:lg="{UWLR}" xmlns:au="{AUTHORISATION}">'
        f"<s:Header><au:autorisatie>{header}</au:autorisatie></s:Header>"
        f"<s:Body><lg:leerlinggegevens_verzoek>{inner}</lg:leerlinggegevens_verzoek></s:Body></s:Envelope>"
    ).encode()


def _answered(response: requests.Response) -> str:
    """`gegevens`, `geenwijzigingen`, `geengegevens`, or the code of the fault."""
    body = etree.fromstring(response.content)[0]
    code = body.findtext(f"{{{SOAP}}}Fault/faultcode")
    if code:
        assert response.status_code == 500
        return code.removeprefix("soap:")
    assert response.status_code == 200
    return etree.QName(body[0][0]).localname.replace("leerlinggegevens", "gegevens")


def test_a_good_request_gets_the_whole_school(sandbox: Sandbox) -> None:
    """The answer, read back, is the school that is held; 2.2 and 2.3 are both served."""
    expected = example_school(20, seed=1)
    for version in ("2.2", "2.3"):
        read = read_roster(sandbox.ask(envelope(xsdversie=version)).content, frozenset(CATALOGUE), SCHOOL)
        pd.testing.assert_frame_equal(
            read.leerlingen.drop(columns="toevoegingen"), expected.leerlingen.drop(columns="toevoegingen")
        )
    assert [asked.outcome for asked in sandbox.administration.asked] == ["gegevens", "gegevens"]


def test_a_school_can_be_asked_for_by_its_schoolkey(sandbox: Sandbox) -> None:
    """`schoolkey` instead of BRIN and location finds the same school."""
    content = envelope(brincode=None, dependancecode=None, schoolkey=None, xsdversie=None)
    good = b"<lg:schoolkey>sleutel-99XX</lg:schoolkey><lg:xsdversie>2.2</lg:xsdversie></lg:leerlinggegevens_verzoek>"
    assert _answered(sandbox.ask(content.replace(b"</lg:leerlinggegevens_verzoek>", good))) == "gegevens"


REFUSED = [
    ("Client.OngeldigBericht", b"<geen xml"),
    ("Client.OngeldigBericht", b"<geen_envelop/>"),
    ("Client.OngeldigBericht", b"<!DOCTYPE x>" + envelope()),
    ("Client.OngeldigBericht", envelope(schooljaar="2026")),
    ("Client.OngeldigBericht", envelope(schooljaar="2026-2028")),
    ("Client.OngeldigBericht", envelope(brincode="XX99")),
    ("Client.OngeldigBericht", envelope(dependancecode="0")),
    ("Client.OngeldigBericht", envelope(xsdversie=None)),
    ("Client.OngeldigBericht", envelope(laatstontvangengegevens="gisteren")),
    ("Client.OngeldigBericht", envelope(laatstontvangengegevens="2026-13-45T00:00:00")),
    ("Client.OngeldigBericht", envelope(onbekend="ja")),
    ("Client.XsdVersieOngeldig", envelope(xsdversie="1.0")),
    ("Client.OngeldigeKlantIdentificatie", envelope(Request(klantcode="een ander"))),
    ("Client.OngeldigeKlantIdentificatie", envelope(Request(klantnaam="een ander"))),
    ("Client.AutorisatieOngeldig", envelope(Request(key="verzonnen"))),
    ("Client.AutorisatieOngeldig", envelope(Request(key="andere-sleutel"))),
    ("Client.AutorisatieOngeldig", envelope(Request(key=""))),
]


@pytest.mark.parametrize(("code", "content"), REFUSED)
def test_a_bad_request_gets_its_own_fault(sandbox: Sandbox, code: str, content: bytes) -> None:
    """Each mistake is answered with HTTP 500 and the fault code of the standard."""
    assert _answered(sandbox.ask(content)) == code


@pytest.mark.parametrize("headers", [{"SOAPAction": "iets anders"}, {"Content-Type": "application/json"}])
def test_a_request_with_other_headers_is_refused(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """SOAPAction and Content-Type are those of SOAP 1.1."""
    assert _answered(sandbox.ask(headers=headers)) == "Client.OngeldigBericht"


def test_without_authorisation_nothing_is_given(sandbox: Sandbox) -> None:
    """A request without the header gets a fault, not pupils."""
    content = envelope()
    start, end = content.index(b"<s:Header>"), content.index(b"<s:Body>")
    assert _answered(sandbox.ask(content[:start] + content[end:])) == "Client.AutorisatieOngeldig"


def test_nothing_changed_since_the_last_time(sandbox: Sandbox) -> None:
    """`geenwijzigingen` until the school changes, then the whole school again."""
    now = datetime.now(UTC).isoformat()
    assert _answered(sandbox.ask(envelope(laatstontvangengegevens=now))) == "geenwijzigingen"
    sandbox.administration.put("99XX-00", example_school(21))
    assert _answered(sandbox.ask(envelope(laatstontvangengegevens=now))) == "gegevens"
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    assert _answered(sandbox.ask(envelope(laatstontvangengegevens=later))) == "geenwijzigingen"


def test_no_data_of_an_unknown_or_empty_school_or_another_year(sandbox: Sandbox) -> None:
    """`geengegevens`, which is no fault and no empty school."""
    assert _answered(sandbox.ask(envelope(Request(key="andere-sleutel"), brincode="99YY"))) == "geengegevens"
    assert _answered(sandbox.ask(envelope(brincode="99ZZ"))) == "geengegevens"
    assert _answered(sandbox.ask(envelope(schooljaar="2025-2026"))) == "geengegevens"
    sandbox.administration.empty("99XX-00")
    assert _answered(sandbox.ask()) == "geengegevens"


def test_the_year_changes_with_the_school(sandbox: Sandbox) -> None:
    """After the year change the new year is served, and the old one is not."""
    sandbox.administration.put("99XX-00", next_school_year(example_school(20)))
    assert _answered(sandbox.ask(envelope(schooljaar="2027-2028"))) == "gegevens"
    assert _answered(sandbox.ask()) == "geengegevens"


def test_another_process_can_set_the_school(sandbox: Sandbox) -> None:
    """An EDEXML file that is PUT is what is served, value for value; DELETE empties the school."""
    wanted = example_school(30, seed=9)
    assert sandbox.control("PUT", "schools/99XX-00", data=edexml(wanted)).status_code == 204
    read = read_roster(sandbox.ask().content, frozenset(CATALOGUE), SCHOOL)
    assert read.digest() == wanted.digest()
    assert sandbox.control("DELETE", "schools/99XX-00").status_code == 204
    assert _answered(sandbox.ask()) == "geengegevens"


@pytest.mark.parametrize(("path", "content", "status"), [("99QQ-00", b"<EDEX/>", 404), ("99XX-00", b"<EDEX", 400)])
def test_a_wrong_put_changes_nothing(sandbox: Sandbox, path: str, content: bytes, status: int) -> None:
    """An unknown school or something else than EDEXML is refused."""
    assert sandbox.control("PUT", f"schools/{path}", data=content).status_code == status
    assert _answered(sandbox.ask()) == "gegevens"


def test_another_process_can_see_who_asked(sandbox: Sandbox) -> None:
    """Requests are listed with what became of them; steering is not among them."""
    sandbox.ask()
    sandbox.ask(envelope(Request(key="verzonnen")))
    asked = sandbox.control("GET", "asked").json()
    assert [one["outcome"] for one in asked] == ["gegevens", "Client.AutorisatieOngeldig"]
    assert asked[0] == {
        "school": "99XX-00",
        "schooljaar": "2026-2027",
        "xsdversie": "2.3",
        "since": None,
        "outcome": "gegevens",
    }


def test_it_fails_as_often_as_it_is_told(sandbox: Sandbox) -> None:
    """Two failures and then a good answer; Retry-After is sent along."""
    sandbox.administration.misbehaviour.fail(429, 2, retry_after=3)
    first, second, third = (sandbox.ask() for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [429, 429, 200]
    assert first.headers["Retry-After"] == "3"


@pytest.mark.parametrize("code", FAULTS)
def test_it_answers_any_fault_that_it_is_told(sandbox: Sandbox, code: str) -> None:
    """`fault:CODE` over the control path gives that fault once."""
    sandbox.control("POST", "misbehave", json={"kind": "custom", "name": f"fault:{code}"})
    assert _answered(sandbox.ask()) == code
    assert _answered(sandbox.ask()) == "gegevens"


def test_it_answers_with_another_school_when_told(sandbox: Sandbox) -> None:
    """The answer is well-formed, and about a school that nobody asked for."""
    sandbox.administration.misbehaviour.custom(OTHER_SCHOOL)
    other = SchoolId("99ZZ", "00", "2026-2027")
    assert read_roster(sandbox.ask().content, STEERING, other).school_value("brincode") == "99ZZ"


@pytest.mark.parametrize("kind", ["cut", "cut_after", "cut_halfway"])
def test_a_cut_connection_is_seen_as_one(sandbox: Sandbox, kind: str) -> None:
    """The client gets no answer, or half of one, and knows it; the next request is answered."""
    sandbox.control("POST", "misbehave", json={"kind": kind})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sandbox.ask()
    assert _answered(sandbox.ask()) == "gegevens"


def test_what_was_cut_before_was_not_asked_and_what_was_cut_after_was(sandbox: Sandbox) -> None:
    """`cut` does nothing, `cut_after` forgets its answer after doing what was asked."""
    for behave, expected in [
        (sandbox.administration.misbehaviour.cut, 0),
        (sandbox.administration.misbehaviour.cut_after, 1),
    ]:
        behave()
        with pytest.raises(requests.ConnectionError):
            sandbox.ask()
        assert len(sandbox.administration.asked) == expected


def test_a_truncated_answer_looks_whole_to_http(sandbox: Sandbox) -> None:
    """HTTP 200 with an honest length, and XML that breaks off."""
    sandbox.administration.misbehaviour.truncate()
    response = sandbox.ask()
    assert response.status_code == 200
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(response.content)


def test_a_slow_answer_comes_too_late_for_who_will_not_wait(sandbox: Sandbox) -> None:
    """A client that waits a tenth of a second sees a time-out."""
    sandbox.administration.misbehaviour.slow(0.2)
    with pytest.raises(requests.ReadTimeout):
        sandbox.session.post(f"{sandbox.served.url}/uwlr", envelope(), timeout=0.05)


def test_waiting_misbehaviour_can_be_forgotten(sandbox: Sandbox) -> None:
    """DELETE clears the queue, and an unknown behaviour is refused."""
    assert sandbox.control("POST", "misbehave", json={"kind": "fail", "times": 3}).json() == {"waiting": 3}
    assert sandbox.control("POST", "misbehave", json={"kind": "verzonnen"}).status_code == 400
    assert sandbox.control("POST", "misbehave", data=b"[").status_code == 400
    assert sandbox.control("DELETE", "misbehave").json() == {"waiting": 0}
    assert _answered(sandbox.ask()) == "gegevens"
