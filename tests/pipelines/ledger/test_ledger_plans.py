"""Plans: written before the first request, settled by the answers, and never half."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.ledger.handles import Handle
from pipelines.ledger.plans import PlanRefusedError
from pipelines.ledger.tables import STATE, batched, seal


def test_a_plan_is_there_before_anything_was_sent(deliveries: Any) -> None:
    """A process that was killed after planning finds its plan, its changes and their batches again."""
    ids = deliveries.pupils("a", "b")
    changes = pd.concat([deliveries.changes(ids[:1]), deliveries.changes(ids[1:], "update", batch=1)])
    plan_id = deliveries.ledger.open_plan(deliveries.plan(create=1, update=1), changes)
    plan = deliveries.ledger.unfinished_plan("basispoort", "99XX-00")
    found = deliveries.ledger.changes(plan_id)
    assert (plan.id, plan.state, plan.counts, plan.finished_at) == (
        plan_id,
        "delivering",
        {"create": 1, "update": 1},
        None,
    )
    assert found["record_id"].tolist() == ids
    assert found["batch"].tolist() == [0, 1]
    assert found["state"].eq("pending").all()
    assert found["fingerprint"].tolist() == [b"ffffffff", b"ffffffff"]
    assert found["changed_fields"].tolist()[1] == "roepnaam"
    assert found["changed_fields"].isna().tolist() == [True, False]
    assert deliveries.held() == []


def test_the_field_set_is_kept_once_in_its_order(deliveries: Any) -> None:
    """Fingerprints follow the order of the fields, so the order must come back."""
    first, second = deliveries.deliver([], digest="d1"), deliveries.deliver([], digest="d2")
    ledger = deliveries.ledger
    assert first != second
    assert ledger.field_ids(ledger.last_plan("basispoort", "99XX-00").field_set_id) == (
        "leerling.roepnaam",
        "leerling.key",
    )
    assert ledger.last_plan("basispoort", "99XX-00").field_set_id == 1


def test_what_each_supplier_holds_is_counted_by_school(deliveries: Any) -> None:
    """Every school and supplier with something left is there, also one that nobody delivers to any more; what is deleted is not."""
    elsewhere = replace(deliveries, school="99XX-01")
    another = replace(deliveries, supplier="oefenplatform", fields=replace(deliveries.fields, supplier="oefenplatform"))
    deliveries.deliver(deliveries.pupils("a", "b", "c"))
    deliveries.deliver(deliveries.pupils("c"), "delete", digest="d2")
    elsewhere.deliver(elsewhere.pupils("a"))
    another.deliver(another.pupils("a"))
    another.deliver(another.pupils("a"), "delete", digest="d2")
    ledger = deliveries.ledger
    assert ledger.delivered_counts() == {("99XX-00", "basispoort"): 2, ("99XX-01", "basispoort"): 1}
    assert ledger.delivered_counts("99XX-01") == {("99XX-01", "basispoort"): 1}
    another.deliver(another.pupils("b"), digest="d3")
    assert ledger.delivered_counts("99XX-00") == {("99XX-00", "basispoort"): 2, ("99XX-00", "oefenplatform"): 1}


def test_only_what_was_accepted_is_held_by_the_supplier(deliveries: Any) -> None:
    """Accepted moves, refused and unanswered do not; both can be seen and are still open."""
    ids = deliveries.pupils("a", "b", "c")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "bestaat al"})
    left = deliveries.ledger.pending("basispoort", "99XX-00")
    assert deliveries.held() == ids[:1]
    assert dict(zip(left["record_id"], left["state"], strict=True)) == {ids[1]: "refused", ids[2]: "pending"}
    assert deliveries.ledger.refusals(plan_id) == {ids[1]: "bestaat al"}


def test_the_changes_of_a_plan_are_counted_by_sort(deliveries: Any) -> None:
    """Each operation, kind, cause and state once, in the order of the plan; a plan without changes has none."""
    ids = deliveries.pupils("a", "b", "c", "d")
    changes = pd.concat([deliveries.changes(ids[:3]), deliveries.changes(ids[3:], "delete", batch=1)])
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), changes)
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:2]), {})
    found = [tuple(row.values()) for row in deliveries.ledger.causes(plan_id)]
    assert found == [
        ("create", "leerling", "nieuw", "accepted", 2),
        ("create", "leerling", "nieuw", "pending", 1),
        ("delete", "leerling", "nieuw", "pending", 1),
    ]
    assert deliveries.ledger.causes(plan_id + 1) == []


def test_an_update_changes_and_a_delete_takes_away(deliveries: Any) -> None:
    """What the supplier holds follows each accepted change."""
    ids = deliveries.pupils("a", "b")
    deliveries.deliver(ids, print_=b"1")
    deliveries.deliver(ids[:1], "update", print_=b"2")
    deliveries.deliver(ids[1:], "delete")
    state = deliveries.ledger.delivered_state("basispoort", "99XX-00")
    assert state[["record_id", "kind", "fingerprint"]].to_numpy().tolist() == [[ids[0], "leerling", b"22222222"]]


def test_suppliers_and_schools_are_apart(deliveries: Any) -> None:
    """What one supplier holds of one school says nothing of another."""
    deliveries.deliver(deliveries.pupils("a"))
    assert deliveries.ledger.delivered_state("parro", "99XX-00").empty
    empty = deliveries.ledger.delivered_state("basispoort", "99XX-01")
    assert empty.empty
    assert empty.dtypes.astype(str).tolist() == ["int64", "object", "object", "object", "int64"]


def test_an_answer_that_comes_twice_counts_once(deliveries: Any, engine: Engine) -> None:
    """A batch that is settled again after a restart gets no second seal, and a late refusal undoes nothing."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids), {})
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "te laat"})
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(seal)) == 1
    assert deliveries.held() == ids
    assert deliveries.ledger.pending("basispoort", "99XX-00").empty


def test_the_rest_of_a_batch_can_be_accepted_later(deliveries: Any) -> None:
    """A refused record that is accepted at a second try is delivered, under a seal of its own."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "nog niet"})
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[1:]), {})
    assert deliveries.held() == ids
    assert deliveries.ledger.refusals(plan_id) == {}
    assert deliveries.ledger.verify() is None


def test_a_receipt_about_another_batch_changes_nothing(deliveries: Any) -> None:
    """An answer counts for the records of its own batch only."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids[:1]))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[1:], ["7"]), {})
    assert deliveries.held() == []


def test_a_transaction_that_breaks_off_leaves_nothing_half(deliveries: Any, engine: Engine) -> None:
    """When settling fails at its last step, no change, no delivery and no seal remains of it."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    with pytest.raises(AttributeError):  # a reason that is no text breaks off the last statement
        deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: [1]})
    with engine.connect() as connection:
        assert connection.execute(sa.select(seal)).all() == []
        assert set(connection.scalars(sa.select(STATE).select_from(batched))) == {"pending"}
    assert deliveries.held() == []


def test_a_plan_whose_changes_cannot_be_written_is_not_there(deliveries: Any) -> None:
    """Plan and changes are written together or not at all."""
    with pytest.raises(sa.exc.IntegrityError):
        deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes([999]))
    assert deliveries.ledger.last_plan("basispoort", "99XX-00") is None


def test_handles_are_kept_and_added_to(deliveries: Any) -> None:
    """The supplier's number of a record outlives an update whose receipt does not repeat it."""
    ids = deliveries.pupils("a", "b", "c")
    ledger = deliveries.ledger
    plan_id = ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    ledger.settle_batch(plan_id, 0, deliveries.accepted(ids, ["71", None, None], [None, "eck-b", None]), {})
    ledger.finish_plan(plan_id, "delivered")
    plan_id = ledger.open_plan(deliveries.plan("d2"), deliveries.changes(ids, "update"))
    ledger.settle_batch(plan_id, 0, deliveries.accepted(ids, [None, "72", None], ["eck-a", None, None]), {})
    found = {number: (handle.wire_id, handle.own_id) for number, handle in ledger.handles("basispoort", ids).items()}
    assert found == {ids[0]: ("eck-a", "71"), ids[1]: ("eck-b", "72")}
    assert "eck-a" not in repr(ledger.handles("basispoort", ids))
    assert ledger.handles("parro", ids) == {}


def test_a_second_plan_waits_for_the_first(deliveries: Any) -> None:
    """What was broken off is finished before anything new, or its effects could cross."""
    deliveries.ledger.open_plan(deliveries.plan("d1"), deliveries.changes([]))
    with pytest.raises(PlanRefusedError, match="d1"):
        deliveries.ledger.open_plan(deliveries.plan("d2"), deliveries.changes([]))
    deliveries.ledger.open_plan(deliveries.plan("d3", supplier="parro"), deliveries.changes([]))


def test_a_new_plan_takes_over_what_the_last_left_pending(deliveries: Any) -> None:
    """After a failed delivery its changes stay pending until the next plan replaces them."""
    ids = deliveries.pupils("a")
    failed = deliveries.ledger.open_plan(deliveries.plan("d1"), deliveries.changes(ids))
    deliveries.ledger.finish_plan(failed, "failed", "De leverancier gaf geen antwoord.")
    assert deliveries.ledger.pending("basispoort", "99XX-00")["record_id"].tolist() == ids
    deliveries.deliver(ids, digest="d2")
    assert deliveries.ledger.changes(failed)["state"].tolist() == ["abandoned"]
    assert deliveries.ledger.pending("basispoort", "99XX-00").empty


def test_an_abandoned_plan_leaves_nothing_pending(deliveries: Any) -> None:
    """What a person put aside is not tried again."""
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(deliveries.pupils("a")))
    deliveries.ledger.finish_plan(plan_id, "abandoned", "Vervangen door een nieuw plan.")
    assert deliveries.ledger.pending("basispoort", "99XX-00").empty
    assert deliveries.ledger.unfinished_plan("basispoort", "99XX-00") is None


def test_the_last_good_plan_is_not_a_failed_one(deliveries: Any) -> None:
    """Limits are measured against what was carried out."""
    good = deliveries.deliver([], digest="d1")
    failed = deliveries.ledger.open_plan(deliveries.plan("d2"), deliveries.changes([]))
    deliveries.ledger.finish_plan(failed, "failed", "kapot" * 200)
    assert deliveries.ledger.last_good_plan("basispoort", "99XX-00").id == good
    last = deliveries.ledger.last_plan("basispoort", "99XX-00")
    assert (last.id, last.state, len(last.reason)) == (failed, "failed", 500)


def test_status_shows_the_last_plan_of_each_school_and_supplier(deliveries: Any, clock: Any) -> None:
    """One line each, with what is still open and when it was, in UTC."""
    ids = deliveries.pupils("a", "b")
    deliveries.deliver([], digest="d1")
    clock.forward(hours=24)
    plan_id = deliveries.ledger.open_plan(deliveries.plan("d2", create=2), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[1]: "bestaat al"})
    deliveries.ledger.finish_plan(plan_id, "partial", "Eén leerling is geweigerd.")
    deliveries.ledger.open_plan(deliveries.plan("d3", supplier="parro", school="99XX-01"), deliveries.changes([]))
    status = deliveries.ledger.status()
    assert status[["school", "supplier", "state", "plan", "open"]].to_numpy().tolist() == [
        ["99XX-00", "basispoort", "partial", "d2", 1],
        ["99XX-01", "parro", "delivering", "d3", 0],
    ]
    assert status["counts"][0] == {"create": 2}
    assert status["finished_at"][0] == clock.now


def test_a_presumed_batch_counts_as_held_with_a_fingerprint_that_nothing_has(deliveries: Any) -> None:
    """Where nobody can say what arrived, the next plan finds the records there and different."""
    ids = deliveries.pupils("a", "b")
    plan_id = deliveries.ledger.open_plan(deliveries.plan(), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {})
    deliveries.ledger.presume_batch(plan_id, 0)
    state = deliveries.ledger.delivered_state("basispoort", "99XX-00")
    assert state["fingerprint"].tolist() == [b"ffffffff", bytes(8)]
    assert deliveries.ledger.changes(plan_id)["state"].tolist() == ["accepted", "presumed"]
    assert deliveries.ledger.pending("basispoort", "99XX-00").empty
    assert deliveries.ledger.verify() is None


def test_a_handle_that_changes_leaves_the_others_where_they_are(deliveries: Any) -> None:
    """One of two gets another id: both are still found, and neither is anywhere twice."""
    ids = deliveries.pupils("a", "b")
    ledger = deliveries.ledger
    for number, wire_ids in enumerate((["eck-a", "eck-b"], ["eck-c", "eck-b"]), 1):
        plan_id = ledger.open_plan(deliveries.plan(f"d{number}"), deliveries.changes(ids, print_=b"%d" % number))
        ledger.settle_batch(plan_id, 0, deliveries.accepted(ids, ["71", "72"], wire_ids), {})
        ledger.finish_plan(plan_id, "delivered")
    known = ledger.handles("basispoort", ids)
    assert [known[number] for number in ids] == [Handle("eck-c", "71"), Handle("eck-b", "72")]


def test_a_record_that_takes_anothers_place_inherits_its_handle(deliveries: Any) -> None:
    """The old one is no longer held, and the number that the supplier gave goes on under the new one."""
    old, other, new = deliveries.pupils("old", "other", "new")
    ledger = deliveries.ledger
    plan_id = ledger.open_plan(deliveries.plan(), deliveries.changes([old, other]))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([old, other], ["71", "72"], ["eck-a", "eck-b"]), {})
    ledger.finish_plan(plan_id, "delivered")
    plan_id = ledger.open_plan(deliveries.plan("d2"), deliveries.changes([new], "update", replaces=old))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([new], None, ["eck-a"]), {})
    assert deliveries.held() == [other, new]
    assert ledger.handles("basispoort", [old, other, new]) == {other: Handle("eck-b", "72"), new: Handle("eck-a", "71")}
    assert ledger.verify() is None
