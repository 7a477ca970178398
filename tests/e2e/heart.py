"""One night of one school through the heart, without Dagster: as the assets do it, and quick enough to be done hundreds of times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from connectors.base import NothingChanged, Supplier
from mappings.projection import DeliverySet, delivery_set
from pipelines.instance import Instance, open_instance
from pipelines.sync.case import Case, Outcome, planned
from pipelines.sync.deliver import delivered
from pipelines.sync.erased import sought
from pipelines.sync.prepare import Facts, Prepared, case_of, prepared
from pipelines.sync.school import SchoolData, release, remember, school_data

Records = dict[str, dict[str, Any]]
"""Fields by record id."""

Door = Callable[[Supplier], Supplier]


@dataclass(frozen=True)
class Night:
    """One school on one day: its checked data, and what is ready for each supplier."""

    instance: Instance
    school: str
    day: date
    data: SchoolData = field(repr=False)

    def ready(self, supplier: str) -> Prepared:
        """The delivery set of a supplier, or its outcome."""
        return prepared(self.instance, supplier, self.school, self.data, self.day, "proef")

    def case(self, supplier: str, ready: Prepared) -> Case:
        """What is known of a supplier before it is planned."""
        assert ready.facts is not None
        return case_of(self.instance, supplier, self.school, ready.facts, self.day, "proef")

    def deliver(self, supplier: str, door: Door = lambda supplier: supplier) -> Outcome:
        """Carry out what may go ahead; `door` may stand between the program and the supplier."""
        ready = self.ready(supplier)
        if ready.wanted is None or ready.quarantined is None:
            assert ready.outcome is not None
            return ready.outcome
        case = self.case(supplier, ready)
        plan = planned(case, ready.wanted, ready.quarantined)
        through = door(self.instance.supplier(supplier, self.school))
        return delivered(case, through, ready.wanted, ready.quarantined, plan)

    def wanted(self, supplier: str) -> DeliverySet:
        """What a supplier should have, whether or not there is anything to do."""
        agreement = self.instance.settings.agreement(supplier, self.school)
        assert agreement is not None
        fields = self.instance.settings.field_set(supplier, self.school)
        opened = self.instance
        released = release(opened.ledger, opened.keys, fields, agreement, self.school, self.data.checked, self.day)
        return delivery_set(self.data.checked, fields, agreement.scope, released, self.school, self.day)

    def left_to_do(self, supplier: str) -> int:
        """How many changes a plan made now would have."""
        facts = Facts(self.data.schooljaar, self.data.pupils, self.data.received_at, "")
        case = case_of(self.instance, supplier, self.school, facts, self.day, "proef")
        return len(planned(case, self.wanted(supplier), self.data.checked.quarantined).plan.changes)

    def should_hold(self, supplier: str) -> dict[str, Records]:
        """The delivery set by kind and id, shaped as `shown` shapes what a stand-in holds."""
        fields = self.instance.settings.field_set(supplier, self.school)
        return {
            str(kind): {row["id"]: _as_sent(row, {f.name: f.wire for f in fields.of(kind)}) for row in _rows(frame)}
            for kind, frame in self.wanted(supplier).records.items()
        }


def night(home: Path, school: str, day: date) -> Night:
    """Read and check what lies in the inbox.

    Raises:
        ConnectorError, BrokenTable: as the assets meet them.
    """
    instance = open_instance(home)
    export = instance.source(school).pull(instance.settings.school(school).id_on(day), None)
    assert not isinstance(export, NothingChanged)
    data = school_data(export, instance.settings.wanted_fields(school, day), day, sought(instance, school, day))
    remember(instance.ledger, export, data, day, "proef")
    return Night(instance, school, day, data)


LISTS = {"samengestelde_groepen", "groepen", "rollen"}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def _as_sent(row: dict[str, Any], wires: dict[str, str]) -> dict[str, Any]:
    present = {name: row[name] for name in wires if isinstance(row[name], str)}
    return {wires[name]: orjson.loads(text) if name in LISTS else text for name, text in present.items()}


def shown(records: Records) -> Records:
    """What a stand-in holds of one kind, without absent values and without the id that stands beside the record."""
    return {
        record_id: {name: value for name, value in record.items() if value is not None and name != "id"}
        for record_id, record in records.items()
    }
