"""The register of processing (AVG art. 30): what was agreed, out of the agreements, beside what was really sent, out of the ledger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data_contracts.dutch_time import HERE
from data_contracts.fields import CATALOGUE, Field, Record
from pipelines.agreements import Agreed, agreed
from pipelines.instance import Instance
from pipelines.ledger.held import Sent
from pipelines.pages.spreadsheet import Cell, Sheet, workbook
from pipelines.rendering import write_file, write_page
from pipelines.sync.prepare import fields_in_force
from pipelines.sync.widening import InForce
from pipelines.words import spaced

MISSING = (
    "de naam en contactgegevens van het bestuur en van de functionaris gegevensbescherming, bewaartermijnen, "
    "doorgifte buiten de Europese Economische Ruimte, en de beveiliging"
)
"""What the law asks of a register and Doorgeefluik does not know."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field, whether it is given by an agreement now, or waits for a person until it is, and whether it was ever sent."""

    field: Field
    agreed: bool
    waits: bool
    sent: bool

    @property
    def yes(self) -> str:
        """What `ja` means of this field: of everybody, or of whose parents consented only."""
        return "ja, alleen met toestemming" if self.field.needs_consent else "ja"

    @property
    def told(self) -> str:
        """Whether it is agreed, in Dutch."""
        return "wacht op goedkeuring" if self.waits else self.yes if self.agreed else "nee"


@dataclass(frozen=True, slots=True)
class Entry:
    """One supplier of one school. `one`, and what is in force `now`, are absent where there is no agreement any more, and only
    the ledger remembers.
    """

    school: str
    school_name: str
    supplier: str
    one: Agreed | None
    now: InForce | None
    sent: tuple[Sent, ...]
    held: dict[str, int]

    @property
    def ground(self) -> str:
        """On what ground, in Dutch: of the agreement, and of each field that goes by a consent of its own."""
        if self.one is None:
            return ""
        own = [f"{CATALOGUE[f.id].label}: toestemming" for f in self.one.fields.fields if f.consent]
        return "; ".join([self.one.agreement.legal_basis.words, *own])

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
        given, waiting = (self.now.fields.ids, self.now.waiting) if self.now else (frozenset[str](), frozenset[str]())
        went = {
            f for sent in self.sent for f in sent.fields if CATALOGUE[f].record in {Record(sent.kind), Record.SCHOOL}
        }
        shown = given | waiting | went
        return [Line(f, i in given, i in waiting, i in went) for i, f in CATALOGUE.items() if i in shown]


def write_register(instance: Instance, today: date) -> list[Path]:
    """Write the register as a page, and as a workbook; gives both files."""
    entries = list(_entries(instance, today))
    folder = instance.settings.reports
    page = write_page(
        folder / "verwerkingsregister.html",
        "register.html.j2",
        entries=entries,
        today=today,
        missing=MISSING,
        here=HERE,
    )
    return [
        page,
        write_file(folder / "verwerkingsregister.xlsx", workbook("Verwerkingsregister", _sheets(entries, today))),
    ]


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
            fields_in_force(instance, supplier, school, today) if place in now else None,
            tuple(sent.get(place, ())),
            held.get(place, {}),
        )


_EXPLAINED = (
    (
        "Wat dit is",
        "Welke gegevens van leerlingen, groepen en leerkrachten vanuit ParnasSys naar welke leverancier gaan.",
    ),
    (
        "Afgesproken",
        "Uit de overeenkomsten, zoals ze nu zijn. Een nieuw gegeven gaat pas mee als de school het heeft goedgekeurd.",
    ),
    (
        "Gestuurd",
        "Uit het grootboek: wat ooit echt ging, ook als het nu niet meer is afgesproken. Verwijderingen tellen niet mee.",
    ),
    ("Wat er niet in staat", "Gegevens van personen. Er staan alleen namen van velden en aantallen in."),
    ("Zelf aanvullen", "Wat artikel 30 van de AVG verder vraagt: " + MISSING + "."),
)


def _sheets(entries: Sequence[Entry], today: date) -> list[Sheet]:
    """The same as the page: what it is, a row for each supplier of a school, for each field, and for each kind that was sent."""
    place = (("school", 11), ("naam", 28), ("leverancier", 28))
    return [
        Sheet("Uitleg", (("Verwerkingsregister", 24), ("", 90)), (*_EXPLAINED, ("Gemaakt op", today))),
        Sheet(
            "Verwerkingen",
            (
                *(*place, ("doel", 50), ("grondslag", 22), ("overeenkomst", 26), ("stand", 24), ("geldig van", 12)),
                *(("geldig tot en met", 12), ("gegevens over", 30)),
            ),
            [(*_place(entry), *_agreement(entry), entry.kinds) for entry in entries],
        ),
        Sheet(
            "Gegevens",
            (*place, ("soort", 18), ("gegeven", 26), ("veld", 32), ("afgesproken", 22), ("gestuurd", 11)),
            [(*_place(entry), *_field(line)) for entry in entries for line in entry.lines],
        ),
        Sheet(
            "Gestuurd",
            (
                *(*place, ("soort", 18), ("records gestuurd", 11), ("nu bij de leverancier", 12)),
                *(("zonder antwoord", 11), ("eerste keer", 17), ("laatste keer", 17)),
            ),
            [
                (*_place(entry), spaced(s.kind), s.records, entry.held.get(s.kind, 0), s.presumed, s.first, s.last)
                for entry in entries
                for s in entry.sent
            ],
        ),
    ]


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.school, entry.school_name, entry.supplier


def _agreement(entry: Entry) -> tuple[Cell, ...]:
    if (one := entry.one) is None:
        return ("", "", "geen overeenkomst meer", "", None, None)
    signed = one.agreement
    return (one.profile.purpose, entry.ground, signed.model, one.told, signed.signed, signed.valid_until)


def _field(line: Line) -> tuple[str, ...]:
    sent = line.yes if line.sent else "nee"
    return (spaced(line.field.record), line.field.label, line.field.id, line.told, sent)
