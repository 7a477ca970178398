"""The queue of runs: what keeps a place in it without being at work."""

import dagster as dg

from pipelines.processes import Process
from pipelines.resources import PROCESS_TAG


def end_broken_off(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process is gone; else they would hold their place in the queue for hours.

    Gives the ids of those runs.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        process = Process.named(run.tags.get(PROCESS_TAG, ""))
        if process and process.gone:
            instance.report_run_failed(run, "Het proces van deze run is afgebroken.")
            ended.append(run.run_id)
    return ended
