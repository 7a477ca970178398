"""What a legal basis means to a parent, in the words of the page for parents and of the letter for access."""

from mappings.agreement import LegalBasis

GROUNDS = {
    LegalBasis.PUBLIC_TASK: (
        "De school heeft deze gegevens nodig om onderwijs te geven. Dat is haar publieke taak (AVG, artikel 6 lid 1 onder e).",
        "U mag bezwaar maken. De school bekijkt dan of uw reden zwaarder weegt, en legt u haar besluit uit.",
    ),
    LegalBasis.CONTRACT: (
        "Deze gegevens zijn nodig voor een overeenkomst met u (AVG, artikel 6 lid 1 onder b).",
        "Wilt u dit niet, maak dan bezwaar bij de school. Zij legt dat vast, en dan krijgt deze partij niets meer over uw kind.",
    ),
    LegalBasis.CONSENT: (
        "Dit gebeurt alleen met toestemming (AVG, artikel 6 lid 1 onder a).",
        "U mag uw toestemming altijd weer intrekken. U hoeft niet te zeggen waarom.",
    ),
    LegalBasis.LEGAL_DUTY: (
        "De wet verplicht de school deze gegevens te geven (AVG, artikel 6 lid 1 onder c).",
        "De AVG geeft hierbij geen recht op bezwaar. U mag wel altijd om uitleg vragen.",
    ),
}
"""For each legal basis, why the school may give the data, and what a parent can do who does not want it."""
