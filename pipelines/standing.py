"""How it stands, as the ledger knows it: the last plan of each agreement, what failed before there was one, and what is left without an agreement."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from data_contracts.dutch_time import HERE, day_in_the_netherlands, day_of
from pipelines.instance import Instance
from pipelines.ledger.looks import Look
from pipelines.ledger.plans import Plan
from pipelines.ledger.readback import FOUND
from pipelines.settings import EdexmlSource
from pipelines.sync.case import NO_COUNTS, Outcome, State
from pipelines.sync.guard import OPERATIONS

Failure = tuple[datetime, str]
"""When it failed, and why, in Dutch."""

_STATES: dict[str, State] = {
    "delivered": "delivered",
    "partial": "delivered",
    "unchanged": "unchanged",
    "held": "blocked",
    "single": "delivered",
}
"""What the end of a plan means where nothing waits for a person; any other end means that it failed."""


def standing(instance: Instance, school: str | None = None) -> Iterator[Outcome]:
    """The state of every school, or of this one, and every supplier: of their agreement, or of what it left behind."""
    for key in instance.settings.school_keys if school is None else (school,):
        failed = instance.ledger.failed_export(key)
        looks = instance.ledger.looks(key)
        for supplier in instance.settings.suppliers:
            if instance.settings.agreement(supplier, key):
                plan = instance.ledger.last_whole_plan(supplier, key) or instance.ledger.last_plan(supplier, key)
                why = (
                    (failed.failed_at, failed.reason) if failed else _came_to_nothing(looks.get((key, supplier)), plan)
                )
                yield _standing(instance, supplier, key, plan, why)
    yield from left_behind(instance, school)


_OLD = timedelta(days=30)
"""After this an export in a file may have been forgotten."""


def grown_old(made: datetime, today: date) -> str:
    """What to tell of an export in a file that was made at this moment (aware), if that is long ago; else ""."""
    if today - day_in_the_netherlands(made) <= _OLD:
        return ""
    return f"De export is van {day_of(made)}: zet een nieuwe neer, tenzij er sindsdien niets is veranderd."


def old_exports(instance: Instance) -> Iterator[tuple[str, str]]:
    """School and what to tell, of those with a running agreement whose last export, out of a file, may have been forgotten."""
    settings = instance.settings
    for school in settings.schools:
        file = isinstance(school.source, EdexmlSource) and school.school in settings.delivering
        last = instance.ledger.last_good_export(school.school) if file else None
        if last and (old := grown_old(last.received_at, settings.day)):
            yield school.school, old


def left_behind(instance: Instance, school: str | None = None) -> Iterator[Outcome]:
    """What suppliers hold of schools that have no agreement with them any more: no run looks at it, so a person must."""
    for (key, supplier), number in instance.ledger.delivered_counts(school).items():
        if not instance.settings.agreement(supplier, key):
            missing = "de overeenkomst" if key in instance.settings.school_keys else "school en overeenkomst"
            reason = _LEFT_BEHIND.format(number=number, missing=missing)
            yield Outcome(key, supplier, "blocked", dict(NO_COUNTS), None, reason)


_LEFT_BEHIND = (
    "Er is geen overeenkomst meer, maar deze leverancier heeft nog gegevens van deze school (records: {number}). Was dat niet de "
    "bedoeling, zet {missing} dan terug (staat het bestand er wel, dan eindigt de naam niet op .yaml). Stop je met deze leverancier, "
    "zet {missing} dan terug met een valid_until in het verleden en ruim ze op (handleiding, ‘Stoppen met een leverancier’), of laat de "
    "leverancier ze verwijderen."
)


def _came_to_nothing(look: Look | None, plan: Plan | None) -> Failure | None:
    """Why the last look failed, with a plan or before there was one; a plan made since tells more."""
    if look is None or look.reason is None or (plan and plan.created_at > look.looked_at):
        return None
    return look.looked_at, look.reason


def _standing(instance: Instance, supplier: str, school: str, plan: Plan | None, failed: Failure | None) -> Outcome:
    state, reason = _last_time(plan, failed)
    discarded = instance.ledger.holds(school, supplier, "discarded")
    if plan and state == "blocked" and (said := [h.answer for h in discarded if h.plan_digest == plan.digest]):
        reason = " ".join(said)
    elif state == "blocked" and (approved := instance.ledger.holds(school, supplier, "approved")):
        for hold in approved:
            reason = reason.replace(hold.reason, "")
        reason = f"{_APPROVED.format(' '.join(hold.reason for hold in approved))} {reason}".strip()
    if waiting := instance.ledger.holds(school, supplier, "open"):
        held = " ".join(f"[{hold.id}] {hold.reason}" for hold in waiting)
        state, reason = "held", f"{held} {reason}" if failed else held
    agreement = instance.settings.agreement(supplier, school)
    if agreement and instance.settings.day < agreement.signed:
        if state in {"delivered", "unchanged"}:
            state = "blocked"
        coming = f"De overeenkomst gaat pas in op {agreement.signed:%d-%m-%Y}; tot die dag gaat er niets uit."
        reason = f"{coming} {reason}".strip()
    counts = plan.counts if plan and not failed else dict(NO_COUNTS)
    return Outcome(school, supplier, state, counts, plan.digest if plan else None, reason)


_APPROVED = "Goedgekeurd, en gaat bij de volgende levering mee: {}"


def _last_time(plan: Plan | None, failed: Failure | None) -> tuple[State, str]:
    """How it went for a supplier the last time, and why; nothing waits for a person."""
    broken_off = (
        "De levering is afgebroken; de volgende run maakt haar af." if plan and plan.state == "delivering" else ""
    )
    if failed:
        moment, reason = failed
        told = f"De laatste keer mislukt ({moment.astimezone(HERE):%d-%m-%Y %H:%M}): {reason}"
        return "failed", f"{broken_off} {told}".strip()
    if plan is None:
        return "blocked", "Nog nooit geleverd."
    if broken_off:
        return "failed", broken_off
    if plan.state == "partial" and not any(plan.counts[operation] for operation in OPERATIONS):
        return "unchanged" if plan.reason == FOUND else "blocked", plan.reason or ""
    if plan.state == "unchanged" and plan.reason:  # nothing to do but what somebody refused
        return "blocked", plan.reason
    return _STATES.get(plan.state, "failed"), plan.reason or ""
