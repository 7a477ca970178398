"""The guard: which operations of a change plan may go ahead, which wait for a person, and which are not agreed (yet).

Pure: a plan and numbers in, a verdict out. Approvals are looked up by the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from connectors.base import Operation
from data_contracts.dutch_time import HERE
from data_contracts.fields import Record
from mappings.agreement import Agreement, Stage
from mappings.limits import Limit
from mappings.projection import PERSONS
from pipelines.sync.compare import Cause
from pipelines.sync.plan import ALL_FIELDS, ChangePlan

Part = Literal["create", "update", "delete", "clear_out", "add_fields"]
"""What can wait for a person on its own: an operation, clearing a supplier out, or giving it more fields."""

OPERATIONS: tuple[Operation, ...] = ("create", "update", "delete")
CLEAR_OUT: Final = "clear_out"
ADD_FIELDS: Final = "add_fields"
PARTS: tuple[Part, ...] = (*OPERATIONS, CLEAR_OUT, ADD_FIELDS)

ALLOWED_BY_STAGE: dict[Stage, frozenset[str]] = {
    Stage.REPORT_ONLY: frozenset(),
    Stage.CREATE: frozenset({"create"}),
    Stage.CREATE_UPDATE: frozenset({"create", "update"}),
    Stage.FULL: frozenset(OPERATIONS),
}

_TO_DO: dict[Operation, str] = {"create": "toe te voegen", "update": "te wijzigen", "delete": "te verwijderen"}


class Rule(StrEnum):
    """What stopped an operation."""

    FIRST_DELIVERY = "eerste_levering"
    UNEXPLAINED_DELETES = "onverklaarde_verwijderingen"
    ALL_DELETES = "veel_verwijderingen"
    FIELD_CHANGES = "veel_wijzigingen_van_een_veld"
    CREATES = "veel_nieuwe_leerlingen"
    EXPORT_SIZE = "omvang_van_de_export"
    OLDER_EXPORT = "oudere_export"
    STAGE = "fase"
    AGREEMENT = "overeenkomst"
    NOTHING_NEW = "niets_nieuws"
    CLEAR_OUT = "leegruimen"
    FIELDS_ADDED = "velden_toegevoegd"


@dataclass(frozen=True, slots=True)
class Stop:
    """One reason why one part does not go ahead: `hold` until a person approves, `block` until the agreement changes."""

    operation: Part
    effect: Literal["hold", "block"]
    rule: Rule
    reason: str  # Dutch, with numbers, never with a value


@dataclass(frozen=True, slots=True)
class History:
    """What was before: pupils in the last good export (None: there was none), whether the supplier ever got anything, and of what
    moment the newest export until now is, if this one is older.
    """

    export_size: int | None
    delivered_before: bool
    newer_export: datetime | None = None


def stops(
    plan: ChangePlan,
    agreement: Agreement,
    history: History,
    export_size: int,
    day: date,
    next_begins: date | None = None,
) -> tuple[Stop, ...]:
    """Every reason why a part of `plan` may not go ahead on `day`; an operation without a stop may.

    `export_size` is the number of pupils in the export; `next_begins` when the next agreement with this supplier does. What a parent asked for is in no limit: a right waits for nobody.
    """
    waiting = plan.may_wait
    found = [
        *(stop for stop in _not_agreed(plan, agreement, day) if len(plan.of(stop.operation)) or _to_come(plan, stop)),
        *(stop for stop in _limits(waiting, agreement, history, export_size, day) if len(waiting.of(stop.operation))),
        *_clear_out(plan, agreement, day, next_begins),
    ]
    return tuple(found)


def _to_come(plan: ChangePlan, stop: Stop) -> bool:
    """Whether it stops the creation, by the next plan, of who is deleted in this one."""
    return stop.operation == "create" and bool(plan.anew)


def _not_agreed(plan: ChangePlan, agreement: Agreement, day: date) -> Iterator[Stop]:
    if day < agreement.signed:
        for operation in OPERATIONS:
            yield Stop(
                operation, "block", Rule.AGREEMENT, f"De overeenkomst gaat pas in op {agreement.signed:%d-%m-%Y}."
            )
    elif day > agreement.valid_until:
        # Design rule 7: corrections and deletes go on, nothing new does; no field comes either, see `widening`.
        yield Stop(
            "create", "block", Rule.AGREEMENT, f"De overeenkomst is afgelopen op {agreement.valid_until:%d-%m-%Y}."
        )
        if plan.changes["cause"].eq(Cause.CONSENT_GIVEN).any():
            yield Stop(
                "update", "block", Rule.NOTHING_NEW, "Na het einde van de overeenkomst komt er geen gegeven meer bij."
            )
    for operation in OPERATIONS:
        if operation not in ALLOWED_BY_STAGE[agreement.stage]:
            yield _not_yet(operation, operation, agreement.stage)


def _not_yet(part: Part, operation: Operation, stage: Stage) -> Stop:
    """That the stage lets no such operation go; and only those that do."""
    *most, last = (each.value for each, allowed in ALLOWED_BY_STAGE.items() if operation in allowed)
    later = f"{', '.join(most)} of {last}" if most else last
    reason = f"De overeenkomst staat op stage: {stage.value}. Zet stage in de overeenkomst op {later} om {_TO_DO[operation]}."
    return Stop(part, "block", Rule.STAGE, reason)


def _clear_out(plan: ChangePlan, agreement: Agreement, day: date, next_begins: date | None) -> Iterator[Stop]:
    """After the end everything must go, and that always waits for a person, whatever the limits."""
    if day <= agreement.valid_until or not any(plan.known.values()):
        return
    if "delete" not in ALLOWED_BY_STAGE[agreement.stage]:
        yield _not_yet(CLEAR_OUT, "delete", agreement.stage)
    groups = sum(plan.known.values()) - plan.known_persons
    reason = (
        "Na goedkeuring wordt verwijderd wat deze leverancier na het einde van de overeenkomst op "
        f"{agreement.valid_until:%d-%m-%Y} nog heeft: {plan.known_persons} personen en {groups} groepen."
    )
    if next_begins:
        reason += f" Let op: een volgende overeenkomst gaat in op {next_begins:%d-%m-%Y}; wie goedkeurt, laat haar leeg beginnen."
    yield Stop(CLEAR_OUT, "hold", Rule.CLEAR_OUT, reason)


def _limits(plan: ChangePlan, agreement: Agreement, history: History, export_size: int, day: date) -> Iterator[Stop]:
    limits = agreement.limits
    if not history.delivered_before and limits.first_delivery == "hold":
        yield Stop("create", "hold", Rule.FIRST_DELIVERY, f"Eerste levering: {_records(plan, 'create')}.")
    if history.delivered_before:
        yield from _over(plan, limits.creates, "create", Rule.CREATES, "nieuw")
    yield from _over(
        plan, limits.unexplained_deletes, "delete", Rule.UNEXPLAINED_DELETES, "zonder bekende reden te verwijderen"
    )
    if not _summer(day):
        yield from _over(plan, limits.all_deletes, "delete", Rule.ALL_DELETES, "te verwijderen")
    yield from _field_changes(plan, limits.field_changes)
    yield from _size(agreement, history, export_size)
    if history.newer_export and limits.older_export == "hold":
        for operation in OPERATIONS:
            yield Stop(operation, "hold", Rule.OLDER_EXPORT, _OLDER.format(history.newer_export.astimezone(HERE)))


_OLDER = (
    "De export is ouder dan die van de vorige levering, van {:%d-%m-%Y %H:%M}: wie daarna kwam, ging of is gewist, staat er "
    "niet goed in."
)


def _over(plan: ChangePlan, limit: Limit, operation: Operation, rule: Rule, what: str) -> Iterator[Stop]:
    """A hold when the persons of one operation reach a limit, measured against the persons the supplier has."""
    persons = plan.of(operation)
    persons = persons[persons["kind"].isin(PERSONS)]
    if rule is Rule.UNEXPLAINED_DELETES:
        persons = persons[persons["cause"] == Cause.UNEXPLAINED]
    if rule is Rule.CREATES:  # who is made anew is not new
        persons = persons[persons["cause"] != Cause.REKEYED]
    if limit.reached(len(persons), plan.known_persons):
        yield Stop(operation, "hold", rule, f"{len(persons)} {what}, van de {plan.known_persons} bij deze leverancier.")


def _field_changes(plan: ChangePlan, limit: Limit) -> Iterator[Stop]:
    """A field may be among those of whom nobody knows what the supplier has, so these count with each."""
    unknown = plan.field_changes.get(ALL_FIELDS, 0)
    for name, number in plan.field_changes.items():
        if limit.reached(number + (unknown if name != ALL_FIELDS else 0), plan.known.get(Record.LEERLING, 0)):
            pupils = "1 leerling" if number == 1 else f"{number} leerlingen"
            also = f" Bij {unknown} staat dat niet vast." if unknown and name != ALL_FIELDS else ""
            what = _UNKNOWN if name == ALL_FIELDS else f"Het veld {name} verandert bij {{}}.{also}"
            yield Stop("update", "hold", Rule.FIELD_CHANGES, what.format(pupils))


_UNKNOWN = "Alle velden van {} gaan opnieuw, want het staat niet vast wat de leverancier daarvan heeft."


def _size(agreement: Agreement, history: History, export_size: int) -> Iterator[Stop]:
    if not history.export_size:
        return
    percent = 100 * export_size / history.export_size
    size = agreement.limits.export_size
    if not size.minimum_percent <= percent <= size.maximum_percent:
        for operation in OPERATIONS:
            reason = f"De export telt {export_size} leerlingen, de vorige goede {history.export_size}."
            yield Stop(operation, "hold", Rule.EXPORT_SIZE, reason)


def _summer(day: date) -> bool:
    """The change of school year, in which many leave at once: 15 July up to and including 15 September."""
    return (7, 15) <= (day.month, day.day) <= (9, 15)


def _records(plan: ChangePlan, operation: Operation) -> str:
    chosen = plan.of(operation)
    persons = int(chosen["kind"].isin(PERSONS).sum())
    return f"{persons} personen en {len(chosen) - persons} groepen"
