"""Requests to erase a pupil: who is meant, when somebody has left, what is forgotten, and that all of it stays provable."""

from functools import partial
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.keys import Keys
from pipelines.ledger.choices import NewChoices
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.plans import PlanRefusedError
from pipelines.ledger.presence import Seen
from pipelines.ledger.records import refs_of
from pipelines.ledger.tables import (
    change,
    choice,
    erased_eckid,
    erased_record,
    erasure,
    erasure_confirmation,
    finding,
    record,
)
from tests.pipelines.ledger.conftest import SCHOOL, SUPPLIER
from tests.pipelines.ledger.test_ledger_seals import alter


def _ref(keys: Keys, key: str) -> bytes:
    return refs_of(SCHOOL, "leerling", [key], keys)[0]


def _seen(keys: Keys, key: str, eckid: str = "") -> dict[bytes, Seen]:
    """As an export tells that it has this pupil."""
    return {_ref(keys, key): Seen(key, refs_of(SCHOOL, "eckid", [eckid], keys)[0] if eckid else None)}


def _gone(deliveries: Any, keys: Keys) -> int:
    """The request for pupil `a`, who was delivered with `b`, has been deleted, and still is in the export."""
    one, two = deliveries.pupils("a", "b")
    deliveries.deliver([one, two])
    number = deliveries.ledger.erasures.open(SCHOOL, "a", "directeur", "bericht")
    deliveries.deliver([one], "delete", digest="d2")
    deliveries.ledger.erasures.note_presence(SCHOOL, _seen(keys, "a"), 200, unnamed=False)
    return int(number)


def _rows(engine: Engine, query: sa.Select[Any]) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(query).all())


def test_nothing_identifies_who_was_erased_and_the_seals_hold(deliveries: Any, engine: Engine, keys: Keys) -> None:
    """Key, ref, fingerprints, choices and findings go; who got what when stays, and so does everything about others."""
    ledger = deliveries.ledger
    number = _gone(deliveries, keys)
    ledger.record_choices(
        NewChoices(
            SCHOOL, SUPPLIER, {"a": "bezwaar", "b": "bezwaar"}, pd.Timestamp("2026-11-01").date(), "bericht", "x"
        )
    )
    found = pd.DataFrame([("leerling", k, "roepnaam", "te_lang", "waarde") for k in "ab"], dtype="str")
    found.columns = pd.Index(["soort", "key", "veld", "regel", "gevolg"])
    ledger.replace_findings(SCHOOL, "run-1", found)
    head = ledger.head()
    ledger.erasures.close(number)
    assert (ledger.verify(), ledger.head(), ledger.removed()) == (None, head, (0, None))
    rows = _rows(engine, sa.select(record.c.id, record.c.ref, record.c.key_encrypted).order_by(record.c.id))
    assert rows[0].ref not in {_ref(keys, "a"), None}
    assert (rows[0].key_encrypted, rows[1].ref) == (None, _ref(keys, "b"))
    prints = _rows(
        engine, sa.select(change.c.record_id, change.c.operation, change.c.fingerprint).order_by(change.c.id)
    )
    assert [(i, o, p is None) for i, o, p in prints] == [(1, "create", True), (2, "create", False), (1, "delete", True)]
    assert [row.record_id for row in _rows(engine, sa.select(choice))] == [2]
    assert [row.record_id for row in _rows(engine, sa.select(finding))] == [2]


def test_who_is_still_in_the_export_stays_known_until_he_left(deliveries: Any, keys: Keys) -> None:
    """Then nothing knows him any more, and who comes back has a new number."""
    ledger, number = deliveries.ledger, _gone(deliveries, keys)
    ledger.erasures.close(number)
    assert ledger.erasures.refs(SCHOOL) == {_ref(keys, "a"): 1}
    for seen, pupils, unnamed in ((_seen(keys, "a"), 200, False), ({}, 200, True), ({}, 189, False)):
        ledger.erasures.note_presence(SCHOOL, seen, pupils, unnamed=unnamed)
        assert ledger.erasures.refs(SCHOOL)
    ledger.erasures.note_presence(SCHOOL, {}, 199, unnamed=False)
    assert ledger.erasures.refs(SCHOOL) == {}
    assert deliveries.pupils("b", "a") == [2, 3]
    assert ledger.verify() is None


def test_who_gets_another_key_after_all_is_done_is_recognised_by_his_eckid(deliveries: Any, keys: Keys) -> None:
    """And forgotten like anybody when he left."""
    ledger, number = deliveries.ledger, _gone(deliveries, keys)
    see = partial(ledger.erasures.note_presence, SCHOOL, pupils=200, unnamed=False)
    see(_seen(keys, "a", "eck-a"))
    ledger.erasures.close(number)
    assert set(ledger.erasures.eckids(SCHOOL)) == set(refs_of(SCHOOL, "eckid", ["eck-a"], keys))
    see(_seen(keys, "a2", "eck-a"))
    assert (ledger.erasures.refs(SCHOOL), ledger.verify()) == ({_ref(keys, "a2"): 1}, None)
    see({})
    assert (ledger.erasures.refs(SCHOOL), ledger.erasures.eckids(SCHOOL), ledger.verify()) == ({}, {}, None)


def test_who_left_before_the_last_supplier_is_done_is_forgotten_then(deliveries: Any, keys: Keys) -> None:
    """As long as the request is open he is recognised; at its end nothing is kept to do so."""
    ledger = deliveries.ledger
    number = _gone(deliveries, keys)
    ledger.erasures.note_presence(SCHOOL, {}, 200, unnamed=False)
    assert ledger.erasures.refs(SCHOOL)
    ledger.erasures.close(number)
    assert ledger.erasures.refs(SCHOOL) == {}
    assert deliveries.pupils("a") == [3]


def test_a_request_is_not_closed_before_every_supplier_is_done(deliveries: Any, keys: Keys) -> None:
    """Not while one has him, nor while a delivery of his school is broken off; a confirmation counts as a delete."""
    ledger = deliveries.ledger
    ids = deliveries.pupils("a", "b")
    deliveries.deliver(ids)
    number = ledger.erasures.open(SCHOOL, "a", "directeur", "bericht")
    (seen,) = ledger.erasures.followed(number)
    assert (seen.supplier, seen.held, seen.operation, seen.state) == (SUPPLIER, True, "create", "accepted")
    with pytest.raises(ErasureRefusedError, match="klaar"):
        ledger.erasures.close(number)
    with pytest.raises(ErasureRefusedError, match="niets"):
        ledger.erasures.confirm(number, "parro", "directeur")
    ledger.erasures.confirm(number, SUPPLIER, "directeur")
    assert deliveries.held() == [ids[1]]
    plan_id = ledger.open_plan(deliveries.plan("d2"), deliveries.changes([ids[1]], "update"))
    with pytest.raises(ErasureRefusedError, match="klaar"):
        ledger.erasures.close(number)
    ledger.finish_plan(plan_id, "abandoned")
    ledger.erasures.close(number)
    assert [one.by for one in ledger.erasures.all()[0].confirmed.values()] == ["directeur"]
    assert ledger.verify() is None


def test_an_earlier_key_of_the_same_pupil_is_meant_too(deliveries: Any, keys: Keys) -> None:
    """A supplier may still know him under it."""
    old, new = deliveries.pupils("oud", "nieuw")
    deliveries.deliver([old])
    ledger = deliveries.ledger
    plan_id = ledger.open_plan(deliveries.plan("d2"), deliveries.changes([new], "update", replaces=old))
    ledger.settle_batch(plan_id, 0, deliveries.accepted([new]), {})
    ledger.finish_plan(plan_id, "delivered")
    number = ledger.erasures.open(SCHOOL, "nieuw", "directeur", "bericht")
    assert set(ledger.erasures.refs(SCHOOL).values()) == {old, new}
    deliveries.deliver([new], "delete", digest="d3")
    ledger.erasures.close(number)
    assert ledger.record_keys([old, new]) == {}
    assert ledger.verify() is None


def test_a_request_follows_its_pupil_to_a_new_key(deliveries: Any, keys: Keys) -> None:
    """It is then about both, whichever of them an export has; and at its end neither key is left."""
    ledger = deliveries.ledger
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"a": "eck-a", "b": "eck-b"})
    number = ledger.erasures.open(SCHOOL, "a", "directeur", "bericht")
    assert set(ledger.erasures.eckids(SCHOOL)) == set(refs_of(SCHOOL, "eckid", ["eck-a"], keys))
    for key in ("a2", "a2", "a", "a3"):
        ledger.erasures.note_presence(SCHOOL, _seen(keys, key, "eck-a"), 200, unnamed=False)
    (request,) = ledger.erasures.all()
    assert (request.in_export, ledger.verify()) == (True, None)
    assert sorted(ledger.record_keys(request.records).values()) == ["a", "a2", "a3"]
    ledger.erasures.close(number)
    assert (ledger.record_keys(request.records), ledger.verify()) == ({}, None)
    assert set(ledger.erasures.refs(SCHOOL)) == {_ref(keys, "a3")}


def test_no_plan_begins_with_who_was_erased_since_it_was_made(deliveries: Any, keys: Keys) -> None:
    """Else he would go out again, and under a seal that nobody can check; the others go when it is made anew."""
    ledger = deliveries.ledger
    number = _gone(deliveries, keys)
    made = deliveries.changes(deliveries.pupils("a", "b"))
    ledger.erasures.close(number)
    with pytest.raises(PlanRefusedError, match="gewist"):
        ledger.open_plan(deliveries.plan("d3"), made)
    assert ledger.unfinished_plan(SUPPLIER, SCHOOL) is None


def test_who_is_unknown_or_erased_already_is_refused(deliveries: Any, keys: Keys) -> None:
    """Also after the request was closed, as long as he is in the export."""
    ledger = deliveries.ledger
    with pytest.raises(ErasureRefusedError, match="niet bekend"):
        ledger.erasures.open(SCHOOL, "a", "directeur", "bericht")
    number = _gone(deliveries, keys)
    for _ in range(2):
        with pytest.raises(ErasureRefusedError, match="al een verzoek"):
            ledger.erasures.open(SCHOOL, "a", "directeur", "bericht")
        if ledger.erasures.all()[0].closed_at is None:
            ledger.erasures.close(number)


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(erasure).values(closed_at=None),
        sa.update(erasure).values(opened_by="iemand anders"),
        sa.update(erased_record).values(ref=None),
        sa.update(erased_record).values(in_export=False),
        sa.delete(erased_record),
        sa.insert(erased_eckid).values(erasure_id=1, record_id=1, ref=bytes(16)),
        sa.insert(erasure_confirmation).values(
            erasure_id=1, supplier="x", confirmed_by="x", confirmed_at=sa.func.current_timestamp()
        ),
        sa.update(erasure).values(proof=bytes(32)),
    ],
    ids=["closed", "by", "ref", "in export", "record", "eckid", "confirmation", "proof"],
)
def test_a_tampered_request_is_found(deliveries: Any, engine: Engine, keys: Keys, statement: sa.Executable) -> None:
    """Whatever is changed by hand: `verify` says so, and no later export mends it."""
    ledger = deliveries.ledger
    ledger.erasures.close(_gone(deliveries, keys))
    alter(engine, statement)
    for _ in range(2):
        assert "Wisverzoek 1 is later veranderd" in ledger.verify().reason
        ledger.erasures.note_presence(SCHOOL, {}, 200, unnamed=False)


def test_a_request_that_was_taken_out_is_found(deliveries: Any, engine: Engine, keys: Keys) -> None:
    """Numbers have no gaps."""
    _gone(deliveries, keys)
    deliveries.ledger.erasures.open(SCHOOL, "b", "directeur", "bericht")
    alter(
        engine,
        sa.delete(erased_record).where(erased_record.c.erasure_id == 1),
        sa.delete(erasure).where(erasure.c.id == 1),
    )
    assert "Wisverzoek 1 is weggehaald" in deliveries.ledger.verify().reason


def test_nothing_is_forgotten_in_a_ledger_that_is_not_whole(deliveries: Any, engine: Engine, keys: Keys) -> None:
    """Else what was tampered with could be made nameless."""
    number = _gone(deliveries, keys)
    alter(engine, sa.update(change).where(change.c.id == 2).values(cause="x"))
    with pytest.raises(LedgerBrokenError):
        deliveries.ledger.erasures.close(number)
    assert deliveries.ledger.record_keys([1]) == {1: "a"}
