"""The field catalogue: every field of EDEXML 2.1, with its type, its limits, its privacy class and its Dutch name.

The one list of fields. Reader, contracts, profiles, projection, lineage and documentation are all driven by it.
Nothing here reads a file or knows who may have which field; that is decided in `mappings`.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """How a value is written in a roster table; every column is text, in the canonical form given here."""

    TEXT = "tekst"
    CODE = "code"  # one of Field.values, or of Field.pattern
    DATE = "datum"  # YYYY-MM-DD, without a time zone
    MOMENT = "tijdstip"  # xs:dateTime as it was written
    LIST = "lijst"  # JSON text: an array of keys, or of objects


class Privacy(StrEnum):
    """What a field tells about a person; `NEVER` may be in no profile (AVG art. 9, UAVG art. 46, design rule 2)."""

    IDENTIFYING = "identificerend"
    CONTACT = "contact"
    EDUCATION = "onderwijs"
    SENSITIVE = "gevoelig"
    NEVER = "nooit"


class Record(StrEnum):
    """The kinds of record of an export. Both kinds of group stand in the table `groepen`."""

    SCHOOL = "school"
    GROEP = "groep"
    SAMENGESTELDE_GROEP = "samengestelde_groep"
    LEERLING = "leerling"
    LEERKRACHT = "leerkracht"

    @property
    def table(self) -> str:
        """Name of the roster table that holds this kind."""
        return TABLE_OF[self]


TABLE_OF = MappingProxyType(
    {
        Record.SCHOOL: "school",
        Record.GROEP: "groepen",
        Record.SAMENGESTELDE_GROEP: "groepen",
        Record.LEERLING: "leerlingen",
        Record.LEERKRACHT: "leerkrachten",
    }
)

JAARGROEPEN = frozenset(
    ["B", "D", "0", "1", "2", "3", "4", "5", "6", "7", "8", "11", "12", "13", "14", "15", "16", "S", "V", "C", "N", "H"]
)
"""Year groups of EDEXML 2.1; C (combination group) says nothing of one pupil, H means that he has left."""

ROLLEN = frozenset(
    [
        "ADJ",
        "ADM",
        "CON",
        "DIR",
        "ICT",
        "IB",
        "KLA",
        "LRK",
        "LOS",
        "LOC",
        "OWA",
        "OUD",
        "RT",
        "SMW",
        "STA",
        "TAL",
        "VAK",
    ]
)
"""Roles of a teacher in EDEXML 2.1."""

GESLACHTEN = frozenset("0129")
"""ISO 5218: 0 unknown, 1 boy, 2 girl, 9 not specified."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one kind of record.

    `name` is the EDEXML name and the column in the roster table. `max_length` counts characters. `required` is
    EDEXML's own: without it the record cannot be used, and is quarantined. `needs_consent`: no agreement alone gives
    it, the parents of each pupil are asked.
    """

    record: Record
    name: str
    kind: Kind
    privacy: Privacy
    label: str
    description: str
    max_length: int | None = None
    values: frozenset[str] | None = None
    pattern: str | None = None
    required: bool = False
    needs_consent: bool = False

    @property
    def id(self) -> str:
        """`leerling.roepnaam`: how profiles, agreements and findings name this field."""
        return f"{self.record}.{self.name}"


def _names(record: Record) -> list[Field]:
    """The name fields that a pupil and a teacher share (NEN 1888)."""
    text, identifying = Kind.TEXT, Privacy.IDENTIFYING
    return [
        Field(record, "achternaam", text, identifying, "achternaam", "Achternaam zonder voorvoegsel.", 200),
        Field(record, "voorvoegsel", text, identifying, "voorvoegsel", "Staat voor de achternaam: van der.", 10),
        Field(
            record, "voornamen", text, identifying, "voornamen", "Alle voornamen, zoals in de basisregistratie.", 200
        ),
        Field(record, "voorletters-1", text, identifying, "voorletters", "Voorletters zonder punten.", 6),
        Field(record, "roepnaam", text, identifying, "roepnaam", "De naam waarmee iemand wordt aangesproken.", 64),
    ]


def _keys(record: Record, label: str) -> list[Field]:
    """The two keys that a pupil and a teacher share."""
    text, identifying = Kind.TEXT, Privacy.IDENTIFYING
    return [
        Field(
            record,
            "key",
            text,
            identifying,
            f"sleutel van de {label}",
            "Nummer in ParnasSys waaraan iemand te herkennen is; hetzelfde zolang iemand op school is.",
            256,
            required=True,
        ),
        Field(
            record,
            "eckid",
            text,
            identifying,
            "ECK iD",
            "Code waaraan digitaal leermateriaal iemand herkent; komt uit ParnasSys.",
            256,
        ),
    ]


def _group(record: Record) -> list[Field]:
    """The fields that both kinds of group share."""
    edu = Privacy.EDUCATION
    return [
        Field(
            record,
            "key",
            Kind.TEXT,
            edu,
            "sleutel van de groep",
            "Nummer van de groep, geldig in één schooljaar.",
            256,
            required=True,
        ),
        Field(record, "naam", Kind.TEXT, edu, "groepsnaam", "Naam van de groep.", 64, required=True),
        Field(record, "omschrijving", Kind.TEXT, edu, "omschrijving", "Omschrijving van de groep.", 256),
        Field(
            record, "toevoegingen", Kind.LIST, Privacy.NEVER, "toevoegingen", "Vrije blokken; kunnen alles bevatten."
        ),
        Field(record, "mutatiedatum", Kind.MOMENT, edu, "mutatiedatum", "Laatste wijziging in ParnasSys."),
    ]


def _school() -> list[Field]:
    r, edu, text, code = Record.SCHOOL, Privacy.EDUCATION, Kind.TEXT, Kind.CODE
    return [
        Field(
            r,
            "schooljaar",
            code,
            edu,
            "schooljaar",
            "Schooljaar, zoals 2026-2027.",
            pattern=r"[12]\d{3}-[12]\d{3}",
            required=True,
        ),
        Field(r, "peildatum", Kind.DATE, edu, "peildatum", "Datum waarop de gegevens betrekking hebben."),
        Field(
            r, "brincode", code, edu, "BRIN", "Registratienummer van de school, zoals 99XX.", pattern=r"\d{2}[A-Z]{2}"
        ),
        Field(
            r,
            "dependancecode",
            code,
            edu,
            "vestigingscode",
            "Nummer van de vestiging; 00 is de hoofdvestiging.",
            pattern=r"\d{2}",
        ),
        Field(
            r, "instellingsnummer", code, edu, "instellingsnummer", "Nummer van een Vlaamse school.", pattern=r"\d{2,6}"
        ),
        Field(r, "schoolkey", text, edu, "sleutel van de school", "Sleutel van de school in ParnasSys.", 256),
        Field(r, "aanmaakdatum", Kind.MOMENT, edu, "aanmaakdatum", "Moment waarop de export is gemaakt."),
        Field(r, "auteur", text, Privacy.IDENTIFYING, "auteur", "Wie de export heeft gemaakt.", 128),
        Field(r, "xsdversie", text, edu, "xsdversie", "Versie van het schema van de export.", 32),
        Field(r, "commentaar", text, Privacy.SENSITIVE, "commentaar", "Vrije tekst bij de export."),
        Field(r, "toevoegingen", Kind.LIST, Privacy.NEVER, "toevoegingen", "Vrije blokken; kunnen alles bevatten."),
        Field(r, "vestigingen", Kind.LIST, edu, "vestigingen", "Vestigingen met sleutel, naam en omschrijving."),
    ]


def _leerling() -> list[Field]:
    r = Record.LEERLING
    edu, contact, identifying = Privacy.EDUCATION, Privacy.CONTACT, Privacy.IDENTIFYING
    text, code = Kind.TEXT, Kind.CODE
    return [
        *_keys(r, "leerling"),
        *_names(r),
        Field(r, "geboortedatum", Kind.DATE, identifying, "geboortedatum", "De dag van geboorte."),
        Field(
            r,
            "geslacht",
            code,
            Privacy.SENSITIVE,
            "geslacht",
            "Jongen, meisje, onbekend of niet opgegeven, als cijfer.",
            values=GESLACHTEN,
        ),
        Field(r, "start_ondw_jgr3", Kind.DATE, edu, "start in groep 3", "Eerste dag van het onderwijs in groep 3."),
        Field(
            r,
            "jaargroep",
            code,
            edu,
            "jaargroep",
            "Het leerjaar van de leerling zelf, ook in een combinatiegroep.",
            values=JAARGROEPEN,
        ),
        Field(r, "groep", text, edu, "sleutel van de stamgroep", "Nummer van de groep waar de leerling in zit.", 256),
        Field(
            r,
            "samengestelde_groepen",
            Kind.LIST,
            edu,
            "samengestelde groepen",
            "Nummers van andere groepen waar de leerling bij hoort.",
        ),
        Field(r, "vestiging", text, edu, "vestiging", "Nummer van de vestiging.", 256),
        Field(r, "gebruikersnaam", text, identifying, "gebruikersnaam", "Inlognaam die de school heeft gegeven.", 64),
        Field(r, "emailadres", text, contact, "e-mailadres", "E-mailadres van de leerling.", 256),
        Field(
            *(r, "fotourl", text, Privacy.SENSITIVE, "foto", "Internetadres van de pasfoto.", 256),
            needs_consent=True,
        ),
        *_origin(r),
        *_numbers(r),
        *_weights(r),
        Field(r, "postcodenl", code, contact, "postcode", "Postcode van het woonadres.", pattern=r"\d{4}[A-Z]{2}"),
        Field(
            r, "postnummerbe", code, contact, "postnummer", "Belgisch postnummer van het woonadres.", pattern=r"\d{4}"
        ),
        Field(r, "postcodeoverig", text, contact, "postcode buitenland", "Postcode van een ander land.", 32),
        Field(r, "instroomdatum", Kind.DATE, edu, "instroomdatum", "Eerste schooldag op deze school."),
        Field(r, "uitstroomdatum", Kind.DATE, edu, "uitstroomdatum", "Laatste schooldag op deze school."),
        Field(
            r,
            "toevoegingen",
            Kind.LIST,
            Privacy.NEVER,
            "toevoegingen",
            "Vrije blokken; kunnen alles bevatten, ook medisch.",
        ),
        Field(r, "mutatiedatum", Kind.MOMENT, edu, "mutatiedatum", "Laatste wijziging in ParnasSys."),
    ]


def _origin(r: Record) -> list[Field]:
    """Where a pupil and his parents come from."""
    never, land = Privacy.NEVER, "Land volgens ISO 3166, of ?"
    return [
        Field(
            r,
            "etniciteit",
            Kind.CODE,
            never,
            "etniciteit",
            "Bijzonder persoonsgegeven (AVG art. 9).",
            values=frozenset("019"),
        ),
        Field(r, "land", Kind.CODE, Privacy.SENSITIVE, "land", land, pattern=r"[A-Z]{2}|\?"),
        Field(r, "land_vader", Kind.CODE, never, "land vader", land, pattern=r"[A-Z]{2}|\?"),
        Field(r, "land_moeder", Kind.CODE, never, "land moeder", land, pattern=r"[A-Z]{2}|\?"),
    ]


def _numbers(r: Record) -> list[Field]:
    """The personal numbers, of which a record has one at most."""
    personal = "Persoonsgebonden nummer (UAVG art. 46)."
    numbers = [
        ("sofinummer", "sofinummer", personal, 9),
        ("bsn", "burgerservicenummer", personal, 9),
        ("onderwijsnummer", "onderwijsnummer", personal, 9),
        ("bsn_ondwnr-4", "laatste vier van het BSN", "Deel van een persoonsgebonden nummer.", 4),
        ("rijksregisternummer", "rijksregisternummer", "Belgisch persoonsgebonden nummer.", 11),
    ]
    return [
        Field(r, name, Kind.CODE, Privacy.NEVER, label, text, pattern=rf"\d{{{digits}}}")
        for name, label, text, digits in numbers
    ]


def _weights(r: Record) -> list[Field]:
    """The schooling of the parents, as the two weights that were in use."""
    code, never, parents = Kind.CODE, Privacy.NEVER, "Opleiding van de ouders."
    return [
        Field(r, "gewicht_nieuw", code, never, "leerlinggewicht", parents, values=frozenset(("?", "0", "0,3", "1,2"))),
        Field(
            r,
            "gewicht",
            code,
            never,
            "leerlinggewicht (oud)",
            parents,
            values=frozenset(("?", "0.00", "0.25", "0.40", "0.70", "0.90")),
        ),
    ]


def _leerkracht() -> list[Field]:
    r, edu, text, identifying = Record.LEERKRACHT, Privacy.EDUCATION, Kind.TEXT, Privacy.IDENTIFYING
    return [
        *_keys(r, "leerkracht"),
        *_names(r),
        Field(r, "gebruikersnaam", text, identifying, "gebruikersnaam", "Inlognaam die de school heeft gegeven.", 64),
        Field(r, "emailadres", text, Privacy.CONTACT, "e-mailadres", "Werkadres van de leerkracht.", 256),
        # {"rol": …} or {"rolomschrijving": …}
        Field(r, "rollen", Kind.LIST, edu, "rollen", "Rollen op school."),
        # {"groep" or "samengestelde_groep": key, "rollen": […]}
        Field(r, "groepen", Kind.LIST, edu, "groepen", "De groepen van de leerkracht, met de rol in elke groep."),
        Field(r, "toevoegingen", Kind.LIST, Privacy.NEVER, "toevoegingen", "Vrije blokken; kunnen alles bevatten."),
        Field(r, "mutatiedatum", Kind.MOMENT, edu, "mutatiedatum", "Laatste wijziging in ParnasSys."),
    ]


def _catalogue() -> dict[str, Field]:
    stamgroep = Field(
        Record.GROEP,
        "jaargroep",
        Kind.CODE,
        Privacy.EDUCATION,
        "jaargroep van de groep",
        "Leerjaar van de groep; C is een combinatiegroep.",
        values=JAARGROEPEN,
        required=True,
    )
    fields = [
        *_school(),
        *_group(Record.GROEP),
        stamgroep,
        *_group(Record.SAMENGESTELDE_GROEP),
        *_leerling(),
        *_leerkracht(),
    ]
    return {field.id: field for field in fields}


CATALOGUE = MappingProxyType(_catalogue())
"""Every field by its id, in the order of the standard."""

STEERING = frozenset(
    {
        "school.schooljaar",
        "school.brincode",
        "school.dependancecode",
        "school.instellingsnummer",
        "school.schoolkey",
        "groep.key",
        "groep.jaargroep",
        "samengestelde_groep.key",
        "leerling.key",
        "leerling.jaargroep",
        "leerling.groep",
        "leerling.uitstroomdatum",
        "leerkracht.key",
    }
)
"""Fields that the program itself reads: whose export this is, who has left, who is in which group. Agreed with nobody by itself."""


def columns(record: Record, wanted: frozenset[str]) -> list[str]:
    """The column names of `record` among the field ids `wanted`, in catalogue order."""
    return [field.name for field in CATALOGUE.values() if field.record is record and field.id in wanted]
