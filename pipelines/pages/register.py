"""The register of processing (AVG art. 30): what was agreed, out of the agreements, beside what was really sent, out of the ledger."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data_contracts.fields import CATALOGUE, Field, Record
from pipelines.agreements import BASES, Agreed, agreed
from pipelines.dutch_time import HERE
from pipelines.instance import Instance
from pipelines.ledger.held import Sent
from pipelines.rendering import write_page, write_text

_NO_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Line:
    """One field, whether it is agreed now, and whether it was ever sent."""

    field: Field
    agreed: bool
    sent: bool

    @property
    def yes(self) -> str:
        """What `ja` means of this field: of everybody, or of whose parents consented only."""
        return "ja, alleen met toestemming" if self.field.needs_consent else "ja"


@dataclass(frozen=True, slots=True)
class Entry:
    """One supplier of one school. `one` is absent where there is no agreement any more, and only the ledger remembers."""

    school: str
    school_name: str
    supplier: str
    one: Agreed | None
    sent: tuple[Sent, ...]
    held: dict[str, int]

    @property
    def ground(self) -> str:
        """On what ground, in Dutch."""
        return BASES[self.one.agreement.legal_basis] if self.one else ""

    @property
    def kinds(self) -> str:
        """About whom or what, in words."""
        kinds = [kind for kind in Record if any(line.field.record is kind for line in self.lines)]
        return ", ".join(
            kind.table if kind is not Record.SAMENGESTELDE_GROEP else "samengestelde groepen" for kind in kinds
        )

    @property
    def lines(self) -> list[Line]:
        """Every field that is agreed or was sent, in catalogue order; those of the school itself go along with any record."""
        now = self.one.fields.ids if self.one else frozenset[str]()
        went = {
            f for sent in self.sent for f in sent.fields if CATALOGUE[f].record in {Record(sent.kind), Record.SCHOOL}
        }
        return [Line(field, i in now, i in went) for i, field in CATALOGUE.items() if i in now or i in went]


def write_register(instance: Instance, today: date) -> list[Path]:
    """Write the register as a page, and as a table for a spreadsheet; gives both files."""
    entries = list(_entries(instance, today))
    folder = instance.settings.reports
    page = write_page(folder / "verwerkingsregister.html", "register.html.j2", entries=entries, today=today, here=HERE)
    return [page, write_text(folder / "verwerkingsregister.csv", _table(entries))]


def _entries(instance: Instance, today: date) -> Iterator[Entry]:
    settings, held = instance.settings, instance.ledger.held_by_kind()
    now = {(school, one.agreement.supplier): one for one in agreed(settings, today) for school in one.agreement.schools}
    sent: dict[tuple[str, str], list[Sent]] = {}
    for row in instance.ledger.sent():
        sent.setdefault((row.school, row.supplier), []).append(row)
    names = {school.school: school.name for school in settings.schools}
    for school, supplier in sorted({*now, *sent}):
        profile = settings.profiles.get(supplier)
        place = (school, supplier)
        yield Entry(
            school,
            names.get(school, "niet meer in schools.yaml"),
            profile.name if profile else supplier,
            now.get(place),
            tuple(sent.get(place, ())),
            held.get(place, {}),
        )


_COLUMNS = (
    *("school", "naam", "leverancier", "doel", "grondslag", "overeenkomst", "geldig van", "geldig tot en met"),
    *("soort", "gegeven", "veld", "afgesproken (overeenkomst)", "gestuurd (grootboek)"),
    *("records gestuurd (grootboek)", "eerste keer (grootboek)", "laatste keer (grootboek)"),
)


def _table(entries: Sequence[Entry]) -> str:
    """One row a field; semicolons and a mark at the start, as Dutch spreadsheets expect."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(_COLUMNS)
    for entry in entries:
        for line in entry.lines:
            writer.writerow(map(_cell, (*_of_agreement(entry), *_of_field(line), *_of_sent(entry, line))))
    return "\ufeff" + text.getvalue()


def _cell(value: object) -> str:
    """A text that a spreadsheet would take for a formula is made a text."""
    text = str(value)
    return f"'{text}" if text.startswith(_NO_FORMULA) else text


def _of_agreement(entry: Entry) -> tuple[object, ...]:
    one = entry.one
    known = (one.agreement.model, one.agreement.signed, one.agreement.valid_until) if one else ("geen", "", "")
    purpose = one.profile.purpose if one else ""
    return (entry.school, entry.school_name, entry.supplier, purpose, entry.ground, *known)


def _of_field(line: Line) -> tuple[object, ...]:
    yes = {True: line.yes, False: "nee"}
    return (line.field.record, line.field.label, line.field.id, yes[line.agreed], yes[line.sent])


def _of_sent(entry: Entry, line: Line) -> tuple[object, ...]:
    """How many records, and when, of the kind that the field belongs to."""
    sent = next((sent for sent in entry.sent if sent.kind == line.field.record), None)
    if sent is None or not line.sent:
        return ("", "", "")
    first, last = (f"{moment.astimezone(HERE):%Y-%m-%d %H:%M}" for moment in (sent.first, sent.last))
    return (sent.records, first, last)
