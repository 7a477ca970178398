"""How it stands with every agreement, as the ledger knows it: the last plan of each, and what is left where there is none any more."""

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


def standing(instance: Instance, school: str | None = None) -> Iterator[Outcome]:
    """The state of every school, or of this one, and every supplier: of their agreement, or of what it left behind."""
    for key in instance.settings.school_keys if school is None else (school,):
        for supplier in instance.settings.suppliers:
            if instance.settings.agreement(supplier, key):
                yield _standing(instance, supplier, key)
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
