"""`agreements`: every agreement with its state, its dates and what it gives, and a warning for one that ends soon."""

from pathlib import Path
from typing import Any

from pipelines.agreements import (
    Agreed,
    every_agreed,
    never_filled,
    pupils_by,
    pupils_held,
    remarks,
    remarks_on_reading,
)
from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import OK, out, table
from pipelines.dutch_time import today_in_the_netherlands
from pipelines.instance import Instance, open_instance
from pipelines.settings import home_folder

NUMBERS = ("leerlingen", "velden")


def show_agreements(option: Path | None, *, as_json: bool) -> int:
    """Tell how it stands with every agreement; one that ends is a warning and no failure."""
    instance = open_instance(home_folder(option))
    today = today_in_the_netherlands()
    found = every_agreed(instance.settings, today)
    held = pupils_held(instance)
    rows = [_row(instance, one, held) for one in found]
    if as_json:
        write_json(rows)
        return OK
    _show(found, rows)
    for text in remarks_on_reading(instance, today):
        _tell(text)
    return OK


def _row(instance: Instance, one: Agreed, held: dict[tuple[str, str], int]) -> dict[str, Any]:
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
    }


def _show(found: list[Agreed], rows: list[dict[str, Any]]) -> None:
    columns = ("leverancier", "scholen", "stand", "van", "tot en met", "grondslag", *NUMBERS)
    shown = [
        (
            one.agreement.supplier,
            " ".join(one.agreement.schools),
            one.told,
            f"{one.agreement.signed:%d-%m-%Y}",
            f"{one.agreement.valid_until:%d-%m-%Y}",
            one.agreement.legal_basis.words,
            row["pupils"],
            row["fields"],
        )
        for one, row in zip(found, rows, strict=True)
    ]
    out.print(table("De overeenkomsten", columns, shown, NUMBERS))
    for one, row in zip(found, rows, strict=True):
        for text in remarks(one, row["empty_fields"]):
            _tell(text)


def _tell(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)
