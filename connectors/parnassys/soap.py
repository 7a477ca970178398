"""The words of UWLR 2.x: the request for a whole school, and what kind of answer came back.

SOAP 1.1, document/literal (UWLR_Leerlinggegevens_v2p2.wsdl). No HTTP here, and no pupil is read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from lxml import etree

from connectors.base import ConnectorError, PermanentError, SchoolId, TransientError
from connectors.parnassys.stream import Element, chunks_of, first_signs, local_name

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
AUTHORISATION = "http://www.edustandaard.nl/leerresultaten/2/autorisatie"
PUPIL_DATA = "http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens"


@dataclass(frozen=True, slots=True)
class UwlrCredentials:
    """Who asks. Client name and code belong to the asking party, the key to the school; each 1 to 64 characters."""

    autorisatiesleutel: str = field(repr=False)
    klantcode: str = field(repr=False)
    klantnaam: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault, by its code without prefix: `Client.AutorisatieOngeldig`. Its text is not read."""

    code: str


Answer: TypeAlias = Literal["leerlinggegevens", "geenwijzigingen", "geengegevens"] | Fault | None


def request_for(
    credentials: UwlrCredentials, school: SchoolId, version: str, gegevenssetid: str | None, since: datetime | None
) -> bytes:
    """The envelope of `HaalLeerlinggegevens`, its elements in the order of the schema; `since` is sent in UTC."""
    envelope = etree.Element(etree.QName(SOAP, "Envelope"), nsmap={"soap": SOAP})
    header = etree.SubElement(envelope, etree.QName(SOAP, "Header"))
    body = etree.SubElement(envelope, etree.QName(SOAP, "Body"))
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if since else None
    key = None if school.brincode else school.schoolkey
    _add(
        header,
        AUTHORISATION,
        "autorisatie",
        {
            "autorisatiesleutel": credentials.autorisatiesleutel,
            "klantcode": credentials.klantcode,
            "klantnaam": credentials.klantnaam,
        },
    )
    _add(
        body,
        PUPIL_DATA,
        "leerlinggegevens_verzoek",
        {
            "schooljaar": school.schooljaar,
            "brincode": school.brincode or None,
            "dependancecode": school.dependancecode if school.brincode else None,
            "schoolkey": key,
            "xsdversie": version,
            "gegevenssetid": gegevenssetid,
            "laatstontvangengegevens": moment,
        },
    )
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def answer_in(content: bytes) -> Answer:
    """What kind of answer this is, reading no further than needed; None for anything that is no UWLR answer.

    Raises:
        PermanentError: XML that is broken or hostile.
    """
    try:
        return _answer_in(content)
    except PermanentError as error:
        if error.code == "geen_edexml":
            return None
        raise


def fault_error(fault: Fault) -> ConnectorError:
    """The error for a fault. `Server` and all under it may pass; anything else, known or not, needs a person."""
    transient = fault.code.partition(".")[0] == "Server"
    code, message, action = _FAULTS.get(fault.code, _UNKNOWN_SERVER if transient else _UNKNOWN)
    shown = fault.code if re.fullmatch(r"(Client|Server)(\.[A-Za-z]{1,40})?", fault.code) else "onbekende code"
    make = TransientError if transient else PermanentError
    return make(code, f"{message} ({shown}).", action)


def _answer_in(content: bytes) -> Answer:
    for event, element in first_signs(chunks_of(content), (*_ANSWERS, "faultcode")):
        name, parents = local_name(element.tag), [local_name(parent.tag) for parent in element.iterancestors()]
        if event == "end" and name == "faultcode" and parents == ["Fault", "Body", "Envelope"]:
            return Fault((element.text or "").strip().rpartition(":")[2])
        if name in _ANSWERS and parents == ["leerlinggegevens_antwoord", "Body", "Envelope"]:
            return _ANSWERS[name]
    return None


def _add(parent: Element, namespace: str, name: str, values: Mapping[str, str | None]) -> None:
    """Add element `name` with a child for each value that is there."""
    element = etree.SubElement(parent, etree.QName(namespace, name), nsmap={"u": namespace})
    for child, value in values.items():
        if value is not None:
            etree.SubElement(element, etree.QName(namespace, child)).text = value


_ANSWERS: Mapping[str, Literal["leerlinggegevens", "geenwijzigingen", "geengegevens"]] = {
    "leerlinggegevens": "leerlinggegevens",
    "geenwijzigingen": "geenwijzigingen",
    "geengegevens": "geengegevens",
}

_LATER = "Probeer het later opnieuw; een levering probeert het de volgende nacht vanzelf."
_CALL = "Geef deze melding door aan de helpdesk van ParnasSys."
_RESULTS = "ParnasSys meldt een fout over toetsresultaten, terwijl om leerlinggegevens is gevraagd"

_FAULTS: Mapping[str, tuple[str, str, str]] = {
    "Server.InterneFout": ("interne_fout", "ParnasSys heeft een storing", _LATER),
    "Server.TijdelijkNietBeschikbaar": ("tijdelijk_niet_beschikbaar", "ParnasSys is even niet beschikbaar", _LATER),
    "Client.OngeldigBericht": (
        "bericht_ongeldig",
        "ParnasSys begrijpt de aanvraag niet",
        "Controleer BRIN, vestigingscode en schooljaar in schools.yaml.",
    ),
    "Client.OngeldigeKlantIdentificatie": (
        "klant_onbekend",
        "ParnasSys kent deze klantnaam met deze klantcode niet",
        "Controleer klantnaam en klantcode; die krijgt u van de partij die de koppeling met ParnasSys beheert.",
    ),
    "Client.AutorisatieOngeldig": (
        "sleutel_ongeldig",
        "De autorisatiesleutel hoort niet bij deze vestiging",
        "Maak in ParnasSys bij Beheer > Koppelingen een nieuwe autorisatiesleutel, en zet die op de plek die schools.yaml noemt.",
    ),
    "Client.XsdVersieOngeldig": (
        "versie_onbekend",
        "ParnasSys levert niet in de gevraagde UWLR-versie",
        "Kies de andere versie (2.2 of 2.3) in schools.yaml.",
    ),
    "Client.LeerlingOngeldig": (
        "leerling_ongeldig",
        "ParnasSys kent een leerling uit de aanvraag niet",
        _CALL,
    ),
    "Client.VocabulaireTermOngeldig": ("term_onbekend", "ParnasSys kent een term uit de aanvraag niet", _CALL),
    "Client.ToetsNormeringOngeldig": ("normering_ongeldig", _RESULTS, _CALL),
    "Client.ScoreOngeldig": ("score_ongeldig", _RESULTS, _CALL),
    "Client.EldResultaatOngeldig": ("resultaat_ongeldig", _RESULTS, _CALL),
}
"""Fault codes of UWLR 2.2 and 2.3, without prefix."""

_UNKNOWN = "onbekende_fout", "ParnasSys weigert de aanvraag om een onbekende reden", _CALL
_UNKNOWN_SERVER = "interne_fout", "ParnasSys heeft een onbekende storing", _LATER
