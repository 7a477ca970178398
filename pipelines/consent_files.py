"""Consents out of a CSV file, such as a list out of ParnasSys: all are written down, or at a mistake none."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from mappings.agreement import LegalBasis
from mappings.choices import Choice
from pipelines.consent import Said, what_follows, write_down
from pipelines.consent_lines import FileRefusedError, Line, answers
from pipelines.instance import Instance
from pipelines.ledger.choices import UNKNOWN, ChoiceRefusedError
from pipelines.ledger.records import PUPIL, refs_of
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.rights.erasure import told_erased
from pipelines.words import within_sentence


def take_in(instance: Instance, said: Said, file: Path, key: str, columns: Sequence[str], today: date) -> list[str]:
    """Write down the consents in a file; what was in it, in Dutch and without a pupil.

    `key` is the column with the keys of ParnasSys, each of `columns` a subject, `=` and the name of its column.

    Raises:
        FileRefusedError: the file cannot be read, or the lines that cannot be written down.
        UnknownNameError: as `write_down`, or columns in another form.
    """
    asked = _columns(columns)
    refuse_unknown(instance.settings, [said.school], subjects=list(asked))
    try:
        content = file.read_bytes()
    except OSError as error:
        why = "bestaat niet" if isinstance(error, FileNotFoundError) else "is niet te lezen"
        raise FileRefusedError([f"Het bestand {file} {why}. Controleer map en naam."]) from None
    agreements = {subject: instance.settings.agreement(subject, said.school) for subject in asked}
    if others := [s for s, agreed in agreements.items() if agreed and agreed.legal_basis is not LegalBasis.CONSENT]:
        raise FileRefusedError(
            [f"De grondslag van {s} is niet toestemming. Leg bezwaren één voor één vast." for s in others]
        )
    lines, problems = answers(content, key, asked)
    if problems := [*problems, *_about_pupils(instance, said.school, lines)]:
        raise FileRefusedError(problems)
    news = _written(instance, said, lines, today)
    counted = Counter((subject, choice) for line in lines.values() for subject, choice in line.choices.items())
    told = []
    for subject in asked:
        yes, no = counted[subject, Choice.GIVEN], counted[subject, Choice.WITHDRAWN]
        follows = what_follows(instance, said.school, subject, Choice.WITHDRAWN if no else Choice.GIVEN, today)
        told.append(f"{subject}: {yes} keer ja, {no} keer nee. {follows}")
    rest = "; de rest stond er al zo" if news < counted.total() else ""
    return [*told, f"Nieuw vastgelegd: {news}{rest}."]


def _written(instance: Instance, said: Said, lines: Mapping[str, Line], today: date) -> int:
    """Write down the answers in a file, all or none; gives how many were news.

    Raises:
        FileRefusedError: the lines that cannot be written down.
        UnknownNameError: as `write_down`.
    """
    choices: dict[str, dict[str, Choice]] = {}
    for key, line in lines.items():
        for subject, choice in line.choices.items():
            choices.setdefault(subject, {})[key] = choice
    try:
        return write_down(instance, said, choices, today)
    except ChoiceRefusedError as error:
        at = [lines[key].number for key in error.keys]
        raise FileRefusedError([_at(at, str(error)) if at else str(error)]) from None


def _about_pupils(instance: Instance, school: str, lines: Mapping[str, Line]) -> list[str]:
    """What is wrong with the pupils in these lines: whom the ledger does not know, or who has two keys and two answers."""
    refs = dict(zip(lines, refs_of(school, PUPIL, lines, instance.keys), strict=True))
    known = instance.ledger.known_records(school, PUPIL, refs.values())
    problems: dict[str, list[int]] = {}
    for key, line in lines.items():
        if refs[key] not in known and instance.ledger.dossier(school, key) is None:
            erased = told_erased(instance, school, key)
            why = f"{erased} Haal deze regel uit het bestand." if erased else UNKNOWN
            problems.setdefault(why, []).append(line.number)
    people = instance.ledger.identities(school)
    answers: dict[tuple[frozenset[int], str], dict[Choice, list[int]]] = {}
    for key, line in lines.items():
        if person := people.get(known.get(refs[key], 0)):
            for subject, choice in line.choices.items():
                answers.setdefault((person, subject), {}).setdefault(choice, []).append(line.number)
    two = {number for each in answers.values() if len(each) > 1 for numbers in each.values() for number in numbers}
    problems |= {_TWO_ANSWERS: sorted(two)} if two else {}
    return [_at(numbers, why) for why, numbers in problems.items()]


_TWO_ANSWERS = (
    "Dit is één leerling, onder een oude en een nieuwe sleutel, met verschillende antwoorden. Laat er één staan."
)


def _columns(asked: Sequence[str]) -> dict[str, str]:
    """Columns by subject, out of `SUBJECT=COLUMN`.

    Raises:
        UnknownNameError: another form, or the same subject twice.
    """
    found: dict[str, str] = {}
    for one in asked:
        subject, _, column = one.partition("=")
        if not subject or not column:
            raise UnknownNameError([f"`{one}` is geen onderwerp en kolom; verwacht iets als foto_website=Website."])
        if subject in found:
            raise UnknownNameError([f"{subject} staat er twee keer; kies één kolom."])
        found[subject] = column
    return found


def _at(numbers: Iterable[int], why: str) -> str:
    at = list(map(str, sorted(numbers)))
    return f"{'Regel' if len(at) == 1 else 'Regels'} {', '.join(at)}: {within_sentence(why)}"
