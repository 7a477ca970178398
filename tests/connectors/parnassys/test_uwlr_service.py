"""The UWLR door against a real HTTP server: what is asked, what every answer means, and what is tried again."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from lxml import etree

from connectors.base import ConnectorError, Export, NothingChanged, PermanentError, SchoolId, TransientError
from connectors.http import HttpSettings
from connectors.parnassys import UwlrCredentials, UwlrService, open_uwlr_session, read_roster
from connectors.parnassys.soap import _FAULTS, Fault, fault_error

Made = Callable[..., bytes]
Canned = tuple[int, bytes]

CREDENTIALS = UwlrCredentials("sleutel & <geheim>", "code-1", "Doorgeefluik")
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
PUPIL_DATA = "{http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens}"
AUTHORISATION = "{http://www.edustandaard.nl/leerresultaten/2/autorisatie}"


@dataclass
class Las:
    """A pupil administration that gives canned answers, the last one for ever, and keeps what it was asked."""

    url: str
    answers: list[Canned] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def next_answer(self) -> Canned:
        """The answer whose turn it is."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def las() -> Iterator[Las]:
    """A running server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            las.requests.append((dict(self.headers), body))
            status, content = las.next_answer()
            self.send_response(status)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(content) + (500 if status == 299 else 0)))
            self.end_headers()
            self.wfile.write(content)  # 299: promises more than it sends

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    las = Las(f"http://127.0.0.1:{server.server_port}/uwlr")
    thread.start()
    yield las
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ask(las: Las, school: SchoolId) -> Iterator[Callable[..., Export | NothingChanged]]:
    """Pulls the school from the server, without pauses."""
    session = open_uwlr_session(HttpSettings(backoff=0, attempts=2, breaker_failures=99))

    def pull(since: datetime | None = None, of: SchoolId = school, **settings: Any) -> Export | NothingChanged:
        return UwlrService(session, las.url, CREDENTIALS, **({"pause": 0.0, "attempts": 3} | settings)).pull(of, since)

    yield pull
    session.close()


Ask = Callable[..., Export | NothingChanged]


def envelope(inside: str) -> bytes:
    """A SOAP answer with `inside` as its body."""
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<s:Body>{inside}</s:Body></s:Envelope>"
    ).encode()


def answer(inside: str) -> bytes:
    """A UWLR answer without pupils."""
    namespace = PUPIL_DATA.strip("{}")
    return envelope(f'<leerlinggegevens_antwoord xmlns="{namespace}">{inside}</leerlinggegevens_antwoord>')


def fault(code: str) -> bytes:
    """A SOAP 1.1 fault, with a text that must go nowhere."""
    return envelope(f"<s:Fault><faultcode>s:{code}</faultcode><faultstring>Zonnebloem</faultstring></s:Fault>")


def asked(las: Las, name: str) -> dict[str, str | None]:
    """The children of one part of the last request, in order."""
    part = next(etree.fromstring(las.requests[-1][1]).iter(name))
    return {etree.QName(child).localname: child.text for child in part}


def test_the_request_is_what_uwlr_asks_for(las: Las, ask: Ask) -> None:
    """Header and body hold the fields of the schema in its order, and special characters survive."""
    las.answers = [(200, answer("<geenwijzigingen/>"))]
    ask()
    headers, _ = las.requests[-1]
    assert headers["SOAPAction"] == '"HaalLeerlinggegevens"'
    assert headers["Content-Type"] == "text/xml; charset=utf-8"
    assert list(asked(las, AUTHORISATION + "autorisatie").items()) == [
        ("autorisatiesleutel", "sleutel & <geheim>"),
        ("klantcode", "code-1"),
        ("klantnaam", "Doorgeefluik"),
    ]
    assert list(asked(las, PUPIL_DATA + "leerlinggegevens_verzoek").items()) == [
        ("schooljaar", "2026-2027"),
        ("brincode", "99XX"),
        ("dependancecode", "00"),
        ("xsdversie", "2.3"),
    ]


def test_version_set_and_last_moment_go_along(las: Las, ask: Ask) -> None:
    """2.2 can be asked for, with a data set, since a moment, which is sent in UTC."""
    las.answers = [(200, answer("<geenwijzigingen/>"))]
    since = datetime(2026, 11, 2, 13, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=1)))
    ask(since, version="2.2", gegevenssetid="Smalle-set")
    assert list(asked(las, PUPIL_DATA + "leerlinggegevens_verzoek").items())[3:] == [
        ("xsdversie", "2.2"),
        ("gegevenssetid", "Smalle-set"),
        ("laatstontvangengegevens", "2026-11-02T12:00:05Z"),
    ]


def test_a_school_without_brin_is_asked_for_by_its_key(las: Las, ask: Ask) -> None:
    """The school key takes the place of BRIN and location."""
    las.answers = [(200, answer("<geenwijzigingen/>"))]
    ask(of=SchoolId("", "00", "2026-2027", "sk-1"))
    assert asked(las, PUPIL_DATA + "leerlinggegevens_verzoek") == {
        "schooljaar": "2026-2027",
        "schoolkey": "sk-1",
        "xsdversie": "2.3",
    }


def test_pupils_come_as_they_were_sent(las: Las, ask: Ask, edexml: Made, soap_answer: Made, school: SchoolId) -> None:
    """The whole answer is the export, the moment of asking goes with it, and the reader takes it."""
    content = soap_answer(edexml("".join(f'<leerling key="{i}"/>' for i in range(10_000))))
    las.answers = [(200, content)]
    before = datetime.now(UTC)
    export = ask()
    assert isinstance(export, Export)
    assert export.content == content
    assert export.origin == "uwlr 2.3"
    assert before <= export.received_at <= datetime.now(UTC)
    assert len(read_roster(export.content, frozenset(), school).leerlingen) == 10_000


def test_no_changes_is_a_success(las: Las, ask: Ask, school: SchoolId) -> None:
    """`geenwijzigingen` says that there is nothing to do."""
    las.answers = [(200, answer("<geenwijzigingen/>"))]
    unchanged = ask(datetime(2026, 11, 1, tzinfo=UTC))
    assert isinstance(unchanged, NothingChanged)
    assert unchanged.school == school


def failure_of(ask: Ask, **settings: Any) -> ConnectorError:
    """The error of a pull, which repeats nothing that the server said or was told."""
    with pytest.raises(ConnectorError) as caught:
        ask(**settings)
    assert "Zonnebloem" not in str(caught.value)
    assert "geheim" not in str(caught.value)
    return caught.value


def test_no_data_stops(las: Las, ask: Ask) -> None:
    """`geengegevens` is an error that a person looks at, asked for once."""
    las.answers = [(200, answer("<geengegevens/>"))]
    error = failure_of(ask)
    assert isinstance(error, PermanentError)
    assert error.code == "geengegevens"
    assert len(las.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "code", [*sorted(_FAULTS), "Client.Nieuw", "Client", "Server.Nieuw", "Server", "Zonnebloem", ""]
)
def test_only_server_faults_are_tried_again(las: Las, ask: Ask, code: str, status: int) -> None:
    """A fault is told by its code, whatever the status that carries it; all but `Server` are final at once."""
    las.answers = [(status, fault(code))]
    error = failure_of(ask)
    passing = code.startswith("Server")
    assert isinstance(error, TransientError if passing else PermanentError)
    assert len(las.requests) == (3 if passing else 1)


def test_every_fault_has_its_own_error() -> None:
    """Codes, messages and actions are whole, and no two known codes look alike."""
    errors = [fault_error(Fault(code)) for code in _FAULTS]
    assert len({error.code for error in errors}) == len({error.message for error in errors}) == len(_FAULTS)
    assert all(error.message.endswith(").") and error.action.endswith(".") for error in errors)
    assert fault_error(Fault("Zonnebloem")).code == "onbekende_fout"
    assert "Client.Nieuw" in fault_error(Fault("Client.Nieuw")).message


def test_a_fault_that_passes_is_got_over(las: Las, ask: Ask, edexml: Made, soap_answer: Made) -> None:
    """After two disturbances the third answer counts."""
    las.answers = [(500, fault("Server.InterneFout")), (500, b"<html/>"), (200, soap_answer(edexml()))]
    assert isinstance(ask(), Export)
    assert len(las.requests) == 3


def test_pauses_grow(las: Las, ask: Ask) -> None:
    """Between attempts there is a pause that doubles."""
    las.answers = [(500, fault("Server.InterneFout"))]
    pauses: list[float] = []
    failure_of(ask, attempts=4, pause=2.0, sleep=pauses.append)
    assert pauses == [2.0, 4.0, 8.0]


def test_an_answer_that_breaks_off_is_asked_for_again(las: Las, ask: Ask, edexml: Made, soap_answer: Made) -> None:
    """A connection that breaks in the middle of the pupils is no smaller school."""
    whole = soap_answer(edexml())
    las.answers = [(299, whole[:-40]), (200, whole)]
    export = ask()
    assert isinstance(export, Export)
    assert export.content == whole
    las.answers = [(299, whole[:-40])]
    told = failure_of(ask)
    assert (told.code, told.message.split()[0]) == ("onbereikbaar", "ParnasSys")


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        (401, PermanentError, 1),
        (404, PermanentError, 1),
        (429, TransientError, 2),
        (500, TransientError, 3),
        (503, TransientError, 2),
    ],
)
def test_statuses_without_a_fault(las: Las, ask: Ask, status: int, kind: type, requests: int) -> None:
    """429 and 5xx may pass: the session tries its two times, a bare 500 the service's three; the rest is final."""
    las.answers = [(status, b"<html>Zonnebloem</html>")]
    assert isinstance(failure_of(ask), kind)
    assert len(las.requests) == requests


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<html/>", "geen_uwlr"),
        (envelope("<iets_anders/>"), "geen_uwlr"),
        (b"inloggen", "geen_uwlr"),
        (b"<!DOCTYPE x><x/>", "doctype"),
    ],
)
def test_something_else_than_uwlr(las: Las, ask: Ask, content: bytes, code: str) -> None:
    """A page of another program at the address is named as such."""
    las.answers = [(200, content)]
    assert failure_of(ask).code == code


def test_an_answer_without_end_is_cut_off(las: Las, ask: Ask, edexml: Made, soap_answer: Made) -> None:
    """The limit holds while reading, not afterwards."""
    las.answers = [(200, soap_answer(edexml("<leerling key='1'/>" * 50_000)))]
    assert failure_of(ask, max_bytes=100_000).code == "te_groot"


def test_nobody_home(las: Las, ask: Ask) -> None:
    """A port where nothing listens may answer later."""
    las.url = "http://127.0.0.1:9/"
    error = failure_of(ask)
    assert isinstance(error, TransientError)
    assert error.code == "onbereikbaar"
    assert error.message.startswith("ParnasSys (127.0.0.1) ")
