"""Outcomes on the screen and as JSON, the exit code that follows from them, and what a person does next."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.telling import FAILED, HELD, OK, fits, out, table
from pipelines.instance import Instance
from pipelines.rights.erasure import standings
from pipelines.sync.case import Outcome
from pipelines.words import STATES

NUMBERS = ("toevoegen", "wijzigen", "verwijderen", "ongewijzigd", "quarantaine")
COUNTS = ("create", "update", "delete", "unchanged", "quarantined")


def tell(outcomes: Sequence[Outcome], title: str, *, as_json: bool) -> int:
    """Show outcomes, and give the exit code: failed wins from held."""
    if as_json:
        write_json([asdict(outcome) for outcome in outcomes])
    elif outcomes:
        show(outcomes, title)
    states = {outcome.state for outcome in outcomes}
    return FAILED if "failed" in states else HELD if "held" in states else OK


def show(outcomes: Sequence[Outcome], title: str) -> None:
    """One row for each supplier of each school, and below it what there is to tell; in lines where a row is too wide."""
    rows = [(o.school, o.supplier, STATES[o.state], *(o.counts[name] for name in COUNTS)) for o in outcomes]
    shown = table(title, ("school", "leverancier", "stand", *NUMBERS), rows, NUMBERS)
    if fits(shown):
        out.print(shown)
    else:
        _show_in_lines(title, rows)
    for outcome in outcomes:
        if outcome.reason:
            out.print(f"{outcome.school} {outcome.supplier}: {outcome.reason}", markup=False, soft_wrap=True)


def _show_in_lines(title: str, rows: Sequence[tuple[object, ...]]) -> None:
    out.print(title, style="bold", markup=False)
    for school, supplier, state, *counts in rows:
        numbers = [f"{name} {count}" for name, count in zip(NUMBERS, counts, strict=True)]
        todo, rest = ", ".join(numbers[:3]), ", ".join(numbers[3:])
        out.print(f"\n{school} {supplier}: {state}\n  {todo}\n  {rest}", markup=False, soft_wrap=True)
    out.print()


def with_requests(instance: Instance, code: int, option: Path | None, *, aloud: bool) -> int:
    """The exit code, where a request to erase a pupil does not come to an end by itself; `aloud` says which, and what to do."""
    day = today_in_the_netherlands()
    unclosed = [one for one in instance.ledger.erasures.all() if one.closed_at is None]
    found = {one.id: standings(instance, one, day) for one in unclosed}
    ask = [str(number) for number, each in found.items() if any(one.ask for one in each)]
    missed = [str(number) for number, each in found.items() if any(one.missed for one in each)]
    if aloud and ask:
        _line(f"Wisverzoek {', '.join(ask)}: een leverancier moet je zelf vragen om te wissen.")
    if aloud and missed:
        _line(f"Wisverzoek {', '.join(missed)}: de levering die de leerling moet verwijderen kon dat nog niet.")
    if aloud and (ask or missed):
        _line(f"  Bekijken:   doorgeefluik erase list{_where(option)}")
    return HELD if (ask or missed) and code == OK else code


def _where(option: Path | None) -> str:
    return f" --instance {shlex.quote(str(option))}" if option else ""


def show_next(instance: Instance, outcomes: Sequence[Outcome], option: Path | None) -> None:
    """What a person does now: decide on what waits, and look in the report at what is wrong in the export."""
    numbers = [
        str(hold.id)
        for outcome in outcomes
        if outcome.state == "held"
        for hold in instance.ledger.holds(outcome.school, outcome.supplier, "open")
    ]
    if numbers:
        out.print()
        _line(f"Wacht op een besluit: nummer {', '.join(numbers)}.")
        _line(f"  Bekijken:   doorgeefluik hold list{_where(option)}")
        _line(f"  Goedkeuren: doorgeefluik hold approve {numbers[0]}{_where(option)}")
    for school in dict.fromkeys(outcome.school for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.school == school]
        report = instance.settings.reports / f"{school}.html"
        if not any(outcome.counts["quarantined"] for outcome in mine) and instance.ledger.findings(school).empty:
            continue
        if any(outcome.state == "preview" for outcome in mine):  # which writes no report
            _line(_FOUND_BY_PREVIEW.format(school))
        elif report.exists():
            _line(f"Wat er in de export van {school} te verbeteren is, staat in het rapport: {report}")


_FOUND_BY_PREVIEW = (
    "Wat er in de export van {} te verbeteren is, staat in de webpagina bij deze run, onder schoolgegevens, en na een "
    "levering in het rapport."
)


def _line(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def write_json(document: list[dict[str, Any]] | dict[str, Any]) -> None:
    """The one document on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
