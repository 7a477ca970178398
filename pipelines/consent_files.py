"""Consents out of a CSV file, such as a list out of ParnasSys: all are written down, or at a mistake none."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mappings.agreement import LegalBasis
from mappings.choices import Choice
from pipelines.consent import Said, what_follows, write_down
from pipelines.instance import Instance
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.rights.erasure import told_erased


@dataclass(frozen=True, slots=True)
class Line:
    """The answers of one pupil's parents in a file, by subject, and where they stand."""

    number: int
    choices: Mapping[str, Choice]


class FileRefusedError(Exception):
    """A file of which nothing was written down: every line that is wrong, by its number and never with what is in it."""

    code = "bestand_geweigerd"

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(["Er is niets vastgelegd:", *problems]))


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
    lines = answers(content, key, asked)
    news = write_down_file(instance, said, lines, today)
    counted = Counter((subject, choice) for line in lines.values() for subject, choice in line.choices.items())
    told = []
    for subject in asked:
        yes, no = counted[subject, Choice.GIVEN], counted[subject, Choice.WITHDRAWN]
        follows = what_follows(instance, said.school, subject, Choice.WITHDRAWN if no else Choice.GIVEN, today)
        told.append(f"{subject}: {yes} keer ja, {no} keer nee. {follows}")
    return [*told, f"Nieuw vastgelegd: {news}; de rest stond er al zo."]


def write_down_file(instance: Instance, said: Said, lines: Mapping[str, Line], today: date) -> int:
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
        problems: dict[str, list[int]] = {}
        for key in error.keys:
            erased = told_erased(instance, said.school, key)
            why = f"{erased} Haal deze regel uit het bestand." if erased else str(error)
            problems.setdefault(why, []).append(lines[key].number)
        raise FileRefusedError([f"{_at(sorted(at))}: {why}" for why, at in problems.items()] or [str(error)]) from None


def answers(content: bytes, key_column: str, columns: Mapping[str, str]) -> dict[str, Line]:
    """The answers in a CSV file by pupil key: `ja` gives consent, `nee` does not, an empty one says nothing.

    `columns` says for each subject in which column its answers stand.

    Raises:
        FileRefusedError: a column that is missing, a line without a key, twice the same key, or another answer.
    """
    lines = _text(content).splitlines(keepends=True)
    names = (key_column, *columns.values())
    rows = csv.DictReader(lines, delimiter=_delimiter(lines[:1], names), strict=True)
    found: dict[str, Line] = {}
    problems: list[str] = []
    try:
        if missing := [name for name in names if name not in (rows.fieldnames or ())]:
            raise FileRefusedError([_NO_COLUMN.format(name) for name in missing])
        for row in rows:
            key = (row[key_column] or "").strip()
            said = {subject: (row[name] or "").strip().lower() for subject, name in columns.items()}
            said = {subject: answer for subject, answer in said.items() if answer}
            wrong = [_NO_ANSWER.format(columns[subject]) for subject in said if said[subject] not in _ANSWERS]
            if said and (not key or key in found):
                wrong.append(_TWICE if key else _NO_KEY)
            problems += [f"Regel {rows.line_num}: {what}" for what in wrong]
            if said and not wrong:
                found[key] = Line(rows.line_num, {subject: _ANSWERS[answer] for subject, answer in said.items()})
    except csv.Error:
        problems.append(f"Regel {rows.line_num + 1}: de aanhalingstekens kloppen niet.")
    if problems:
        raise FileRefusedError(problems)
    return found


_ANSWERS = {"ja": Choice.GIVEN, "nee": Choice.WITHDRAWN}
_NO_COLUMN = "De kolom `{}` staat niet in de eerste regel van het bestand."
_NO_ANSWER = "in de kolom `{}` hoort ja, nee of niets."
_NO_KEY = "de sleutel van de leerling ontbreekt."
_TWICE = "deze leerling staat er al eerder in."


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


def _at(numbers: list[int]) -> str:
    return ("Regel " if len(numbers) == 1 else "Regels ") + ", ".join(map(str, numbers))


def _text(content: bytes) -> str:
    """UTF-8, or what a spreadsheet on Windows writes."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _delimiter(first: list[str], columns: Iterable[str]) -> str:
    """The one that finds all columns; csv.Sniffer guesses from the values as well, and errs on a quoted one."""
    fitting = (each for each in ";,\t" if {*columns} <= {*next(csv.reader(first, delimiter=each), [])})
    return next(fitting, ";")
