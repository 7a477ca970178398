"""What the stand-in for ParnasSys knows: schools with their keys and pupils, the one customer, and who asked what.

How it is asked for it over the wire is in `parnassys.py`.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lxml import etree

from connectors.base import SchoolId
from connectors.sandbox.edexml_writer import UWLR, uwlr_body
from connectors.sandbox.school import example_school
from connectors.sandbox.serving import Misbehaviour
from data_contracts.roster import Roster


@dataclass(frozen=True, slots=True)
class Customer:
    """The one pair by which ParnasSys knows the program that asks."""

    klantcode: str = "doorgeefluik"
    klantnaam: str = "Doorgeefluik"


@dataclass(frozen=True, slots=True)
class Asked:
    """One UWLR request as it came in, and what became of it: `gegevens`, `geenwijzigingen`, `geengegevens` or a fault code."""

    school: str
    schooljaar: str
    xsdversie: str
    since: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Held:
    """What ParnasSys has of one school, under whose `autorisatiesleutel`.

    `answer` is the body of the envelope, absent where there is no data of the school.
    """

    school: SchoolId
    key: str
    answer: bytes | None = field(repr=False)
    changed_at: datetime

    def answered_at(self, moment: datetime) -> bytes | None:
        """The answer as it is made at `moment`: a real one differs each time in `aanmaakdatum`."""
        return self.answer and self.answer.replace(_STAMP, _stamp(moment), 1)


class Administration:
    """The schools that this ParnasSys serves, and a record of who asked. Safe between threads."""

    def __init__(self, customer: Customer | None = None) -> None:
        self.customer = customer or Customer()
        self.misbehaviour = Misbehaviour()
        self._schools: dict[str, Held] = {}
        self._asked: list[Asked] = []
        self._lock = threading.Lock()

    def add(self, school: SchoolId, key: str, roster: Roster | None = None) -> None:
        """Serve `school` to who has the `autorisatiesleutel` `key`; without a roster there is no data of it."""
        with self._lock:
            self._schools[school.key] = Held(school, key, None, datetime.now(UTC))
        if roster is not None:
            self.put(school.key, roster)

    def put(self, school_key: str, roster: Roster) -> None:
        """From now on the school `99XX-00` looks like `roster`. KeyError: it is not served here."""
        answer = uwlr_body(roster, aanmaakdatum=_NO_MOMENT)
        self._change(school_key, answer, roster.school_value("schooljaar"))

    def put_edexml(self, school_key: str, content: bytes) -> None:
        """From now on the school holds what is in this EDEXML file, as it is.

        Raises:
            KeyError: the school is not served here.
            ValueError: not an EDEXML file.
        """
        root = _edexml_root(content)
        schooljaar = root.findtext("school/schooljaar")
        self._change(school_key, _in_uwlr(root), schooljaar)

    def empty(self, school_key: str) -> None:
        """From now on there is no data of the school. KeyError: it is not served here."""
        self._change(school_key, None, None)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every request since the start, the oldest first."""
        with self._lock:
            return tuple(self._asked)

    def held(self, school_key: str) -> Held | None:
        """What there is of one school."""
        with self._lock:
            return self._schools.get(school_key)

    def owner(self, key: str) -> str | None:
        """The school that gave out this `autorisatiesleutel`."""
        with self._lock:
            return next((name for name, held in self._schools.items() if held.key == key), None)

    def by_schoolkey(self, schoolkey: str) -> str:
        """The school (`99XX-00`) with this ParnasSys key, or the key itself where there is none."""
        with self._lock:
            found = (name for name, held in self._schools.items() if held.school.schoolkey == schoolkey)
            return next(found, schoolkey)

    def note(self, asked: Asked) -> None:
        """Remember a request."""
        with self._lock:
            self._asked.append(asked)

    def _change(self, school_key: str, answer: bytes | None, schooljaar: str | None) -> None:
        with self._lock:
            held = self._schools[school_key]
            school = replace(held.school, schooljaar=schooljaar or held.school.schooljaar)
            self._schools[school_key] = Held(school, held.key, answer, datetime.now(UTC))


def example_administration(schools: Iterable[tuple[SchoolId, str]], *, pupils: int = 200) -> Administration:
    """An administration with an example school for each pair of school and `autorisatiesleutel`, each with a seed of its own."""
    administration = Administration()
    for seed, (school, key) in enumerate(schools, 1):
        roster = example_school(
            pupils,
            seed=seed,
            brincode=school.brincode,
            dependancecode=school.dependancecode,
            schooljaar=school.schooljaar,
        )
        administration.add(school, key, roster)
    return administration


def _stamp(moment: datetime) -> bytes:
    return f"<aanmaakdatum>{moment.isoformat(timespec='seconds')}</aanmaakdatum>".encode()


_NO_MOMENT = datetime(1, 1, 1)  # noqa: DTZ001  a mark that no school carries, replaced at each answer
_STAMP = _stamp(_NO_MOMENT)


def _edexml_root(content: bytes) -> etree._Element:
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise ValueError("geen XML") from None
    if root.tag != "EDEX":
        raise ValueError("geen EDEX")
    return root


def _in_uwlr(root: etree._Element) -> bytes:
    """The same content in UWLR's namespace, nothing added and nothing taken out."""
    root.tag = "leerlinggegevens"
    root.attrib.clear()
    for element in root.iter(etree.Element):
        element.tag = f"{{{UWLR}}}{element.tag}"
    inner = etree.tostring(root, encoding="utf-8")
    return f'<leerlinggegevens_antwoord xmlns="{UWLR}">'.encode() + inner + b"</leerlinggegevens_antwoord>"
