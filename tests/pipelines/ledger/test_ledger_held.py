"""What is counted over all schools: what suppliers hold by kind, and what really went out."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mappings.agreement import AgreedField
from tests.pipelines.conftest import Clock


def test_what_suppliers_hold_is_counted_by_kind(deliveries: Any) -> None:
    """What was deleted is no longer held; another school stands by itself."""
    elsewhere = replace(deliveries, school="99XX-01")
    deliveries.deliver(deliveries.pupils("a", "b"))
    deliveries.deliver(deliveries.pupils("b"), "delete", digest="d2")
    elsewhere.deliver(elsewhere.pupils("a"))
    one = {"leerling": 1}
    assert deliveries.ledger.held_by_kind() == {("99XX-00", "basispoort"): one, ("99XX-01", "basispoort"): one}


def test_one_school_is_counted_without_going_through_every_other(deliveries: Any, engine: Engine) -> None:
    """SQLite, which has counted nothing beforehand, would otherwise read all that is delivered once for each record of the school."""
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what it counted itself")
    asked: list[tuple[str, Any]] = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _r, sql, values, *_: asked.append((sql, values)))
    deliveries.ledger.held_by_kind("99XX-00")
    query, values = asked[-1]
    with engine.connect() as connection:
        steps = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
    assert not [step for step in steps if step.startswith(("SCAN delivered", "SCAN record"))]


def test_what_really_went_out_is_told_by_kind(deliveries: Any, clock: Clock) -> None:
    """Accepted and presumed changes count, refused, pending and deleted ones do not; first and last moment are of the answers."""
    assert deliveries.ledger.sent() == []
    ids = deliveries.pupils("a", "b", "c", "d")
    first = clock.now
    deliveries.deliver(ids[:2])
    clock.forward(days=1)
    plan_id = deliveries.ledger.open_plan(deliveries.plan("d2"), deliveries.changes(ids))
    deliveries.ledger.settle_batch(plan_id, 0, deliveries.accepted(ids[:1]), {ids[2]: "bestaat al"})
    deliveries.ledger.presume_batch(plan_id, 0)
    deliveries.ledger.finish_plan(plan_id, "partial")
    clock.forward(days=1)
    deliveries.deliver(ids[:1], "delete", digest="d3")
    wider = replace(
        deliveries.fields,
        fields=(*deliveries.fields.fields, AgreedField("leerling.geslacht", "geslacht", "geslacht", None, "keuze")),
    )
    replace(deliveries, fields=wider).deliver(ids[3:], digest="d4")
    (found,) = deliveries.ledger.sent()
    assert (found.school, found.supplier, found.kind) == ("99XX-00", "basispoort", "leerling")
    assert found.fields == {"leerling.roepnaam", "leerling.key", "leerling.geslacht"}
    assert (found.records, found.accepted, found.presumed) == (
        3,
        4,
        2,
    )  # a and b, then a again and b and d perhaps, then d
    assert (found.first, found.last) == (first, clock.now)


def test_the_fields_that_a_supplier_holds_are_those_of_every_record_that_is_left(deliveries: Any) -> None:
    """Of a field set under which nothing is held any more, nothing counts."""
    ids, place = deliveries.pupils("a", "b"), ("basispoort", "99XX-00")
    assert deliveries.ledger.held_fields(*place) == frozenset()
    deliveries.deliver(ids[:1])
    narrow = {"leerling.roepnaam", "leerling.key"}
    sex = AgreedField("leerling.geslacht", "geslacht", "geslacht", None, "keuze")
    replace(deliveries, fields=replace(deliveries.fields, fields=(*deliveries.fields.fields, sex))).deliver(
        ids[1:], digest="d2"
    )
    assert deliveries.ledger.held_fields(*place) == narrow | {"leerling.geslacht"}
    deliveries.deliver(ids[1:], "delete", digest="d3")
    assert deliveries.ledger.held_fields(*place) == narrow
