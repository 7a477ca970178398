"""The report of a school: one HTML page that stands alone, with record keys and names of fields, and never a value."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.dutch_time import HERE
from data_contracts.findings import explanation
from pipelines.instance import Instance
from pipelines.rendering import write_page
from pipelines.standing import standing
from pipelines.sync.case import Outcome
from pipelines.sync.prepare import fields_in_force
from pipelines.words import OPERATIONS, STATES, spaced


def renew_report(instance: Instance, school: str, log: logging.Logger) -> None:
    """Write the page of a school anew; one that cannot be written is told in the log, and stops nothing."""
    with suppress(Exception):
        write_report(instance, school)
        return
    log.warning(
        "Het rapport van school %s is niet ververst. Is er plaats op de schijf, en mag er in de map %s worden geschreven?",
        school,
        instance.settings.reports.name,
    )


def write_report(instance: Instance, school: str) -> Path:
    """Write the page of a school as it stands now, in the place of the one before; gives the file."""
    now = datetime.now(HERE)
    return write_page(
        instance.settings.reports / f"{school}.html",
        "school.html.j2",
        school=instance.settings.school(school),
        moment=now,
        export=instance.ledger.last_good_export(school),
        deliveries=[_delivery(instance, outcome, now.date()) for outcome in standing(instance, school)],
        holds=[{"hold": hold, "operation": OPERATIONS[hold.operation]} for hold in instance.ledger.holds(school)],
        findings=list(_findings(instance, school)),
        here=HERE,
    )


def _delivery(instance: Instance, outcome: Outcome, day: date) -> dict[str, Any]:
    """One supplier: how it stands, what was done by cause, and which fields it gets on this day, if it may have any."""
    settings = instance.settings
    profile, agreement = settings.profiles.get(outcome.supplier), settings.agreement(outcome.supplier, outcome.school)
    plan = instance.ledger.last_whole_plan(outcome.supplier, outcome.school)
    causes = [
        {
            **row,
            "operation": OPERATIONS[row["operation"]],
            "cause": spaced(row["cause"]),
            "state": _ANSWERS[row["state"]],
        }
        for row in (instance.ledger.causes(plan.id) if plan else ())
    ]
    return {
        "outcome": outcome,
        "name": profile.name if profile else outcome.supplier,
        "state": STATES[outcome.state],
        "at": plan.finished_at if plan else None,
        "causes": causes,
        "fields": fields_in_force(instance, outcome.supplier, outcome.school, day).fields if agreement else None,
    }


_ANSWERS = {
    "accepted": "aangenomen",
    "refused": "geweigerd",
    "pending": "nog geen antwoord",
    "presumed": "onzeker, wordt hersteld",
    "abandoned": "niet verstuurd",
}


def _findings(instance: Instance, school: str) -> Iterator[dict[str, Any]]:
    for row in _rows(instance.ledger.findings(school)):
        wrong, action = explanation(row["regel"], row["veld"], row["soort"])
        yield {**row, "wrong": wrong, "action": action}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
