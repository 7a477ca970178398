"""A field set that grew: what came with it waits until a person has seen the old set and the new one.

Until then, and for good once the agreement has ended, everything goes on with the fields that were given before. The newest
plan tells which those are: none is ever written with a field that waits.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from textwrap import shorten

from data_contracts.fields import CATALOGUE, Record
from mappings.agreement import AgreedField, Agreement, FieldSet
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import REASON_SIZE
from pipelines.sync.guard import ADD_FIELDS

_LONGEST = REASON_SIZE - 160
"""Characters of a reason: beside it the ledger also keeps who decided and what to do next."""

WAITS = "nieuw in de overeenkomst; wacht op goedkeuring"
REFUSED = "nieuw in de overeenkomst; door de school afgewezen"
TOO_LATE = "kwam er pas bij toen de overeenkomst was afgelopen"


@dataclass(frozen=True, slots=True)
class Widening:
    """The fields that an agreement gives since it changed. `digest` names the old and the new set: what a decision is about.

    `hold` is how the question stands, as in the ledger; absent where it was not asked yet.
    """

    added: tuple[AgreedField, ...]
    before: tuple[AgreedField, ...]
    digest: str
    hold: str | None

    @property
    def approved(self) -> bool:
        """Whether the fields are given from now on."""
        return self.hold == "approved"

    @property
    def discarded(self) -> bool:
        """Whether a person said that they are not to be given."""
        return self.hold == "discarded"

    @property
    def reason(self) -> str:
        """What a person must know to decide, in Dutch."""
        text = f"Nieuw in de overeenkomst: {_listed(self.added)}. Tot nu toe: {_listed(self.before)}."
        return shorten(text, _LONGEST, placeholder=" …")


@dataclass(frozen=True, slots=True)
class InForce:
    """The fields that go out today, and what the agreement gives besides, if that is more than before."""

    fields: FieldSet
    widening: Widening | None = None

    @property
    def waiting(self) -> frozenset[str]:
        """The ids of the agreed fields that go out once a person approves."""
        waits = self.widening is not None and not (self.widening.approved or self.widening.discarded)
        return frozenset(f.id for f in self.widening.added) if self.widening and waits else frozenset()

    @property
    def digest(self) -> str:
        """Names the fields, and whether others are refused: what a plan follows from."""
        return f"{self.fields.digest} {self.widening is not None and self.widening.discarded}"


def in_force(ledger: Ledger, agreement: Agreement, agreed: FieldSet, school: str, day: date) -> InForce:
    """What of the `agreed` fields goes to a supplier of `school` on `day`.

    Where the supplier holds nothing, nothing was given before: a first delivery waits as a whole, by a limit of its own.
    Fields of the school itself tell nothing of a person, and are not asked about.
    """
    last = ledger.last_plan(agreement.supplier, school)
    if last is None:
        return InForce(agreed)
    given = set(ledger.field_ids(last.field_set_id))
    ended = day > agreement.valid_until
    if not ended and _persons(agreed) <= given:
        return InForce(agreed)
    held = ledger.held_fields(agreement.supplier, school)
    if not held:
        return InForce(agreed)
    kept = given & held if ended else given
    added = tuple(f for f in agreed.fields if f.id in _persons(agreed) - kept)
    if ended:
        return InForce(agreed.without(added, TOO_LATE))
    before = tuple(f for f in agreed.fields if f.id in _persons(agreed) & kept)
    digest = _digest(agreement.supplier, school, before, agreed)
    holds = {hold.digest: hold.state for hold in ledger.holds(school, agreement.supplier, None)}
    widening = Widening(added, before, digest, holds.get(digest))
    if widening.approved:
        return InForce(agreed, widening)
    return InForce(agreed.without(added, REFUSED if widening.discarded else WAITS), widening)


def _persons(agreed: FieldSet) -> set[str]:
    return {f.id for f in agreed.fields if f.record is not Record.SCHOOL}


def _digest(supplier: str, school: str, before: tuple[AgreedField, ...], agreed: FieldSet) -> str:
    parts = (ADD_FIELDS, supplier, school, *(f.id for f in before), "", *agreed.in_order)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _listed(fields: tuple[AgreedField, ...]) -> str:
    """By kind of record, as the catalogue calls them: `geslacht, roepnaam (leerling); naam (groep)`."""
    labels: dict[Record, list[str]] = {}
    for agreed in fields:
        labels.setdefault(agreed.record, []).append(CATALOGUE[agreed.id].label)
    return "; ".join(f"{', '.join(names)} ({record})" for record, names in labels.items())
