"""Holds: parts of a change plan that wait for a person. An approval is for one digest (design rule 6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from data_contracts.dutch_time import day_of
from pipelines.ledger.tables import REASON_SIZE, hold
from pipelines.ledger.transaction import Transaction

Decision = Literal["approved", "discarded"]
Closing = Literal["done", "superseded"]
_LIVE: Final = ("open", "approved")
_SHORTEST_PREFIX: Final = 6


class HoldNotFoundError(Exception):
    """No hold that can still be decided, or more than one, goes by what a person typed."""

    code = "onbekende_vasthouding"


@dataclass(frozen=True, slots=True)
class Hold:
    """A part of a plan that waits, or waited, for a person."""

    id: int
    supplier: str
    school: str
    operation: str
    digest: str  # of the held part: what an approval is for
    number: int  # of records
    reason: str
    state: str  # open, approved, discarded, superseded, done
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    plan_digest: str

    @property
    def answer(self) -> str:
        """What is told of a hold that was discarded: by whom, and how to come back on that."""
        then = f"Zo was het op {day_of(self.decided_at)}."
        return f"Afgewezen door {self.decided_by}: {self.reason} {then} Toch doen? Keur nummer {self.id} goed."


@dataclass(frozen=True, slots=True)
class NewHold:
    """What must wait, and why."""

    supplier: str
    school: str
    operation: str
    digest: str
    number: int
    reason: str
    plan_digest: str


def open_hold(transaction: Transaction, new: NewHold) -> int:
    """The number of a hold for this digest: the one that is there, approved or not, or a new one.

    A live hold for another digest is superseded, its approval with it.
    """
    live = _live(new.supplier, new.school, new.operation)
    present = transaction.execute(sa.select(hold.c.id, hold.c.digest).where(live)).one_or_none()
    if present and present.digest == new.digest:
        return int(present.id)
    transaction.execute(sa.update(hold).where(live).values(state="superseded", decided_at=transaction.now))
    row = {name: getattr(new, name) for name in NewHold.__slots__} | {"reason": new.reason[:REASON_SIZE]}
    return transaction.number(
        sa.insert(hold).values(**row, state="open", opened_at=transaction.now).returning(hold.c.id)
    )


def holds(
    transaction: Transaction, school: str | None = None, supplier: str | None = None, state: str | None = "open"
) -> list[Hold]:
    """The holds of a school, a supplier and a state (None: all), oldest first."""
    wanted = {hold.c.school: school, hold.c.supplier: supplier, hold.c.state: state}
    conditions = [column == value for column, value in wanted.items() if value is not None]
    rows = transaction.execute(sa.select(hold).where(*conditions).order_by(hold.c.id))
    return [Hold(*row) for row in rows]


def decide_hold(transaction: Transaction, which: str, decision: Decision, by: str) -> Hold:
    """Approve or discard a hold, named by its number or the first six or more digits of its digest.

    Raises:
        HoldNotFoundError: nothing, or more than one thing, that waits goes by that name.
    """
    found = chosen(transaction, which)
    update = sa.update(hold).where(hold.c.id == found.id)
    transaction.execute(update.values(state=decision, decided_at=transaction.now, decided_by=by[:100]))
    return Hold(*transaction.execute(sa.select(hold).where(hold.c.id == found.id)).one())


def approved(transaction: Transaction, supplier: str, school: str, operation: str, digest: str) -> bool:
    """Whether a person approved exactly this."""
    condition = _live(supplier, school, operation) & (hold.c.state == "approved") & (hold.c.digest == digest)
    return transaction.execute(sa.select(hold.c.id).where(condition)).first() is not None


def close_hold(transaction: Transaction, supplier: str, school: str, operation: str, state: Closing) -> None:
    """End the live hold of this operation, if there is one: it was carried out, or its cause is gone."""
    transaction.execute(sa.update(hold).where(_live(supplier, school, operation)).values(state=state))


def _live(supplier: str, school: str, operation: str) -> sa.ColumnElement[bool]:
    here = (hold.c.supplier == supplier) & (hold.c.school == school) & (hold.c.operation == operation)
    return here & hold.c.state.in_(_LIVE)


def chosen(transaction: Transaction, which: str) -> Hold:
    """The one hold of that name that waits, or was approved and not yet carried out; or that was discarded, by its number.

    Raises:
        HoldNotFoundError: nothing, or more than one thing, that waits goes by that name.
    """
    name = which.strip().lower()
    rows = [Hold(*row) for row in transaction.execute(sa.select(hold).where(hold.c.state.in_((*_LIVE, "discarded"))))]
    live = [each for each in rows if each.state in _LIVE]
    candidates = [each for each in live if _goes_by(each, name)]
    if not candidates:  # somebody comes back on a refusal; by number only, and not while something else waits there
        places = {(each.supplier, each.school, each.operation) for each in live}
        candidates = [e for e in rows if str(e.id) == name and (e.supplier, e.school, e.operation) not in places]
    if len(candidates) == 1:
        return candidates[0]
    what = "staat niets te wachten" if not candidates else "staan meer dingen te wachten; typ meer tekens"
    raise HoldNotFoundError(f"Onder dit nummer of kenmerk {what}. `doorgeefluik hold list` toont wat er wacht.")


def _goes_by(each: Hold, name: str) -> bool:
    return str(each.id) == name or (len(name) >= _SHORTEST_PREFIX and each.digest.startswith(name))
