"""A stand-in for ParnasSys: UWLR 2.2 and 2.3 for the schools it is given, on the terms of the real service.

What it serves can be changed while it runs: by its `Administration` (`administration.py`), or over HTTP below
`/_sandbox/`. How it is told to misbehave is in `serving.py`; besides what stands there it knows the custom behaviours
`OTHER_SCHOOL`, `NO_DATA` and `fault:CODE`.
"""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from lxml import etree
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.administration import Administration, Asked, Customer
from connectors.sandbox.edexml_writer import SOAP, UWLR, enveloped, uwlr_body
from connectors.sandbox.school import example_school
from connectors.sandbox.serving import CONTROL, Misbehaving, asked_for, control_routes

AUTHORISATION = "http://www.edustandaard.nl/leerresultaten/2/autorisatie"
SOAP_ACTION = "HaalLeerlinggegevens"
PATH = "/uwlr"
OTHER_SCHOOL = "other_school"
"""Custom behaviour: answer with the pupils of a school that nobody asked for (BRIN 99ZZ)."""
NO_DATA = "no_data"
"""Custom behaviour: answer `geengegevens`."""

FAULTS = MappingProxyType(
    {
        "Server.InterneFout": "Er is een interne fout opgetreden",
        "Server.TijdelijkNietBeschikbaar": "Server is tijdelijk niet beschikbaar",
        "Client.OngeldigBericht": "Inhoud van het bericht is ongeldig",
        "Client.OngeldigeKlantIdentificatie": "Klantidentificatie onjuist",
        "Client.AutorisatieOngeldig": "Autorisatie is ongeldig",
        "Client.XsdVersieOngeldig": "De opgegeven XSD-versie is onjuist",
        "Client.LeerlingOngeldig": "De leerling is ongeldig",
        "Client.VocabulaireTermOngeldig": "De vocabulaireterm is ongeldig",
    }
)
"""Every fault code of UWLR 2.2 that concerns pupils, with its default text."""


def parnassys_app(administration: Administration) -> Starlette:
    """The service: `POST /uwlr`, and to steer it `PUT` and `DELETE /_sandbox/schools/99XX-00` (an EDEXML file),
    `GET /_sandbox/asked` and `/_sandbox/misbehave`.
    """

    async def uwlr(request: Request) -> Response:
        return _answer(administration, request, await request.body())

    async def change(request: Request) -> Response:
        return _change(administration, request.method, request.path_params["school"], await request.body())

    async def asked(_request: Request) -> Response:
        return JSONResponse([asdict(one) for one in administration.asked])

    return Starlette(
        routes=[
            Route(PATH, uwlr, methods=["POST"]),
            Route(f"{CONTROL}schools/{{school}}", change, methods=["PUT", "DELETE"]),
            Route(f"{CONTROL}asked", asked, methods=["GET"]),
            *control_routes(administration.misbehaviour),
        ],
        middleware=[Middleware(Misbehaving, misbehaviour=administration.misbehaviour)],
    )


class _RefusedError(Exception):
    """A request that is answered with a SOAP fault; `code` is one of `FAULTS`."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Question:
    """A request in good order: the school's name here, and the rest as it was asked."""

    school: str
    schooljaar: str
    xsdversie: str
    since: str | None

    def became(self, outcome: str) -> Asked:
        return Asked(self.school, self.schooljaar, self.xsdversie, self.since, outcome)


_NOT_UNDERSTOOD = _Question("", "", "", None)


def _answer(administration: Administration, request: Request, content: bytes) -> Response:
    question = _NOT_UNDERSTOOD
    try:
        envelope = _envelope(request, content)
        question = _question(administration, envelope)
        _check_authorisation(administration, envelope, question)
        outcome, body = _outcome(administration, question, asked_for(request))
    except _RefusedError as refused:
        administration.note(question.became(refused.code))
        return _fault(refused.code, refused.detail)
    administration.note(question.became(outcome))
    return Response(enveloped(body), media_type="text/xml")


def _envelope(request: Request, content: bytes) -> etree._Element:
    if request.headers.get("soapaction", "").strip('"') != SOAP_ACTION:
        raise _RefusedError("Client.OngeldigBericht", "SOAPAction")
    if not request.headers.get("content-type", "").startswith("text/xml"):
        raise _RefusedError("Client.OngeldigBericht", "Content-Type")
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise _RefusedError("Client.OngeldigBericht", "XML") from None
    if root.tag != f"{{{SOAP}}}Envelope" or b"<!DOCTYPE" in content:
        raise _RefusedError("Client.OngeldigBericht", "Envelope")
    return root


_REQUEST_ORDER = (
    r"schooljaar (brincode (dependancecode )?|schoolkey )xsdversie( gegevenssetid)?( laatstontvangengegevens)?"
)
_REQUEST_VALUES = {
    "schooljaar": r"[12]\d{3}-[12]\d{3}",
    "brincode": r"\d{2}[A-Z]{2}",
    "dependancecode": r"\d{2}",
    "schoolkey": r".{1,256}",
    "xsdversie": r".{1,32}",
    "gegevenssetid": r".{1,64}",
    "laatstontvangengegevens": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
}


def _question(administration: Administration, envelope: etree._Element) -> _Question:
    """The request out of its envelope, checked as the schema does (group `gVerzoekBasis`)."""
    found = envelope.find(f"{{{SOAP}}}Body/{{{UWLR}}}leerlinggegevens_verzoek")
    if found is None:
        raise _RefusedError("Client.OngeldigBericht", "leerlinggegevens_verzoek")
    values = {str(child.tag).removeprefix(f"{{{UWLR}}}"): child.text or "" for child in found}
    if len(values) != len(found) or not re.fullmatch(_REQUEST_ORDER, " ".join(values)):
        raise _RefusedError("Client.OngeldigBericht", "volgorde")
    for name, value in values.items():
        if not re.fullmatch(_REQUEST_VALUES[name], value):
            raise _RefusedError("Client.OngeldigBericht", name)
    if int(values["schooljaar"][5:]) != int(values["schooljaar"][:4]) + 1:
        raise _RefusedError("Client.OngeldigBericht", "schooljaar")
    if values["xsdversie"] not in ("2.2", "2.3"):
        raise _RefusedError("Client.XsdVersieOngeldig")
    if "schoolkey" in values:
        school = administration.by_schoolkey(values["schoolkey"])
    else:
        school = f"{values['brincode']}-{values.get('dependancecode', '00')}"
    return _Question(school, values["schooljaar"], values["xsdversie"], values.get("laatstontvangengegevens"))


def _check_authorisation(administration: Administration, envelope: etree._Element, question: _Question) -> None:
    header = envelope.find(f"{{{SOAP}}}Header/{{{AUTHORISATION}}}autorisatie")
    names = ("autorisatiesleutel", "klantcode", "klantnaam")
    given = {} if header is None else {name: header.findtext(f"{{{AUTHORISATION}}}{name}", "") for name in names}
    if header is None or not all(1 <= len(value) <= 64 for value in given.values()):
        raise _RefusedError("Client.AutorisatieOngeldig", "autorisatie")
    if Customer(given["klantcode"], given["klantnaam"]) != administration.customer:
        raise _RefusedError("Client.OngeldigeKlantIdentificatie")
    held = administration.held(question.school)
    if administration.owner(given["autorisatiesleutel"]) is None or (held and held.key != given["autorisatiesleutel"]):
        raise _RefusedError("Client.AutorisatieOngeldig", "autorisatiesleutel")


def _outcome(administration: Administration, question: _Question, custom: str | None) -> tuple[str, bytes]:
    """What is answered, by name and as the body of the envelope."""
    if custom and custom.startswith("fault:"):
        raise _RefusedError(custom.removeprefix("fault:"))
    if custom == OTHER_SCHOOL:
        return "gegevens", uwlr_body(example_school(20, brincode="99ZZ", schooljaar=question.schooljaar))
    held = administration.held(question.school)
    answer = held and held.answered_at(datetime.now(UTC))
    if custom == NO_DATA or not held or not answer or held.school.schooljaar != question.schooljaar:
        return "geengegevens", _exception("geengegevens")
    if question.since and _moment(question.since) >= held.changed_at:
        return "geenwijzigingen", _exception("geenwijzigingen")
    return "gegevens", answer


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _RefusedError("Client.OngeldigBericht", "laatstontvangengegevens") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _exception(name: str) -> bytes:
    return f'<leerlinggegevens_antwoord xmlns="{UWLR}"><{name}/></leerlinggegevens_antwoord>'.encode()


def _fault(code: str, detail: str) -> Response:
    text = FAULTS.get(code, "Onbekende fout") + (f" ({detail})" if detail else "")
    body = f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{text}</faultstring></soap:Fault>"
    return Response(enveloped(body.encode()), 500, media_type="text/xml")


def _change(administration: Administration, method: str, school_key: str, content: bytes) -> Response:
    try:
        if method == "DELETE":
            administration.empty(school_key)
        else:
            administration.put_edexml(school_key, content)
    except KeyError:
        return Response("deze school is hier niet bekend", 404)
    except ValueError:
        return Response("dit is geen EDEXML", 400)
    return Response(status_code=204)
