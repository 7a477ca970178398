"""The lines of a CSV file with consents: of which pupil, what his parents answered, and everything that is wrong. Pure."""

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from mappings.choices import Choice


@dataclass(frozen=True, slots=True)
class Line:
    """The answers of one pupil's parents in a file, by subject, and where they stand."""

    number: int
    choices: Mapping[str, Choice]


class FileRefusedError(Exception):
    """A file of which nothing was written down: all that is wrong, by the number of the line and never with what is in it."""

    code = "bestand_geweigerd"

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(["Er is niets vastgelegd:", *problems]))


def answers(content: bytes, key_column: str, columns: Mapping[str, str]) -> tuple[dict[str, Line], list[str]]:
    """The answers in a CSV file by pupil key, and what is wrong in its lines: `ja` gives consent, `nee` does not, an empty one says nothing.

    `columns` says for each subject in which column its answers stand.

    Raises:
        FileRefusedError: no line can be read, for it is another kind of file, or a column is not there.
    """
    if content.startswith(_WORKBOOKS):
        raise FileRefusedError([_WORKBOOK])
    text, names = _text(content), (key_column, *columns.values())
    delimiter = max(_DELIMITERS, key=lambda each: _fit(text, each, names))
    rows = _rows(text, delimiter)
    first, header = next(rows, (0, []))
    if header is None:
        raise FileRefusedError([f"Regel {first}: {_QUOTES}"])
    if not header:
        raise FileRefusedError(["Het bestand is leeg."])
    if problems := [_NO_COLUMN[bool(at)].format(name) for name in names if len(at := _places(header, name)) != 1]:
        raise FileRefusedError([*problems, _where_they_are(header, text, delimiter, names)])
    key_at, *answers_at = (_places(header, name)[0] for name in names)
    found: dict[str, Line] = {}
    for number, row in rows:
        # As many as in the header, empty ones too: a row with one too few or too many has its answers under other names.
        if row is None or len(row) != len(header):
            wrong = [_QUOTES if row is None else _shifted(len(row), len(header), _DELIMITERS[delimiter])]
        else:
            key = row[key_at].strip()
            said = {subject: row[at].strip().lower() for subject, at in zip(columns, answers_at, strict=True)}
            said = {subject: answer for subject, answer in said.items() if answer}
            wrong = [_NO_ANSWER.format(columns[subject]) for subject in said if said[subject] not in _ANSWERS]
            if said and (not key or key in found):
                wrong.append(_TWICE if key else _NO_KEY)
            elif said:
                found[key] = Line(number, {s: _ANSWERS[answer] for s, answer in said.items() if answer in _ANSWERS})
        problems += [f"Regel {number}: {what}" for what in wrong]
    return found, problems


_ANSWERS = {"ja": Choice.GIVEN, "nee": Choice.WITHDRAWN}
_DELIMITERS: Final = {";": "een ;", ",": "een ,", "\t": "een tab"}
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_HEAD: Final = 20
"""How far down the columns are looked for, to say where they are."""
_WORKBOOK = "Dit is een Excel-bestand: sla het op als CSV (Bestand > Opslaan als), en lees dat bestand in."
_NO_COLUMN = {
    False: "De kolom `{}` staat niet in de eerste regel van het bestand.",
    True: "De kolom `{}` staat meer dan eens in de eerste regel van het bestand: geef elke kolom een eigen naam.",
}
_NO_ANSWER = "in de kolom `{}` hoort ja, nee of niets."
_NO_KEY = "de sleutel van de leerling ontbreekt."
_TWICE = "deze leerling staat er al eerder in."
_QUOTES = "de aanhalingstekens kloppen niet."


def _shifted(cells: int, expected: int, delimiter: str) -> str:
    ask = f"Staat er {delimiter} in een tekst?" if cells > expected else f"Ontbreekt er {delimiter}?"
    return f"heeft {cells} {'vak' if cells == 1 else 'vakken'}, de eerste regel {expected}. {ask}"


def _where_they_are(header: Sequence[str], text: str, delimiter: str, names: Sequence[str]) -> str:
    """What to do about columns that are not there. A first line with none of them is not repeated: it may be a pupil's."""
    for number, row in islice(_rows(text, delimiter), 1, _HEAD):
        if row and all(_places(row, name) for name in names):
            return f"De namen van de kolommen staan in regel {number}: haal de regels daarboven weg."
    if any(_places(header, name) for name in names):
        return f"In de eerste regel staat: {', '.join(f'`{cell.strip()}`' for cell in header if cell.strip())}."
    return "Zet in de eerste regel de namen van de kolommen, of geef de namen op die er staan."


def _places(header: Sequence[str], name: str) -> list[int]:
    """Where a column is: under exactly this name, or else with other capitals."""
    exact = [at for at, cell in enumerate(header) if cell == name]
    return exact or [at for at, cell in enumerate(header) if cell.strip().casefold() == name.strip().casefold()]


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """The rows in which anything stands, each with the number of its last line; None where the quotes do not fit, with its first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except csv.Error:
            yield number, None
        except StopIteration:
            return
        else:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row


def _fit(text: str, delimiter: str, names: Sequence[str]) -> tuple[int, int]:
    """How well a delimiter fits: the columns that are found with it, or else the cells of the first line.

    csv.Sniffer guesses from values as well, and errs on a quoted one.
    """
    head = [row or [] for _, row in islice(_rows(text, delimiter), _HEAD)] or [[]]
    return max(sum(bool(_places(row, name)) for name in names) for row in head), len(head[0])


def _text(content: bytes) -> str:
    """UTF-8, or what a spreadsheet on Windows writes: as CSV, or as Unicode text."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
