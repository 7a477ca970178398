"""How it stands with every agreement, as the ledger knows it: the last plan, and whether the school's data were got since."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from pipelines.instance import Instance
from pipelines.ledger.exports import FailedExport
from pipelines.ledger.plans import Plan
from pipelines.sync.case import NO_COUNTS, Outcome, State

HERE = ZoneInfo("Europe/Amsterdam")

_STATES: dict[str, State] = {
    "delivered": "delivered",
    "partial": "delivered",
    "unchanged": "unchanged",
    "held": "blocked",
}
"""What the end of a plan means where nothing waits for a person; any other end means that it failed."""


def standing(instance: Instance, *schools: str) -> Iterator[Outcome]:
    """The state of every supplier that has an agreement with one of these schools; none named is all of them."""
    for school in schools or instance.settings.school_keys:
        failed = instance.ledger.failed_export(school)
        for supplier in instance.settings.suppliers:
            if instance.settings.agreement(supplier, school):
                yield _standing(instance, supplier, school, failed)


def _standing(instance: Instance, supplier: str, school: str, failed: FailedExport | None) -> Outcome:
    plan = instance.ledger.last_plan(supplier, school)
    state, reason = _last_time(plan, failed)
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
