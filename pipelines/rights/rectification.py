"""Rectification (AVG art. 16 and 19): how a correction in ParnasSys stands at each supplier, and whether he says to have what
he was given. Looks, and changes nothing; while a supplier is read back, no delivery to him can begin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from connectors.base import ConnectorError
from data_contracts.delivery import ContractBroken
from data_contracts.dutch_time import day_of
from data_contracts.fields import Record
from pipelines.instance import Instance
from pipelines.ledger.dossier import Passed
from pipelines.ledger.records import refs_of
from pipelines.names import refuse_unknown
from pipelines.rights.looking import UnknownPupilError, fresh, in_export, in_quarantine
from pipelines.sync.case import WAITS_FOR_ID, Planned, planned
from pipelines.sync.prepare import case_of, prepared
from pipelines.sync.readback import TOLD, ReadBack, read_back
from pipelines.sync.school import SchoolData

_UNKNOWN = "Deze leerling staat niet in de export van school {school}. Gebruik de sleutel uit ParnasSys."


@dataclass(frozen=True, slots=True)
class Correction:
    """How it stands with one supplier: in Dutch, which fields, since when, and whether it has waited too long.

    `read_back` tells in Dutch how what the supplier has of the pupil compares with what he accepted last.
    """

    supplier: str
    told: str
    fields: str
    at: datetime | None
    late: bool = False
    read_back: str = ""

    @property
    def warned(self) -> str:
        """What is told, with a warning where it is late."""
        return f"TE LAAT: {self.told}" if self.late else self.told

    @property
    def as_row(self) -> dict[str, str]:
        """As a person reads it in a table, by heading."""
        return {
            "Leverancier": self.supplier,
            "Wat": self.warned,
            "Velden": self.fields,
            "Sinds": day_of(self.at),
            "Teruggelezen": self.read_back,
        }


def corrections(instance: Instance, school: str, pupil: str, day: date, now: datetime, days: int) -> list[Correction]:
    """How the newest correction of a pupil stands at each supplier of the school; late after more than `days`.

    Raises:
        UnknownNameError: no such school.
        UnknownPupilError: no such pupil in the export.
        ConnectorError, BrokenTable: the export cannot be had, or cannot be trusted.
    """
    refuse_unknown(instance.settings, [school], [])
    (ref,) = refs_of(school, Record.LEERLING, [pupil], instance.keys)
    data = fresh(instance, school, day)
    if not in_export(data, pupil):
        raise UnknownPupilError(_UNKNOWN.format(school=school))
    known = instance.ledger.dossier(school, pupil)
    sent, holdings = (known.passed, known.holdings) if known else ((), {})
    suppliers = [s for s in instance.settings.suppliers if instance.settings.agreement(s, school)]
    told = _Told(pupil, ref, now - timedelta(days=days), kept_out=in_quarantine(data, pupil))
    found = []
    for supplier in suppliers:
        plan = _plan(instance, supplier, school, data, day)
        mine = [one for one in sent if one.supplier == supplier]
        held_since = {hold.operation: hold.opened_at for hold in instance.ledger.holds(school, supplier)}
        there = _read_back_told(read_back(instance, supplier, school, pupil=pupil))
        one = (
            Correction(supplier, plan, "", None)
            if isinstance(plan, str)
            else told.of(supplier, mine, held_since, plan, held=supplier in holdings)
        )
        found.append(replace(one, read_back=there))
    return found


def _read_back_told(found: ReadBack) -> str:
    """How what a supplier says to have of one pupil compares with what he accepted last: no value, only names of fields."""
    if found.reason and found.state != "cannot":
        return f"{TOLD[found.state]}: {found.reason}"
    if found.unsure:
        return "niet te vergelijken: het is niet zeker wat er het laatst aankwam"
    if found.missing:
        return "ontbreekt"
    if found.different:
        return f"verschil in {', '.join(name.partition('.')[2] for name in found.fields)}"
    if found.extra or found.strangers:
        return "staat er, maar niet volgens het grootboek"
    return TOLD[found.state] if found.read or found.state == "cannot" else "staat er niet"


def _plan(instance: Instance, supplier: str, school: str, data: SchoolData, day: date) -> Planned | str | None:
    """What a delivery to a supplier would do now; in Dutch why there is none, or None where there is nothing to do."""
    try:
        ready = prepared(instance, supplier, school, data, day, "")
        if ready.facts is None and ready.outcome:
            return ready.outcome.reason
        if ready.facts is None or ready.wanted is None or ready.quarantined is None:
            return None
        case = case_of(instance, supplier, school, ready.facts, day, "")
        return planned(case, ready.wanted, ready.quarantined)
    except (ConnectorError, ContractBroken) as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class _Told:
    """One pupil, and the moment before which what waits is late."""

    key: str
    ref: bytes
    limit: datetime
    kept_out: bool

    def of(
        self,
        supplier: str,
        sent: Sequence[Passed],
        held_since: Mapping[str, datetime],
        plan: Planned | None,
        *,
        held: bool,
    ) -> Correction:
        """How it stands at one supplier, who has him (`held`) or not; `held_since` tells since when an operation waits for a person."""
        rows = plan.plan.changes if plan else None
        mine = rows[[ref == self.ref for ref in rows["ref"]]] if rows is not None else None
        if plan and self.ref in plan.waiting:
            return Correction(supplier, WAITS_FOR_ID.format(1), "", None)
        if plan is None or mine is None or mine.empty:
            return self._settled(supplier, sent, held=held)
        operation, fields = str(mine["operation"].iloc[0]), str(mine["changed_fields"].iloc[0])
        since = _waiting_since(sent) or held_since.get(operation)
        late = since is not None and since < self.limit
        going = any(ref == self.ref for ref in plan.going["ref"])
        if going and sent and sent[-1].state == "refused":
            return Correction(supplier, "geweigerd; wordt opnieuw geprobeerd", fields, sent[-1].answered_at, late)
        if going:
            return Correction(supplier, "staat in de export; gaat mee met de volgende levering", fields, since, late)
        asked = " Zie `doorgeefluik hold list`." if operation in plan.held else ""
        return Correction(supplier, f"wacht. {plan.why([operation])}{asked}", fields, since, late)

    def _settled(self, supplier: str, sent: Sequence[Passed], *, held: bool) -> Correction:
        """Where there is nothing to send about the pupil."""
        if self.kept_out:
            return Correction(supplier, "in quarantaine: verbeter eerst de bevinding in ParnasSys", "", None)
        if not sent or not held:
            return Correction(supplier, "krijgt deze leerling niet", "", None)
        last = sent[-1]
        if last.operation == "update" and last.state == "accepted":
            return Correction(supplier, "aangenomen; gelijk aan de export", last.changed_fields or "", last.answered_at)
        return Correction(supplier, "gelijk aan de export; er is niets gecorrigeerd", "", None)


def _waiting_since(sent: Sequence[Passed]) -> datetime | None:
    """When what is now to be sent was first to be sent: the beginning of the last row of changes that were not accepted."""
    since = None
    for one in reversed(sent):
        if one.state == "accepted":
            break
        since = one.planned_at
    return since
