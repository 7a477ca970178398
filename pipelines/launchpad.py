"""What a person fills in for a job in the web page: the empty lines, and what is said where one was left out."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from pipelines.words import as_sentence


def empty(*fields: str) -> dict[str, Any]:
    """What the Launchpad shows: lines to fill in."""
    return {"config": dict.fromkeys(fields, "")}


def refused(why: str | Exception) -> dg.Failure:
    """What a run ends with that a person asked for wrongly: the reason as a sentence. Doing it again would not help."""
    return dg.Failure(as_sentence(str(why)), allow_retries=False)


def by_whom(door: str) -> str:
    """Who does it, as the person typed it.

    Raises:
        dg.Failure: nobody was named.
    """
    if not (name := door.strip()):
        raise refused("Vul bij `door` in wie dit doet: naam of functie.")
    return name


def school_of(context: dg.OpExecutionContext) -> str:
    """The school of this run, which is its partition: so no other run of the school is at work meanwhile.

    Raises:
        dg.Failure: the person chose none.
    """
    if not context.has_partition_key:
        raise refused("Kies in de Launchpad eerst een school (Partition).")
    return context.partition_key


def job_of_school(
    name: str, op: dg.OpDefinition, description: str, fields: Sequence[str], schools: dg.PartitionsDefinition[str]
) -> dg.JobDefinition:
    """A job with one step about the school that the person chooses, and these lines to fill in."""
    form = {"ops": {op.name: empty(*fields)}}
    told = f"{description} Kies in de Launchpad eerst de school bij Partition, en vul dan in: {', '.join(fields)}. Wie later een andere school kiest, begint met lege regels."
    config = dg.PartitionedConfig(partitions_def=schools, run_config_for_partition_key_fn=lambda _: form)
    return dg.GraphDefinition(name=name, description=told, node_defs=[op]).to_job(config=config)
