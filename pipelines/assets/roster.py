"""The assets of a school itself: the export as it came, and the checked tables out of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import dagster as dg

from connectors.base import ConnectorError, Export, NothingChanged
from data_contracts.findings import BrokenTable
from pipelines.assets import UNFORESEEN, Result
from pipelines.instance import Instance
from pipelines.metadata import findings_table, of_export, of_fields_read, of_school
from pipelines.reports import renew_report
from pipelines.resources import InstanceResource
from pipelines.sync.erased import sought
from pipelines.sync.prepare import fields_in_force
from pipelines.sync.school import SchoolData, basis, changes_wanted_since, remember, school_data
from pipelines.vault_io import kept_as

GROUP = "school"


def school_assets(schools: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """`export` and `schoolgegevens`, one partition a school."""

    @dg.asset(partitions_def=schools, group_name=GROUP, kinds={"xml"})
    def export(context: dg.AssetExecutionContext, instance: InstanceResource) -> Result:
        """De export uit ParnasSys, precies zoals hij binnenkwam: via de webservice UWLR, of als EDEXML-bestand.

        Ligt versleuteld in de kluis. Wat niemand mag krijgen, wordt verderop niet eens gelezen.
        """
        opened, day = instance.opened, instance.today()
        with _told_if_failed(context, opened):
            school = opened.settings.school(context.partition_key).id_on(day)
            last = opened.ledger.last_good_export(school.key)
            bases = _bases(opened, school.key, last.digest, instance) if last else {}
            since = changes_wanted_since(opened.ledger, school, bases, day)
            try:
                pulled = opened.source(school.key).pull(school, since)
            except ConnectorError as error:
                raise _failure(error) from None
        return dg.MaterializeResult(value=pulled, metadata=of_export(pulled))

    @dg.asset(
        partitions_def=schools,
        group_name=GROUP,
        ins={"export": dg.AssetIn(dagster_type=dg.Any)},  # Dagster knows no unions
        kinds={"pandas"},
        dagster_type=dg.Any,
        check_specs=[
            dg.AssetCheckSpec(
                "contract",
                asset="schoolgegevens",
                description="Kloppen de gegevens? Toont de school die het laatst aan de beurt was.",
            )
        ],
    )
    def schoolgegevens(
        context: dg.AssetExecutionContext, instance: InstanceResource, export: Export | NothingChanged
    ) -> Result:
        """School, groepen, leerlingen en leerkrachten uit de export, nagekeken.

        Alleen de velden die een lopende overeenkomst nodig heeft worden gelezen. Een record met een fout in een
        verplicht veld gaat in quarantaine en houdt bij elke leverancier zijn laatste goede stand.
        """
        opened, day = instance.opened, instance.today()
        if isinstance(export, NothingChanged):
            opened.ledger.forget_failed_export(context.partition_key)
            passed = dg.AssetCheckResult(passed=True, check_name="contract")
            return dg.MaterializeResult(value=None, metadata=of_export(export), check_results=[passed])
        wanted = opened.settings.wanted_fields(context.partition_key, day)
        whom = sought(opened, context.partition_key, day)
        if whom and whom.hidden:  # he is in it as it came
            opened.vault.remove(kept_as("export", school=context.partition_key))
        with _told_if_failed(context, opened):
            try:
                data = school_data(export, wanted, day, whom)
            except ConnectorError as error:
                raise _failure(error) from None
            except BrokenTable as error:
                opened.ledger.replace_findings(context.partition_key, context.run.run_id, error.findings)
                raise dg.Failure(
                    str(error),
                    metadata={"Code": error.code, "Wat er mis is": findings_table(error.findings)},
                    allow_retries=False,
                ) from None
            remember(opened.ledger, export, data, day, context.run.run_id)
        return dg.MaterializeResult(
            value=replace(data, erased={}),  # their keys are nobody's any more
            data_version=dg.DataVersion(data.digest),
            metadata={**of_school(data), **of_fields_read(wanted)},
            check_results=[_contract_check(data)],
        )

    return [export, schoolgegevens]


def _bases(opened: Instance, school: str, digest: str, instance: InstanceResource) -> dict[str, str]:
    """What each supplier's plan follows from, if the export says the same as the last time."""
    settings, day, erased = opened.settings, instance.today(), opened.ledger.erasures.refs(school)
    bases = {}
    for agreement in settings.agreements:
        if school in agreement.schools:
            fields = fields_in_force(opened, agreement.supplier, school, day)
            chosen = opened.ledger.choices(school, *fields.fields.subjects)
            bases[agreement.supplier] = basis(digest, fields, agreement, chosen, erased, day)
    return bases


@contextmanager
def _told_if_failed(context: dg.AssetExecutionContext, opened: Instance) -> Iterator[None]:
    """A failure in here ends the run before any supplier has its turn: the ledger and the report tell it now."""
    try:
        yield
    except Exception as error:
        reason = (error.description if isinstance(error, dg.Failure) else None) or UNFORESEEN
        opened.ledger.remember_failed_export(context.partition_key, context.run.run_id, reason)
        renew_report(opened, context.partition_key, context.log)
        raise


def _contract_check(data: SchoolData) -> dg.AssetCheckResult:
    findings = data.checked.findings
    return dg.AssetCheckResult(
        passed=findings.empty,
        check_name="contract",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(findings)} bevindingen, {len(data.checked.quarantined)} records in quarantaine.",
    )


def _failure(error: ConnectorError) -> dg.Failure:
    """A failed step that tells what happened and what to do, and nothing of what was in the export."""
    return dg.Failure(str(error), metadata={"Code": error.code}, allow_retries=False)
