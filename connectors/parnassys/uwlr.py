"""The second door: the UWLR web service of the pupil administration (2.2 and 2.3), one call for a whole school.

Asking, and telling an answer from a fault, happens here; the content of an answer is read in `reader.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO

import requests

from connectors.base import ConnectorError, Export, NothingChanged, PermanentError, SchoolId, TransientError
from connectors.http import HttpSession, HttpSettings, connection_failure, failure, open_session
from connectors.parnassys.refusals import refusal, size
from connectors.parnassys.soap import Fault, UwlrCredentials, answer_in, fault_error, request_for
from connectors.parnassys.stream import MAX_BYTES

WHO = "ParnasSys"

_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"HaalLeerlinggegevens"'}
_PIECE = 2**16


@dataclass(frozen=True, slots=True)
class UwlrService:
    """A source that asks one UWLR address. `session` comes from `open_uwlr_session`.

    A fault `Server.*`, a status 500 without a fault and an answer that breaks off are tried again here: `attempts`
    times in all, after `pause` seconds, doubled each time. What else may be tried again, the session tries again.
    """

    session: HttpSession
    url: str
    credentials: UwlrCredentials
    version: str = "2.3"  # `xsdversie`
    gegevenssetid: str | None = None
    attempts: int = 4
    pause: float = 2.0
    max_bytes: int = MAX_BYTES
    sleep: Callable[[float], None] = time.sleep

    def pull(self, school: SchoolId, since: datetime | None) -> Export | NothingChanged:
        """Ask for the whole school; `since` (aware) goes along as `laatstontvangengegevens`.

        Raises:
            PermanentError: `geengegevens`, `geen_uwlr`, `te_groot`, a fault `Client.*`, a status that refuses.
            TransientError: not reachable, or in trouble, after all attempts.
        """
        request = request_for(self.credentials, school, self.version, self.gegevenssetid, since)
        for attempt in range(self.attempts - 1):
            try:
                return self._ask(request, school)
            except _PassingError:
                self.sleep(self.pause * 2**attempt)
        return self._ask(request, school)

    def _ask(self, request: bytes, school: SchoolId) -> Export | NothingChanged:
        asked_at = datetime.now(UTC)
        with self.session.post(self.url, request, _HEADERS, stream=True) as response:
            content = _body(response, self.max_bytes)
        refused = failure(response.status_code, WHO)
        if refused is not None:
            raise _trouble(response.status_code, refused, content)
        match answer_in(content):
            case "leerlinggegevens":
                return Export(school, content, f"uwlr {self.version}", asked_at)
            case "geenwijzigingen":
                return NothingChanged(school, asked_at)
            case "geengegevens":
                raise refusal("geengegevens")
            case Fault() as fault:
                raise _worth_a_retry(fault_error(fault))
            case None:
                raise refusal("geen_uwlr")


def open_uwlr_session(settings: HttpSettings) -> HttpSession:
    """A session that leaves status 500 to `UwlrService`: a SOAP fault comes with it, and most faults are final.

    Whatever its host is called, a person knows the other side as ParnasSys.
    """
    return open_session(replace(settings, name=WHO, retry_statuses=settings.retry_statuses - {500}))


class _PassingError(TransientError):
    """Trouble that the session does not try again, and that may be over in a moment."""


def _worth_a_retry(error: ConnectorError) -> ConnectorError:
    return _PassingError(error.code, error.message, error.action) if isinstance(error, TransientError) else error


def _trouble(status: int, refused: ConnectorError, content: bytes) -> ConnectorError:
    """What a refusing answer means: its fault if it holds one (SOAP 1.1 sends that with status 500), else its status."""
    try:
        answer = answer_in(content)
    except PermanentError:  # no SOAP at all, as from a proxy
        answer = None
    if isinstance(answer, Fault):
        return _worth_a_retry(fault_error(answer))
    return _worth_a_retry(refused) if status == 500 else refused


def _body(response: requests.Response, max_bytes: int) -> bytes:
    """The answer, read piece by piece so that one without end is cut off."""
    whole = BytesIO()
    try:
        for piece in response.iter_content(_PIECE):
            if whole.tell() + len(piece) > max_bytes:
                raise refusal("te_groot", limit=size(max_bytes))
            whole.write(piece)
    except OSError as error:
        raise _worth_a_retry(connection_failure(error, WHO)) from None
    return whole.getvalue()
