"""One pupil delivered or withdrawn now, at one or more suppliers: as the plan of everybody says, and nothing of anybody else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from connectors.base import ConnectorError
from data_contracts.delivery import ContractBroken
from pipelines.instance import Instance
from pipelines.ledger.leases import BusyError
from pipelines.ledger.plans import PlanRefusedError
from pipelines.rights.looking import fresh, refuse_unknown_pupil
from pipelines.sync.case import NO_COUNTS, Outcome, planned
from pipelines.sync.deliver import delivered
from pipelines.sync.prepare import case_of, prepared
from pipelines.sync.school import SchoolData


def deliver_one(
    instance: Instance, school: str, pupil: str, suppliers: Sequence[str], day: date, run_id: str
) -> list[Outcome]:
    """Bring one pupil up to date at these suppliers; each stands alone. The counts are of what concerns him.

    The rest of the plan, its holds and its basis stay as they were, so that the next night does all of that still.

    Raises:
        ConnectorError, BrokenTable: the export cannot be had, or cannot be trusted.
        UnknownPupilError: there is no such pupil.
    """
    data = fresh(instance, school, day)
    refuse_unknown_pupil(instance, school, data, pupil)
    return [_delivered(instance, school, pupil, supplier, data, day, run_id) for supplier in suppliers]


def _delivered(
    instance: Instance, school: str, pupil: str, supplier: str, data: SchoolData, day: date, run_id: str
) -> Outcome:
    try:
        ready = prepared(instance, supplier, school, data, day, run_id, pupil)
        if ready.wanted is None or ready.quarantined is None or ready.facts is None:
            assert ready.outcome is not None
            return replace(ready.outcome, counts=dict(NO_COUNTS), plan=None)
        case = case_of(instance, supplier, school, ready.facts, day, run_id, pupil)
        plan = planned(case, ready.wanted, ready.quarantined)
        return delivered(case, instance.supplier(supplier, school), ready.wanted, ready.quarantined, plan)
    except (BusyError, PlanRefusedError, ConnectorError, ContractBroken) as error:
        return Outcome(school, supplier, "failed", dict(NO_COUNTS), None, str(error))
