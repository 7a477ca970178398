"""Holds: what waits for a person, and for exactly what an approval counts."""

from typing import Any

import pytest

from pipelines.ledger.holds import HoldNotFoundError, NewHold
from pipelines.ledger.ledger import Ledger

HERE = ("basispoort", "99XX-00", "delete")


def new(digest: str, operation: str = "delete", supplier: str = "basispoort") -> NewHold:
    return NewHold(supplier, "99XX-00", operation, digest, 4, "4 leerlingen verdwijnen zonder verklaring.", "plan")


def test_an_approval_is_for_one_digest(ledger: Ledger, clock: Any) -> None:
    """A plan that changed must be approved anew: its hold is superseded, the approval with it."""
    number = ledger.open_hold(new("abcdef01"))
    clock.forward(hours=5)
    decided = ledger.decide_hold("abcdef", "approved", "ict")
    assert (decided.id, decided.state, decided.decided_by, decided.decided_at) == (number, "approved", "ict", clock.now)
    assert ledger.approved(*HERE, "abcdef01")
    assert not ledger.approved(*HERE, "abcdef02")
    ledger.open_hold(new("abcdef02"))
    assert not ledger.approved(*HERE, "abcdef01")
    assert [(each.digest, each.state) for each in ledger.holds(state=None)] == [
        ("abcdef01", "superseded"),
        ("abcdef02", "open"),
    ]


def test_the_same_part_held_again_is_the_same_hold(ledger: Ledger) -> None:
    """A hold of yesterday is not opened twice, and keeps its approval."""
    first = ledger.open_hold(new("abcdef01"))
    ledger.decide_hold(str(first), "approved", "ict")
    assert ledger.open_hold(new("abcdef01")) == first
    assert ledger.approved(*HERE, "abcdef01")


def test_an_approval_is_for_one_operation_and_one_supplier(ledger: Ledger) -> None:
    """Holds of other operations and suppliers stand beside it, untouched."""
    for each in (new("abcdef01"), new("abcdef01", "create"), new("abcdef01", supplier="parro")):
        ledger.open_hold(each)
    ledger.decide_hold("1", "approved", "ict")
    assert not ledger.approved("basispoort", "99XX-00", "create", "abcdef01")
    assert not ledger.approved("parro", "99XX-00", "delete", "abcdef01")
    assert [each.supplier for each in ledger.holds(supplier="basispoort")] == ["basispoort"]


@pytest.mark.parametrize("name", ["99", "abc", "abcdef0", "abcdef", "ffffff", "", "%"])
def test_a_name_that_is_not_of_one_hold_decides_nothing(ledger: Ledger, name: str) -> None:
    """Unknown, too short, or of two holds: a person is asked to be more exact."""
    ledger.open_hold(new("abcdef01"))
    ledger.open_hold(new("abcdef02", "create"))
    with pytest.raises(HoldNotFoundError, match="hold list"):
        ledger.decide_hold(name, "approved", "ict")
    assert len(ledger.holds()) == 2


def test_a_refusal_can_be_taken_back_by_its_number(ledger: Ledger) -> None:
    """Who discarded by mistake approves after all; not by digest, and not while something else waits in its place."""
    ledger.open_hold(new("abcdef01"))
    ledger.decide_hold("1", "discarded", "ict")
    with pytest.raises(HoldNotFoundError):
        ledger.decide_hold("abcdef01", "approved", "ict")
    ledger.decide_hold("1", "approved", "directeur")
    assert ledger.approved(*HERE, "abcdef01")
    ledger.decide_hold("1", "discarded", "ict")
    ledger.open_hold(new("abcdef02"))
    with pytest.raises(HoldNotFoundError):
        ledger.decide_hold("1", "approved", "ict")


def test_what_was_done_cannot_be_decided_again(ledger: Ledger) -> None:
    """An approval that was used up does not count any more."""
    ledger.open_hold(new("abcdef01"))
    ledger.decide_hold("1", "discarded", "ict")
    ledger.open_hold(new("abcdef02"))
    ledger.decide_hold("2", "approved", "ict")
    ledger.close_hold(*HERE, "done")
    assert not ledger.approved(*HERE, "abcdef02")
    assert [each.state for each in ledger.holds(state=None)] == ["discarded", "done"]
    ledger.close_hold(*HERE, "superseded")
