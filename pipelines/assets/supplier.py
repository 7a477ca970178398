"""The assets of one supplier, made by a factory: its delivery set, the change plan, and the delivery.

Gates are in code and not in asset checks: a blocking check would stop every supplier of the school.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from connectors.base import ConnectorError
from data_contracts.delivery import ContractBroken
from mappings.profile import Profile
from pipelines.assets import UNFORESEEN, Result
from pipelines.jobs import PREVIEW
from pipelines.ledger.leases import BusyError
from pipelines.ledger.plans import PlanRefusedError
from pipelines.metadata import of_delivery_set, of_outcome, of_plan
from pipelines.reports import renew_report
from pipelines.resources import InstanceResource
from pipelines.sync.case import Outcome, Planned, planned, preview
from pipelines.sync.compare import Cause
from pipelines.sync.deliver import delivered
from pipelines.sync.prepare import Prepared, case_of, fields_in_force, prepared
from pipelines.sync.school import SchoolData


def supplier_assets(profile: Profile, schools: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """`gegevensset`, `wijzigingsplan` and `levering` of one supplier, in a group of its own."""
    supplier = profile.supplier

    @dg.asset(
        partitions_def=schools,
        group_name=supplier,
        key_prefix=[supplier],
        kinds={"pandas"},
        ins={"schoolgegevens": dg.AssetIn(key="schoolgegevens")},
        description=f"Wat {profile.name} van deze school mag hebben: precies de afgesproken velden van de afgesproken leerlingen.",
    )
    def gegevensset(
        context: dg.AssetExecutionContext, instance: InstanceResource, schoolgegevens: SchoolData | None
    ) -> Result:
        opened, school = instance.opened, context.partition_key
        with _told_if_failed(context, instance, supplier):
            try:
                ready = prepared(opened, supplier, school, schoolgegevens, instance.today(), context.run.run_id)
            except ContractBroken as error:
                raise dg.Failure(str(error), metadata={"Code": error.code}, allow_retries=False) from None
        if ready.outcome or ready.wanted is None:
            return dg.MaterializeResult(value=ready, metadata=of_outcome(_ended(ready)))
        agreement = opened.settings.agreement(supplier, school)
        assert agreement is not None
        fields = fields_in_force(opened, supplier, school, instance.today()).fields
        return dg.MaterializeResult(value=ready, metadata=of_delivery_set(ready.wanted, fields, agreement))

    @dg.asset(
        partitions_def=schools,
        group_name=supplier,
        key_prefix=[supplier],
        kinds={"pandas"},
        description=f"Wat er bij {profile.name} moet worden toegevoegd, gewijzigd en verwijderd, met de oorzaak. Verstuurt niets.",
    )
    def wijzigingsplan(context: dg.AssetExecutionContext, instance: InstanceResource, gegevensset: Prepared) -> Result:
        if gegevensset.wanted is None or gegevensset.quarantined is None or gegevensset.facts is None:
            return dg.MaterializeResult(value=None, metadata=of_outcome(_ended(gegevensset)))
        opened, school = instance.opened, context.partition_key
        with _told_if_failed(context, instance, supplier):
            try:
                case = case_of(opened, supplier, school, gegevensset.facts, instance.today(), context.run.run_id)
            except ConnectorError as error:
                raise dg.Failure(str(error), metadata={"Code": error.code}, allow_retries=False) from None
            plan = planned(case, gegevensset.wanted, gegevensset.quarantined)
        deletes = plan.plan.of("delete")
        told = deletes[deletes["cause"].ne(Cause.ERASED)]  # whom to erase is to be found in no event of Dagster
        gone = opened.ledger.record_keys(map(int, told["record_id"]))
        return dg.MaterializeResult(value=plan, metadata=of_plan(plan, preview(case, plan), gone))

    @dg.asset(
        partitions_def=schools,
        group_name=supplier,
        key_prefix=[supplier],
        kinds={"rest"},
        description=f"De levering aan {profile.name}: alleen wat veranderd is, met een ontvangstbevestiging voor elk record.",
    )
    def levering(
        context: dg.AssetExecutionContext,
        instance: InstanceResource,
        gegevensset: Prepared,
        wijzigingsplan: Planned | None,
    ) -> Result:
        with _told_if_failed(context, instance, supplier):
            outcome = _delivered(context, instance, supplier, gegevensset, wijzigingsplan)
        opened, school = instance.opened, context.partition_key
        told = outcome.plan is not None and opened.ledger.unfinished_plan(supplier, school) is None  # a plan that ended
        untold = outcome.reason if outcome.state == "failed" and not told else None
        opened.ledger.remember_look(school, supplier, context.run.run_id, untold)
        renew_report(instance.opened, context.partition_key, context.log)
        if outcome.state == "failed":
            raise dg.Failure(outcome.reason, metadata=of_outcome(outcome), allow_retries=False)
        waiting = instance.opened.ledger.holds(context.partition_key, supplier)
        return dg.MaterializeResult(value=outcome, metadata=of_outcome(outcome, waiting))

    return [gegevensset, wijzigingsplan, levering]


@contextmanager
def _told_if_failed(context: dg.AssetExecutionContext, instance: InstanceResource, supplier: str) -> Iterator[None]:
    """A failure in here leaves no plan that tells of it: the ledger and the report do so now. A preview writes nothing."""
    try:
        yield
    except Exception as error:
        if context.job_name != PREVIEW:
            reason = (error.description if isinstance(error, dg.Failure) else None) or UNFORESEEN
            instance.opened.ledger.remember_look(context.partition_key, supplier, context.run.run_id, reason)
            renew_report(instance.opened, context.partition_key, context.log)
        raise


def _delivered(
    context: dg.AssetExecutionContext, instance: InstanceResource, supplier: str, ready: Prepared, plan: Planned | None
) -> Outcome:
    if plan is None or ready.wanted is None or ready.quarantined is None or ready.facts is None:
        return _ended(ready)
    opened, school = instance.opened, context.partition_key
    try:
        case = case_of(opened, supplier, school, ready.facts, instance.today(), context.run.run_id)
        return delivered(case, opened.supplier(supplier, school), ready.wanted, ready.quarantined, plan)
    except (BusyError, PlanRefusedError, ConnectorError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def _ended(ready: Prepared) -> Outcome:
    """The outcome that was clear before there was anything to plan."""
    assert ready.outcome is not None
    return ready.outcome
