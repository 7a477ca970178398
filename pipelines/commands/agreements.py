"""`agreements`: every agreement with its state, its dates and what it gives, and a warning for one that ends soon."""

from pathlib import Path
from typing import Any

from rich.table import Table

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.agreements import (
    Agreed,
    as_row,
    every_agreed,
    every_remark,
    never_filled,
    pupils_by,
    pupils_held,
)
from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import OK, fits, out, table
from pipelines.instance import Instance, open_instance
from pipelines.settings import home_folder

NUMBERS = ("leerlingen", "velden")


def show_agreements(option: Path | None, *, as_json: bool) -> int:
    """Tell how it stands with every agreement; one that ends is a warning and no failure."""
    instance = open_instance(home_folder(option))
    today = today_in_the_netherlands()
    found = every_agreed(instance.settings, today)
    held = pupils_held(instance)
    if as_json:
        write_json([_as_json(instance, one, held) for one in found])
        return OK
    if found:
        rows = [as_row(instance.settings, one, held) for one in found]
        shown = _table(rows)
        out.print(shown if fits(shown) else _table([{n: v for n, v in row.items() if n != "Bestand"} for row in rows]))
    else:
        _tell("Er is nog geen overeenkomst: er staat er geen in de map agreements.")
    for text in every_remark(instance, found, today):
        _tell(text)
    return OK


def _table(rows: list[dict[str, str | int]]) -> Table:
    columns = tuple(name.lower() for name in rows[0])
    return table("De overeenkomsten", columns, [tuple(row.values()) for row in rows], NUMBERS)


def _as_json(instance: Instance, one: Agreed, held: dict[tuple[str, str], int]) -> dict[str, Any]:
    agreement = one.agreement
    return {
        "supplier": agreement.supplier,
        "name": one.profile.name,
        "schools": list(agreement.schools),
        "state": one.state,
        "ends_within": one.within,
        "model": agreement.model,
        "leaflet_version": one.fields.profile_version,
        "signed": agreement.signed,
        "valid_until": agreement.valid_until,
        "legal_basis": agreement.legal_basis.value,
        "stage": agreement.stage.value,
        "pupils": pupils_by(one, held),
        "fields": len(one.fields.fields),
        "empty_fields": never_filled(instance, one),
        "file": instance.settings.file_of(agreement),
    }


def _tell(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)
