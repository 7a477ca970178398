"""`erase`: a parent's request to erase a pupil is written down, carried out and followed to its end."""

import sys
from pathlib import Path

from data_contracts.dutch_time import day_of, today_in_the_netherlands
from pipelines.commands.outcomes import tell, write_json
from pipelines.commands.sync import deliver
from pipelines.commands.telling import FAILED, HELD, OK, WRONG_SETTINGS, err, out, table, who
from pipelines.instance import Instance, open_instance
from pipelines.ledger.erasures import Erasure, ErasureRefusedError
from pipelines.names import chosen_pairs, refusing
from pipelines.rights.erasure import confirm_case, open_case, standings, state_of, what_to_do
from pipelines.settings import home_folder
from pipelines.sync.erased import duty_bound

_ASK = (
    "Deze leerling van school {school} wordt bij elke leverancier verwijderd, en gaat nergens meer heen zolang hij in de "
    "export staat. Dit is niet terug te draaien. Typ ja om door te gaan: "
)
_DUTY = (
    "Let op: {suppliers} krijgt de leerling omdat de wet dat verplicht, en houdt hem (AVG artikel 17 lid 3 onder b). Het verzoek "
    "wordt afgerond als hij de school heeft verlaten."
)


def start(option: Path | None, school: str, pupil: str, by: str, how: str, *, sure: bool) -> int:
    """Write a request down, let the deletes go out now, and tell how it stands; 1 where a delivery failed, 2 while something is left to be done."""
    instance = open_instance(home_folder(option))
    if not sure and not sys.stdin.isatty():
        err.print(
            "Wissen is niet terug te draaien. Geef --yes als je het zeker weet; er is nu niets gewist.", soft_wrap=True
        )
        return WRONG_SETTINGS
    if not sure and input(_ASK.format(school=school)).strip().lower() != "ja":
        err.print("Er is niets gewist.")
        return FAILED
    with refusing(ErasureRefusedError):
        number = open_case(instance, school, pupil.strip(), who(by), how)
    if duties := duty_bound(instance, school, today_in_the_netherlands()):
        _line(_DUTY.format(suppliers=", ".join(duties)))
    outcomes = deliver(instance.settings, chosen_pairs(instance.settings, [school], None))
    failed = tell(outcomes, "Uitkomst", as_json=False) == FAILED
    code = _told(instance, number)
    return FAILED if failed else code


def show_cases(option: Path | None, *, as_json: bool) -> int:
    """Every request with the state of every supplier, and the letters that are to be sent; 2 while one is open."""
    instance = open_instance(home_folder(option))
    cases = instance.ledger.erasures.all()
    if as_json:
        write_json([_document(instance, one) for one in cases])
    elif not cases:
        out.print("Er zijn geen verzoeken om een leerling te wissen.")
    for one in () if as_json else cases:
        _show(instance, one)
    return HELD if any(one.closed_at is None for one in cases) else OK


def confirm(option: Path | None, number: int, supplier: str, by: str) -> int:
    """Write down that a supplier erased the pupil itself, and close the request if that was the last."""
    instance = open_instance(home_folder(option))
    with refusing(ErasureRefusedError):
        confirm_case(instance, number, supplier, who(by))
    deliver(instance.settings, {})
    return _told(instance, number)


def _told(instance: Instance, number: int) -> int:
    one = next(one for one in instance.ledger.erasures.all() if one.id == number)
    _show(instance, one)
    return OK if one.closed_at else HELD


def _show(instance: Instance, one: Erasure) -> None:
    day = today_in_the_netherlands()
    found = standings(instance, one, day)
    _line(f"Wisverzoek {one.id}, school {one.school}, van {day_of(one.opened_at)} ({one.opened_by}): {state_of(one)}")
    out.print(
        table("", ("leverancier", "wat", "wanneer"), [(each.supplier, each.told, day_of(each.at)) for each in found])
    )
    for text in what_to_do(instance, one, found, day):
        _line(text)


def _document(instance: Instance, one: Erasure) -> dict[str, object]:
    return {
        "number": one.id,
        "school": one.school,
        "opened_at": one.opened_at.isoformat(),
        "opened_by": one.opened_by,
        "how": one.how,
        "state": state_of(one),
        "closed_at": one.closed_at.isoformat() if one.closed_at else None,
        "in_export": one.in_export,
        "suppliers": [
            {"supplier": s.supplier, "told": s.told, "done": s.done, "at": s.at.isoformat() if s.at else None}
            for s in standings(instance, one, today_in_the_netherlands())
        ],
    }


def _line(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)
