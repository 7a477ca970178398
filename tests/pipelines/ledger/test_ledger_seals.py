"""Seals: whatever is altered in what was disclosed shows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.ledger.tables import batch, change, field_set, plan, record, seal


@pytest.fixture
def disclosed(deliveries: Any) -> Any:
    """Two plans, the first with two pupils, the second with an update of one."""
    ids = deliveries.pupils("a", "b")
    deliveries.deliver(ids, digest="d1")
    deliveries.deliver(ids[:1], "update", digest="d2")
    return deliveries.ledger


def alter(engine: Engine, *statements: sa.Executable) -> None:
    """Do what somebody with the database's password can do."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def under(seal_id: int) -> sa.ColumnElement[bool]:
    """The changes of the batch that was accepted as a whole under this seal."""
    return change.c.batch_id.in_(sa.select(batch.c.id).where(batch.c.seal_id == seal_id))


def cut_off(seal_id: int, *tables: sa.Table) -> list[sa.Executable]:
    """Take away a seal, and with it what is under it in these tables."""
    of_it = {change: under(seal_id), batch: batch.c.seal_id == seal_id}
    gone = [sa.delete(table).where(of_it[table]) for table in tables]
    left = sa.update(batch).where(batch.c.seal_id == seal_id).values(seal_id=None)
    return [*gone, left, sa.delete(seal).where(seal.c.id == seal_id)]


def test_an_untouched_ledger_holds(disclosed: Any) -> None:
    """Nothing is found where nothing was done, nor in a ledger without deliveries."""
    assert disclosed.verify() is None
    assert len(disclosed.head()) == 64


def test_a_ledger_without_deliveries_holds(deliveries: Any) -> None:
    """Before the first delivery there is no chain, and nothing wrong."""
    assert deliveries.ledger.verify() is None
    assert deliveries.ledger.head() is None


@pytest.mark.parametrize("altered", [False, True], ids=["untouched", "altered before the answer"])
def test_a_seal_of_what_was_written_is_that_of_what_stands_there(
    deliveries: Any, engine: Engine, *, altered: bool
) -> None:
    """Changes that are sealed without being read back are sealed as they went in: who altered them before the answer is found."""
    ledger, (old, new, gone) = deliveries.ledger, deliveries.pupils("a", "b", "c")
    deliveries.deliver([old, gone])
    parts = [deliveries.changes([new], "update", replaces=old), deliveries.changes([gone], "delete")]
    with engine.begin() as connection:
        refs = dict(connection.execute(sa.select(record.c.id, record.c.ref)).all())
    written = pd.concat(parts, ignore_index=True)
    written = written.assign(kind="leerling", ref=[refs[number] for number in written["record_id"]])
    plan_id = ledger.open_plan(deliveries.plan("d2"), written)
    if altered:
        alter(engine, sa.update(change).where(change.c.record_id == new).values(changed_fields="achternaam"))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([new, gone]), {}, written)
    assert deliveries.held() == [new]
    assert (ledger.verify() is None) is not altered


@pytest.mark.parametrize(
    "values",
    [
        {"operation": "delete"},
        {"cause": "van_school"},
        {"fingerprint": b"x"},
        {"changed_fields": "achternaam"},
        {"replaces_id": 1},
        {"state": "refused"},
        {"record_id": 2},
        {"answered_at": datetime(2026, 11, 24, tzinfo=UTC)},
        {"batch_id": 2},
        {"seal_id": 2},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_changed_change_is_found(disclosed: Any, engine: Engine, values: dict[str, Any]) -> None:
    """Every column of an accepted change is under its seal, or may say nothing beside its batch."""
    alter(engine, sa.update(change).where(change.c.id == 1).values(**values))
    assert disclosed.verify().seal_id == 1


@pytest.mark.parametrize(
    "values",
    [
        {"number": 5},
        {"plan_id": 2, "number": 1},
        {"state": "refused"},
        {"state": None},
        {"answered_at": None},
        {"seal_id": None},
        {"seal_id": 2},
    ],
    ids=str,
)
def test_a_changed_batch_is_found(disclosed: Any, engine: Engine, values: dict[str, Any]) -> None:
    """What an accepted batch says of all its changes is under their seal too."""
    alter(engine, sa.update(batch).where(batch.c.id == 1).values(**values))
    assert disclosed.verify().seal_id == 1


@pytest.mark.parametrize(
    "values", [{"state": "abandoned"}, {"answered_at": datetime(2020, 1, 1, tzinfo=UTC)}, {"seal_id": 1}], ids=str
)
@pytest.mark.parametrize("how", ["refused", "presumed"])
def test_an_outcome_put_over_that_of_every_change_is_found(
    deliveries: Any, engine: Engine, how: str, values: dict[str, Any]
) -> None:
    """A batch of which nothing was accepted says nothing itself; what is put there later would hide what became of its changes."""
    deliveries.deliver(deliveries.pupils("z"), digest="d0")
    (one,) = deliveries.pupils("a")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes([one]))
    if how == "refused":
        deliveries.ledger.settle_batch(plan_id, 0, {}, {one: "bestaat al"})
    else:
        deliveries.ledger.presume_batch(plan_id, 0)
    deliveries.ledger.finish_plan(plan_id, "partial")
    assert deliveries.ledger.verify() is None
    alter(engine, sa.update(batch).where(batch.c.plan_id == plan_id).values(**values))
    assert deliveries.ledger.verify() is not None


@pytest.mark.parametrize(
    "values", [{"state": "refused"}, {"answered_at": None}, {"seal_id": None}, {"seal_id": 1}], ids=str
)
def test_a_change_that_was_accepted_apart_is_under_its_seal(
    deliveries: Any, engine: Engine, values: dict[str, Any]
) -> None:
    """Where one of a batch was refused, what became of the others stands with each of them."""
    deliveries.deliver(deliveries.pupils("z"), digest="d0")
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "bestaat al"})
    assert deliveries.ledger.verify() is None
    alter(engine, sa.update(change).where(change.c.record_id == ids[0]).values(**values))
    assert deliveries.ledger.verify() is not None


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(plan).where(plan.c.id == 1).values(supplier="parro"),
        sa.update(plan).where(plan.c.id == 1).values(agreement_digest="a2"),
        sa.update(plan).where(plan.c.id == 1).values(run_id="run-2"),
        sa.update(field_set).values(fields={"leerling.key": "vast onderdeel"}),
        sa.update(record).where(record.c.id == 1).values(school="99XX-01"),
        sa.update(record).where(record.c.id == 1).values(ref=b"x"),
        sa.update(seal).where(seal.c.id == 1).values(chain=bytes(32)),
    ],
    ids=["supplier", "agreement", "run", "fields", "school", "ref", "chain"],
)
def test_changed_circumstances_are_found(disclosed: Any, engine: Engine, statement: sa.Executable) -> None:
    """To whom, under which agreement, by which run, which fields and about whom are under the seal too."""
    alter(engine, statement)
    assert disclosed.verify().seal_id == 1


def test_a_removed_change_is_found(disclosed: Any, engine: Engine, clock: Any) -> None:
    """A disclosure cannot be made to have never been: seal, plan and moment are named."""
    alter(engine, sa.delete(change).where(change.c.id == 2))
    broken = disclosed.verify()
    assert (broken.seal_id, broken.plan_id, broken.at) == (1, 1, clock.now)


def test_an_inserted_change_is_found(disclosed: Any, engine: Engine) -> None:
    """A disclosure cannot be added afterwards, under a seal or without one."""
    columns = [column for column in change.c if column.name != "id"]
    copy = sa.insert(change).from_select([c.name for c in columns], sa.select(*columns).where(change.c.id == 1))
    alter(engine, copy)
    assert disclosed.verify().seal_id == 1
    alter(engine, *_loose(4))
    assert disclosed.verify().seal_id is None
    assert disclosed.verify().plan_id == 1


def _loose(change_id: int) -> list[sa.Executable]:
    """Give a change a batch of its own, that was accepted without a seal."""
    alone = sa.insert(batch).values(id=9, plan_id=1, number=9, state="accepted")
    return [alone, sa.update(change).where(change.c.id == change_id).values(batch_id=9)]


def test_a_removed_seal_is_found(disclosed: Any, engine: Engine) -> None:
    """Taking out a seal with all its changes breaks the chain at the next."""
    alter(engine, *cut_off(1, change, batch))
    assert disclosed.verify().seal_id == 2


def test_the_newest_seal_taken_off_alone_is_found(disclosed: Any, engine: Engine) -> None:
    """The changes that were under it stay behind as accepted without a seal."""
    alter(engine, *cut_off(2))
    assert disclosed.verify().plan_id == 2


def test_the_newest_seal_taken_off_with_its_changes_shows_in_the_head(disclosed: Any, engine: Engine) -> None:
    """Only who noted the head before can tell: the chain that is left is whole."""
    noted = disclosed.head()
    alter(engine, *cut_off(2, change, batch))
    assert disclosed.verify() is None
    assert disclosed.head() != noted
    assert disclosed.is_link(bytes.fromhex(disclosed.head()))
    assert not disclosed.is_link(bytes.fromhex(noted))


def test_a_link_that_was_noted_stays_in_the_chain(deliveries: Any) -> None:
    """What was the newest link is found again after later deliveries."""
    deliveries.deliver(deliveries.pupils("a"))
    noted = deliveries.ledger.head()
    deliveries.deliver(deliveries.pupils("b"), digest="d2")
    assert deliveries.ledger.head() != noted
    assert deliveries.ledger.is_link(bytes.fromhex(noted))


def test_a_shredded_key_breaks_nothing(disclosed: Any) -> None:
    """What was disclosed stays provable when nobody can tell any more about whom it was."""
    disclosed.shred_keys([1, 2])
    assert disclosed.verify() is None


def test_runs_side_by_side_make_one_chain(deliveries: Any) -> None:
    """Four suppliers that are served at once seal in turn: the chain does not fork and nobody fails."""
    ids = deliveries.pupils("a", "b", "c")
    changes = pd.concat([deliveries.changes([number], batch=place) for place, number in enumerate(ids)])

    def serve(supplier: str) -> None:
        plan_id = deliveries.ledger.open_plan(deliveries.plan(supplier, supplier), changes)
        for place, number in enumerate(ids):
            deliveries.ledger.settle_batch(plan_id, place, deliveries.accepted([number], ["7"]), {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(serve, ["basispoort", "parro", "uitgever_a", "uitgever_b"]))
    assert deliveries.ledger.verify() is None
    assert deliveries.ledger.delivered_state("uitgever_b", "99XX-00")["record_id"].tolist() == ids
