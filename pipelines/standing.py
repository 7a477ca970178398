"""How it stands, as the ledger knows it: the last plan of each agreement, pulls that failed since, and what is left without an agreement."""

from collections.abc import Iterator

from pipelines.dutch_time import HERE
from pipelines.instance import Instance
from pipelines.ledger.exports import FailedExport
from pipelines.ledger.plans import Plan
from pipelines.sync.case import NO_COUNTS, Outcome, State

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
        for supplier in instance.settings.suppliers:
            if instance.settings.agreement(supplier, key):
                yield _standing(instance, supplier, key, failed)
    yield from left_behind(instance, school)


def left_behind(instance: Instance, school: str | None = None) -> Iterator[Outcome]:
    """What suppliers hold of schools that have no agreement with them any more: no run looks at it, so a person must."""
    for (key, supplier), number in instance.ledger.delivered_counts(school).items():
        if not instance.settings.agreement(supplier, key):
            missing = "de overeenkomst" if key in instance.settings.school_keys else "school en overeenkomst"
            reason = _LEFT_BEHIND.format(number=number, missing=missing)
            yield Outcome(key, supplier, "blocked", dict(NO_COUNTS), None, reason)


_LEFT_BEHIND = (
    "Er is geen overeenkomst meer, maar deze leverancier heeft nog gegevens van deze school (records: {number}). Zet {missing} "
    "terug met een valid_until in het verleden en ruim ze op (handleiding, ‘Stoppen met een leverancier’), of laat de "
    "leverancier ze verwijderen."
)


def _standing(instance: Instance, supplier: str, school: str, failed: FailedExport | None) -> Outcome:
    plan = instance.ledger.last_whole_plan(supplier, school) or instance.ledger.last_plan(supplier, school)
    state, reason = _last_time(plan, failed)
    discarded = instance.ledger.holds(school, supplier, "discarded")
    if plan and state == "blocked" and (said := [h.answer for h in discarded if h.plan_digest == plan.digest]):
        reason = " ".join(said)
    if waiting := instance.ledger.holds(school, supplier, "open"):
        held = " ".join(f"[{hold.id}] {hold.reason}" for hold in waiting)
        state, reason = "held", f"{held} {reason}" if failed else held
    counts, digest = (plan.counts, plan.digest) if plan else (dict(NO_COUNTS), None)
    return Outcome(school, supplier, state, counts, digest, reason)


def _last_time(plan: Plan | None, failed: FailedExport | None) -> tuple[State, str]:
    """How it went for a supplier the last time, and why; nothing waits for a person."""
    if failed:
        moment = failed.failed_at.astimezone(HERE)
        return "failed", f"De laatste keer mislukt ({moment:%d-%m-%Y %H:%M}): {failed.reason}"
    if plan is None:
        return "blocked", "Nog nooit geleverd."
    if plan.state == "delivering":
        return "failed", "De levering is afgebroken; de volgende run maakt haar af."
    return _STATES.get(plan.state, "failed"), plan.reason or ""
