"""The ledger as the rest of the program knows it: each method is one transaction, whole or not at all.

What happens inside a transaction stands in the modules beside this one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy.engine import Engine

from mappings.agreement import FieldSet
from pipelines.keys import Keys
from pipelines.ledger import (
    batches,
    delivered,
    exports,
    forgetting,
    held,
    holds,
    leases,
    looks,
    plans,
    readback,
    records,
    renewal,
    resealings,
    seals,
)
from pipelines.ledger.choices import Chosen, Entry, NewChoices, history, newest_choices, record_choices
from pipelines.ledger.database import Database, utc_now
from pipelines.ledger.dossier import Dossier, dossier
from pipelines.ledger.erasure_proofs import first_broken_erasure
from pipelines.ledger.erasures import Erasures
from pipelines.ledger.handles import Handle, handles_of
from pipelines.ledger.holds import Closing, Decision, Hold, NewHold

_STATUS = ("school", "supplier", "state", "counts", "plan", "reason", "open", "created_at", "finished_at")


class Ledger(Database):
    """What was planned, answered and delivered."""

    def __init__(self, engine: Engine, keys: Keys, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(engine, keys, clock)
        self._numbers: dict[tuple[str, str], dict[bytes, int]] = {}
        self.erasures = Erasures(self._reading, self._writing)

    def renew_keys(self, new: Keys, prints: renewal.Prints) -> None:
        """Bring everything under new keys. See `renewal.renew_keys`."""
        super().renew_keys(new, prints)
        self._numbers.clear()

    # Records

    def register_records(self, school: str, kind: str, record_keys: pd.Series) -> pd.DataFrame:
        """A frame `key, record_id` with the index of `record_keys`; an unknown record gets a number."""
        self._numbers.clear()  # who was erased since may have come back under a new one
        with self._writing() as transaction:
            return records.register_records(transaction, school, kind, record_keys)

    def meet_pupils(self, school: str, keys: Sequence[str], eckid_of: Mapping[str, str]) -> None:
        """Let the ledger know these pupils, and by their ECK iDs who they are under another key. See `records.meet_pupils`."""
        self._numbers.clear()
        with self._writing() as transaction:
            records.meet_pupils(transaction, school, keys, eckid_of)

    def identities(self, school: str) -> dict[int, frozenset[int]]:
        """Of everybody at a school with more than one record all of them, by each. See `records.identities`."""
        with self._reading() as transaction:
            return records.identities(transaction, school)

    def refs_of_person(self, school: str, key: str) -> set[bytes]:
        """How the ledger names the pupil with this key under each of his keys. See `records.refs_of_person`."""
        with self._reading() as transaction:
            return records.refs_of_person(transaction, school, key)

    def numbers(self, school: str, kind: str, keys_by_ref: Mapping[bytes, str]) -> dict[bytes, int]:
        """The numbers of records by their ref, for who has those already; an unknown record gets a number.

        A number once given stays, so what was asked before is known; one supplier after another asks the same.
        """
        known = self._numbers.get((school, kind), {})
        if not keys_by_ref.keys() <= known.keys():
            with self._writing() as transaction:
                known = records.numbers(transaction, school, kind, keys_by_ref)
            self._numbers[school, kind] = known
        return known

    def record_keys(self, record_ids: Iterable[int]) -> dict[int, str]:
        """The keys of these records; one whose key was shredded is left out."""
        with self._reading() as transaction:
            return records.record_keys(transaction, record_ids)

    def shred_keys(self, record_ids: Iterable[int]) -> None:
        """Forget the keys of these records for good; what was delivered stays provable."""
        with self._writing() as transaction:
            records.shred_keys(transaction, record_ids)

    # What suppliers hold

    def delivered_state(self, supplier: str, school: str) -> pd.DataFrame:
        """A frame `record_id: int64, kind: str, ref: bytes, fingerprint: bytes, field_set_id: int64`."""
        with self._reading() as transaction:
            return delivered.delivered_state(transaction, supplier, school)

    def held_within(self, supplier: str, school: str, period: timedelta) -> pd.DataFrame:
        """What the supplier held at any moment of the last `period`. See `delivered.held_since`."""
        with self._reading() as transaction:
            return delivered.held_since(transaction, supplier, school, transaction.now - period)

    def delivered_counts(self, school: str | None = None) -> dict[tuple[str, str], int]:
        """How many records each supplier holds, by school and supplier: of this school, or of every school there ever was."""
        return {place: sum(kinds.values()) for place, kinds in self.held_by_kind(school).items()}

    def held_by_kind(self, school: str | None = None) -> dict[tuple[str, str], dict[str, int]]:
        """How many records of each kind every supplier holds, by school and supplier."""
        with self._reading() as transaction:
            return held.held_by_kind(transaction, school)

    def held_fields(self, supplier: str, school: str) -> frozenset[str]:
        """The ids of all fields of what this supplier holds of this school."""
        with self._reading() as transaction:
            return held.held_fields(transaction, supplier, school)

    def sent(self) -> list[held.Sent]:
        """What really went to every supplier, by school and kind of record. See `held.sent`."""
        with self._reading() as transaction:
            return held.sent(transaction)

    def dossier(self, school: str, key: str) -> Dossier | None:
        """What is known of one pupil, under all of his keys; None where he was never met. See `dossier.Dossier`."""
        with self._reading() as transaction:
            return dossier(transaction, school, key)

    def handles(self, supplier: str, record_ids: Iterable[int]) -> dict[int, Handle]:
        """How the supplier knows these records; one that has neither another id nor a number of its own is left out."""
        with self._reading() as transaction:
            return handles_of(transaction, supplier, record_ids)

    def shared_ids(self, supplier: str, record_ids: Collection[int]) -> dict[int, frozenset[str]]:
        """Whom a supplier may know by an id of these records as well. See `delivered.shared_ids`."""
        with self._reading() as transaction:
            return delivered.shared_ids(transaction, supplier, record_ids)

    def field_ids(self, field_set_id: int) -> tuple[str, ...]:
        """The ids of the fields of a field set, in its order."""
        with self._reading() as transaction:
            return tuple(plans.fields_of(transaction, field_set_id))

    def named(self, record_ids: Iterable[int]) -> dict[int, tuple[str, str | None]]:
        """Kind and key of these records. See `readback.named`."""
        with self._reading() as transaction:
            return readback.named(transaction, list(record_ids))

    def known_records(self, school: str, kind: str, refs: Iterable[bytes]) -> dict[bytes, int]:
        """The numbers of those of these records that the ledger knows; nothing is written."""
        with self._reading() as transaction:
            return records.known(transaction, school, kind, refs)

    def count_as_unknown(self, supplier: str, school: str, fields: FieldSet, unsure: readback.Unsure) -> None:
        """Let the next plan set right what reading back found. See `readback.forget_content`."""
        with self._writing() as transaction:
            readback.forget_content(transaction, supplier, school, fields, unsure)

    # Plans

    def open_plan(self, new: plans.NewPlan, changes: pd.DataFrame) -> int:
        """Write a plan and its changes before the first request; its number. See `plans.open_plan`."""
        with self._writing() as transaction:
            return plans.open_plan(transaction, new, changes)

    def settle_batch(
        self,
        plan_id: int,
        batch: int,
        accepted: Mapping[int, Handle],
        refused: Mapping[int, str],
        written: pd.DataFrame | None = None,
    ) -> None:
        """Take over the supplier's answer to one batch, by record number. See `batches.settle_batch`."""
        with self._writing() as transaction:
            batches.settle_batch(transaction, plan_id, batch, accepted, refused, written)

    def presume_batch(self, plan_id: int, batch: int, known_by: Mapping[int, Handle] | None = None) -> None:
        """Settle a batch of which nobody can say any more whether it arrived: it counts as delivered, with unknown content.

        `known_by` tells by record number under which ids the supplier may have it now, where that is not the key alone.
        """
        with self._writing() as transaction:
            batches.presume_batch(transaction, plan_id, batch, known_by or {})

    def abandon_rest(self, plan_id: int, left: Collection[int]) -> None:
        """Drop what is pending of a broken-off plan, but for the batches `left`, by number: it was never sent."""
        with self._writing() as transaction:
            plans.abandon_rest(transaction, plan_id, left)

    def finish_plan(self, plan_id: int, state: plans.Ending, reason: str | None = None) -> None:
        """Say how a plan ended, with a reason in Dutch of at most 500 characters."""
        with self._writing() as transaction:
            plans.finish_plan(transaction, plan_id, state, reason)

    def changes(self, plan_id: int) -> pd.DataFrame:
        """The changes of a plan in their order, each with its batch and state. See `plans.changes_of`."""
        with self._reading() as transaction:
            return plans.changes_of(transaction, plan_id)

    def causes(self, plan_id: int) -> list[dict[str, Any]]:
        """How many changes a plan has of each sort, counted in the database. See `plans.causes_of`."""
        with self._reading() as transaction:
            return plans.causes_of(transaction, plan_id)

    def refusals(self, plan_id: int) -> dict[int, str]:
        """The supplier's words by refused record: not to be logged or shown in metadata, for they may name a pupil."""
        with self._reading() as transaction:
            return batches.refusals(transaction, plan_id)

    def last_plan(self, supplier: str, school: str) -> plans.Plan | None:
        """The newest plan, whatever came of it."""
        with self._reading() as transaction:
            return plans.newest_plan(transaction, supplier, school)

    def last_whole_plan(self, supplier: str, school: str) -> plans.Plan | None:
        """The newest plan that was for everybody and not for one pupil, whatever came of it."""
        with self._reading() as transaction:
            return plans.newest_plan(transaction, supplier, school, plans.WHOLE)

    def last_good_plan(self, supplier: str, school: str) -> plans.Plan | None:
        """The newest plan that was carried out, wholly or in part, or had nothing to carry out."""
        with self._reading() as transaction:
            return plans.newest_plan(transaction, supplier, school, plans.GOOD)

    def unfinished_plan(self, supplier: str, school: str) -> plans.Plan | None:
        """The plan whose delivery was broken off, if there is one."""
        with self._reading() as transaction:
            return plans.newest_plan(transaction, supplier, school, ("delivering",))

    def pending(self, supplier: str, school: str) -> pd.DataFrame:
        """The changes of the newest plan that the supplier has not accepted: not answered (`pending`) or `refused`."""
        with self._reading() as transaction:
            return plans.pending(transaction, supplier, school)

    def status(self) -> pd.DataFrame:
        """The newest plan of every school and supplier; `counts` holds dicts, `open` what was not accepted of it."""
        with self._reading() as transaction:
            found = plans.newest_plans(transaction)
        rows = [
            (p.school, p.supplier, p.state, p.counts, p.digest, p.reason or "", left, p.created_at, p.finished_at)
            for p, left in found
        ]
        return pd.DataFrame.from_records(rows, columns=list(_STATUS))

    # Holds

    def open_hold(self, new: NewHold) -> int:
        """Let a part of a plan wait for a person; the number of its hold, new or the same as yesterday."""
        with self._writing() as transaction:
            return holds.open_hold(transaction, new)

    def holds(self, school: str | None = None, supplier: str | None = None, state: str | None = "open") -> list[Hold]:
        """The holds of a school, a supplier and a state (None: all), oldest first."""
        with self._reading() as transaction:
            return holds.holds(transaction, school, supplier, state)

    def hold(self, which: str) -> Hold:
        """The hold that can still be decided by this name. See `holds.chosen`."""
        with self._reading() as transaction:
            return holds.chosen(transaction, which)

    def decide_hold(self, which: str, decision: Decision, by: str) -> Hold:
        """Approve or discard a hold, by its number or the beginning of its digest; HoldNotFoundError if there is no one such."""
        with self._writing() as transaction:
            return holds.decide_hold(transaction, which, decision, by)

    def approved(self, supplier: str, school: str, operation: str, digest: str) -> bool:
        """Whether a person approved exactly this."""
        with self._reading() as transaction:
            return holds.approved(transaction, supplier, school, operation, digest)

    def close_hold(self, supplier: str, school: str, operation: str, state: Closing) -> None:
        """End the live hold of this operation, if there is one: it was carried out, or its cause is gone."""
        with self._writing() as transaction:
            holds.close_hold(transaction, supplier, school, operation, state)

    # Choices of parents

    def choices(self, school: str, *subjects: str) -> list[Chosen]:
        """The newest choice about each of these suppliers and purposes, of each pupil of whom there is one."""
        with self._reading() as transaction:
            return newest_choices(transaction, school, subjects)

    def choice_history(self, school: str) -> list[Entry]:
        """Everything that was chosen at a school, oldest first."""
        with self._reading() as transaction:
            return history(transaction, school)

    def record_choices(self, *new: NewChoices) -> int:
        """Write choices down, all or none; gives how many were news. See `choices.record_choices`."""
        with self._writing() as transaction:
            return sum(record_choices(transaction, one) for one in new)

    # Exports and findings

    def last_good_export(self, school: str) -> exports.GoodExport | None:
        """The last export of this school that was taken as true."""
        with self._reading() as transaction:
            return exports.last_good_export(transaction, school)

    def remember_export(self, good: exports.GoodExport) -> None:
        """Keep an export that was taken as true, in the place of the school's previous one and of a failure since."""
        with self._writing() as transaction:
            exports.remember_export(transaction, good)

    def failed_export(self, school: str) -> exports.FailedExport | None:
        """Why the school's data could not be got the last time; None if they were."""
        with self._reading() as transaction:
            return exports.failed_export_of(transaction, school)

    def remember_failed_export(self, school: str, run_id: str, reason: str) -> None:
        """Keep that the school's data could not be got, with a reason in Dutch of at most 500 characters."""
        with self._writing() as transaction:
            exports.remember_failed_export(transaction, school, run_id, reason)

    def forget_failed_export(self, school: str) -> None:
        """The school's data were got again, and were the same."""
        with self._writing() as transaction:
            exports.forget_failed_export(transaction, school)

    def remember_look(self, school: str, supplier: str, run_id: str, reason: str | None = None) -> None:
        """Keep that a delivery looked at this supplier now; `reason` in Dutch, of at most 500 characters, if that came to nothing."""
        with self._writing() as transaction:
            looks.remember_look(transaction, school, supplier, run_id, reason)

    def looks(self, school: str | None = None) -> dict[tuple[str, str], looks.Look]:
        """The last look at every supplier, by school and supplier; of one school or of all."""
        with self._reading() as transaction:
            return looks.looks(transaction, school)

    def replace_findings(self, school: str, run_id: str, findings: pd.DataFrame) -> None:
        """Keep the findings of a run in the place of the previous ones. See `exports.replace_findings`."""
        with self._writing() as transaction:
            exports.replace_findings(transaction, school, run_id, findings)

    def remove_findings(self, before: datetime) -> int:
        """Forget what was found before this moment (aware); how many findings those were."""
        with self._writing() as transaction:
            return exports.remove_findings(transaction, before)

    def findings(self, *schools: str) -> pd.DataFrame:
        """The findings of these schools: `school, soort, key, veld, regel, gevolg, leverancier, run_id, gevonden`."""
        with self._reading() as transaction:
            return exports.findings_of(transaction, schools)

    # Proof and leases

    def verify(self) -> seals.BrokenSeal | None:
        """The first place where the ledger no longer says what it said, or None."""
        with self._reading() as transaction:
            return seals.first_broken(transaction) or first_broken_erasure(transaction)

    def head(self) -> str | None:
        """The newest link of the chain of seals, to be noted elsewhere; None before the first delivery."""
        with self._reading() as transaction:
            return seals.head(transaction)

    def is_link(self, noted: bytes) -> bool:
        """Whether a link that was the `head` before is in the chain still; not so where the chain was cut off before it."""
        with self._reading() as transaction:
            return seals.is_link(transaction, noted)

    def was_link(self, noted: bytes) -> bool:
        """Whether a link that was the `head` before was in the chain when all seals were made anew under another key."""
        with self._reading() as transaction:
            return resealings.was_link(transaction, noted)

    def removed(self) -> tuple[int, datetime | None]:
        """How many sealed changes were removed because they had been kept long enough, and when the last time was."""
        with self._reading() as transaction:
            return seals.removed(transaction)

    def remove_changes(self, before: datetime) -> int:
        """Remove what was kept long enough of records that no supplier holds. See `forgetting.remove_changes`."""
        with self._writing() as transaction:
            return forgetting.remove_changes(transaction, before)

    def shred_unused_keys(self) -> int:
        """Forget the keys of records to which nothing refers any more; how many. LedgerBrokenError if it is not whole."""
        self._numbers.clear()
        with self._writing() as transaction:
            return forgetting.shred_unused_keys(transaction)

    def lease(
        self, supplier: str, school: str, duration: timedelta = timedelta(minutes=15)
    ) -> AbstractContextManager[leases.Lease]:
        """The right to deliver, for the time of a `with`; BusyError if another run has it. See `Lease.renew`."""
        return leases.leased(self._engine, self._now, supplier, school, duration)
