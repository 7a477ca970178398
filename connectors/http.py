"""HTTP to the outside world: the one place that opens a session, tries again, and decides what a status means.

TLS, time-outs, retries, the breaker and redaction live here; what a message says, and what an answer means, does not.
"""

import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, InvalidHeader, MaxRetryError, NewConnectionError
from urllib3.util.retry import Retry

from connectors.base import ConnectorError, NeverSentError, PermanentError, TransientError

RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Statuses that are tried again at once; every call only reads or carries an idempotency key, so a POST may be too."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""The only hosts that may be spoken to without TLS."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to speak with one party. Times are seconds; `attempts` counts the first one.

    A server that asks by Retry-After to stay away longer than `longest_retry_after` is left alone at once. The
    client certificate is one PEM file with certificate and key (UWLR: mutual TLS beside the key).
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    attempts: int = 4
    backoff: float = 1.0
    longest_retry_after: float = 120.0
    retry_statuses: frozenset[int] = RETRY_STATUSES
    client_certificate: Path | None = None
    certificate_authority: Path | None = None
    token: str | None = field(default=None, repr=False)
    breaker_failures: int = 5
    breaker_rest: float = 60.0
    name: str = ""  # of the party, to call it by beside its host


class Breaker:
    """Leaves a host alone for `rest` seconds after `failures` failures in a row; then lets one call try it."""

    def __init__(self, failures: int, rest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._in_a_row: dict[str, int] = {}
        self._closed_until: dict[str, float] = {}

    def refuses(self, host: str) -> bool:
        """Whether `host` must be left alone now."""
        return self._clock() < self._closed_until.get(host, float("-inf"))

    def failed(self, host: str) -> None:
        """Remember that a call to `host` failed."""
        self._in_a_row[host] = self._in_a_row.get(host, 0) + 1
        if self._in_a_row[host] >= self._failures:
            self._closed_until[host] = self._clock() + self._rest

    def succeeded(self, host: str) -> None:
        """Remember that `host` answered; earlier failures no longer count."""
        self._in_a_row.pop(host, None)
        self._closed_until.pop(host, None)


class HttpSession:
    """A session with one party; made by `open_session`."""

    def __init__(self, session: requests.Session, settings: HttpSettings, breaker: Breaker) -> None:
        self._session = session
        self._settings = settings
        self._breaker = breaker

    def post(self, url: str, data: bytes, headers: Mapping[str, str], *, stream: bool = False) -> requests.Response:
        """Send `data`, and give the answer whatever its status: ask `failure` what it means.

        With `stream` the body is still to be read; translate what breaks then with `connection_failure`. Redirects
        are never followed.

        Raises:
            PermanentError: unsafe or impossible address, refused certificate; nothing was sent.
            TransientError: no (whole) answer, after as many attempts as the settings allow.
            NeverSentError: no connection in all those attempts, or the breaker is open.
        """
        return self._ask("POST", url, headers, data=data, stream=stream)

    def get(self, url: str, headers: Mapping[str, str], parameters: Mapping[str, str]) -> requests.Response:
        """Ask for what stands at `url`; answers and errors as with `post`."""
        return self._ask("GET", url, headers, parameters=parameters)

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        data: bytes | None = None,
        parameters: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        host = _safe_host(url)
        who = f"{self._settings.name} ({host})" if self._settings.name else host
        if self._breaker.refuses(host):
            raise NeverSentError(
                "even_met_rust",
                f"{who} gaf een paar keer achter elkaar geen goed antwoord en wordt nu even niet aangesproken.",
                "Wacht een paar minuten; daarna wordt het vanzelf weer geprobeerd.",
            )
        try:
            response = self._session.request(
                method,
                url,
                data=data,
                params=parameters,
                headers=dict(headers),
                stream=stream,
                timeout=(self._settings.connect_timeout, self._settings.read_timeout),
                allow_redirects=False,
                verify=_path(self._settings.certificate_authority) or True,  # here, or REQUESTS_CA_BUNDLE would win
                cert=_path(self._settings.client_certificate),
                proxies={"no_proxy": host} if host in LOOPBACK else None,
            )
        except (OSError, ValueError) as error:  # requests' own are OSErrors; http.client has ValueError for headers
            told = connection_failure(error, who)
            if isinstance(told, TransientError):
                self._breaker.failed(host)
            raise told from None
        self._count(host, response.status_code)
        return response

    def _count(self, host: str, status: int) -> None:
        if status in self._settings.retry_statuses:
            self._breaker.failed(host)
        else:
            self._breaker.succeeded(host)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_session(settings: HttpSettings) -> HttpSession:
    """Open a session that verifies TLS, tries again as `settings` say, and writes no queries to the log."""
    for logger in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(logger).addFilter(_WITHOUT_QUERIES)
    session = requests.Session()
    adapter = HTTPAdapter(max_retries=_patience(settings))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.auth = _Bearer(settings.token)
    return HttpSession(session, settings, Breaker(settings.breaker_failures, settings.breaker_rest))


_CALL = "Neem contact op met de beheerder van {who} en noem deze melding."
_LATER = "Probeer het later opnieuw; een levering probeert het de volgende nacht vanzelf."
_PERMANENT: Mapping[int, tuple[str, str, str]] = {
    400: ("bericht_geweigerd", "{who} begrijpt het bericht niet (400).", _CALL),
    401: (
        "niet_ingelogd",
        "{who} herkent de inlogsleutel niet (401).",
        "Vraag een nieuwe sleutel aan en zet die op de plek die de instellingen ervoor noemen.",
    ),
    403: (
        "geen_toegang",
        "{who} geeft met deze inlogsleutel geen toegang tot deze school (403).",
        "Vraag de beheerder van {who} om de sleutel voor deze school open te zetten.",
    ),
    404: ("adres_onbekend", "Het adres van {who} bestaat niet (404).", "Controleer het adres in de instellingen."),
    409: ("sleutel_hergebruikt", "{who} kent deze zending al, met een andere inhoud (409).", _CALL),
    413: (
        "bericht_te_groot",
        "{who} vindt het bericht te groot (413).",
        "Kies in de afspraak een kleinere batch_size.",
    ),
    422: ("bericht_geweigerd", "{who} weigert het bericht om de vorm (422).", _CALL),
    501: ("niet_ondersteund", "{who} kent deze opdracht niet (501).", _CALL),
    505: ("niet_ondersteund", "{who} kent deze versie van HTTP niet (505).", _CALL),
    511: ("netwerk_vraagt_inlog", "Het netwerk zelf vraagt om in te loggen (511).", "Vraag de netwerkbeheerder."),
}


def failure(status: int, who: str) -> ConnectorError | None:
    """What an HTTP status means (RFC 9110): None for success, else the error to raise.

    `who` names the party as the user knows it. Only 408, 425, 429 and a server's own trouble (5xx) are transient.
    """
    if 200 <= status < 300:
        return None
    if status in _PERMANENT:
        code, message, action = _PERMANENT[status]
        return PermanentError(code, message.format(who=who), action.format(who=who))
    if status == 429:
        return TransientError("te_druk", f"{who} krijgt te veel berichten tegelijk (429).", _LATER)
    if status in (408, 425) or status >= 500:
        return TransientError("storing_bij_ontvanger", f"{who} heeft een storing ({status}).", _LATER)
    if 300 <= status < 400:
        return PermanentError(
            "omgeleid",
            f"{who} verwijst naar een ander adres ({status}); dat wordt niet gevolgd.",
            f"Vraag de beheerder van {who} om het juiste adres en zet dat in de instellingen.",
        )
    return PermanentError("bericht_geweigerd", f"{who} weigert het bericht ({status}).", _CALL.format(who=who))


def may_have_arrived(response: requests.Response) -> bool:
    """Whether an attempt before this answer may have been carried out, so that a refusal now does not tell that nothing was."""
    retries = getattr(response.raw, "retries", None)
    return any(
        past.status != 429 if past.error is None else not isinstance(past.error, _NEVER_SENT)
        for past in (retries.history if retries else ())
    )


def connection_failure(error: OSError | ValueError, who: str) -> ConnectorError:
    """What a broken connection means; raise it `from None`, since `error` may hold addresses and headers.

    A refused certificate, a missing certificate file and an impossible request need a person; anything else may pass.
    """
    if _refused_certificate(error):
        return PermanentError(
            "certificaat_geweigerd",
            f"{who} kan niet bewijzen wie het is: het certificaat klopt niet.",
            "Controleer het adres en de instelling certificate_authority; schakel de controle niet uit.",
        )
    if isinstance(error, _BROKEN):
        make = NeverSentError if error.args and isinstance(error.args[0], _NeverConnectedError) else TransientError
        return make("onbereikbaar", f"{who} is niet bereikbaar, of verbrak de verbinding.", _LATER)
    if isinstance(error, requests.RequestException | ValueError):
        return PermanentError(
            "aanvraag_onmogelijk",
            f"De aanvraag aan {who} kan zo niet worden verstuurd ({type(error).__name__}).",
            "Controleer het adres en de inlogsleutel in de instellingen.",
        )
    return PermanentError(
        "certificaat_ontbreekt",
        f"Een certificaat voor {who} is niet te lezen.",
        "Controleer client_certificate en certificate_authority in de instellingen.",
    )


_NEVER_SENT = (NewConnectionError, ConnectTimeoutError)
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def _refused_certificate(error: BaseException | None) -> bool:
    """Whether a refused certificate is anywhere behind `error`; urllib3 wraps it in `reason` and in arguments."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((e for e in inner if isinstance(e, BaseException)), None)
    return False


def _path(path: Path | None) -> str | None:
    return str(path) if path else None


def _safe_host(url: str) -> str:
    """The host of `url`, if it may be spoken to: over https, or on this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not host or not secure or parts.username or parts.password:
        raise PermanentError(
            "onveilig_adres",
            "Het adres begint niet met https://, of er staat een naam of wachtwoord in.",
            "Verbeter het adres in de instellingen; een sleutel hoort bij token.",
        )
    return host


class _Bearer(AuthBase):
    """Sets the token; without one it still keeps requests from looking for passwords in a .netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NeverConnectedError(MaxRetryError):
    """Every attempt failed before there was a connection."""


class _Patience(Retry):
    """urllib3's retrying, which gives up at once where waiting as asked would take longer than `retry_after_max`."""

    RETRY_AFTER_STATUS_CODES = frozenset()  # the settings' statuses alone decide

    def increment(self, method: str | None = None, url: str | None = None, *args: Any, **more: Any) -> Self:
        response, error = more.get("response"), more.get("error")
        too_long = response is not None and _wait_asked(response.headers.get("Retry-After")) > self.retry_after_max
        if too_long or _refused_certificate(error):
            raise MaxRetryError(more["_pool"], url or "", error) from error
        try:
            return super().increment(method, url, *args, **more)
        except MaxRetryError as last:
            tried = [*(past.error for past in self.history), error]
            if all(isinstance(each, _NEVER_SENT) for each in tried):
                raise _NeverConnectedError(last.pool, last.url or "", last.reason) from last
            raise

    def parse_retry_after(self, retry_after: str) -> float:
        return _wait_asked(retry_after)


def _patience(settings: HttpSettings) -> Retry:
    return _Patience(
        total=settings.attempts - 1,
        redirect=0,
        allowed_methods=None,
        status_forcelist=settings.retry_statuses,
        backoff_factor=settings.backoff,
        backoff_jitter=settings.backoff,
        backoff_max=settings.longest_retry_after,
        retry_after_max=settings.longest_retry_after,  # type: ignore[arg-type]  # it takes any number
        raise_on_status=False,
    )


def _wait_asked(retry_after: str | None) -> float:
    """Seconds that a Retry-After header asks for (a number or a date); 0 where it says nothing that can be read."""
    if retry_after is None:
        return 0.0
    try:
        return Retry(retry_after_max=10**9).parse_retry_after(retry_after)
    except InvalidHeader:
        return 0.0


class _WithoutQueries(logging.Filter):
    """Cuts the query off every address in a log line of urllib3."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(re.sub(r"\?\S*", "?…", a) if isinstance(a, str) else a for a in record.args)
        return True


_WITHOUT_QUERIES = _WithoutQueries()
