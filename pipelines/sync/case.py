"""One supplier of one school in one run: what is known of it, the plan that follows, and what may go ahead of that plan.

Reads the ledger and writes nothing: preview and delivery both start here.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Literal

import pandas as pd

from connectors.base import Operation
from mappings.agreement import Agreement, FieldSet
from mappings.projection import DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.plans import Plan
from pipelines.sync.compare import Cause, Known
from pipelines.sync.guard import ADD_FIELDS, CLEAR_OUT, OPERATIONS, PARTS, History, Part, Rule, Stop, stops
from pipelines.sync.one_pupil import OnePupil, one_pupil
from pipelines.sync.plan import ChangePlan, change_plan, clearing, emptied
from pipelines.sync.widening import Widening
from pipelines.vault import Vault

State = Literal["delivered", "unchanged", "held", "preview", "blocked", "failed"]


NO_COUNTS = {"create": 0, "update": 0, "delete": 0, "unchanged": 0, "quarantined": 0}
"""The counts of an outcome without a plan."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything about one supplier of one school that a run knows before it plans.

    `export_size` counts the pupils in the export, which is of the moment `received_at`; `basis` names everything that the plan
    follows from, so that an equal basis needs no new plan.
    """

    school: str
    agreement: Agreement
    field_set: FieldSet
    schooljaar: str
    export_size: int
    received_at: datetime
    basis: str
    day: date
    run_id: str
    choices: str  # names what parents chose until now
    ledger: Ledger = field(repr=False)
    vault: Vault = field(repr=False)
    keys: Keys = field(repr=False)
    widening: Widening | None = None  # the fields that the agreement gives besides `field_set`, or gives from now on
    next_begins: date | None = None  # when the next agreement with this supplier begins, if it is written
    pupil: str | None = None  # the key of the one pupil that this run is for; everybody else waits for the next night

    @property
    def ended(self) -> bool:
        """Whether the agreement is over."""
        return self.day > self.agreement.valid_until

    @property
    def supplier(self) -> str:
        """The name of the supplier."""
        return self.agreement.supplier

    @property
    def terms(self) -> str:
        """Names what agreement and parents allow as it stands now; where the supplier is reached and what waits may differ."""
        allowed = self.agreement.model_dump_json(exclude={"connection", "limits"})
        terms = f"{allowed}\0{self.field_set.digest}\0{self.choices}"
        return hashlib.blake2b(terms.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went for one supplier of one school: what a person, the command and the web page are told."""

    school: str
    supplier: str
    state: State
    counts: dict[str, int]
    plan: str | None
    reason: str


WAITS_FOR_ID = "Wacht op een volgende levering, want het ECK iD is bij deze leverancier nog van een ander, of het staat niet vast van wie: {}."

MADE_ANEW = "Eerst verwijderd, en bij de volgende levering opnieuw gemaakt, want het staat niet vast onder welk id de leverancier hem kent: {}."


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what stops parts of it, and what people said of that: both by part, `discarded` with the sentence to tell."""

    plan: ChangePlan
    stops: tuple[Stop, ...]
    approved: frozenset[str]
    discarded: Mapping[Part, str]
    after: int | None  # the last plan of this case when this one was made; another one since makes it stale
    clears: bool = False  # this is the plan that leaves the supplier with nothing
    only: OnePupil | None = None  # where the run is for one pupil: his changes, judged within the whole plan

    @property
    def concerned(self) -> pd.DataFrame:
        """The changes that this run is for, whether or not they go ahead."""
        return self.plan.changes if self.only is None else self.plan.changes.loc[self.only.rows]

    @property
    def own(self) -> pd.DataFrame:
        """The changes of the one pupil himself that this run is for, without what must go with them."""
        return self.concerned if self.only is None else self.plan.changes.loc[self.only.own]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers by operation of what this run is for."""
        if self.only is None:
            return self.plan.counts
        return NO_COUNTS | {o: int(n) for o in OPERATIONS if (n := self.concerned["operation"].eq(o).sum())}

    def stopped_by(self, operation: str) -> tuple[Stop, ...]:
        """What still stops this operation."""
        mine = tuple(stop for stop in self.stops if stop.operation == operation)
        blocked = tuple(stop for stop in mine if stop.effect == "block")
        return blocked or (() if operation in self.approved else mine)

    @property
    def allowed(self) -> tuple[Operation, ...]:
        """The operations that go ahead."""
        return tuple(operation for operation in OPERATIONS if not self.stopped_by(operation))

    @property
    def complete(self) -> bool:
        """Whether nothing of it is stopped, nor left for the next. Fields that wait are no part of it: it was made without them."""
        return not self.plan.goes_on and not any(self.stopped_by(part) for part in PARTS if part != ADD_FIELDS)

    @property
    def going(self) -> pd.DataFrame:
        """The changes that go ahead: all of what is allowed, and of the rest those that wait for nobody.

        Those a hold does not stop, nor that something new would go out with the others; what the school agreed does. Those who
        take each other's ids go together or not at all: half of that would write the one over the other. Nor is anybody deleted
        to be created anew where nothing is to be created.
        """
        changes = self.concerned
        binding = {
            stop.operation for stop in self.stops if stop.effect == "block" and stop.rule is not Rule.NOTHING_NEW
        }
        by_right = self.plan.by_right.loc[changes.index] & ~changes["operation"].isin(binding)
        stuck = changes.index.isin(self.plan.anew if self.stopped_by("create") else ())
        going = (changes["operation"].isin(self.allowed) & ~stuck) | by_right
        labels = frozenset(changes.index[going] if self.plan.together else ())
        halves = [row for rows in self.plan.together if not rows <= labels for row in rows]
        return changes[going & ~changes.index.isin(halves)]

    @property
    def held(self) -> tuple[Part, ...]:
        """The parts that wait for a person."""
        return tuple(
            part
            for part in self._parts
            if part not in self.discarded and any(stop.effect == "hold" for stop in self.stopped_by(part))
        )

    @property
    def digest(self) -> str:
        """Names the whole plan, or the part of it that is about one pupil."""
        part = self.plan if self.only is None else replace(self.plan, changes=self.concerned)
        return part.digest(OPERATIONS)

    def why(self, parts: Iterable[str] | None = None) -> str:
        """The reasons for what does not go ahead, in one text."""
        stops = [stop for part in (self._parts if parts is None else parts) for stop in self.stopped_by(part)]
        told = [self.discarded.get(s.operation, s.reason) if s.effect == "hold" else s.reason for s in stops]
        if parts is None and self.waiting:
            told.append(WAITS_FOR_ID.format(len(self.waiting)))
        if parts is None and (anew := len(self.going.index.intersection([*self.plan.anew]))):
            told.append(MADE_ANEW.format(anew))
        return " ".join(dict.fromkeys(told))

    @property
    def waiting(self) -> frozenset[bytes]:
        """Of what this run is for, the refs of who waits until it is certain whose an id is at the supplier, and it is free."""
        stopped = self.concerned.index.difference(self.going.index).intersection([*self.plan.anew])
        waiting = self.plan.waiting.union(self.concerned.loc[stopped, "ref"])
        return waiting if self.only is None else waiting & self.only.refs

    @property
    def _parts(self) -> tuple[Part, ...]:
        """The parts of what this run is for and does not go by right."""
        if self.only is None:
            return PARTS
        waiting = self.concerned.loc[~self.plan.by_right.loc[self.only.rows], "operation"]
        return tuple(o for o in OPERATIONS if waiting.eq(o).any())


def planned(case: Case, wanted: DeliverySet, quarantined: pd.DataFrame) -> Planned:
    """The change plan of this case, with what the guard says of it.

    After the end of the agreement that is a plan that clears the supplier out, once a person has approved that, and the plan
    of any other night until then. Where nothing is left, nothing is to be done any more.
    """
    last_good = case.ledger.last_good_plan(case.supplier, case.school)
    state = case.ledger.delivered_state(case.supplier, case.school)
    known = Known(
        state=state,
        fields={int(i): case.ledger.field_ids(int(i)) for i in state["field_set_id"].unique()},
        handles=partial(case.ledger.handles, case.supplier),
        schooljaar=last_good.schooljaar if last_good else None,
        deleted_first=_deleted_first(case),
    )
    clears = case.ended and (state.empty or case.ledger.approved(case.supplier, case.school, CLEAR_OUT, _ending(case)))
    if clears:
        plan = clearing(change_plan(emptied(wanted), known, quarantined, case.schooljaar, case.keys))
    else:
        plan = change_plan(wanted, known, quarantined, case.schooljaar, case.keys)
    only = (
        one_pupil(plan, wanted, case.pupil, case.ledger.refs_of_person(case.school, case.pupil)) if case.pupil else None
    )
    return judged(case, plan, only, clears=clears)


def _deleted_first(case: Case) -> frozenset[bytes]:
    last = case.ledger.last_whole_plan(case.supplier, case.school)
    if last is None or not last.counts["delete"]:
        return frozenset()
    changes = case.ledger.changes(last.id)
    went = changes["operation"].eq("delete") & changes["cause"].eq(Cause.REKEYED) & changes["state"].isin(_WENT)
    return frozenset(changes.loc[went, "ref"])


_WENT = ("accepted", "presumed")


def judged(case: Case, plan: ChangePlan, only: OnePupil | None = None, *, clears: bool = False) -> Planned:
    """What the guard, and the people who approved or discarded something, say of a plan now.

    The limits are judged on the whole plan, also where the run is for one pupil. An approval is for that whole: of what
    was held, one pupil does not go ahead of the rest.
    """
    newest = case.ledger.last_plan(case.supplier, case.school)
    last = case.ledger.last_whole_plan(case.supplier, case.school)
    last_good = case.ledger.last_good_plan(case.supplier, case.school)
    moment = newest.received_at if newest else None
    newer = moment if moment and moment > case.received_at else None
    history = History(last_good.export_size if last_good else None, any(plan.known.values()), newer)
    found = (*stops(plan, case.agreement, history, case.export_size, case.day, case.next_begins), *_more_fields(case))
    digests = {stop.operation: part_of(case, plan, stop.operation).digest for stop in found if stop.effect == "hold"}
    decided = {CLEAR_OUT: clears, ADD_FIELDS: case.widening is not None and case.widening.approved}
    approved = {
        part
        for part, digest in digests.items()
        if decided.get(part, False)
        or (part in OPERATIONS and case.ledger.approved(case.supplier, case.school, part, digest))
        or (part in OPERATIONS and _rest_of(case, last, plan.may_wait.of(part)))
    }
    no = {hold.digest: hold for hold in case.ledger.holds(case.school, case.supplier, "discarded")}
    discarded = {part: no[digest].answer for part, digest in digests.items() if part not in approved and digest in no}
    said_yes = frozenset() if only else frozenset(approved)
    return Planned(plan, found, said_yes, discarded, newest.id if newest else None, clears, only)


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """What an approval of one part is for, and how many records, or fields, it is about."""

    digest: str
    number: int


def part_of(case: Case, plan: ChangePlan, part: Part) -> WaitingPart:
    """One part of a plan as a hold names it.

    To clear out is approved once for the whole: after the end nothing comes, so what is there can only become less.
    """
    if part == CLEAR_OUT:
        return WaitingPart(_ending(case), sum(plan.known.values()))
    if part == ADD_FIELDS:
        return WaitingPart(case.widening.digest, len(case.widening.added)) if case.widening else WaitingPart("", 0)
    return WaitingPart(plan.may_wait.digest([part]), len(plan.may_wait.of(part)))


def _ending(case: Case) -> str:
    """Names the end of this agreement; another last day is another end."""
    parts = (CLEAR_OUT, case.supplier, case.school, str(case.agreement.signed), str(case.agreement.valid_until))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _more_fields(case: Case) -> Iterator[Stop]:
    if case.widening:
        yield Stop(ADD_FIELDS, "hold", Rule.FIELDS_ADDED, case.widening.reason)


def _rest_of(case: Case, last: Plan | None, changes: pd.DataFrame) -> bool:
    """Whether these changes were all let through in the last plan already, and did not arrive or were refused.

    Without this, what a broken-off first delivery left would be asked again as if it were new.
    """
    if last is None or discarded_since(case, last) & set(changes["operation"]):
        return False
    left = case.ledger.changes(last.id)
    left = left[left["state"] != "accepted"]
    known = set(zip(left["operation"], left["ref"], left["fingerprint"], strict=True))
    now = zip(changes["operation"], changes["ref"], changes["fingerprint"], strict=True)
    return all((o, ref, None if o == "delete" else prints) in known for o, ref, prints in now)


def discarded_since(case: Case, plan: Plan) -> set[str]:
    """The operations of which a person has discarded a hold after this plan was made; clearing out is made of deletes."""
    holds = case.ledger.holds(case.school, case.supplier, "discarded")
    return {
        "delete" if hold.operation == CLEAR_OUT else hold.operation
        for hold in holds
        if hold.decided_at and hold.decided_at > plan.created_at
    }


def nothing_to_do(case: Case) -> Outcome | None:
    """The outcome without a plan, where the last one had the same basis, ended well, and left nothing to do.

    New fields may still wait for a person, or be refused; the last plan told why.
    """
    last = case.ledger.last_plan(case.supplier, case.school)
    if last is None or not last.settles(case.basis):
        return None
    state: State = "unchanged"
    if case.widening and case.pupil is None:
        state = "blocked" if case.widening.discarded else "held"
    reason = "" if state == "unchanged" else last.reason or ""
    return Outcome(case.school, case.supplier, state, _still(last.counts), last.digest, reason)


def preview(case: Case, plan: Planned) -> Outcome:
    """What would happen if this plan were delivered now."""
    return Outcome(case.school, case.supplier, "preview", plan.counts, plan.digest, why_not(case, plan))


def why_not(case: Case, plan: Planned) -> str:
    """The reasons for what does not go ahead; also where an agreement has ended and there is nothing to remove."""
    reason = plan.why()
    if reason or not plan.clears or not plan.plan.changes.empty:
        return reason
    until = f"{case.agreement.valid_until:%d-%m-%Y}"
    return f"De overeenkomst is afgelopen op {until}, en deze leverancier heeft niets (meer): er gaat niets uit."


def _still(counts: dict[str, int]) -> dict[str, int]:
    """The counts of a delivered plan, seen from the day after."""
    still = counts["unchanged"] + counts["create"] + counts["update"]
    return {"create": 0, "update": 0, "delete": 0, "unchanged": still, "quarantined": counts["quarantined"]}
