"""What a legal basis means to a parent, in the words of the page for parents and of the letter for access."""

from mappings.agreement import LegalBasis

GROUNDS = {
    LegalBasis.PUBLIC_TASK: (
        "De school heeft deze gegevens nodig om onderwijs te geven. Dat is haar publieke taak (AVG, artikel 6 lid 1 onder e).",
        "U mag bezwaar maken. De school stopt dan, tenzij zij dwingende redenen heeft die zwaarder wegen dan uw belang; dat legt zij u uit (AVG, artikel 21).",
    ),
    LegalBasis.CONTRACT: (
        "Deze gegevens zijn nodig voor een overeenkomst met u (AVG, artikel 6 lid 1 onder b).",
        "De AVG geeft hierbij geen recht op bezwaar. Zeg het toch tegen de school als u dit niet wilt. Zij legt dat vast, en dan krijgt deze partij niets meer over uw kind.",
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
