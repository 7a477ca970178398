"""Deliveries that were broken off, refused or not answered: the next night nothing is lost and nothing was done twice."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Receipts
from data_contracts.roster import Roster
from pipelines.ledger.leases import BusyError
from pipelines.sync.outbox import still_needed
from tests.pipelines.sync.bench import (
    BASISPOORT,
    LVS,
    SMALL,
    Bench,
    Killed,
    eck,
    pupils,
    school,
    unread,
)
from tests.pipelines.sync.conftest import MakeBench


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_supplier_that_stays_down_costs_nothing_but_time(make_bench: MakeBench, supplier: str) -> None:
    """A failed night is an outcome with a reason; the next one sends the same bytes under the same key, once in effect."""
    bench = make_bench(supplier)
    bench.misbehaviour.fail(500, times=1)
    roster = school(pupils(3))
    outcome = bench.night(roster)
    assert outcome.state == "failed"
    assert outcome.reason
    assert bench.night(roster).state in {"delivered", "unchanged"}
    assert bench.night(roster).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}


@pytest.mark.parametrize("how", ["cut", "cut_after", "cut_halfway", "truncate"])
@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_broken_connection_loses_nothing_and_doubles_nothing(make_bench: MakeBench, supplier: str, how: str) -> None:
    """Whether the message was applied or not: after the next night everything was applied exactly once."""
    bench = make_bench(supplier)
    getattr(bench.misbehaviour, how)()
    roster = school(pupils(4))
    assert bench.night(roster).state == "failed"
    bench.night(roster)
    assert bench.night(roster).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}
    assert len(bench.shown()) == 4


@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after the answer"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_killed_delivery_ends_well_the_next_night(bench: Bench, at: int, *, after: bool) -> None:
    """Killed at any message: the next night the supplier holds the delivery set, and nothing was applied twice."""
    roster = school(pupils(6))
    bench.killed(roster, at=at, after=after)
    bench.night(roster)
    assert bench.night(roster).state == "unchanged"
    assert len(bench.shown()) == 6
    for kind in ("groep", "samengestelde_groep", "leerling", "leerkracht"):
        assert {tuple(counts.values()) for counts in bench.applied(kind).values()} == {(1, 0, 0)}


def test_a_resumed_message_keeps_its_key(bench: Bench) -> None:
    """The message whose answer never came is sent again under the same key."""
    roster = school(pupils(4))
    bench.killed(roster, at=3, after=True)
    bench.night(roster)
    keys = [request["key"] for request in bench.held.requests]
    assert keys[2] == keys[3]
    assert len(set(keys)) == len(keys) - 1


def _killed_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str, killed: Callable[..., None], roster: Roster
) -> None:
    """A night that ends in this method of the ledger; later nights have their own again."""
    with monkeypatch.context() as patched:
        patched.setattr(bench.ledger, method, killed)
        with pytest.raises(Killed):
            bench.night(roster)


def test_a_message_that_went_out_ahead_of_the_ledger_is_sent_again_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an answer is taken over the next message is under way: killed there, both are sent again under their own keys."""

    def killed(*_: object, **__: object) -> None:
        deadline = time.monotonic() + 30
        while len(bench.held.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        raise Killed

    roster = school(pupils(6))
    _killed_in(bench, monkeypatch, "settle_batch", killed, roster)
    assert len(bench.held.requests) == 2  # and never a third
    bench.night(roster)
    keys = [request["key"] for request in bench.held.requests]
    assert keys[:2] == keys[2:4]
    assert len(set(keys)) == len(keys) - 2
    assert bench.night(roster).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}
    assert len(bench.shown()) == 6


def test_what_was_never_sent_is_not_presumed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the plan was written and nothing had left: the outbox tells that only the first message may have arrived."""
    opened = bench.ledger.open_plan

    def killed(*arguments: Any) -> None:
        opened(*arguments)
        raise Killed

    roster = school(pupils(4))
    _killed_in(bench, monkeypatch, "open_plan", killed, roster)
    broken_off = bench.ledger.unfinished_plan(SMALL, "99XX-00").id
    bench.night(roster)
    assert bench.ledger.changes(broken_off)["state"].value_counts().to_dict() == {"abandoned": 7, "accepted": 1}
    assert len(bench.shown()) == 4


@pytest.mark.parametrize("method", ["settle_batch", "finish_plan"])
def test_a_second_fall_presumes_nothing_that_was_never_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Killed when nothing had left, and again where the answer was taken over, or when all but the end of the plan was written."""
    opened, method_itself = bench.ledger.open_plan, getattr(bench.ledger, method)

    def at_first(*arguments: Any) -> None:
        opened(*arguments)
        raise Killed

    def again(*arguments: Any, **more: Any) -> None:
        if method == "settle_batch":
            method_itself(*arguments, **more)
        raise Killed

    roster = school(pupils(4))
    _killed_in(bench, monkeypatch, "open_plan", at_first, roster)
    broken_off = bench.ledger.unfinished_plan(SMALL, "99XX-00").id
    _killed_in(bench, monkeypatch, method, again, roster)
    bench.night(roster)
    assert bench.ledger.changes(broken_off)["state"].value_counts().to_dict() == {"abandoned": 7, "accepted": 1}
    assert len(bench.shown()) == 4


def test_a_run_that_lost_its_turn_sends_nothing_more(bench: Bench, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waited for an answer its lease ran out and another took it over."""
    supplier = bench.supplier(batch_size=2)
    send = supplier.send

    def waits_long(payload: bytes, idempotency_key: str) -> Receipts:
        receipts = send(payload, idempotency_key)
        if len(bench.held.requests) == 3:
            time.sleep(0.5)  # until the former answer was taken over: from then on the run only waits for this one
            clock.forward(hours=1)
            with bench.ledger.lease(SMALL, "99XX-00"):
                pass
        return receipts

    monkeypatch.setattr(supplier, "send", waits_long)
    with pytest.raises(BusyError):
        bench.night(school(pupils(8)), supplier)
    assert len(bench.held.requests) == 3
    bench.night(school(pupils(8)))
    assert bench.night(school(pupils(8))).state == "unchanged"
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}


@pytest.mark.parametrize("already", [0, 2], ids=["at first", "later"])
def test_a_supplier_that_was_never_reached_holds_nothing(bench: Bench, already: int) -> None:
    """No connection at all: nothing is under way, nothing is presumed, and the plan tells why it failed."""
    if already:
        bench.night(school(pupils(already)))
    held, away = bench.ledger.delivered_counts(), replace(bench, url="http://127.0.0.1:9")
    outcome = bench.night(school(pupils(4)), away.supplier(attempts=2))
    assert (outcome.state, "niet bereikbaar" in outcome.reason) == ("failed", True)
    last = bench.ledger.last_plan(SMALL, "99XX-00")
    assert last
    assert (last.state, last.reason) == ("failed", outcome.reason)  # with what to do about it
    assert bench.ledger.delivered_counts() == held
    assert bench.night(school(pupils(4))).state == "delivered"
    assert "presumed" not in set(bench.ledger.changes(last.id)["state"])
    assert {tuple(counts.values()) for counts in bench.applied().values()} == {(1, 0, 0)}


def test_a_permanent_refusal_is_told_and_tried_anew(bench: Bench) -> None:
    """A message that is refused as a whole is a failure; the next night makes a plan and a message of its own."""
    bench.misbehaviour.fail(422)
    roster = school(pupils(3))
    assert bench.night(roster).state == "failed"
    assert bench.ledger.unfinished_plan(SMALL, "99XX-00") is None
    assert bench.night(roster).state == "delivered"
    assert len(bench.shown()) == 3


def test_two_runs_at_once_do_not_deliver_the_same(bench: Bench) -> None:
    """While one run delivers, another is told that it must wait, and sends nothing."""
    with bench.ledger.lease(SMALL, "99XX-00"), pytest.raises(BusyError):
        bench.night(school(pupils(3)))
    assert bench.held.requests == []


def test_a_plan_made_before_another_run_delivered_is_made_anew(bench: Bench) -> None:
    """What a run planned before it had its turn is not sent when the supplier has changed since."""
    roster = school(pupils(3))
    stale = bench.plan(roster)
    assert stale.after is None
    bench.night(roster)
    sent = len(bench.held.requests)
    assert bench.carry_out(roster, stale).state == "unchanged"
    assert len(bench.held.requests) == sent


@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after sending"])
def test_a_field_withdrawn_between_kill_and_resume_is_not_sent_again(
    make_bench: MakeBench, operation: str, *, after: bool
) -> None:
    """The old message is not sent again; what it may have brought is corrected, and what it did not bring is brought."""
    bench = make_bench(LVS)
    rows = pupils(4)
    if operation == "update":
        bench.night(school(rows))
        del bench.held.requests[:]
        rows = [{**row, "roepnaam": f"Ander{row['key']}"} for row in rows]
    bench.killed(school(rows), at=1 if operation == "update" else 3, after=after)
    sent = len(bench.held.requests)
    bench.agree(withhold=["geboortedatum"])
    bench.night(school(rows))
    bench.night(school(rows))
    assert all(record.get("geboortedatum") is None for record in bench.shown().values())
    assert {r["roepnaam"] for r in bench.shown().values()} == {row["roepnaam"] for row in rows}
    assert not {r["key"] for r in bench.held.requests[:sent]} & {r["key"] for r in bench.held.requests[sent:]}
    assert bench.night(school(rows)).state == "unchanged"


def test_an_agreement_that_ended_between_kill_and_resume_brings_nothing_new(bench: Bench) -> None:
    """After the end no pupil arrives any more; one who may have arrived still goes when he leaves."""
    rows = pupils(4)
    bench.killed(school(rows), at=3, after=True)
    there = set(bench.shown())
    assert len(there) == 2
    bench.day = bench.day.replace(year=2028)
    left = [{**row, "uitstroomdatum": "2027-07-01"} for row in rows]
    bench.night(school([*left[:-1], {**rows[-1], "geboortedatum": "2019-03-04"}]))
    assert bench.shown() == {}


def test_lost_parcels_are_presumed_and_put_right(bench: Bench) -> None:
    """Where the vault forgot the outbox, a killed creation still ends with every pupil at the supplier."""
    roster = school(pupils(6))
    bench.killed(roster, at=4, after=False)
    for batch in range(6):
        bench.vault.remove(f"uitgaand/{SMALL}/99XX-00/{batch}")
    bench.night(roster)
    bench.night(roster)
    assert len(bench.shown()) == 6
    assert bench.night(roster).state == "unchanged"


@pytest.mark.parametrize("supplier", [LVS, BASISPOORT])
def test_a_sweep_takes_nothing_that_a_delivery_still_needs(make_bench: MakeBench, supplier: str) -> None:
    """However long a broken-off delivery lies, its message goes again with the same key; what is settled, is taken."""
    bench = make_bench(supplier)
    bench.night(school(pupils(4)))
    bench.killed(school(pupils(6)), at=1, after=True)
    key = bench.held.requests[-1]["key"]
    _swept(bench)
    bench.night(school(pupils(6)))
    assert [request["key"] for request in bench.held.requests].count(key) == 2
    bench.vault.put(f"uitgaand/{supplier}/99XX-00/0", b"over")
    assert f"uitgaand/{supplier}/99XX-00/0" in _swept(bench)


def test_the_last_whole_set_lives_as_long_as_it_is_true(make_bench: MakeBench) -> None:
    """Not one night longer than the supplier holds something, and has an agreement with the school."""
    bench = make_bench(BASISPOORT)
    bench.night(school(pupils(4)))
    kept = bench.vault.get(f"momentopname/{BASISPOORT}/99XX-00")
    assert _swept(bench) == []
    assert _swept(bench, agreed=False) == [f"momentopname/{BASISPOORT}/99XX-00"]
    bench.vault.put(f"momentopname/{BASISPOORT}/99XX-00", kept)
    bench.agree(scope={"jaargroepen": ["H"]})
    bench.night(school(pupils(4)))
    assert bench.ledger.delivered_counts() == {}
    assert _swept(bench) == [f"momentopname/{BASISPOORT}/99XX-00"]


LATER = datetime(2028, 1, 1, tzinfo=UTC)


def _swept(bench: Bench, *, agreed: bool = True) -> list[str]:
    needed = set(still_needed(bench.ledger, [bench.agreed] if agreed else []))
    return bench.vault.sweep(timedelta(days=7), LATER, needed)


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_what_the_answer_says_nothing_of_may_be_there(make_bench: MakeBench, supplier: str) -> None:
    """It is sent again while the pupil is there, and removed when he leaves before that."""
    bench = make_bench(supplier)
    by_id = eck if supplier == SMALL else str
    bench.held.refusals.untold += [by_id(2), by_id(3)]
    first = bench.night(school(pupils(5)))
    assert first.reason == "2 niet aangenomen door de leverancier."
    bench.held.refusals.untold.clear()
    again = bench.night(school([row for row in pupils(5) if row["key"] != "3"]))
    assert unread(again.counts) == {"create": 1, "update": 0, "delete": 1}
    assert sorted(bench.shown()) == sorted(map(by_id, (1, 2, 4, 5)))
    assert bench.night(school([row for row in pupils(5) if row["key"] != "3"])).state == "unchanged"


@pytest.mark.parametrize("supplier", [SMALL, BASISPOORT])
def test_a_refusal_after_a_lost_answer_does_not_tell_that_nothing_arrived(make_bench: MakeBench, supplier: str) -> None:
    """The first attempt was applied and the second refused: who leaves before the next night is removed all the same."""
    bench = make_bench(supplier)
    bench.night(school(pupils(2)))
    bench.misbehaviour.cut_after()
    bench.misbehaviour.fail(400, times=1)
    bench.night(school(pupils(4)), bench.supplier(attempts=2))
    assert len(bench.shown()) == 4
    bench.misbehaviour.fail(400, times=1)
    bench.night(school(pupils(3)))
    assert len(bench.shown()) == 3
    assert bench.night(school(pupils(3))).state == "unchanged"
