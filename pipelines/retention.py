"""Retention: what was kept long enough is taken away, one function for each kind of thing, and it is told how much and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path

import dagster as dg

from pipelines.instance import Instance
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.sync.outbox import still_needed

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
"""A run that waits or is at work is never taken away."""

NOT_WHOLE = "het grootboek is niet heel, dus blijft alles staan: zie doorgeefluik verify"
"""Why nothing was removed from a ledger in which somebody changed something."""

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Removed:
    """How many of a kind of thing were taken away, and why, in Dutch. Never a name."""

    what: str
    number: int
    why: str


def clean(instance: Instance, dagster: dg.DagsterInstance, now: datetime) -> Iterator[Removed]:
    """Take away everything that `retention` in the settings says was kept long enough at `now` (aware)."""
    keep = instance.settings.instance.retention
    yield Removed("kluis", clean_vault(instance, now), f"ouder dan {keep.vault_days} dagen")
    findings = instance.ledger.remove_findings(now - timedelta(days=keep.findings_days))
    yield Removed("bevindingen", findings, f"ouder dan {keep.findings_days} dagen")
    yield clean_changes(instance, now)
    yield clean_keys(instance)
    runs = clean_runs(dagster, instance.settings.dagster_home, now - timedelta(days=keep.runs_days))
    yield Removed("runs van de webpagina", runs, f"afgelopen, en ouder dan {keep.runs_days} dagen")


def clean_vault(instance: Instance, now: datetime) -> int:
    """Sweep the vault, but for what deliveries still need; how many files went."""
    spared = set(still_needed(instance.ledger, instance.settings.agreements))
    return len(instance.vault.sweep(timedelta(days=instance.settings.instance.retention.vault_days), now, spared))


def clean_changes(instance: Instance, now: datetime) -> Removed:
    """Remove the changes about records that no supplier holds any more; none where the ledger is not whole."""
    years = instance.settings.instance.retention.changes_years
    try:
        number = instance.ledger.remove_changes(now - timedelta(days=ceil(years * 365.25)))
    except LedgerBrokenError:
        return Removed("wijzigingen in het grootboek", 0, NOT_WHOLE)
    return Removed("wijzigingen in het grootboek", number, f"bij geen leverancier meer, en ouder dan {years} jaar")


def clean_keys(instance: Instance) -> Removed:
    """Shred the keys that nothing refers to; none where the ledger is not whole."""
    try:
        number, why = instance.ledger.shred_unused_keys(), "niets verwijst er nog naar"
    except LedgerBrokenError:
        number, why = 0, NOT_WHOLE
    return Removed("sleutels in het grootboek", number, why)


def clean_runs(dagster: dg.DagsterInstance, home: Path, before: datetime) -> int:
    """Remove the runs in Dagster that ended and were made before this moment (aware), with their events; how many."""
    old = dg.RunsFilter(statuses=ENDED, created_before=before)
    number = 0
    while runs := dagster.get_runs(old, limit=_AT_ONCE):
        for run in runs:
            dagster.delete_run(run.run_id)
            for emptied in (home / "history" / "runs").glob(f"{run.run_id}.db*"):  # by Dagster, which leaves it
                emptied.unlink(missing_ok=True)
        number += len(runs)
    return number
