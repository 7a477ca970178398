"""What Dagster loads: the only file that workspace.yaml names, and the only one that reads the environment while loading."""

import dagster as dg

from pipelines.build import build_defs
from pipelines.dagster_home import silence


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the instance in `DOORGEEFLUIK_HOME`."""
    silence()
    return build_defs()
