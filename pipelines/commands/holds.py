"""`hold`: what waits for a person, and what that person decides."""

import logging
from dataclasses import asdict
from pathlib import Path

from pipelines.commands.outcomes import show_next, tell, write_json
from pipelines.commands.sync import deliver
from pipelines.commands.telling import HELD, OK, out, table, who
from pipelines.decisions import decide
from pipelines.instance import Instance, open_instance
from pipelines.ledger.holds import Decision, Hold
from pipelines.settings import home_folder
from pipelines.sync.case import NO_COUNTS, Outcome
from pipelines.sync.guard import CLEAR_OUT
from pipelines.words import OPERATIONS, hold_in_words


def show_holds(option: Path | None, *, as_json: bool) -> int:
    """List what is open; the exit code tells whether there is anything."""
    waiting = open_instance(home_folder(option)).ledger.holds()
    if as_json:
        write_json([{**asdict(_outcome(hold)), "hold": hold.id, "operation": hold.operation} for hold in waiting])
    elif waiting:
        rows = [
            (h.id, h.school, h.supplier, OPERATIONS[h.operation], h.number, h.reason, h.digest[:12]) for h in waiting
        ]
        columns = ("nummer", "school", "leverancier", "handeling", "aantal", "reden", "kenmerk")
        out.print(table("Wacht op goedkeuring", columns, rows, ("nummer", "aantal")))
    else:
        out.print("Er wacht niets op goedkeuring.")
    return HELD if waiting else OK


def approve(option: Path | None, which: str, by: str, *, later: bool) -> int:
    """Approve one hold, and deliver to that supplier for that school."""
    instance, hold = _decided(option, which, "approved", by)
    if later:
        out.print(f"Goedgekeurd: {hold_in_words(hold)}. {_LATER}")
        return OK
    outcomes = deliver(instance.settings, {hold.school: [hold.supplier]})
    code = tell(outcomes, f"Goedgekeurd: {hold_in_words(hold)}", as_json=False)
    if hold.id in {each.id for each in instance.ledger.holds(hold.school, hold.supplier, "superseded")}:
        out.print(_LAPSED.format(hold.id), soft_wrap=True)
    show_next(instance, outcomes, option)
    return code


_LAPSED = (
    "De gegevens zijn intussen veranderd: de goedkeuring van nummer {} gold voor iets anders en is vervallen, en er is niets van "
    "verstuurd. Kijk opnieuw wat er wacht."
)
_LATER = "Het wordt bij de volgende levering verstuurd, of binnen een minuut als de webpagina draait."


def discard(option: Path | None, which: str, by: str) -> int:
    """Refuse one hold."""
    _, hold = _decided(option, which, "discarded", by)
    out.print(f"Afgewezen: {hold_in_words(hold)}. Er wordt niets van verstuurd zolang het plan hetzelfde blijft.")
    return OK


def _decided(option: Path | None, which: str, decision: Decision, by: str) -> tuple[Instance, Hold]:
    instance = open_instance(home_folder(option))
    return instance, decide(instance, which, decision, who(by), logging.getLogger(__name__))


def _outcome(hold: Hold) -> Outcome:
    operation = "delete" if hold.operation == CLEAR_OUT else hold.operation
    counts = {**NO_COUNTS, operation: hold.number} if operation in NO_COUNTS else dict(NO_COUNTS)
    return Outcome(hold.school, hold.supplier, "held", counts, hold.plan_digest, hold.reason)
