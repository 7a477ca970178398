"""Outcomes on the screen and as JSON, and the exit code that follows from them."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from pipelines.commands.telling import FAILED, HELD, OK, out, table
from pipelines.metadata import STATES
from pipelines.sync.case import Outcome

NUMBERS = ("nieuw", "gewijzigd", "verwijderd", "gelijk", "quarantaine")
COUNTS = ("create", "update", "delete", "unchanged", "quarantined")


def tell(outcomes: Sequence[Outcome], title: str, *, as_json: bool) -> int:
    """Show outcomes, and give the exit code: failed wins from held."""
    if as_json:
        write_json([asdict(outcome) for outcome in outcomes])
    else:
        show(outcomes, title)
    states = {outcome.state for outcome in outcomes}
    return FAILED if "failed" in states else HELD if "held" in states else OK


def show(outcomes: Sequence[Outcome], title: str) -> None:
    """One row for each supplier of each school, and below it what there is to tell."""
    rows = [(o.school, o.supplier, *(o.counts[name] for name in COUNTS), STATES[o.state]) for o in outcomes]
    out.print(table(title, ("school", "leverancier", *NUMBERS, "stand"), rows, NUMBERS))
    for outcome in outcomes:
        if outcome.reason:
            out.print(f"{outcome.school} {outcome.supplier}: {outcome.reason}", markup=False, soft_wrap=True)


def write_json(document: list[dict[str, Any]] | dict[str, Any]) -> None:
    """The one document on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
