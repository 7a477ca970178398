"""What the ledger forgets after a time, and that everything else stays provable."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import change, plan, removal
from tests.pipelines.ledger.test_ledger_seals import alter, under

LONG = 731


def forgotten(ledger: Ledger, clock: Any) -> int:
    return ledger.remove_changes(clock.now - timedelta(days=LONG - 1))


def left(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(change.c.record_id).order_by(change.c.id)).scalars())


@pytest.fixture
def gone(deliveries: Any, clock: Any) -> Any:
    """Pupil 1 was delivered with pupil 2 and left; long after that, pupil 2 is at school still."""
    one, two = deliveries.pupils("a", "b")
    deliveries.deliver([one, two], digest="d1")
    deliveries.deliver([one], "delete", digest="d2")
    clock.forward(days=LONG)
    deliveries.deliver([two], "update", digest="d3")
    return deliveries.ledger


def test_who_left_long_ago_is_forgotten_and_the_ledger_stays_whole(gone: Any, engine: Engine, clock: Any) -> None:
    """All changes about that pupil go, with a note; who is held stays, the chain too, and a second time nothing goes."""
    head = gone.head()
    assert gone.removed() == (0, None)
    assert forgotten(gone, clock) == 2
    assert left(engine) == [2, 2]
    assert gone.verify() is None
    assert gone.head() == head
    assert gone.removed() == (2, clock.now)
    assert forgotten(gone, clock) == 0


def test_nobody_is_forgotten_too_early(deliveries: Any, clock: Any) -> None:
    """Not before the term, counted from the last change, and never while some supplier holds the record."""
    (one,) = deliveries.pupils("a")
    deliveries.deliver([one])
    clock.forward(days=LONG)
    assert forgotten(deliveries.ledger, clock) == 0
    deliveries.deliver([one], "delete", digest="d2")
    clock.forward(days=LONG - 2)
    assert forgotten(deliveries.ledger, clock) == 0
    clock.forward(days=2)
    assert forgotten(deliveries.ledger, clock) == 2


def test_later_removals_under_one_seal_add_up(gone: Any, deliveries: Any, engine: Engine, clock: Any) -> None:
    """The second pupil goes two years later: the note counts both, and the empty seal still holds."""
    forgotten(gone, clock)
    deliveries.deliver([2], "delete", digest="d4")
    clock.forward(days=LONG)
    assert forgotten(gone, clock) == 3
    assert left(engine) == []
    assert gone.verify() is None
    assert gone.removed() == (5, clock.now)
    alter(engine, sa.insert(change).values(_row(record_id=1)))
    assert gone.verify().seal_id == 1


def _row(**values: Any) -> dict[str, Any]:
    return {"batch_id": 1, "operation": "create", "cause": "nieuw"} | values


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (sa.update(change).where(under(1)).values(cause="x"), "later veranderd, weggehaald"),
        (sa.delete(change).where(under(1)), "later veranderd, weggehaald"),
        (sa.insert(change).values(_row(record_id=1)), "later veranderd, weggehaald"),
        (sa.delete(removal).where(removal.c.seal_id == 1), "later veranderd, weggehaald"),
        (sa.update(removal).where(removal.c.seal_id == 1).values(number=2), "aantekening"),
        (sa.update(removal).where(removal.c.seal_id == 1).values(left_over=b""), "aantekening"),
        (sa.update(removal).where(removal.c.seal_id == 1).values(proof=bytes(32)), "aantekening"),
    ],
    ids=["changed", "removed", "inserted", "no note", "number", "left over", "proof"],
)
def test_a_note_of_removal_hides_nothing(
    gone: Any, engine: Engine, clock: Any, statement: sa.Executable, reason: str
) -> None:
    """What is left under the seal, and the note itself, are as safe as before."""
    forgotten(gone, clock)
    alter(engine, statement)
    broken = gone.verify()
    assert (broken.seal_id, broken.plan_id) == (1, 1)
    assert reason in broken.reason


def test_a_note_cannot_be_made_without_the_key(gone: Any, engine: Engine, clock: Any) -> None:
    """A disclosure that is taken out by hand is not covered by the note of another seal."""
    forgotten(gone, clock)
    copied = sa.select(sa.literal(3), *(column for column in removal.c if column.name != "seal_id"))
    alter(
        engine,
        sa.delete(change).where(under(3)),
        sa.insert(removal).from_select(removal.c.keys(), copied.where(removal.c.seal_id == 2)),
    )
    assert gone.verify().seal_id == 3


def test_nothing_is_removed_from_a_ledger_that_is_not_whole(gone: Any, engine: Engine, clock: Any) -> None:
    """Else what was tampered with could be tidied away."""
    alter(engine, sa.update(change).where(change.c.id == 2).values(cause="x"))
    with pytest.raises(LedgerBrokenError):
        forgotten(gone, clock)
    assert left(engine) == [1, 2, 1, 2]
    assert gone.removed() == (0, None)
    alter(engine, sa.delete(change).where(change.c.record_id == 1))
    with pytest.raises(LedgerBrokenError):
        gone.shred_unused_keys()
    assert set(gone.record_keys([1, 2]).values()) == {"a", "b"}


def test_one_person_with_two_keys_goes_as_one(deliveries: Any, engine: Engine, clock: Any) -> None:
    """The old key stays as long as the pupil is at school under the new one; back and forth is no obstacle."""
    old, new = deliveries.pupils("oud", "nieuw")
    deliveries.deliver([old])
    clock.forward(days=1)
    for digest, now, before in (("d2", new, old), ("d3", old, new), ("d4", new, old)):
        plan_id = deliveries.ledger.open_plan(
            deliveries.plan(digest), deliveries.changes([now], "update", replaces=before)
        )
        deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted([now]), {})
        deliveries.ledger.finish_plan(plan_id, "delivered")
    assert deliveries.held() == [new]
    clock.forward(days=LONG)
    assert forgotten(deliveries.ledger, clock) == 0
    deliveries.deliver([new], "delete", digest="d5")
    clock.forward(days=LONG)
    assert forgotten(deliveries.ledger, clock) == 5
    assert left(engine) == []
    assert deliveries.ledger.verify() is None
    assert deliveries.ledger.shred_unused_keys() == 2


def test_a_delivery_that_was_broken_off_is_not_forgotten(deliveries: Any, engine: Engine, clock: Any) -> None:
    """However long ago: it is resumed first. What was refused or dropped goes without a seal."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    clock.forward(days=LONG)
    assert forgotten(deliveries.ledger, clock) == 0
    deliveries.ledger.finish_plan(plan_id, "abandoned")
    assert forgotten(deliveries.ledger, clock) == 2
    assert deliveries.ledger.verify() is None
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(plan)) == 1


def test_keys_without_a_use_are_shredded(gone: Any, clock: Any) -> None:
    """After the changes the key goes; not one that a change, a supplier or a finding still needs."""
    found = pd.DataFrame([("leerling", "c", "roepnaam", "te_lang", "waarde")], dtype="str")
    found.columns = pd.Index(["soort", "key", "veld", "regel", "gevolg"])
    gone.replace_findings("99XX-00", "run-1", found)
    assert gone.shred_unused_keys() == 0
    forgotten(gone, clock)
    assert gone.shred_unused_keys() == 1
    assert set(gone.record_keys([1, 2, 3]).values()) == {"b", "c"}
    gone.remove_findings(clock.now + timedelta(days=1))
    assert gone.shred_unused_keys() == 1
    assert set(gone.record_keys([1, 2, 3]).values()) == {"b"}


def test_keys_of_a_school_that_is_being_delivered_are_left_alone(deliveries: Any) -> None:
    """Its run may have looked up a record for a plan that is still to be written."""
    deliveries.pupils("a")
    with deliveries.ledger.lease("basispoort", "99XX-00"):
        assert deliveries.ledger.shred_unused_keys() == 0
    assert deliveries.ledger.shred_unused_keys() == 1


def test_who_comes_back_is_known_again(deliveries: Any) -> None:
    """A pupil whose key was shredded keeps the number, and can be named again; other records do not change."""
    (one,) = deliveries.pupils("a")
    deliveries.ledger.shred_unused_keys()
    assert deliveries.ledger.record_keys([one]) == {}
    assert deliveries.pupils("b", "a") == [one + 1, one]
    assert deliveries.ledger.record_keys([one, one + 1]) == {one: "a", one + 1: "b"}
