"""What a person fills in for a job in the web page: the empty lines, and what is said where one was left out."""

from typing import Any

import dagster as dg


def empty(*fields: str) -> dict[str, Any]:
    """What the Launchpad shows: lines to fill in."""
    return {"config": dict.fromkeys(fields, "")}


def by_whom(door: str) -> str:
    """Who does it, as the person typed it.

    Raises:
        dg.Failure: nobody was named.
    """
    if not (name := door.strip()):
        raise dg.Failure("Vul bij `door` in wie dit doet: naam of functie.", allow_retries=False)
    return name


def school_of(context: dg.OpExecutionContext) -> str:
    """The school of this run, which is its partition: so no other run of the school is at work meanwhile.

    Raises:
        dg.Failure: the person chose none.
    """
    if not context.has_partition_key:
        raise dg.Failure("Kies in de Launchpad eerst een school (Partition).", allow_retries=False)
    return context.partition_key
