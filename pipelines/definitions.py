"""What Dagster loads: the only file that workspace.yaml names, and the only one that reads the environment while loading."""

import dagster as dg

from pipelines.build import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the instance in `DOORGEEFLUIK_HOME`."""
    return build_defs()
