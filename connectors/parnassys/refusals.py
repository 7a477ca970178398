"""Why an export is refused: one code, one Dutch sentence and one thing to do for each reason.

No reading here. A text names counts, limits and school codes, never another value from an export.
"""

from connectors.base import PermanentError

_AGAIN = "Maak in ParnasSys een nieuwe export (EDEX & UWLR (nieuw)) en bied die opnieuw aan."
_SETTINGS = "Controleer welke export dit is, en de school in schools.yaml."

_TEXTS = {
    "doctype": ("De export bevat een DOCTYPE; dat hoort niet in EDEXML en kan gevaarlijk zijn.", _AGAIN),
    "entiteiten": ("De export verwijst naar entiteiten die niet in XML zelf zitten; dat kan gevaarlijk zijn.", _AGAIN),
    "te_groot": ("De export, of één onderdeel ervan, is groter dan {limit}.", _AGAIN),
    "te_diep": ("De export is dieper genest dan {depth} niveaus; zo ziet EDEXML er niet uit.", _AGAIN),
    "geen_edexml": ("Dit is geen EDEXML en geen antwoord van een UWLR-dienst.", _AGAIN),
    "meer_scholen": ("De export beschrijft meer dan één school.", "Maak in ParnasSys een export per vestiging."),
    "afgebroken": ("De export is beschadigd of houdt halverwege op.", _AGAIN),
    "leeg": (
        "De export bevat geen enkele leerling.",
        "Controleer in ParnasSys de gekozen vestiging en het schooljaar, en maak een nieuwe export.",
    ),
    "geengegevens": (
        "ParnasSys heeft geen gegevens van deze school in dit schooljaar.",
        "Controleer in ParnasSys de koppeling en het schooljaar. Er wordt niets verwijderd.",
    ),
    "vreemd_onderdeel": (
        "In de export staat een onderdeel dat EDEXML niet kent; wie daarin staat, zou hier ontbreken.",
        _AGAIN,
    ),
    "vreemd_record": (
        "Tussen de {section} in de export staat iets anders; wie er ontbreekt, is zo niet te zeggen.",
        _AGAIN,
    ),
    "geen_school": ("De export zegt niet van welke school hij is.", _AGAIN),
    "verkeerde_school": ("De export is van {found}, niet van {expected}.", _SETTINGS),
    "verkeerd_schooljaar": (
        "De export gaat over {found}, verwacht werd {expected}.",
        "Maak in ParnasSys een export van het juiste schooljaar.",
    ),
    "geen_uwlr": (
        "Het adres geeft antwoord, maar niet als een UWLR-dienst.",
        "Controleer het adres van de UWLR-dienst in schools.yaml.",
    ),
    "geen_plek": (
        "De map of het bestand `{place}`, waar de export van school {school} hoort te liggen, is er niet.",
        "Controleer `path` in schools.yaml; klopt dat, zet de export daar dan neer.",
    ),
    "geen_bestand": (
        "Er is geen EDEXML-bestand voor school {school} gevonden.",
        "Maak in ParnasSys een export van deze school en zet die op de plek die bij `path` in schools.yaml staat.",
    ),
    "geen_bestand_van_deze_school": (
        "Er is geen EDEXML-bestand voor school {school} gevonden. Wat er wel ligt: {found}.",
        "Maak in ParnasSys een export van deze school. Is een van deze bestanden het toch, verbeter dan de code in schools.yaml.",
    ),
    "geen_edexml_bestand": (
        "Er is geen EDEXML-bestand voor school {school} gevonden. Wat er wel ligt: {found}.",
        "Maak in ParnasSys een export van deze school (EDEX & UWLR (nieuw)), pak een zip-bestand eerst uit, en zet het bestand hier opnieuw neer.",
    ),
    "onleesbaar_bestand": (
        "Het EDEXML-bestand voor school {school} kan niet worden geopend.",
        "Controleer de rechten op het bestand en op de map waarin het staat.",
    ),
}


def refusal(code: str, **facts: str | int) -> PermanentError:
    """The error for `code`; `facts` fill its sentence and hold nothing from a person's record."""
    message, action = _TEXTS[code]
    return PermanentError(code, message.format(**facts), action)


def size(limit: int) -> str:
    """A number of bytes as a person reads it: `1024 MB`."""
    return f"{limit / 2**20:.0f} MB" if limit >= 2**20 else f"{limit} bytes"
