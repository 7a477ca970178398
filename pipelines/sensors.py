"""The sensors: a file in the inbox, an approval and a request to erase each start what follows from it; broken-off runs are closed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from connectors.base import ConnectorError
from connectors.parnassys import school_of
from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.instance import open_instance
from pipelines.jobs import CLEAN, DELIVER
from pipelines.rights.erasure import ready
from pipelines.run_queue import end_broken_off
from pipelines.schedules import run_requests
from pipelines.settings import EdexmlSource, Settings

RUNNING = dg.DefaultSensorStatus.RUNNING


def inbox_sensor(settings: Settings) -> dg.SensorDefinition:
    """A new or changed EDEXML file in the inbox starts a run for the school that it is about."""

    @dg.sensor(
        name="inbox",
        job_name=DELIVER,
        minimum_interval_seconds=30,
        default_status=RUNNING,
        description="Start een levering zodra er een EDEXML-bestand in de map inbox staat.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        for file in sorted(settings.inbox.glob("*")):
            if file.suffix.lower() == ".xml" and (school := _school_in(context, file, settings)):
                state = file.stat()
                yield from run_requests(settings, school, f"inbox-{school}-{state.st_mtime_ns}-{state.st_size}")

    return sensor


def approval_sensor(settings: Settings) -> dg.SensorDefinition:
    """An approved hold starts a run for its school and supplier."""

    @dg.sensor(
        name="na_goedkeuring",
        job_name=DELIVER,
        minimum_interval_seconds=15,
        default_status=RUNNING,
        description="Start de levering van wat is goedgekeurd.",
    )
    def sensor() -> Iterator[dg.RunRequest]:
        for hold in open_instance(settings.home).ledger.holds(state="approved"):
            yield from run_requests(settings, hold.school, f"goedgekeurd-{hold.id}", (hold.supplier,))

    return sensor


def erasure_sensor(settings: Settings) -> dg.SensorDefinition:
    """A new request to erase a pupil starts a run for the school, so that the deletes go out now."""

    @dg.sensor(
        name="na_wisverzoek",
        job_name=DELIVER,
        minimum_interval_seconds=15,
        default_status=RUNNING,
        description="Start de verwijdering van een leerling bij alle leveranciers.",
    )
    def sensor() -> Iterator[dg.RunRequest]:
        for one in open_instance(settings.home).ledger.erasures.all():
            if one.closed_at is None and one.school in settings.school_keys:
                yield from run_requests(settings, one.school, f"wissen-{one.id}")

    return sensor


def erased_sensor(settings: Settings) -> dg.SensorDefinition:
    """A request of which every supplier is done is closed by the daily cleaning, now."""

    @dg.sensor(
        name="na_wissen",
        job_name=CLEAN,
        minimum_interval_seconds=60,
        default_status=RUNNING,
        description="Rond een wisverzoek af zodra elke leverancier klaar is.",
    )
    def sensor() -> Iterator[dg.RunRequest]:
        for one in ready(open_instance(settings.home), today_in_the_netherlands()):
            yield dg.RunRequest(run_key=f"gewist-{one.id}-{datetime.now(UTC):%Y%m%d%H}")  # a busy school is asked again

    return sensor


@dg.sensor(
    name="afgebroken_runs",
    minimum_interval_seconds=60,
    default_status=RUNNING,
    description="Sluit runs af waarvan het proces is weggevallen, zodat de school weer aan de beurt kan komen.",
)
def broken_off_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Starts nothing; see `runs.end_broken_off`."""
    return dg.SkipReason(f"{len(end_broken_off(context.instance))} runs afgesloten.")


def _school_in(context: dg.SensorEvaluationContext, file: Path, settings: Settings) -> str | None:
    """`99XX-00` of the school that a file is about; None where that school takes no files, or the file cannot be read."""
    try:
        found = school_of(file)
    except (ConnectorError, OSError) as error:
        context.log.warning("%s: %s", file.name, error if isinstance(error, ConnectorError) else "niet te lezen")
        return None
    today = date.today()  # noqa: DTZ011  the school year does not matter here
    waiting = [s for s in settings.schools if isinstance(s.source, EdexmlSource) and found.is_of(s.id_on(today))]
    return waiting[0].school if waiting else None
