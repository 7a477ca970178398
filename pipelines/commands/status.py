"""`status`: the last plan of every school and supplier, and the last good export of every school."""

from collections.abc import Sequence
from pathlib import Path

from data_contracts.dutch_time import HERE
from pipelines.commands.outcomes import show_next, tell, with_requests
from pipelines.commands.telling import OK, out, table
from pipelines.instance import Instance, open_instance
from pipelines.settings import home_folder
from pipelines.standing import old_exports, standing
from pipelines.sync.case import Outcome


def show_status(option: Path | None, *, as_json: bool) -> int:
    """Tell how it stands with every agreement, and where there is none any more."""
    instance = open_instance(home_folder(option))
    outcomes = list(standing(instance))
    if as_json:
        return with_requests(instance, tell(outcomes, "", as_json=True), option, aloud=False)
    _show_exports(instance)
    if not outcomes:
        out.print("Er is nog geen overeenkomst, dus er gaat niets uit.")
        return with_requests(instance, OK, option, aloud=True)
    _show_looks(instance, outcomes)
    code = tell(outcomes, "De laatste levering", as_json=False)
    show_next(instance, outcomes, option)
    return with_requests(instance, code, option, aloud=True)


def _show_exports(instance: Instance) -> None:
    rows = []
    for school in instance.settings.schools:
        last = instance.ledger.last_good_export(school.school)
        told = (
            (f"{last.received_at.astimezone(HERE):%d-%m-%Y %H:%M}", last.pupils, last.findings)
            if last
            else ("nog geen", "", "")
        )
        rows.append((school.school, school.name, *told))
    out.print(table("De laatste goede export", ("school", "naam", "stand van", "leerlingen", "bevindingen"), rows))
    for name, old in old_exports(instance):
        out.print(f"Let op, school {name}: {old}", soft_wrap=True)


def _show_looks(instance: Instance, outcomes: Sequence[Outcome]) -> None:
    looks = instance.ledger.looks()
    rows = [
        (o.school, o.supplier, f"{look.looked_at.astimezone(HERE):%d-%m-%Y %H:%M}" if look else "nog nooit")
        for o, look in ((o, looks.get((o.school, o.supplier))) for o in outcomes)
    ]
    out.print(table("Laatst bekeken", ("school", "leverancier", "wanneer"), rows))
