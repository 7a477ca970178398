"""What parents chose about a supplier or a purpose, and what follows: who goes out and who does not, and with which photo.

Pure. Where choices are kept is the ledger's matter; nothing here knows a name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from mappings.agreement import LegalBasis
from mappings.purposes import Purpose


class Choice(StrEnum):
    """What a parent said; for a pupil and a supplier or purpose the newest one counts."""

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
    UNSAID = "onbekend"  # nobody wrote it down


NO_CONSENT = "geen_toestemming"
"""The cause where consent is needed and nobody ever said anything."""

REFUSED = frozenset({Choice.WITHDRAWN, Choice.OBJECTION})
"""A parent's no. Another legal basis does not undo it (a consent that was withdrawn is not got round by another ground)."""

ERASED = "verzoek_tot_wissen"
"""The cause where a parent asked to erase the pupil (AVG art. 17)."""

BY_RIGHT = frozenset({*map(str, REFUSED), ERASED})
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


def refusal(choice: Choice, ground: LegalBasis | None, before: Choice | None) -> str | None:
    """Why this choice cannot be recorded after the one `before`, in Dutch; None where it can.

    `ground` is the legal basis of a supplier; None where the choice is about a purpose, which goes by consent alone.
    """
    if ground is LegalBasis.LEGAL_DUTY:
        return "Deze levering is een wettelijke verplichting: toestemming is niet nodig en bezwaar is niet mogelijk."
    about_consent = choice in {Choice.GIVEN, Choice.WITHDRAWN}
    if ground in {LegalBasis.CONSENT, None} and not about_consent:
        what = "Een foto gaat alleen met" if ground is None else "De grondslag is"
        return f"{what} toestemming: leg vast dat zij is gegeven of ingetrokken, niet dat er bezwaar is."
    if ground not in {LegalBasis.CONSENT, None} and about_consent:
        return f"De grondslag is {ground.words}: toestemming is niet nodig. Een ouder kan wel bezwaar maken."
    if choice is Choice.LIFTED and before not in REFUSED:
        return "Er is geen bezwaar om in te trekken."
    return None


def as_told(choice: str, before: Iterable[str]) -> str:
    """A choice, or the cause that it became, as it is told after what was chosen `before`: who never gave consent has withdrawn none."""
    return NO_CONSENT if choice == Choice.WITHDRAWN and Choice.GIVEN not in before else choice


@dataclass(frozen=True, slots=True)
class Release:
    """Who may go out: the legal basis of an agreement, and by pupil key the newest choice about the supplier and about each purpose.

    `erased` are the keys of whom a parent asked to erase, and whom the law does not oblige the school to give.
    """

    legal_basis: LegalBasis
    newest: Mapping[str, Choice] = field(default_factory=dict, repr=False)
    purposes: Mapping[str, Mapping[str, Choice]] = field(default_factory=dict, repr=False)
    erased: frozenset[str] = field(default=frozenset(), repr=False)

    def withheld(self, pupils: Iterable[str]) -> pd.Series:
        """The cause, by key, for each of `pupils`, and each of whom something was chosen, who may not go out."""
        asked = pupils if self.legal_basis is LegalBasis.CONSENT else ()
        everybody = dict.fromkeys([*asked, *self.newest, *sorted(self.erased)])
        causes = {key: self._cause(key) for key in everybody}
        stopped = {key: cause for key, cause in causes.items() if cause}
        return pd.Series(list(stopped.values()), index=pd.Index(list(stopped), dtype="str"), dtype="str")

    def consents(self, purpose: Purpose) -> Mapping[str, Choice]:
        """The newest choice about a purpose, by pupil key; who is not there was never asked, or never answered."""
        return self.purposes.get(purpose, {})

    def _cause(self, key: str) -> str | None:
        if key in self.erased:
            return ERASED
        if self.legal_basis is LegalBasis.LEGAL_DUTY:
            return None
        newest = self.newest.get(key)
        if newest in REFUSED:
            return str(newest)
        return NO_CONSENT if self.legal_basis is LegalBasis.CONSENT and newest is not Choice.GIVEN else None
