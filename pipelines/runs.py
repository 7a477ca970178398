"""Runs started by hand: the same jobs as at night, executed here and now, and what came of them for each supplier."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.assets import UNFORESEEN
from pipelines.build import build_defs
from pipelines.job_metadata import REMOVED, removed_in
from pipelines.jobs import CLEAN, DELIVER, PREVIEW, SCHOOL_TAG, STEPS, asset_keys
from pipelines.metadata import BY_SUPPLIER, STATE, outcome_in, outcomes_in
from pipelines.pupil_jobs import ONE_PUPIL
from pipelines.removal import Removed
from pipelines.run_queue import end_broken_off
from pipelines.settings import Settings
from pipelines.sync.case import NO_COUNTS, Outcome

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster keeps every event; on the screen there is only what the command itself says."""


def run_school(
    settings: Settings,
    school: str,
    suppliers: Sequence[str],
    instance: dg.DagsterInstance,
    *,
    preview: bool = False,
    resources: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Run one school for these suppliers, in this process; the run shows in the web page like any other.

    Failures become outcomes: one for each supplier, also where the school itself failed.
    """
    end_broken_off(instance)
    job = build_defs(settings, resources=resources).resolve_job_def(PREVIEW if preview else DELIVER)
    result = job.execute_in_process(
        run_config=QUIET,
        instance=instance,
        partition_key=school,
        tags={SCHOOL_TAG: school},
        asset_selection=asset_keys(suppliers, preview=preview),
        raise_on_error=False,
    )
    last = "wijzigingsplan" if preview else "levering"
    return [_outcome(result.all_events, school, supplier, f"{supplier}__{last}") for supplier in suppliers]


def run_one_pupil(
    settings: Settings,
    school: str,
    pupil: str,
    suppliers: Sequence[str],
    instance: dg.DagsterInstance,
    *,
    resources: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Bring one pupil up to date at these suppliers, in this process; one outcome for each, also where it failed before them."""
    end_broken_off(instance)
    asked = {"leerling": pupil, "leveranciers": ",".join(suppliers)}
    result = (
        build_defs(settings, resources=resources)
        .resolve_job_def(ONE_PUPIL)
        .execute_in_process(
            run_config={**QUIET, "ops": {"lever_een_leerling": {"config": asked}}},
            instance=instance,
            partition_key=school,
            tags={SCHOOL_TAG: school},
            raise_on_error=False,
        )
    )
    reason = UNFORESEEN
    for event in result.all_events:
        if BY_SUPPLIER in (metadata := _metadata(event)):
            return outcomes_in(metadata, school)
        if event.is_step_failure and (failure := event.step_failure_data.user_failure_data):
            reason = failure.description or reason
    return [Outcome(school, supplier, "failed", dict(NO_COUNTS), None, reason) for supplier in suppliers]


def run_cleaning(settings: Settings, instance: dg.DagsterInstance) -> list[Removed]:
    """Take away what was kept long enough, in this process; what went, or RuntimeError where that failed."""
    job = build_defs(settings).resolve_job_def(CLEAN)
    result = job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False)
    for event in result.all_events:
        if REMOVED in (metadata := _metadata(event)):
            return removed_in(metadata)
    raise RuntimeError("opruimen")


def _outcome(events: Iterable[dg.DagsterEvent], school: str, supplier: str, step: str) -> Outcome:
    """What the last step of a supplier said; else why it, or a step before it, failed."""
    reason = UNFORESEEN
    for event in events:
        metadata = _metadata(event)
        if event.step_key == step and STATE in metadata:
            return outcome_in(metadata, school, supplier)
        if event.is_step_failure and event.step_key in {"export", "schoolgegevens"} | {
            f"{supplier}__{s}" for s in STEPS
        }:
            failure = event.step_failure_data.user_failure_data
            reason = failure.description or reason if failure else reason
    return Outcome(school, supplier, "failed", dict(NO_COUNTS), None, reason)


def _metadata(event: dg.DagsterEvent) -> Mapping[str, Any]:
    """What a step told: with what it made, or with its failure."""
    if event.is_step_materialization:
        return event.step_materialization_data.materialization.metadata
    if event.is_successful_output:
        return event.step_output_data.metadata
    if event.is_step_failure and (failure := event.step_failure_data.user_failure_data):
        return failure.metadata
    return {}
