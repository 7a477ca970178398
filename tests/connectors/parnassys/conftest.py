"""Small exports to read: an EDEXML file, and the same content as a SOAP answer."""

from collections.abc import Callable

import pytest

from connectors.base import SchoolId

SCHOOL = "<schooljaar>2026-2027</schooljaar><brincode>99XX</brincode><dependancecode>00</dependancecode>"
PUPIL = '<leerling key="1"><roepnaam>Noor</roepnaam></leerling>'


@pytest.fixture
def school() -> SchoolId:
    """The fictional school that every small export is about."""
    return SchoolId("99XX", "00", "2026-2027", "sk-1")


@pytest.fixture
def edexml() -> Callable[..., bytes]:
    """Makes an EDEXML file out of the inside of its sections."""

    def made(
        leerlingen: str = PUPIL,
        *,
        school: str | None = SCHOOL,
        groepen: str = "",
        leerkrachten: str = "",
        rest: str = "",
    ) -> bytes:
        block = "" if school is None else f"<school>{school}</school>"
        return (
            f"<EDEX>{block}{rest}<groepen>{groepen}</groepen>"
            f"<leerlingen>{leerlingen}</leerlingen><leerkrachten>{leerkrachten}</leerkrachten></EDEX>"
        ).encode()

    return made


@pytest.fixture
def soap_answer() -> Callable[[bytes], bytes]:
    """Puts the content of an EDEXML file into a UWLR answer, in the namespace that belongs there."""

    def made(edexml: bytes) -> bytes:
        inside = edexml.removeprefix(b"<EDEX>").removesuffix(b"</EDEX>")
        return (
            b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body>'
            b'<a:leerlinggegevens_antwoord xmlns:a="http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens">'
            b'<leerlinggegevens xmlns="http://www.edustandaard.nl/leerresultaten/2/leerlinggegevens">'
            + inside
            + b"</leerlinggegevens></a:leerlinggegevens_antwoord></s:Body></s:Envelope>"
        )

    return made
