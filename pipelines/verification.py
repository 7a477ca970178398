"""Whether the ledger still says what it always said, and the newest link of its seals to be noted elsewhere."""

import re
from dataclasses import dataclass
from datetime import datetime

from data_contracts.dutch_time import HERE, day_of
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.seals import BrokenSeal

CUT_OFF = (
    "De genoteerde schakel staat niet meer in de keten: de nieuwste zegels zijn eraf gehaald met alles wat eronder viel, "
    "of dit is een ander of ouder grootboek."
)


class NoLinkError(Exception):
    """A text that is no link of the chain; the message is Dutch, within a sentence."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. `earlier`: the noted link was one before the keys were renewed. Moments are aware."""

    broken: BrokenSeal | None
    head: str | None
    removed: int
    removed_at: datetime | None
    resealed_at: datetime | None
    earlier: bool

    @property
    def told(self) -> list[str]:
        """It in Dutch, the verdict first and the newest link after it."""
        lines = [_verdict(self.broken), f"Nieuwste schakel: {self.head or 'nog geen'}"]
        if self.removed_at:
            lines.append(
                f"Na de bewaartermijn verwijderde wijzigingen: {self.removed}, het laatst op {day_of(self.removed_at)}."
            )
        if self.resealed_at:
            lines.append(
                f"Alle zegels zijn opnieuw gezet toen de sleutels werden vernieuwd, het laatst op {day_of(self.resealed_at)}."
            )
        if self.earlier:
            lines.append("De genoteerde schakel is van voor die dag, en stond toen in de keten. Noteer nu de nieuwste.")
        return lines


def verified(ledger: Ledger, noted: str) -> Verified:
    """Walk the seals, and look for the link that was `noted` before, if any.

    Raises:
        NoLinkError: what was noted is no link.
    """
    link = _link(noted)
    broken = ledger.verify()
    earlier = link is not None and ledger.was_link(link)
    if broken is None and link is not None and not earlier and not ledger.is_link(link):
        broken = BrokenSeal(None, None, CUT_OFF)
    number, last = ledger.removed()
    return Verified(broken, ledger.head(), number, last, ledger.keys_renewed(), earlier)


def _link(noted: str) -> bytes | None:
    text = noted.strip().lower()
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise NoLinkError("verwacht de 64 tekens die `verify` eerder gaf (0-9 en a-f)")
    return bytes.fromhex(text) or None


def _verdict(broken: BrokenSeal | None) -> str:
    if broken is None:
        return "Het grootboek is heel: alle zegels kloppen."
    where = [
        f"zegel {broken.seal_id}" if broken.seal_id else "",
        f"plan {broken.plan_id}" if broken.plan_id else "",
        f"van {broken.at.astimezone(HERE):%d-%m-%Y %H:%M}" if broken.at else "",
    ]
    place = ", ".join(filter(None, where))
    return f"Het grootboek is NIET heel{f' ({place})' if place else ''}: {broken.reason}"
