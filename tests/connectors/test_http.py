"""The one HTTP session: what it tries again, what it refuses, and what a status means."""

import ipaddress
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.base import NeverSentError, PermanentError, TransientError
from connectors.http import RETRY_STATUSES, Breaker, HttpSettings, connection_failure, failure, open_session
from connectors.sandbox.serving import Misbehaving, Misbehaviour, Tls, running

pytestmark = pytest.mark.xdist_group("http")

QUICK = HttpSettings(backoff=0.0, attempts=3, token="geheim-token")


class Echo:
    """A tiny real server that counts its requests and can misbehave."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.misbehaviour = Misbehaviour()
        routes = [Route("/echo", self._echo, methods=["POST"]), Route("/elders", self._elsewhere, methods=["POST"])]
        self.app = Misbehaving(Starlette(routes=routes), self.misbehaviour)

    async def _echo(self, request: Request) -> Response:
        self.seen.append(dict(request.headers))
        return JSONResponse({"length": len(await request.body())})

    async def _elsewhere(self, request: Request) -> Response:
        return RedirectResponse("https://elders.example/echo", 307)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Echo, str]]:
    """One server for all tests, and where it listens."""
    echo = Echo()
    with running(echo.app) as server:
        yield echo, f"{server.url}/echo"


@pytest.fixture
def echo(served: tuple[Echo, str]) -> Echo:
    """That server, with an empty memory and good manners."""
    served[0].seen.clear()
    served[0].misbehaviour.clear()
    return served[0]


@pytest.fixture
def url(served: tuple[Echo, str]) -> str:
    """Where that server listens."""
    return served[1]


def _post(url: str, settings: HttpSettings = QUICK) -> requests.Response:
    with open_session(settings) as session:
        return session.post(url, b"inhoud", {"Idempotency-Key": "k1"})


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_is_success_permanent_or_transient(status: int) -> None:
    """Only 408, 425, 429 and a server's own trouble are worth another try; 2xx alone is success."""
    error = failure(status, "Leverancier")
    transient = status in (408, 425, 429) or (status >= 500 and status not in (501, 505, 511))
    if 200 <= status < 300:
        assert error is None
    else:
        assert type(error) is (TransientError if transient else PermanentError)
        assert str(status) in error.message
        assert "{" not in str(error)
        assert "Leverancier" in error.message or status == 511


def test_a_token_is_sent_and_not_shown(echo: Echo, url: str) -> None:
    """The bearer token goes over the wire and stays out of the settings' text."""
    assert _post(url).json() == {"length": 6}
    assert echo.seen[0]["authorization"] == "Bearer geheim-token"
    assert "geheim-token" not in repr(QUICK)


def test_a_password_of_netrc_is_never_sent(
    echo: Echo, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the machine's .netrc is not sent to a party."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    _post(url, replace(QUICK, token=None))
    assert "authorization" not in echo.seen[0]


@pytest.mark.parametrize("status", sorted(RETRY_STATUSES))
def test_trouble_that_passes_is_survived(echo: Echo, url: str, status: int) -> None:
    """A POST is sent again after a status that may pass."""
    echo.misbehaviour.fail(status, 2)
    assert _post(url).status_code == 200
    assert len(echo.seen) == 1


def test_a_cut_connection_is_tried_again(echo: Echo, url: str) -> None:
    """A connection that breaks before the answer is made anew."""
    echo.misbehaviour.cut(2)
    assert _post(url).status_code == 200


def test_trouble_that_stays_is_handed_over(echo: Echo, url: str) -> None:
    """After the last attempt the answer is given as it is, and no attempt too many was made."""
    echo.misbehaviour.fail(503, 9)
    assert _post(url).status_code == 503
    assert echo.misbehaviour.waiting == 9 - QUICK.attempts


def test_a_connection_that_keeps_breaking_is_transient(echo: Echo, url: str) -> None:
    """Without any answer the failure is transient, and names the host alone."""
    echo.misbehaviour.cut(9)
    with pytest.raises(TransientError) as caught:
        _post(f"{url}?sleutel=geheim")
    assert (caught.value.code, type(caught.value)) == ("onbereikbaar", TransientError)
    assert "127.0.0.1" in caught.value.message
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_only_without_any_connection_it_is_certain_that_nothing_was_sent() -> None:
    """Not where the first attempt had one, though all the others found nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/echo"

        def answer_once_and_go() -> None:
            connection, _ = listener.accept()
            listener.close()
            connection.close()

        going = Thread(target=answer_once_and_go)
        going.start()
        with pytest.raises(TransientError) as caught:
            _post(address)
        going.join()
    assert type(caught.value) is TransientError
    with pytest.raises(NeverSentError) as never:
        _post(address)
    assert never.value.code == "onbereikbaar"


def test_an_answer_cut_halfway_is_transient(echo: Echo, url: str) -> None:
    """Half an answer is no answer."""
    echo.misbehaviour.cut_halfway()
    with pytest.raises(TransientError):
        _post(url)


def test_a_server_that_takes_too_long_is_transient() -> None:
    """The read time-out ends the wait."""
    slow = Echo()  # of its own: its late answer would count in another test
    slow.misbehaviour.slow(0.2)
    with running(slow.app) as server, pytest.raises(TransientError):
        _post(f"{server.url}/echo", replace(QUICK, read_timeout=0.05, attempts=1))


def test_a_500_is_left_to_the_caller_on_request(echo: Echo, url: str) -> None:
    """Without 500 among the statuses to try again it is handed over at once (SOAP faults come with it)."""
    echo.misbehaviour.fail(500, 2)
    assert _post(url, replace(QUICK, retry_statuses=RETRY_STATUSES - {500})).status_code == 500
    assert echo.misbehaviour.waiting == 1


def test_retry_after_is_honoured(echo: Echo, url: str) -> None:
    """A server that asks for a short wait is given it, and then answers."""
    echo.misbehaviour.fail(429, 1, retry_after=0)
    assert _post(url).status_code == 200


@pytest.mark.parametrize("wait", ["3600", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_retry_after_beyond_the_cap_ends_the_trying(echo: Echo, url: str, wait: str) -> None:
    """A server that asks for more time than we have is left alone at once, in seconds and as a date."""
    echo.misbehaviour.fail(429, 2, retry_after=wait)
    assert _post(url).status_code == 429
    assert echo.misbehaviour.waiting == 1


def test_a_retry_after_that_says_nothing_is_no_failure(echo: Echo, url: str) -> None:
    """A Retry-After that cannot be read is as good as none."""
    echo.misbehaviour.fail(503, 1, retry_after="straks")
    assert _post(url).status_code == 200


def test_a_redirect_is_not_followed(echo: Echo, url: str) -> None:
    """What was meant for one host is never sent to another."""
    answer = _post(url.replace("/echo", "/elders"))
    assert answer.status_code == 307
    error = failure(answer.status_code, "Leverancier")
    assert error is not None
    assert error.code == "omgeleid"


@pytest.mark.parametrize(
    "address",
    [
        "http://leverancier.example/x",
        "ftp://127.0.0.1/x",
        "https://jan:wachtwoord@leverancier.example/",
        "https://",
        "",
    ],
)
def test_an_unsafe_address_is_refused_before_anything_is_sent(address: str) -> None:
    """Plain HTTP is for this machine alone, and an address holds no password."""
    with pytest.raises(PermanentError) as caught:
        _post(address)
    assert caught.value.code == "onveilig_adres"
    assert "wachtwoord@" not in str(caught.value)


def test_a_token_that_cannot_be_sent_is_not_shown(echo: Echo, url: str) -> None:
    """A token with a line end is a permanent failure, whose text does not hold the token."""
    with pytest.raises(PermanentError) as caught:
        _post(url, replace(QUICK, token="geheim\n-token"))
    assert caught.value.code == "aanvraag_onmogelijk"
    assert "token" not in str(caught.value)


def test_the_log_holds_no_query(echo: Echo, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 writes down what it tries again, without what stands after the question mark."""
    caplog.set_level(logging.DEBUG)
    echo.misbehaviour.cut(1)
    _post(f"{url}?sleutel=geheim")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert any("/echo?…" in line for line in lines)
    assert not [line for line in lines if "geheim" in line]


def test_the_breaker_opens_after_failures_in_a_row_and_closes_after_its_rest() -> None:
    """A host is left alone after the last of its failures, for a while; one failure more and it is left alone again."""
    now = [0.0]
    breaker = Breaker(failures=2, rest=60, clock=lambda: now[0])
    breaker.failed("a")
    assert not breaker.refuses("a")
    breaker.failed("a")
    assert breaker.refuses("a")
    assert not breaker.refuses("b")
    now[0] = 60
    assert not breaker.refuses("a")
    breaker.failed("a")
    assert breaker.refuses("a")


def test_a_good_answer_makes_the_breaker_forget() -> None:
    """Failures count only in a row."""
    breaker = Breaker(failures=2, rest=60, clock=lambda: 0.0)
    breaker.failed("a")
    breaker.succeeded("a")
    breaker.failed("a")
    assert not breaker.refuses("a")


def test_a_session_leaves_a_failing_host_alone(echo: Echo, url: str) -> None:
    """After so many calls in vain the next one is not even sent."""
    echo.misbehaviour.fail(500, 9)
    with open_session(replace(QUICK, attempts=1, breaker_failures=2)) as session:
        for _ in range(2):
            session.post(url, b"", {})
        with pytest.raises(TransientError) as caught:
            session.post(url, b"", {})
    assert caught.value.code == "even_met_rust"
    assert echo.misbehaviour.waiting == 7


def _certificates(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificaat.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(echo: Echo, tmp_path: Path) -> None:
    """TLS is verified; a wrong certificate needs a person and is not tried again."""
    pem = _certificates(tmp_path)
    with running(echo.app, tls=Tls(pem, pem)) as served, pytest.raises(PermanentError) as caught:
        _post(f"{served.url}/echo", replace(QUICK, backoff=30.0, attempts=9))
    assert caught.value.code == "certificaat_geweigerd"
    assert not echo.seen


def test_own_authority_and_client_certificate_are_used(echo: Echo, tmp_path: Path) -> None:
    """With the supplier's own authority and our client certificate a mutual TLS connection is made."""
    pem = _certificates(tmp_path)
    settings = replace(QUICK, certificate_authority=pem, client_certificate=pem)
    with running(echo.app, tls=Tls(pem, pem, client_ca=pem)) as served:
        assert _post(f"{served.url}/echo", settings).status_code == 200


def test_a_server_that_wants_a_client_certificate_gets_none_by_itself(echo: Echo, tmp_path: Path) -> None:
    """Without the client certificate that a server asks for there is no connection."""
    pem = _certificates(tmp_path)
    with running(echo.app, tls=Tls(pem, pem, client_ca=pem)) as served, pytest.raises(TransientError):
        _post(f"{served.url}/echo", replace(QUICK, certificate_authority=pem))


def test_a_missing_certificate_file_is_permanent_and_names_no_path(tmp_path: Path) -> None:
    """A certificate that cannot be read is a mistake in the settings."""
    with pytest.raises(PermanentError) as caught:
        _post("https://127.0.0.1:1/", replace(QUICK, certificate_authority=tmp_path / "weg.pem"))
    assert caught.value.code == "certificaat_ontbreekt"
    assert str(tmp_path) not in str(caught.value)


def test_a_body_that_breaks_while_it_is_streamed_is_transient() -> None:
    """The caller of a streamed answer translates what breaks with the same function."""
    error = connection_failure(requests.exceptions.ChunkedEncodingError("geheim"), "ParnasSys")
    assert type(error) is TransientError
    assert "geheim" not in str(error)
