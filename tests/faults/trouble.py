"""Connectors that fail in ways nobody foresaw, with what they were given in their errors; and a run that is as talkative as can be."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from connectors.base import Envelope, Export, NothingChanged, Receipts, SchoolId, Source, Supplier
from mappings.agreement import FieldSet
from pipelines.build import build_defs
from pipelines.instance import Instance
from pipelines.jobs import DELIVER
from pipelines.resources import InstanceResource
from pipelines.settings import Settings


class TalkativeSupplier:
    """A supplier that raises what it was to send."""

    def __init__(self, supplier: Supplier) -> None:
        self.capabilities = supplier.capabilities
        self._supplier = supplier

    def encode(self, envelope: Envelope, message: Any, field_set: FieldSet) -> bytes:
        return self._supplier.encode(envelope, message, field_set)

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        self._supplier.check(payload, field_set)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        nothing: dict[str, Receipts] = {}
        try:
            return nothing[payload.decode()]
        except KeyError as error:
            raise ValueError(payload) from error


class TalkativeSource:
    """A source that raises what it read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def pull(self, school: SchoolId, since: datetime | None) -> Export | NothingChanged:
        export = self._source.pull(school, None)
        assert isinstance(export, Export)
        raise ValueError(export.content.decode())


@dataclasses.dataclass(frozen=True)
class TalkativeInstance(Instance):
    """An instance of which one side raises what it holds."""

    side: str = "supplier"

    def source(self, school: str) -> Source:
        source = super().source(school)
        return TalkativeSource(source) if self.side == "source" else source

    def supplier(self, supplier: str, school: str) -> Supplier:
        door = super().supplier(supplier, school)
        return TalkativeSupplier(door) if self.side == "supplier" else door


class TroubledResource(InstanceResource):
    """The instance, with trouble on one side."""

    side: str

    @property
    def opened(self) -> Instance:
        whole = super().opened
        return TalkativeInstance(whole.settings, whole.keys, whole.ledger, whole.vault, self.side)


def instance_with(trouble: str, *, home: str, day: str) -> InstanceResource:
    """The resource `instance`, troubled at the side `source` or `supplier`, or not at all."""
    if trouble:
        return TroubledResource(home=home, day=day, side=trouble)
    return InstanceResource(home=home, day=day)


def executed_loudly(
    settings: Settings, school: str, instance: dg.DagsterInstance, resources: Mapping[str, Any]
) -> bool:
    """Run the delivery job with every message of Dagster on the screen; whether it succeeded."""
    job = build_defs(settings, resources=resources).resolve_job_def(DELIVER)
    loud = {"loggers": {"console": {"config": {"log_level": "DEBUG"}}}}
    return job.execute_in_process(
        run_config=loud, instance=instance, partition_key=school, raise_on_error=False
    ).success
