"""Retention: what was kept long enough, or is to be erased, is taken away: one function for each kind of thing, and it is told how much and why."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

import dagster as dg
from sqlalchemy.exc import OperationalError

from data_contracts.dutch_time import day_in_the_netherlands
from pipelines.instance import Instance
from pipelines.keys import KeysBusyError
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.leases import BusyError
from pipelines.pupil_jobs import OF_PUPILS
from pipelines.removal import ENDED, Removed, delete_run, forget_keys
from pipelines.reports import renew_report
from pipelines.rights.erasure import forget, ready
from pipelines.rotation import drop_old_keys
from pipelines.sync.deliver import give_up
from pipelines.sync.outbox import still_needed

NOT_WHOLE = "het grootboek is niet heel, dus blijft alles staan: zie doorgeefluik verify"
"""Why nothing was removed from a ledger in which somebody changed something."""

_ALL_DONE = "elke leverancier is klaar"

_AT_ONCE = 100
_UNDER_WAY = [
    *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING),
    *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
]
_PARTITION_TAG: Final = "dagster/partition"
"""Run tag with the school, on every run about a school: its assets', and those about one of its pupils."""


def clean(instance: Instance, dagster: dg.DagsterInstance, now: datetime) -> Iterator[Removed]:
    """Close the requests to erase that are done, and take away what `retention` in the settings says was kept long enough at `now` (aware)."""
    keep = instance.settings.instance.retention
    finished = finish_erasures(instance, dagster, day_in_the_netherlands(now))
    if finished.number or finished.why != _ALL_DONE:
        yield finished
    yield Removed("kluis", clean_vault(instance, now), f"ouder dan {keep.vault_days} dagen")
    findings = instance.ledger.remove_findings(now - timedelta(days=keep.findings_days))
    yield Removed("bevindingen", findings, f"ouder dan {keep.findings_days} dagen")
    letters = clean_letters(instance, now - timedelta(days=keep.letters_days))
    yield Removed("brieven voor inzage", letters, f"ouder dan {keep.letters_days} dagen")
    yield clean_changes(instance, now)
    yield clean_keys(instance)
    yield clean_old_keys(instance, now)
    runs = clean_runs(dagster, instance.settings.dagster_home, now - timedelta(days=keep.runs_days))
    yield Removed("runs van de webpagina", runs, f"afgelopen, en ouder dan {keep.runs_days} dagen of over één leerling")


def finish_erasures(instance: Instance, dagster: dg.DagsterInstance, day: date) -> Removed:
    """Forget the pupils whom every supplier has erased on `day`, each where no run of the school waits or is at work; how many requests were closed.

    One whose run is, or whose ledger or database does not let it, is done the next time.
    """
    _give_up_left_behind(instance, day)
    number, why = 0, _ALL_DONE
    for one in ready(instance, day):
        busy = dg.RunsFilter(statuses=_UNDER_WAY, tags={_PARTITION_TAG: one.school})
        if dagster.get_runs(busy, limit=1):
            why = "er wacht nog een run van de school, of die is bezig; de rest volgt de volgende keer"
            continue
        try:
            keys = instance.ledger.record_keys(one.records).values()
            forget_keys(dagster, instance.settings.dagster_home, keys)
            forget(instance, one)
            renew_report(instance, one.school, logging.getLogger(__name__))
        except LedgerBrokenError:
            why = NOT_WHOLE
        except ErasureRefusedError:
            why = "bij een leverancier is intussen iets begonnen; de rest volgt de volgende keer"
        except (sqlite3.OperationalError, OperationalError):  # Dagster's and the ledger's come through SQLAlchemy
            why = "een database was in gebruik; de rest volgt de volgende keer"
        else:
            number += 1
    return Removed("wisverzoeken afgerond", number, why)


def _give_up_left_behind(instance: Instance, day: date) -> None:
    """End the broken-off deliveries whose agreement is gone, or begins later, lest a request to erase wait for them."""
    last = instance.ledger.status()
    for school, supplier in last.loc[last["state"] == "delivering", ["school", "supplier"]].itertuples(index=False):
        agreement = instance.settings.agreement(supplier, school)
        if agreement is None or day < agreement.signed:
            with suppress(BusyError, OperationalError):  # it is not broken off, or the next time is soon enough
                give_up(instance.ledger, instance.vault, supplier, school)


def clean_vault(instance: Instance, now: datetime) -> int:
    """Sweep the vault, but for what deliveries still need; how many files went."""
    spared = set(still_needed(instance.ledger, instance.settings.agreements))
    return len(instance.vault.sweep(timedelta(days=instance.settings.instance.retention.vault_days), now, spared))


def clean_letters(instance: Instance, before: datetime) -> int:
    """Remove the letters for access that were written before this moment (aware); how many."""
    files = list(instance.settings.letters.glob("*/*"))
    old = [file for file in files if file.stat().st_mtime < before.timestamp()]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


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


def clean_old_keys(instance: Instance, now: datetime) -> Removed:
    """Take away the keys of before a renewal under which nothing is any more; none while somebody is at the keys."""
    try:
        number, why = drop_old_keys(instance, now), "niets staat er nog onder"
    except KeysBusyError as error:
        number, why = 0, str(error)
    return Removed("oude sleutels", number, why)


def clean_runs(dagster: dg.DagsterInstance, home: Path, before: datetime) -> int:
    """Remove the runs in Dagster that ended, with their events; how many.

    Those that were made before this moment (aware), and all that are about one pupil.
    """
    of_one_pupil = (dg.RunsFilter(statuses=ENDED, job_name=name) for name in OF_PUPILS)
    number = 0
    for which in (dg.RunsFilter(statuses=ENDED, created_before=before), *of_one_pupil):
        while runs := dagster.get_runs(which, limit=_AT_ONCE):
            for run in runs:
                delete_run(dagster, home, run.run_id)
            number += len(runs)
    return number
