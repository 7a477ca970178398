"""`verify`: whether the ledger still says what it always said, and the newest link of its seals to be noted elsewhere."""

import re
from datetime import datetime
from pathlib import Path

from mappings.yaml_source import Problem, SettingsError
from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import FAILED, OK, out
from pipelines.dutch_time import HERE
from pipelines.instance import open_instance
from pipelines.ledger.seals import BrokenSeal
from pipelines.settings import home_folder

CUT_OFF = (
    "De genoteerde schakel staat niet meer in de keten: de nieuwste zegels zijn eraf gehaald met alles wat eronder viel, "
    "of dit is een ander of ouder grootboek."
)


def verify_ledger(option: Path | None, noted: str, *, as_json: bool) -> int:
    """Walk the seals, and look for the link that was `noted` before, if any; 0 if all is whole."""
    link = _link(noted)
    ledger = open_instance(home_folder(option)).ledger
    broken = ledger.verify()
    earlier = link is not None and ledger.was_link(link)
    if broken is None and link is not None and not earlier and not ledger.is_link(link):
        broken = BrokenSeal(None, None, CUT_OFF)
    head = ledger.head()
    number, last = ledger.removed()
    renewed = ledger.keys_renewed()
    if as_json:
        moments = {
            "removed_at": last.isoformat() if last else None,
            "resealed_at": renewed.isoformat() if renewed else None,
        }
        write_json(_document(broken, head) | {"removed": number} | moments)
    else:
        out.print(_told(broken, head), markup=False, soft_wrap=True)
        if last:
            out.print(f"Na de bewaartermijn verwijderde wijzigingen: {number}, het laatst op {_day(last)}.")
        if renewed:
            out.print(
                f"Alle zegels zijn opnieuw gezet toen de sleutels werden vernieuwd, het laatst op {_day(renewed)}."
            )
        if earlier:
            out.print("De genoteerde schakel is van voor die dag, en stond toen in de keten. Noteer nu de nieuwste.")
    return FAILED if broken else OK


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(HERE):%d-%m-%Y}"


def _link(noted: str) -> bytes | None:
    text = noted.strip().lower()
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise SettingsError(
            (Problem("--head", None, "", None, "verwacht de 64 tekens die `verify` eerder gaf (0-9 en a-f)"),)
        )
    return bytes.fromhex(text) or None


def _told(broken: BrokenSeal | None, head: str | None) -> str:
    newest = f"Nieuwste schakel: {head or 'nog geen'}"
    if broken is None:
        return f"Het grootboek is heel: alle zegels kloppen.\n{newest}"
    where = [
        f"zegel {broken.seal_id}" if broken.seal_id else "",
        f"plan {broken.plan_id}" if broken.plan_id else "",
        f"van {broken.at.astimezone(HERE):%d-%m-%Y %H:%M}" if broken.at else "",
    ]
    place = ", ".join(filter(None, where))
    return f"Het grootboek is NIET heel{f' ({place})' if place else ''}: {broken.reason}\n{newest}"


def _document(broken: BrokenSeal | None, head: str | None) -> dict[str, object]:
    return {
        "whole": broken is None,
        "head": head,
        "seal": broken.seal_id if broken else None,
        "plan": broken.plan_id if broken else None,
        "at": broken.at.isoformat() if broken and broken.at else None,
        "reason": broken.reason if broken else "",
    }
