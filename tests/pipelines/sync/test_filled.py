"""Which fields are empty at a supplier, out of fingerprints alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mappings.agreement import AgreedField, FieldSet
from pipelines.keys import Keys
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.plans import NewPlan
from pipelines.ledger.records import refs_of
from pipelines.sync.filled import empty_fields
from pipelines.sync.fingerprint import fingerprints, packed

SCHOOL, SUPPLIER = "99XX-00", "oefenplatform"
MOMENT = datetime(2026, 11, 2, 12, tzinfo=UTC)


def fields(*names: str) -> FieldSet:
    """A field set of pupils."""
    agreed = tuple(AgreedField(f"leerling.{name}", name, name, None, "vast onderdeel") for name in names)
    return FieldSet(SUPPLIER, "1", "key", agreed, ())


def sent(ledger: Ledger, keys: Keys, pupils: pd.DataFrame, *, accepted: bool = True, how: str = "create") -> None:
    """Let these pupils (by key) be created, or what else; accepted, or without an answer."""
    ids = ledger.register_records(SCHOOL, "leerling", pupils["key"])["record_id"].tolist()
    records = pupils.assign(id=pupils["key"])[["id", *pupils.columns]]
    prints = packed(fingerprints(records, refs_of(SCHOOL, "leerling", pupils["key"].tolist(), keys), keys))
    changes = pd.DataFrame(
        {"record_id": ids, "operation": how, "cause": "nieuw", "batch": 0, "fingerprint": prints}
    ).assign(changed_fields=None, replaces_id=None)
    digest = f"{how} {'-'.join(pupils['key'])}"
    new = NewPlan(digest, SUPPLIER, SCHOOL, "run", "a", fields(*pupils.columns), "2026-2027", digest, 2, MOMENT, {})
    plan_id = ledger.open_plan(new, changes)
    if accepted:
        ledger.settle_batch(plan_id, 0, dict.fromkeys(ids, NO_HANDLE), {})
    else:
        ledger.presume_batch(plan_id, 0)
    ledger.finish_plan(plan_id, "delivered")


def pupils(keys: list[str], *columns: str, **values: str | None) -> pd.DataFrame:
    """Pupils with these keys and the same values."""
    names = ["key", *columns]
    rows = [{"key": key, **values} for key in keys]
    return pd.DataFrame(rows, columns=names).astype("str")


def test_a_field_is_empty_while_no_record_that_is_held_has_a_value(tmp_path: Path) -> None:
    """One value anywhere fills a field, whatever the field set of the record; what was only presumed tells nothing."""
    keys = Keys.create(tmp_path / "sleutels")
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'grootboek.db'}", keys)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ()
    sent(ledger, keys, pupils(["a", "b"], "voorvoegsel", "roepnaam", roepnaam="Jip"), accepted=True)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ("leerling.voorvoegsel",)
    sent(ledger, keys, pupils(["c"], "voorvoegsel", "roepnaam", voorvoegsel="van"), accepted=False)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ("leerling.voorvoegsel",)
    sent(ledger, keys, pupils(["d"], "voorvoegsel", voorvoegsel="van"), accepted=True)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ()
    ledger.close()


@pytest.mark.parametrize("how", ["update", "delete"])
def test_what_was_filled_less_than_thirty_days_ago_is_not_empty(tmp_path: Path, clock: Any, how: str) -> None:
    """Also where the record was emptied or went since; after thirty days it is."""
    keys = Keys.create(tmp_path / "sleutels")
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'grootboek.db'}", keys, clock)
    sent(ledger, keys, pupils(["a"], "voorvoegsel", voorvoegsel="van"))
    sent(ledger, keys, pupils(["b"], "voorvoegsel"))
    clock.forward(days=100)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ()
    sent(ledger, keys, pupils(["a"], "voorvoegsel"), how=how)
    clock.forward(days=29)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ()
    clock.forward(days=2)
    assert empty_fields(ledger, keys, SUPPLIER, SCHOOL) == ("leerling.voorvoegsel",)
    ledger.close()
