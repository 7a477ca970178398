"""Writing down what a parent chose: the same checks for the command line, a file (`consent_files`) and the web page."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

from mappings.choices import REFUSED, Choice, How, as_told, refusal
from mappings.purposes import Purpose
from pipelines.instance import Instance
from pipelines.ledger.choices import ChoiceRefusedError, Entry, NewChoices
from pipelines.ledger.records import refs_of
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.sync.guard import ALLOWED_BY_STAGE
from pipelines.words import spaced

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Said:
    """Where and how parents said something, as a person typed it."""

    school: str
    since: str = ""  # YYYY-MM-DD; else today
    how: str = str(How.UNSAID)
    by: str = ""


def write_down(instance: Instance, said: Said, choices: Mapping[str, Mapping[str, Choice]], today: date) -> int:
    """Write down choices by subject (a supplier or a purpose) and pupil key, all or none; gives how many were news.

    Raises:
        UnknownNameError: no such school or subject, or a date or manner that is none.
        ChoiceRefusedError: a pupil is unknown, or the legal basis or what was said before does not allow it.
    """
    since, how = _day(said.since, today), named(How, said.how, "de manier")
    refuse_unknown(instance.settings, [said.school], subjects=list(choices))
    for subject, chosen in choices.items():
        _refuse(instance, said.school, subject, chosen)
    new = (NewChoices(said.school, subject, dict(chosen), since, how, said.by) for subject, chosen in choices.items())
    return instance.ledger.record_choices(*new)


def write_down_one(instance: Instance, said: Said, subject: str, pupil: str, choice: str, today: date) -> str:
    """Write down one choice, as a person typed it, of the parents of one pupil; what comes of it, in Dutch and without the pupil.

    Raises:
        UnknownNameError, ChoiceRefusedError: as `write_down`.
    """
    chosen = named(Choice, choice, "de keuze")
    key = pupil.strip()
    news = write_down(instance, said, {subject: {key: chosen}}, today)
    known = instance.ledger.dossier(said.school, key)
    *_, words = in_words((0, entry) for entry in (known.choices if known else ()) if entry.subject == subject)
    what = f"{words}, {subject}, school {said.school}"
    if not news:
        return f"Dit was al vastgelegd: {what}."
    return f"Vastgelegd: {what}. {what_follows(instance, said.school, subject, chosen, today)}"


def in_words(entries: Iterable[tuple[int, Entry]]) -> list[str]:
    """What was chosen in Dutch, oldest first; each entry with whose it is: a `nee` without a `ja` before it withdraws nothing."""
    before: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    told = []
    for whose, entry in entries:
        told.append(spaced(as_told(entry.choice, before[whose, entry.subject])))
        before[whose, entry.subject].add(entry.choice)
    return told


def what_follows(instance: Instance, school: str, subject: str, chosen: Choice, today: date) -> str:
    """What comes of a choice, in Dutch."""
    agreements = [agreed for agreed in instance.settings.agreements if school in agreed.schools]
    concerned = [a for a in agreements if subject in instance.settings.field_set(a.supplier, school).subjects]
    if not concerned:
        return "Geen leverancier krijgt hiervoor nu iets; de lijst is voor de school zelf."
    if chosen in REFUSED:
        needed = "update" if subject in set(Purpose) else "delete"
        holding = (a for a in concerned if instance.ledger.held_fields(a.supplier, school))
        if stuck := [a.supplier for a in holding if today < a.signed or needed not in ALLOWED_BY_STAGE[a.stage]]:
            return _STUCK.format(", ".join(stuck))
    return "Het geldt vanaf de volgende levering."


_STUCK = (
    "Let op: naar {} gaat dat nu niet, door `stage` of `signed` in de overeenkomst. Regel het zelf met de leverancier."
)


def _refuse(instance: Instance, school: str, subject: str, chosen: Mapping[str, Choice]) -> None:
    agreement = instance.settings.agreement(subject, school)
    if agreement is None and subject not in set(Purpose):
        raise ChoiceRefusedError("Deze school heeft geen overeenkomst met deze leverancier.", frozenset(chosen))
    ground = agreement.legal_basis if agreement else None
    newest = {each.ref: Choice(each.choice) for each in instance.ledger.choices(school, subject)}
    refs = refs_of(school, "leerling", chosen, instance.keys)
    for (key, choice), ref in zip(chosen.items(), refs, strict=True):
        if reason := refusal(choice, ground, newest.get(ref)):
            raise ChoiceRefusedError(reason, frozenset([key]))


def named(kind: type[E], text: str, option: str) -> E:
    """The member of `kind` that a person typed.

    Raises:
        UnknownNameError: there is no such one.
    """
    try:
        return kind(text)
    except ValueError:
        choice = ", ".join(member.value for member in kind)
        raise UnknownNameError([f"{option} `{text}` is er niet; kies uit {choice}."]) from None


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        raise UnknownNameError([f"`{text}` is geen datum; verwacht een datum als {today}."]) from None
    if day > today:
        raise UnknownNameError([f"{text} moet nog komen; geef de dag waarop de ouder het zei."])
    return day
