"""The schedules: every night one run for each school, of that school's suppliers only; every morning a cleaning, every Sunday a read-back."""

from collections.abc import Iterator

import dagster as dg

from pipelines.jobs import DELIVER, SCHOOL_TAG, asset_keys, opruimen, teruglezen
from pipelines.settings import Settings


def nightly(settings: Settings) -> dg.ScheduleDefinition:
    """Every night, by default at 02:30: that hour exists once on both nights on which the clock changes."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.instance.on else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name="nachtelijk",
        job_name=DELIVER,
        cron_schedule=settings.instance.schedule,
        execution_timezone="Europe/Amsterdam",
        default_status=status,
        description="Elke nacht een run voor elke school.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        night = context.scheduled_execution_time.date().isoformat()
        for school in settings.school_keys:
            yield from run_requests(settings, school, f"{night}-{school}")

    return schedule


cleaning = dg.ScheduleDefinition(
    name="dagelijks_opruimen",
    job=opruimen,
    cron_schedule="0 6 * * *",
    execution_timezone="Europe/Amsterdam",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Elke ochtend: verwijder waarvan de bewaartermijn voorbij is, en rond wisverzoeken af.",
)
"""After the night; also where the nightly sync is switched off."""


reading_back = dg.ScheduleDefinition(
    name="wekelijks_teruglezen",
    job=teruglezen,
    cron_schedule="0 7 * * 0",
    execution_timezone="Europe/Amsterdam",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Elke zondag: leg naast elkaar wat leveranciers hebben en wat het grootboek zegt.",
)


def run_requests(
    settings: Settings, school: str, run_key: str, suppliers: tuple[str, ...] | None = None
) -> Iterator[dg.RunRequest]:
    """A run that delivers one school to its suppliers, or to some of them; none where there is no agreement to do it for."""
    chosen = [s for s in (suppliers or settings.suppliers) if settings.agreement(s, school)]
    if not chosen:
        return
    yield dg.RunRequest(
        run_key=run_key,
        job_name=DELIVER,
        partition_key=school,
        tags={SCHOOL_TAG: school},
        asset_selection=asset_keys(chosen),
    )
