"""Records and their keys: one number each, and no key in clear."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.keys import DamagedError, Keys
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.records import refs_of
from pipelines.ledger.tables import record


def test_a_record_keeps_its_number(ledger: Ledger) -> None:
    """Known records get the number they had, new ones a new one, in the order and with the index that was asked."""
    first = ledger.register_records("99XX-00", "leerling", pd.Series(["a", "b"]))
    again = ledger.register_records("99XX-00", "leerling", pd.Series(["c", "b", "a", "b"], index=[9, 8, 7, 6]))
    number = dict(zip(again["key"], again["record_id"], strict=True))
    assert again["record_id"].tolist() == [number["c"], number["b"], number["a"], number["b"]]
    assert again.index.tolist() == [9, 8, 7, 6]
    assert first["record_id"].tolist() == [number["a"], number["b"]]
    assert len(set(number.values())) == 3


def test_the_same_key_elsewhere_is_another_record(ledger: Ledger) -> None:
    """A key names a record of one kind in one school."""
    places = [("99XX-00", "leerling"), ("99XX-01", "leerling"), ("99XX-00", "groep")]
    numbers = [ledger.register_records(school, kind, pd.Series(["1"]))["record_id"].item() for school, kind in places]
    assert len(set(numbers)) == 3


def test_no_records_are_no_numbers(ledger: Ledger) -> None:
    """An empty table gives an empty frame with the same types."""
    found = ledger.register_records("99XX-00", "groep", pd.Series([], dtype="str"))
    assert found.empty
    assert found["record_id"].dtype == "int64"


def test_keys_come_back_for_whom_is_asked(ledger: Ledger) -> None:
    """More numbers than a database takes in one question are no trouble."""
    keys = pd.Series([f"leerling-{n}" for n in range(12_000)])
    numbers = ledger.register_records("99XX-00", "leerling", keys)["record_id"]
    assert ledger.record_keys(numbers[:1]) == {numbers[0]: "leerling-0"}
    assert ledger.record_keys(numbers) == dict(zip(numbers, keys, strict=True))
    assert ledger.record_keys([]) == {}


def test_a_shredded_key_is_gone_and_its_record_stays(ledger: Ledger) -> None:
    """After shredding nobody can tell who it was, but the record is still counted."""
    numbers = ledger.register_records("99XX-00", "leerling", pd.Series(["a", "b"]))["record_id"].tolist()
    ledger.shred_keys(numbers[:1])
    assert ledger.record_keys(numbers) == {numbers[1]: "b"}


def test_the_reference_is_keyed(keys: Keys, tmp_path: Path) -> None:
    """Who has the database but not the key cannot try which pupil it is."""
    other = Keys.create(tmp_path / "andere")
    assert refs_of("99XX-00", "leerling", ["a"], keys) != refs_of("99XX-00", "leerling", ["a"], other)


def test_a_key_that_was_moved_to_another_record_is_not_read(ledger: Ledger, engine: Engine) -> None:
    """A key is bound to its own record."""
    numbers = ledger.register_records("99XX-00", "leerling", pd.Series(["a", "b"]))["record_id"].tolist()
    with engine.begin() as connection:
        stolen = connection.scalar(sa.select(record.c.key_encrypted).where(record.c.id == numbers[0]))
        connection.execute(sa.update(record).where(record.c.id == numbers[1]).values(key_encrypted=stolen))
    with pytest.raises(DamagedError):
        ledger.record_keys(numbers)


def test_nothing_personal_is_readable_in_the_database(deliveries: Any, engine: Engine) -> None:
    """Neither key, ECK iD, the supplier's number nor the supplier's words stand anywhere in clear."""
    ledger, marker = deliveries.ledger, "KANARIEPIET"
    numbers = deliveries.pupils(f"{marker}1", f"{marker}2")
    plan_id = ledger.open_plan(deliveries.plan(), deliveries.changes(numbers))
    accepted = deliveries.accepted(numbers[:1], [f"{marker}3"], [f"{marker}4"])
    ledger.settle_batch(plan_id, 0, accepted, {numbers[1]: f"{marker}5 bestaat al"})
    table = pd.DataFrame(
        {"soort": ["leerling"], "key": [f"{marker}6"], "veld": "roepnaam", "regel": "te_lang", "gevolg": "waarde"}
    )
    ledger.replace_findings("99XX-00", "run-1", table)
    with engine.connect() as connection:
        tables = sa.inspect(engine).get_table_names()
        everything = [tuple(row) for name in tables for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]
    assert len(everything) > 8
    assert marker.encode() not in b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in everything for value in row
    )
