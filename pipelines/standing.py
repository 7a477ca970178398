"""How it stands with every agreement: the last plan of each school and supplier, as the ledger knows it."""

from collections.abc import Iterator

from pipelines.instance import Instance
from pipelines.ledger.plans import Plan
from pipelines.sync.case import NO_COUNTS, Outcome, State

_STATES: dict[str, State] = {
    "delivered": "delivered",
    "partial": "delivered",
    "unchanged": "unchanged",
    "held": "blocked",
}
"""What the end of a plan means where nothing waits for a person; any other end means that it failed."""


def standing(instance: Instance) -> Iterator[Outcome]:
    """The state of every school and supplier that have an agreement."""
    for school in instance.settings.school_keys:
        for supplier in instance.settings.suppliers:
            if instance.settings.agreement(supplier, school):
                yield _standing(instance, supplier, school)


def _standing(instance: Instance, supplier: str, school: str) -> Outcome:
    plan = instance.ledger.last_plan(supplier, school)
    if plan is None:
        return Outcome(school, supplier, "blocked", dict(NO_COUNTS), None, "Nog nooit geleverd.")
    waiting = instance.ledger.holds(school, supplier, "open")
    state: State = "held" if waiting else _STATES.get(plan.state, "failed")
    reason = " ".join(f"[{hold.id}] {hold.reason}" for hold in waiting) or _reason(plan)
    return Outcome(school, supplier, state, plan.counts, plan.digest, reason)


def _reason(plan: Plan) -> str:
    if plan.state == "delivering":
        return "De levering is afgebroken; de volgende run maakt haar af."
    return plan.reason or ""
