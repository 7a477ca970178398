"""The page for a board: of every school and supplier how it stands, in counts and words; nothing of any pupil."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

from data_contracts.dutch_time import HERE
from data_contracts.fields import Record
from pipelines.agreements import agreed
from pipelines.instance import Instance
from pipelines.rendering import write_page
from pipelines.standing import standing
from pipelines.words import STATES


def write_board(instance: Instance, today: date) -> Path:
    """Write the page over all schools; gives the file."""
    rows = _rows(instance, today)
    ending = [one for one in agreed(instance.settings, today) if one.warning]
    exports = [(school, instance.ledger.last_good_export(school.school)) for school in instance.settings.schools]
    return write_page(
        instance.settings.reports / "bestuur.html",
        "board.html.j2",
        today=today,
        rows=rows,
        states=Counter(row["told"] for row in rows).most_common(),
        ending=ending,
        exports=exports,
        here=HERE,
    )


def _rows(instance: Instance, today: date) -> list[dict[str, Any]]:
    settings, held = instance.settings, instance.ledger.held_by_kind()
    agreements = {
        (s, one.agreement.supplier): one.told for one in agreed(settings, today) for s in one.agreement.schools
    }
    names = {school.school: school.name for school in settings.schools}
    last: dict[tuple[str, str], datetime] = {}
    for sent in instance.ledger.sent():
        place = (sent.school, sent.supplier)
        last[place] = max(sent.last, last.get(place, sent.last))
    rows = []
    for outcome in standing(instance):
        place = (outcome.school, outcome.supplier)
        profile = settings.profiles.get(outcome.supplier)
        rows.append(
            {
                "school": names.get(outcome.school, outcome.school),
                "key": outcome.school,
                "supplier": profile.name if profile else outcome.supplier,
                "agreement": agreements.get(place, "geen overeenkomst meer"),
                "state": outcome.state,
                "told": STATES[outcome.state],
                "pupils": held.get(place, {}).get(Record.LEERLING, 0),
                "teachers": held.get(place, {}).get(Record.LEERKRACHT, 0),
                "last": last.get(place),
            }
        )
    return sorted(rows, key=lambda row: (row["key"], row["supplier"]))
