"""What parents chose about a supplier, and what the legal basis of its agreement makes of that: who goes out and who does not.

Pure. Where choices are kept is the ledger's matter; nothing here knows a name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from mappings.agreement import LegalBasis


class Choice(StrEnum):
    """What a parent said; for a pupil and a supplier the newest one counts."""

    GIVEN = "toestemming"
    WITHDRAWN = "toestemming_ingetrokken"
    OBJECTION = "bezwaar"
    LIFTED = "bezwaar_ingetrokken"


class How(StrEnum):
    """How the school heard it."""

    FORM = "formulier"
    LETTER = "bericht"
    PARRO = "parro"
    BY_WORD = "mondeling"


NO_CONSENT = "geen_toestemming"
"""The cause where consent is needed and nobody ever said anything."""

ERASED = "verzoek_tot_wissen"
"""The cause where a parent asked to erase the pupil (AVG art. 17)."""

BY_RIGHT = frozenset({str(Choice.WITHDRAWN), str(Choice.OBJECTION), ERASED})
"""Causes of what a parent asked for and the law grants: it waits for nobody."""

MEANING: Mapping[LegalBasis, str] = {
    LegalBasis.CONSENT: (
        "Een leerling gaat alleen mee als voor deze leverancier toestemming is vastgelegd. "
        "Wordt die ingetrokken, dan wordt de leerling bij de volgende levering verwijderd."
    ),
    LegalBasis.PUBLIC_TASK: (
        "Een leerling gaat mee zonder toestemming. Maakt een ouder bezwaar, dan wordt de leerling bij de volgende "
        "levering verwijderd."
    ),
    LegalBasis.CONTRACT: (
        "Een leerling gaat mee zonder toestemming. Maakt een ouder bezwaar, dan wordt de leerling bij de volgende "
        "levering verwijderd."
    ),
    LegalBasis.LEGAL_DUTY: "Elke leerling gaat mee: de wet verplicht het, dus toestemming of bezwaar verandert niets.",
}
"""What each legal basis means for pupils, in Dutch."""


def refusal(choice: Choice, legal_basis: LegalBasis, before: Choice | None) -> str | None:
    """Why this choice cannot be recorded after the one `before`, in Dutch; None where it can."""
    if legal_basis is LegalBasis.LEGAL_DUTY:
        return "Deze levering is een wettelijke verplichting: toestemming is niet nodig en bezwaar is niet mogelijk."
    about_consent = choice in {Choice.GIVEN, Choice.WITHDRAWN}
    if legal_basis is LegalBasis.CONSENT and not about_consent:
        return "De grondslag is toestemming: leg vast dat zij is gegeven of ingetrokken, niet dat er bezwaar is."
    if legal_basis is not LegalBasis.CONSENT and about_consent:
        words = legal_basis.value.replace("_", " ")
        return f"De grondslag is {words}: toestemming is niet nodig. Een ouder kan wel bezwaar maken."
    if choice is Choice.LIFTED and before is not Choice.OBJECTION:
        return "Er is geen bezwaar om in te trekken."
    return None


@dataclass(frozen=True, slots=True)
class Release:
    """Who may go out: the legal basis of an agreement, the newest choice by pupil key, and the keys of whom to erase."""

    legal_basis: LegalBasis
    newest: Mapping[str, Choice] = field(default_factory=dict, repr=False)
    erased: frozenset[str] = field(default=frozenset(), repr=False)

    def withheld(self, pupils: Iterable[str]) -> pd.Series:
        """The cause, by key, for each of `pupils`, and each of whom something was chosen, who may not go out."""
        everybody = dict.fromkeys([*pupils, *self.newest, *sorted(self.erased)])
        causes = {key: self._cause(key) for key in everybody}
        stopped = {key: cause for key, cause in causes.items() if cause}
        return pd.Series(list(stopped.values()), index=pd.Index(list(stopped), dtype="str"), dtype="str")

    def _cause(self, key: str) -> str | None:
        if self.legal_basis is LegalBasis.LEGAL_DUTY:  # also to erase: AVG art. 17 lid 3 b
            return None
        if key in self.erased:
            return ERASED
        newest = self.newest.get(key)
        if newest is Choice.OBJECTION:
            return str(newest)
        if self.legal_basis is not LegalBasis.CONSENT or newest is Choice.GIVEN:
            return None
        return str(newest) if newest is Choice.WITHDRAWN else NO_CONSENT
