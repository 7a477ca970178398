"""A small school and its deliveries, as frames that the ledger takes."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pytest

from mappings.agreement import AgreedField, FieldSet, LeftOut
from pipelines.ledger.handles import Handle
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.plans import NewPlan

SCHOOL, SUPPLIER = "99XX-00", "basispoort"
MOMENT = datetime(2026, 11, 2, 12, tzinfo=UTC)
FIELDS = FieldSet(
    supplier=SUPPLIER,
    profile_version="2026",
    record_key="key",
    fields=(
        AgreedField("leerling.roepnaam", "voornaam", "roepnaam", None, "vast onderdeel"),
        AgreedField("leerling.key", "sleutel", "key", None, "vast onderdeel"),
    ),
    left_out=(LeftOut("geslacht", "leerling.geslacht", "keuzeveld, niet aangezet"),),
)


@dataclass(frozen=True)
class Deliveries:
    """Shorthand for what the sync does with a ledger."""

    ledger: Ledger
    fields: FieldSet = FIELDS
    school: str = SCHOOL
    supplier: str = SUPPLIER

    def pupils(self, *keys: str) -> list[int]:
        return self.ledger.register_records(self.school, "leerling", pd.Series(keys, dtype="str"))["record_id"].tolist()

    def plan(self, digest: str = "d1", supplier: str = SUPPLIER, school: str = SCHOOL, **counts: int) -> NewPlan:
        return NewPlan(digest, supplier, school, "run-1", "a1", self.fields, "2026-2027", "b1", 200, MOMENT, counts)

    def changes(
        self,
        record_ids: list[int],
        operation: str = "create",
        *,
        batch: int = 0,
        print_: bytes = b"f",
        replaces: int | None = None,
    ) -> pd.DataFrame:
        deletes = operation == "delete"
        return pd.DataFrame(
            {
                "record_id": record_ids,
                "operation": operation,
                "cause": "nieuw",
                "fingerprint": pd.Series([None if deletes else print_ * 8] * len(record_ids), dtype="object"),
                "changed_fields": pd.Series(
                    ["roepnaam" if operation == "update" else None] * len(record_ids), dtype="str"
                ),
                "replaces_id": pd.Series([replaces] * len(record_ids), dtype="object"),
                "batch": batch,
            }
        )

    def accepted(
        self, record_ids: list[int], own_ids: list[str | None] | None = None, wire_ids: list[str | None] | None = None
    ) -> dict[int, Handle]:
        nothing: list[str | None] = [None] * len(record_ids)
        return dict(zip(record_ids, map(Handle, wire_ids or nothing, own_ids or nothing), strict=True))

    def deliver(
        self, record_ids: list[int], operation: str = "create", *, digest: str = "d1", print_: bytes = b"f"
    ) -> int:
        """A plan of one batch, wholly accepted."""
        plan = self.plan(digest, self.supplier, self.school)
        plan_id = self.ledger.open_plan(plan, self.changes(record_ids, operation, print_=print_))
        if record_ids:
            self.ledger.settle_batch(plan_id, 0, self.accepted(record_ids), {})
        self.ledger.finish_plan(plan_id, "delivered")
        return plan_id

    def held(self) -> list[int]:
        return self.ledger.delivered_state(self.supplier, self.school)["record_id"].tolist()


@pytest.fixture
def deliveries(ledger: Ledger) -> Deliveries:
    return Deliveries(ledger)
