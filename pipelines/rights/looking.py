"""One pupil in the export of this moment, and in the plan that follows from it for a supplier. Sends nothing."""

import unicodedata
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from connectors.base import NothingChanged
from data_contracts.fields import Record
from mappings.agreement import Agreement, FieldSet
from mappings.projection import DeliverySet
from pipelines.instance import Instance
from pipelines.ledger.choices import UNKNOWN_PUPIL
from pipelines.names import UnknownNameError
from pipelines.sync.case import Planned, planned
from pipelines.sync.erased import sought
from pipelines.sync.prepare import AGAIN, Facts, case_of, projected
from pipelines.sync.school import SchoolData, meet, school_data

NAMES = ("roepnaam", "voorvoegsel", "achternaam")


class NoExportError(Exception):
    """The source gave no export; the message is a Dutch sentence."""


class UnknownPupilError(UnknownNameError):
    """A key that is not known where it must be; it is not repeated, for it may be a name."""

    code = UNKNOWN_PUPIL

    def __init__(
        self,
        told: str = "Deze leerling is bij deze school niet bekend. Gebruik de sleutel uit ParnasSys, of zoek met `doorgeefluik access --name`.",
    ) -> None:
        super().__init__([told])


@dataclass(frozen=True, slots=True)
class Hit:
    """A pupil that was found by name: for the screen of who asked, and nowhere else."""

    key: str
    name: str
    group: str

    def __repr__(self) -> str:
        return "Hit(...)"


@dataclass(frozen=True, slots=True)
class Look:
    """What a supplier should hold of a school now, and the plan of one pupil that follows from it."""

    fields: FieldSet
    wanted: DeliverySet = field(repr=False)
    plan: Planned = field(repr=False)


def fresh(instance: Instance, school: str, day: date) -> SchoolData:
    """The school's data out of an export that is fetched now, as a delivery would; of it is kept only who there is, see `meet`.

    Raises:
        ConnectorError, BrokenTable: it cannot be had, or cannot be trusted.
    """
    export = instance.source(school).pull(instance.settings.school(school).id_on(day), None)
    if isinstance(export, NothingChanged):
        raise NoExportError(AGAIN)
    data = school_data(export, instance.settings.wanted_fields(school, day), day, sought(instance, school, day))
    meet(instance.ledger, school, data)
    return data


def look(instance: Instance, agreement: Agreement, school: str, data: SchoolData, day: date, pupil: str) -> Look:
    """The plan for one pupil, made and judged as a delivery makes and judges it.

    Raises:
        ContractBroken: the delivery set is not exactly what was agreed.
    """
    facts = Facts(data.schooljaar, data.pupils, data.received_at, basis="")
    case = case_of(instance, agreement.supplier, school, facts, day, run_id="", pupil=pupil)
    wanted = projected(instance, data.checked, case.field_set, agreement, school, day)
    return Look(case.field_set, wanted, planned(case, wanted, data.checked.quarantined))


def refuse_unknown_pupil(instance: Instance, school: str, data: SchoolData | None, pupil: str) -> None:
    """Let only a pupil through whom the export or the ledger knows.

    Raises:
        UnknownPupilError: neither does.
    """
    if not in_export(data, pupil) and instance.ledger.dossier(school, pupil) is None:
        raise UnknownPupilError


def in_export(data: SchoolData | None, pupil: str) -> bool:
    """Whether the export has this pupil, in order or in quarantine."""
    if data is None:
        return False
    return bool(data.checked.roster.leerlingen["key"].eq(pupil).any()) or in_quarantine(data, pupil)


def in_quarantine(data: SchoolData, pupil: str) -> bool:
    """Whether this pupil breaks his contract."""
    out = data.checked.quarantined
    return bool((out["soort"].eq(Record.LEERLING) & out["key"].eq(pupil)).any())


def found_by_name(data: SchoolData, text: str) -> list[Hit]:
    """The pupils in whose name every word of `text` occurs, whatever its capitals and accents."""
    roster = data.checked.roster
    groups = dict(zip(roster.groepen["key"], roster.groepen.get("naam", roster.groepen["key"]), strict=True))
    words = _plain(text).split()
    hits = (
        Hit(key, name, _text(groups.get(group, group)))
        for key, name, group in zip(
            roster.leerlingen["key"], full_names(roster.leerlingen), roster.leerlingen["groep"], strict=True
        )
        if words and all(word in _plain(name) for word in words)
    )
    return sorted(hits, key=lambda hit: (_plain(hit.name), hit.key))


def full_names(pupils: pd.DataFrame) -> list[str]:
    """The name of each pupil, of the parts that were read; "" where none was."""
    parts = [pupils[name].tolist() for name in NAMES if name in pupils]
    return [" ".join(filter(None, map(_text, row))) for row in zip(*parts, strict=True)] or [""] * len(pupils)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in spread if not unicodedata.combining(letter))
