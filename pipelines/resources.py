"""What Dagster hands to the assets: the opened instance and the day. Only paths and dates stand in their configuration, which the web page shows."""

from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.instance import Instance, open_instance
from pipelines.processes import Process

PROCESS_TAG = ".dagster/doorgeefluik_proces"
"""Tells a person nothing; the web page hides what begins like this."""


class InstanceResource(dg.ConfigurableResource[Instance]):
    """De installatie waarvoor deze run werkt. Laat dit zoals het is."""

    home: str = Field(description="De map van de installatie.")
    day: str = Field(default="", description="Een dag (JJJJ-MM-DD) in plaats van vandaag, voor een proef.")
    _opened: Instance | None = PrivateAttr(default=None)

    @property
    def opened(self) -> Instance:
        """The instance, with the settings as they are now."""
        if self._opened is None:
            self._opened = open_instance(Path(self.home), self.today())
        return self._opened

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Write down which process does this run, so that a run whose process was killed can be told from one at work."""
        if context.instance and context.run and not context.instance.is_ephemeral:
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: str(Process.current())})

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  Dagster's signature
        """Forget the settings, so that the next run reads them again."""
        self._opened = None

    def today(self) -> date:
        """The day in the Netherlands."""
        return date.fromisoformat(self.day) if self.day else today_in_the_netherlands()
