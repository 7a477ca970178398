"""What a school knows and gave of one pupil (AVG art. 15): out of settings, ledger and the export of this moment.

The values stand in the letter and in what is returned here, and nowhere else.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import orjson
import pandas as pd

from connectors.base import ConnectorError
from data_contracts.dutch_time import HERE
from data_contracts.fields import CATALOGUE, Kind, Record
from data_contracts.findings import BrokenTable
from mappings.agreement import FieldSet
from mappings.choices import Choice, How, as_told
from mappings.purposes import Purpose
from pipelines.consent import in_words
from pipelines.grounds import GROUNDS
from pipelines.instance import Instance
from pipelines.ledger.choices import Entry
from pipelines.ledger.dossier import Dossier, Passed
from pipelines.rendering import write_page
from pipelines.rights.looking import Look, NoExportError, fresh, full_names, look, refuse_unknown_pupil
from pipelines.rights.trace import told_findings
from pipelines.sync.compare import Cause
from pipelines.sync.one_pupil import groups_of
from pipelines.sync.school import SchoolData
from pipelines.words import spaced

_SENT = ("accepted", "presumed")
_PUPIL = "de leerling"


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a pupil, or of a group that he is in; `value` is absent where it is empty or not known."""

    field_id: str
    label: str
    about: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One time that something about the pupil was sent."""

    moment: datetime
    operation: str
    cause: str
    state: str
    fields: tuple[str, ...]  # ids of what could be sent then


@dataclass(frozen=True, slots=True)
class OwnConsent:
    """A field that goes by a consent of its own, whatever the ground of the agreement, and how that consent stands for this pupil."""

    field_id: str
    label: str
    purpose: str
    standing: str  # gegeven, ingetrokken, niet gegeven
    since: date | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """One supplier that has or had the pupil, or is to get him."""

    supplier: str
    name: str
    about: str  # what the name is, where it is no company's
    holds: str  # ja, onzeker, nee
    values: tuple[Value, ...]  # as they stand now in the delivery set
    fields: tuple[str, ...]  # labels of what it has, or had, of him
    empty: tuple[str, ...]  # labels of what was agreed, and is empty for him
    pending: str  # what the next delivery changes
    first_sent: datetime | None
    last_sent: datetime | None
    removed: datetime | None
    events: tuple[Event, ...]
    own_number: str | None = field(repr=False)
    purpose: str
    ground: str
    objection: str
    consents: tuple[OwnConsent, ...]
    agreement: str
    signed: date | None
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Said:
    """One choice of a parent, without who of the school wrote it down: that may be no more than a login."""

    supplier: str
    choice: str
    since: date
    how: str  # absent where nobody wrote it down


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that is told of one pupil. `missing` says why the values are not there, where they are not."""

    school: str
    school_name: str
    contact: str
    pupil: str = field(repr=False)
    name: str = field(repr=False)
    day: date
    missing: str
    receivers: tuple[Receiver, ...]
    choices: tuple[Said, ...]
    findings: tuple[str, ...]
    changes_years: int
    letters_days: int


def letter(instance: Instance, school: str, pupil: str, day: date, data: SchoolData | None = None) -> Letter:
    """What is known of the pupil with this key now; `data` is the export of this moment where that was fetched already.

    Raises:
        UnknownPupilError: neither export nor ledger knows him.
    """
    missing = ""
    if data is None:
        data, missing = fresh_or_why(instance, school, day)
    refuse_unknown_pupil(instance, school, data, pupil)
    known = instance.ledger.dossier(school, pupil) or Dossier(0, {}, (), ())
    settings, keep = instance.settings, instance.settings.instance.retention
    return Letter(
        school=school,
        school_name=settings.school(school).name,
        contact=settings.school(school).contact or "de directie van de school",
        pupil=pupil,
        name=_name(data, pupil),
        day=day,
        missing=missing,
        receivers=tuple(_receivers(instance, school, pupil, day, data, known)),
        choices=tuple(
            Said(_subject(instance, e.subject), words, e.since, "" if e.how == How.UNSAID else e.how)
            for e, words in zip(known.choices, in_words((known.number, e) for e in known.choices), strict=True)
        ),
        findings=tuple(told_findings(data, pupil)) if data else (),
        changes_years=keep.changes_years,
        letters_days=keep.letters_days,
    )


def fresh_or_why(instance: Instance, school: str, day: date) -> tuple[SchoolData | None, str]:
    """The school's data of this moment, or the Dutch sentence that says why they cannot be had."""
    try:
        return fresh(instance, school, day), ""
    except (ConnectorError, BrokenTable, NoExportError) as error:
        return None, str(error)


def write_letter(instance: Instance, told: Letter) -> Path:
    """Write the letter as a page that stands alone, for its owner only.

    The file is named by the pupil's number in the ledger, by which an erasure finds it, and by day: never by the pupil.
    """
    folder = instance.settings.letters / told.school
    known = instance.ledger.dossier(told.school, told.pupil)
    name = f"{known.number if known else 0}-{told.day.isoformat()}"
    again = len(list(folder.glob(f"{name}*.html")))
    file = folder / (f"{name}-{again + 1}.html" if again else f"{name}.html")
    return write_page(file, "access.html.j2", letter=told, here=HERE, as_read=_as_read)


_WORDS = {"leerling.geslacht": {"0": "onbekend", "1": "jongen", "2": "meisje", "9": "niet opgegeven"}}
"""What a code means to a parent (ISO 5218)."""


def _as_read(one: Value) -> str:
    """A value as a parent reads it: a date in Dutch order, a code with its meaning."""
    if one.value is None:
        return ""
    if CATALOGUE[one.field_id].kind is Kind.DATE:
        return f"{date.fromisoformat(one.value):%d-%m-%Y}"
    meaning = _WORDS.get(one.field_id, {}).get(one.value)
    return f"{one.value} ({meaning})" if meaning else one.value


def _receivers(
    instance: Instance, school: str, pupil: str, day: date, data: SchoolData | None, known: Dossier
) -> Iterator[Receiver]:
    """Every supplier that has him or had anything of him, and those that get him by an agreement."""
    went = {one.supplier for one in known.passed if one.state in _SENT}
    for supplier in sorted({*known.holdings, *went, *instance.settings.suppliers}):
        agreement = instance.settings.agreement(supplier, school)
        begun = agreement is not None and agreement.signed <= day
        seen = look(instance, agreement, school, data, day, pupil) if agreement and begun and data else None
        there = seen is not None and pupil in seen.wanted.of(Record.LEERLING).index
        if there or supplier in went or supplier in known.holdings:
            yield _receiver(instance, school, supplier, pupil, seen if there else None, known, _pending(seen))


def _receiver(
    instance: Instance, school: str, supplier: str, pupil: str, seen: Look | None, known: Dossier, pending: str
) -> Receiver:
    settings, holding = instance.settings, known.holdings.get(supplier)
    agreement, profile = settings.agreement(supplier, school), settings.profiles.get(supplier)
    passed = [one for one in known.passed if one.supplier == supplier and one.state in _SENT]
    went = [_moment(one) for one in passed if one.operation != "delete"]
    removed = [_moment(one) for one in passed if one.operation == "delete"]
    sets = {holding.field_set_id} if holding else {one.field_set_id for one in passed if one.operation != "delete"}
    had = {field_id for number in sets for field_id in instance.ledger.field_ids(number)}
    consents = tuple(_consents(settings.field_set(supplier, school), known)) if agreement else ()
    subjects = settings.field_set(supplier, school).subjects if agreement else [supplier]
    had -= {one.field_id for one in consents if one.standing == _NEVER}
    handle = instance.ledger.handles(supplier, [holding.record_id]).get(holding.record_id) if holding else None
    values = tuple(_values(seen, seen.fields, pupil)) if seen else ()
    never = {one.field_id for one in consents if one.standing != "gegeven"}
    empty = {v.field_id for v in values if v.about == _PUPIL and v.value is None}
    if holding and not holding.presumed and not pending:  # it has what stands in the delivery set now
        had -= empty
    ground, objection = GROUNDS[agreement.legal_basis] if agreement else ("", "")
    return Receiver(
        supplier=supplier,
        name=_supplier_name(instance, supplier),
        about=profile.about if profile else "",
        holds="nee" if holding is None else "onzeker" if holding.presumed else "ja",
        values=values,
        fields=_labels(had),
        empty=_labels(empty - never),
        pending=pending,
        first_sent=min(went, default=None),
        last_sent=max(went, default=None),
        removed=max(removed, default=None) if holding is None else None,
        events=tuple(_event(instance, one, _cause(one, known.choices, subjects)) for one in passed),
        own_number=handle.own_id if handle else None,
        purpose=profile.purpose if profile else "",
        ground=ground,
        objection=objection,
        consents=consents,
        agreement=agreement.model if agreement else "",
        signed=agreement.signed if agreement else None,
        valid_until=agreement.valid_until if agreement else None,
    )


def _consents(fields: FieldSet, known: Dossier) -> Iterator[OwnConsent]:
    """How it stands with each field that goes by a consent of its own; once given, it may have gone."""
    for agreed in fields.fields:
        if agreed.consent:
            said = [entry for entry in known.choices if entry.subject == agreed.consent]
            given = any(entry.choice == Choice.GIVEN for entry in said)
            standing = _NEVER if not given else "gegeven" if said[-1].choice == Choice.GIVEN else "ingetrokken"
            since = said[-1].since if given else None
            yield OwnConsent(agreed.id, CATALOGUE[agreed.id].label, agreed.consent.words, standing, since)


_NEVER = "niet gegeven"


def _values(seen: Look, fields: FieldSet, pupil: str) -> Iterator[Value]:
    """The fields of the pupil and of his groups, as they stand in the delivery set."""
    records = seen.wanted.records
    yield from _of_record(_PUPIL, records[Record.LEERLING], pupil, fields, Record.LEERLING)
    for kind, names in groups_of(seen.wanted, pupil).items():
        for name in names:
            if kind in records and name in records[kind].index:
                yield from _of_record("de groep", records[kind], name, fields, kind)


def _of_record(about: str, frame: pd.DataFrame, key: str, fields: FieldSet, kind: Record) -> Iterator[Value]:
    for agreed in fields.of(kind):
        known = CATALOGUE[agreed.id]
        yield Value(agreed.id, known.label, about, _shown(frame.loc[key, agreed.name], known.kind))


def _shown(value: object, kind: Kind) -> str | None:
    """A value as it was given; the keys in a list with commas."""
    if not isinstance(value, str):
        return None
    return ", ".join(map(str, orjson.loads(value))) if kind is Kind.LIST else value


def _pending(seen: Look | None) -> str:
    if seen is None:
        return ""
    if seen.plan.waiting:
        wanted = seen.plan.only and seen.plan.only.key in seen.wanted.of(Record.LEERLING).index
        return _WAITS_FOR_ID if wanted else _WAITS_TO_GO
    operations, keys = seen.plan.own["operation"].tolist(), seen.plan.own["key"].tolist()
    going = not seen.plan.concerned.index.difference(seen.plan.going.index).size
    told = _PENDING.get(operations[0], "") if operations else ""
    if told and operations[0] == "delete" and keys[0] is not None:  # he is to have it, and goes there by another id
        told = _ANEW
    return told if going or not told else f"{told} Dat wacht nog op een besluit van de school."


_PENDING = {
    "create": "Deze gegevens heeft de leverancier nog niet; bij de volgende levering gaan ze mee.",
    "update": "Bij de leverancier kan nog een oudere stand staan; die wordt bij de volgende levering bijgewerkt.",
    "delete": "De leverancier hoort deze leerling niet meer te hebben; bij de volgende levering wordt hij verwijderd.",
}
_ANEW = "Bij de leverancier staat deze leerling nog onder een ander nummer; dat wordt eerst verwijderd, en daarna gaan deze gegevens mee."
_WAITS_FOR_ID = "Bij de leverancier kan nog een oudere stand staan; die wordt bijgewerkt zodra het ECK iD daar niet meer van een ander is."
_WAITS_TO_GO = "De leverancier hoort deze leerling niet meer te hebben; hij wordt verwijderd zodra vaststaat onder welk ECK iD hij daar staat."
_OPERATIONS = {"create": "toegevoegd", "update": "gewijzigd", "delete": "verwijderd"}


def _event(instance: Instance, one: Passed, cause: str) -> Event:
    fields = () if one.operation == "delete" else _labels(instance.ledger.field_ids(one.field_set_id))
    state = "aangenomen" if one.state == "accepted" else "onzeker"
    return Event(_moment(one), _OPERATIONS[one.operation], cause, state, fields)


def _cause(one: Passed, choices: Sequence[Entry], subjects: Collection[str]) -> str:
    """Why something went; who never gave consent was not taken away because it was withdrawn. What becomes empty was given by consent."""
    before = [e.choice for e in choices if e.subject in subjects and e.recorded_at <= one.planned_at]
    cause = as_told(one.cause, before) if one.operation == "delete" else one.cause
    return _NO_LONGER_THERE if cause == Cause.UNEXPLAINED else spaced(cause)


_NO_LONGER_THERE = "stond niet meer in de leerlingadministratie"


def _moment(one: Passed) -> datetime:
    return one.answered_at or one.planned_at


def _labels(ids: Collection[str]) -> tuple[str, ...]:
    """What the catalogue calls the fields of a pupil among these, in its order."""
    return tuple(f.label for f in CATALOGUE.values() if f.id in ids and f.record is Record.LEERLING)


def _name(data: SchoolData | None, pupil: str) -> str:
    if data is None:
        return ""
    pupils = data.checked.roster.leerlingen
    return next(iter(full_names(pupils[pupils["key"] == pupil])), "")


def _subject(instance: Instance, subject: str) -> str:
    """What a choice is about: a purpose, or else a supplier."""
    return Purpose(subject).words if subject in set(Purpose) else _supplier_name(instance, subject)


def _supplier_name(instance: Instance, supplier: str) -> str:
    profile = instance.settings.profiles.get(supplier)
    return profile.name if profile else supplier
