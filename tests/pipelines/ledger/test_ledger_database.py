"""The ledger's database: its shape, its safety settings, and the keys it was written with."""

import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from pipelines.keys import KeyMissingError, Keys
from pipelines.ledger.engine import open_engine
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.migrate import upgrade
from pipelines.ledger.tables import ANSWERED_AT, SEAL_ID, STATE, Moment, batch, batched, change, metadata


def test_the_migrations_lead_to_the_tables_that_the_code_expects(engine: Engine) -> None:
    """No column, index or constraint is only in the code or only in the migrations."""
    with engine.connect() as connection:
        settings = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=settings), metadata) == []


def test_the_unique_indexes_count_only_what_is_live(engine: Engine) -> None:
    """A condition on an index is not compared by Alembic, so it is looked at here."""
    found = {
        index["name"]: str(index.get("dialect_options", {}).get(f"{engine.dialect.name}_where"))
        for table in ("plan", "hold")
        for index in sa.inspect(engine).get_indexes(table)
    }
    assert "delivering" in found["uq_plan_delivering"]
    assert "open" in found["uq_hold_live"]
    assert "approved" in found["uq_hold_live"]


def test_upgrading_again_changes_nothing(engine: Engine) -> None:
    """A ledger of the newest shape is left alone."""
    upgrade(engine)
    assert set(sa.inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_new_sqlite_ledger_is_for_its_owner_alone_and_survives_a_power_cut(tmp_path: Path) -> None:
    """Mode 0600 for the file and all that SQLite puts beside it; WAL, and every commit on disk."""
    file = tmp_path / "instance" / "grootboek.db"
    engine = open_engine(f"sqlite:///{file}")
    upgrade(engine)
    with engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    engine.dispose()
    assert settings == ["wal", 2, 1]
    assert modes == {"grootboek.db": 0o600, "grootboek.db-wal": 0o600, "grootboek.db-shm": 0o600}


def test_choices_of_before_are_about_the_same_supplier_afterwards(engine: Engine, clock: Any) -> None:
    """The step that made a supplier a subject keeps every row, from a ledger as it was before."""
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    upgrade(engine, "0004")
    with engine.begin() as connection:
        pupil = "INSERT INTO record (id, school, kind, ref) VALUES (1, '99XX-00', 'leerling', '0123456789abcdef')"
        connection.exec_driver_sql(pupil)
        old = sa.table("choice", *map(sa.column, ("record_id", "supplier", "choice", "since", "how", "recorded_by")))
        row = (1, "parro", "bezwaar", clock.now.date(), "formulier", "de directeur")
        moment = sa.column("recorded_at", Moment)
        values = dict(zip([column.name for column in old.columns], row, strict=True))
        old.append_column(moment)
        connection.execute(sa.insert(old).values(**values, recorded_at=clock.now))
    upgrade(engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(metadata.tables["choice"])).mappings().one()
    assert (found["subject"], found["choice"], found["recorded_at"]) == ("parro", "bezwaar", clock.now)


def test_changes_of_before_keep_their_outcome_and_their_seals(deliveries: Any, engine: Engine) -> None:
    """The step that gave batches a row of their own, on a ledger as it was before: accepted, refused and pending, and whole still."""
    ledger, ids = deliveries.ledger, deliveries.pupils("a", "b", "c")
    deliveries.deliver(ids[2:])
    parts = [deliveries.changes(ids[:2]), deliveries.changes(ids[2:], "update", batch=1)]
    plan_id = ledger.open_plan(deliveries.plan("d2"), pd.concat(parts))
    ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "bestaat al"})
    before = [ledger.changes(number) for number in (1, plan_id)], ledger.refusals(plan_id)
    _as_of_0009(engine)
    upgrade(engine)
    for found, was in zip([ledger.changes(number) for number in (1, plan_id)], before[0], strict=True):
        pd.testing.assert_frame_equal(found, was)
    assert ledger.refusals(plan_id) == before[1]
    assert ledger.verify() is None
    ledger.settle_batch(plan_id, 1, deliveries.accepted(ids[2:]), {})
    assert ledger.verify() is None


def _as_of_0009(engine: Engine) -> None:
    """Bring the tables back to what they were, with everything that is in them."""
    with engine.begin() as connection:
        rows = {table: connection.execute(sa.select(table)).mappings().all() for table in metadata.sorted_tables}
        joined = sa.select(batch.c.plan_id, batch.c.number.label("batch"), STATE, ANSWERED_AT, SEAL_ID, change)
        changes = connection.execute(joined.select_from(batched)).all()
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    upgrade(engine, "0009")
    with engine.begin() as connection:
        for table, found in rows.items():
            if found and table.name not in {"batch", "change", "delivered"}:
                was = sa.Table(table.name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
                names = [column.name for column in was.columns]
                connection.execute(sa.insert(table), [{name: row[name] for name in names} for row in found])
        was = sa.Table("delivered", sa.MetaData(), autoload_with=connection)
        for row in rows[metadata.tables["delivered"]]:
            connection.execute(sa.insert(was).values(**row, updated_at=sa.func.current_timestamp()))
        old = sa.Table("change", sa.MetaData(), autoload_with=connection)
        for plan_id, number, state, answered_at, seal_id, *own in changes:
            row = dict(zip(change.c.keys(), own, strict=True)) | {"plan_id": plan_id, "batch": number, "state": state}
            row |= {"answered_at": answered_at, "seal_id": seal_id}
            del row["batch_id"]
            connection.execute(sa.insert(old), row)
        if engine.dialect.name == "postgresql":  # which counts on from where it was itself
            for name in ("plan", "seal", "change", "handles"):
                following = f"pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) + 1 FROM {name})"
                connection.exec_driver_sql(f"SELECT setval({following}, false)")


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/naam", "postgresql+psycopg2://host/naam"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    """Only what is tested is taken."""
    with pytest.raises(ValueError, match="grootboek"):
        open_engine(url)


def test_a_database_error_does_not_show_what_was_written(engine: Engine) -> None:
    """SQLAlchemy's errors quote the values unless it is told not to."""
    with pytest.raises(sa.exc.IntegrityError) as caught, engine.begin() as connection:
        connection.execute(sa.insert(metadata.tables["finding"]), [{"school": "99XX-00", "kind": "KANARIEPIET"}])
    assert "[SQL parameters hidden" in str(caught.value)


def test_a_moment_without_a_zone_is_refused(engine: Engine, clock: Any) -> None:
    """Nobody can say when that was."""
    with pytest.raises(sa.exc.StatementError, match="tijdzone"), engine.connect() as connection:
        connection.execute(sa.select(sa.literal(clock.now.replace(tzinfo=None), Moment)))


def test_a_ledger_written_with_other_keys_is_refused(keys: Keys, database_url: Any, tmp_path: Path) -> None:
    """With other keys every record would look new, and everything would be sent again."""
    for _ in range(2):
        Ledger.open(database_url, keys).close()
    with pytest.raises(KeyMissingError, match="andere sleutels"):
        Ledger.open(database_url, Keys.create(tmp_path / "andere"))
