"""The rules of the contracts in words: what is wrong, and what to do about it in ParnasSys.

How a rule is checked stands in `contracts.py`. Nothing here sees a value.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from data_contracts.fields import CATALOGUE, Record


class Rule(StrEnum):
    """Every rule that a field can break; findings name them like this."""

    REQUIRED = "verplicht"
    UNIQUE = "uniek"
    DUMMY = "tijdelijk"
    NAMED = "naam"
    LENGTH = "lengte"
    VALUES = "toegestaan"
    PATTERN = "vorm"
    DATE = "datum"
    MOMENT = "tijdstip"
    PLAUSIBLE = "aannemelijk"
    AGE = "leeftijd"
    REFERENCE = "verwijzing"
    COMBINATION = "combinatiegroep"
    YEAR_GROUP = "leerjaar"
    ROLE = "rol"
    PILOT = "proefnummer"
    URL = "webadres"


@dataclass(frozen=True, slots=True)
class Words:
    """Two Dutch sentences; `{label}`, `{wie}` and `{Wie}` stand for the field and the kind of record."""

    wrong: str
    action: str


_NEW_EXPORT = "Maak in ParnasSys een nieuwe export met de keuze ‘EDEX & UWLR (nieuw)’. Blijft het zo, vraag dan ParnasSys om hulp."
_CORRECT = "Open {wie} in ParnasSys en verbeter ‘{label}’."

WORDS = MappingProxyType(
    {
        Rule.REQUIRED: Words(
            "‘{label}’ is leeg. Zonder dat is {wie} niet te gebruiken.",
            "Open {wie} in ParnasSys en vul ‘{label}’ in.",
        ),
        Rule.UNIQUE: Words(
            "‘{label}’ komt meer dan één keer voor in de export.",
            "Zoek {wie} in ParnasSys en kijk of er een dubbele is. Verwijder de dubbele.",
        ),
        Rule.DUMMY: Words(
            "De sleutel begint met # en is dus tijdelijk. De volgende keer kan hij anders zijn.", _NEW_EXPORT
        ),
        Rule.NAMED: Words(
            "{Wie} heeft geen achternaam en geen roepnaam die te gebruiken is.",
            "Open {wie} in ParnasSys en vul de roepnaam of de achternaam in.",
        ),
        Rule.LENGTH: Words(
            "‘{label}’ is langer dan de afspraken over de export toelaten.",
            "Open {wie} in ParnasSys en kort ‘{label}’ in.",
        ),
        Rule.VALUES: Words(
            "Bij ‘{label}’ staat iets dat daar niet mag staan.",
            "Open {wie} in ParnasSys en kies bij ‘{label}’ een van de mogelijkheden.",
        ),
        Rule.PATTERN: Words("‘{label}’ is niet goed geschreven.", _CORRECT),
        Rule.DATE: Words(
            "Bij ‘{label}’ staat geen bestaande datum.",
            "Open {wie} in ParnasSys en vul bij ‘{label}’ een bestaande datum in.",
        ),
        Rule.MOMENT: Words("Bij ‘{label}’ staat geen bestaande datum met een tijd.", _NEW_EXPORT),
        Rule.PLAUSIBLE: Words("De datum bij ‘{label}’ ligt te ver terug of te ver vooruit.", _CORRECT),
        Rule.AGE: Words("Volgens de geboortedatum is de leerling jonger dan 2 of ouder dan 21 jaar.", _CORRECT),
        Rule.REFERENCE: Words("‘{label}’ verwijst naar iets dat niet in de export staat.", _CORRECT),
        Rule.COMBINATION: Words(
            "Als jaargroep staat er ‘combinatiegroep’. Dat zegt niet in welk leerjaar de leerling zelf zit.",
            "Open de leerling in ParnasSys, tabblad Groepsindeling, en kies het eigen leerjaar.",
        ),
        Rule.YEAR_GROUP: Words(
            "De leerling heeft geen jaargroep, en zijn groep zegt ook niet welke. Wie alleen bepaalde jaargroepen krijgt, krijgt hem niet, of houdt hem zoals hij was.",
            "Open de leerling in ParnasSys, tabblad Groepsindeling, en kies het eigen leerjaar.",
        ),
        Rule.ROLE: Words(
            "Er staat een rol bij die niet bestaat.", "Open {wie} in ParnasSys en kies een rol uit de lijst."
        ),
        Rule.PILOT: Words(
            "Het ECK iD is een proefnummer en geldt niet voor echte leerlingen en leerkrachten.",
            "Laat het ECK iD in ParnasSys opnieuw ophalen.",
        ),
        Rule.URL: Words(
            "Het ECK iD ziet er niet uit zoals een ECK iD: een webadres.",
            "Laat het ECK iD in ParnasSys opnieuw ophalen.",
        ),
    }
)
"""What is said of a broken rule, whatever the field."""

SPECIAL_WORDS = MappingProxyType(
    {
        (Rule.REQUIRED, "key"): Words("{Wie} heeft geen sleutel en is daardoor niet te herkennen.", _NEW_EXPORT),
        (Rule.UNIQUE, "key"): Words(
            "Dezelfde sleutel komt meer dan één keer voor. Wie wie is, is niet te zeggen.",
            "Kijk in ParnasSys of er dubbele zijn ingevoerd en verwijder die.",
        ),
        (Rule.UNIQUE, "eckid"): Words(
            "Hetzelfde ECK iD staat bij meer dan één persoon.",
            "Laat het ECK iD van elk van hen in ParnasSys opnieuw ophalen.",
        ),
        (Rule.LENGTH, "key"): Words("De sleutel is langer dan de afspraken over de export toelaten.", _NEW_EXPORT),
        (Rule.LENGTH, "eckid"): Words(
            "Het ECK iD is langer dan een ECK iD kan zijn.", "Laat het ECK iD in ParnasSys opnieuw ophalen."
        ),
        (Rule.LENGTH, "voorvoegsel"): Words(
            "Het voorvoegsel is langer dan 10 tekens.",
            "Open {wie} in ParnasSys en kort het voorvoegsel af, bijvoorbeeld ‘v. d.’.",
        ),
        (Rule.REFERENCE, "groep"): Words(
            "De groep van deze leerling bestaat niet in de export.",
            "Open de leerling in ParnasSys, tabblad Groepsindeling, en kies een groep.",
        ),
        (Rule.REFERENCE, "samengestelde_groepen"): Words(
            "Een samengestelde groep van deze leerling bestaat niet in de export.",
            "Open de leerling in ParnasSys, tabblad Groepsindeling, en verbeter de samengestelde groepen.",
        ),
        (Rule.REFERENCE, "groepen"): Words(
            "Een groep van deze leerkracht bestaat niet in de export.",
            "Open de leerkracht in ParnasSys en verbeter bij welke groepen hij of zij hoort.",
        ),
        (Rule.REFERENCE, "vestiging"): Words(
            "De vestiging van deze leerling bestaat niet in de export.",
            "Open de leerling in ParnasSys en kies een vestiging.",
        ),
    }
)
"""What is said instead where the field calls for other words."""

_KIND = MappingProxyType(
    {
        Record.SCHOOL: "de school",
        Record.GROEP: "de groep",
        Record.SAMENGESTELDE_GROEP: "de samengestelde groep",
        Record.LEERLING: "de leerling",
        Record.LEERKRACHT: "de leerkracht",
    }
)


def explanation(regel: str, veld: str, soort: str | None = None) -> tuple[str, str]:
    """What is wrong and what to do in ParnasSys, in Dutch, for the rule, field and (if known) kind of a finding.

    Raises:
        ValueError: no such rule.
        KeyError: no kind of record has this field.
    """
    rule = Rule(regel)
    fields = [f for f in CATALOGUE.values() if f.name == veld and soort in (None, f.record)]
    if not fields:
        raise KeyError(veld)
    who = _listed([_KIND[f.record] for f in fields])
    texts = SPECIAL_WORDS.get((rule, veld), WORDS[rule])
    blanks = {"label": fields[-1].label, "wie": who, "Wie": who[0].upper() + who[1:]}
    return texts.wrong.format_map(blanks), texts.action.format_map(blanks)


def _listed(names: list[str]) -> str:
    """`de groep, de leerling of de leerkracht`."""
    *first, last = names
    return f"{', '.join(first)} of {last}" if first else last
