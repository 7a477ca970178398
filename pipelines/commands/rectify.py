"""`rectify`: how a correction of one pupil stands at each supplier."""

from datetime import UTC, datetime
from pathlib import Path

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import HELD, OK, out, table
from pipelines.instance import open_instance
from pipelines.rights.erasure import telling_erased
from pipelines.rights.rectification import corrections
from pipelines.settings import home_folder


def show_corrections(option: Path | None, school: str, pupil: str, days: int, *, as_json: bool) -> int:
    """Tell it as a table or as JSON; 2 where something has waited too long."""
    instance = open_instance(home_folder(option))
    with telling_erased(instance, school, pupil):
        found = corrections(instance, school, pupil.strip(), today_in_the_netherlands(), datetime.now(UTC), days)
    rows = [{name.lower(): told for name, told in one.as_row.items()} for one in found]
    if as_json:
        write_json([{**row, "te_laat": one.late} for row, one in zip(rows, found, strict=True)])
    elif rows:
        out.print(table("", tuple(rows[0]), [tuple(row.values()) for row in rows]))
    else:
        out.print("Deze school heeft geen leverancier.")
    return HELD if any(one.late for one in found) else OK
