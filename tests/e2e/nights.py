"""Nights as a test reads them: a world whose school is served by ParnasSys, and what came of a night in a few words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import requests

from connectors.base import SchoolId
from connectors.sandbox.administration import Administration
from connectors.sandbox.parnassys import PATH, parnassys_app
from connectors.sandbox.serving import running
from pipelines.sync.case import Outcome
from tests.world import SCHOOL, World, a_world

UWLR = """\
schools:
- school: 99XX-00
  name: De Regenboog
  source:
    uwlr: {{url: "{url}", autorisatiesleutel: "file:sleutel", klantcode: "file:klantcode", klantnaam: Doorgeefluik}}
"""


@contextmanager
def served_by_parnassys(
    home: Path, suppliers: Mapping[str, str] | None = None
) -> Iterator[tuple[World, Administration]]:
    """A world whose school is read from ParnasSys' web service, and that service; suppliers as in `a_world`."""
    administration = Administration()
    administration.add(SchoolId("99XX", "00", "2026-2027"), "sleutel-van-de-school")
    with a_world(home, suppliers) as world, running(parnassys_app(administration)) as parnassys:
        for name, secret in (("sleutel", "sleutel-van-de-school"), ("klantcode", "doorgeefluik")):
            (world.home / name).write_text(secret, encoding="utf-8")
            (world.home / name).chmod(0o600)
        (world.home / "schools.yaml").write_text(UWLR.format(url=parnassys.url + PATH), encoding="utf-8")
        yield world, administration


def states(outcomes: Mapping[str, Outcome]) -> set[str]:
    """How it ended, of all suppliers."""
    return {outcome.state for outcome in outcomes.values()}


def numbers(outcome: Outcome) -> tuple[int, int, int]:
    """How many were created, updated and deleted."""
    return outcome.counts["create"], outcome.counts["update"], outcome.counts["delete"]


def effects(world: World, supplier: str) -> dict[str, int]:
    """How often a supplier created, updated and deleted something of this school."""
    applied = requests.get(f"{world.urls[supplier]}/_sandbox/state", timeout=10).json()["applied"].get(SCHOOL, {})
    counts = [record for records in applied.values() for record in records.values()]
    return {operation: sum(count[operation] for count in counts) for operation in ("create", "update", "delete")}


def seen(world: World) -> dict[str, int]:
    """How many messages each supplier was sent so far."""
    return {supplier: world.requests_seen(supplier) for supplier in world.urls}


def long_unchanged(administration: Administration) -> None:
    """The school's data in ParnasSys are older than the minute: it counts in whole seconds."""
    held = administration._schools[SCHOOL]
    administration._schools[SCHOOL] = replace(held, changed_at=held.changed_at - timedelta(minutes=1))


def causes(world: World, supplier: str) -> list[str]:
    """Why each record of the last plan changed."""
    ledger = world.instance.ledger
    plan = ledger.last_plan(supplier, SCHOOL)
    assert plan is not None
    return [str(cause) for cause in ledger.changes(plan.id)["cause"]]
