"""Carrying a change plan out: write ahead, send, take the receipts, remember. A process killed anywhere resumes here.

What may be sent was decided before; how a message looks on the wire is the connector's.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import partial

import pandas as pd

from connectors.base import ConnectorError, Envelope, NeverSentError, PermanentError, Receipts, Supplier, WholeSet
from mappings.projection import DeliverySet
from pipelines.ledger.handles import NO_HANDLE, Handle
from pipelines.ledger.holds import NewHold
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.plans import Ending, NewPlan, Plan, PlanRefusedError
from pipelines.sync.case import Case, Outcome, Planned, State, discarded_since, judged, part_of, planned, why_not
from pipelines.sync.guard import ADD_FIELDS, ALLOWED_BY_STAGE, CLEAR_OUT, PARTS, Rule
from pipelines.sync.messages import CannotStay, Message, addressed, deltas, merged, whole_set
from pipelines.sync.outbox import (
    Parcel,
    drop_parcels,
    keep_parcel,
    keep_snapshot,
    kept_parcel,
    kept_snapshot,
)
from pipelines.sync.plan import ChangePlan, emptied
from pipelines.vault import Vault


def delivered(case: Case, supplier: Supplier, wanted: DeliverySet, quarantined: pd.DataFrame, plan: Planned) -> Outcome:
    """Carry out what may go ahead of `plan`, and open a hold for what may not.

    First finishes what an earlier, broken-off delivery left; if that or another run changed what the supplier has, the
    plan is made anew, and in any case it is judged anew. Failures of the supplier become an outcome, not an exception.

    Raises:
        BusyError: another run is delivering to this supplier for this school.
    """
    with case.ledger.lease(case.supplier, case.school) as lease:
        try:
            resumed = resume(case, supplier)
            last = case.ledger.last_plan(case.supplier, case.school)
            about = plan.only.key if plan.only else None
            stale = (last.id if last else None) != plan.after or about != case.pupil
            if resumed or case.ended or stale:
                plan = planned(case, wanted, quarantined)
            else:
                plan = judged(case, plan.plan, plan.only)  # the plan may lie in the vault; its verdict may not
            if plan.only is None:
                _open_holds(case, plan)
            return _carry_out(case, supplier, emptied(wanted) if plan.clears else wanted, plan, lease.renew)
        except ConnectorError as error:
            return _outcome(case, plan, "failed", str(error))


def resume(case: Case, supplier: Supplier) -> bool:
    """Finish what a broken-off delivery left, and tell whether there was any.

    Of what is unanswered in the ledger at most the first two messages may have reached the supplier. They are sent again:
    the same bytes under the same key, which have one effect. Where today's agreement or the supplier no longer allows that,
    they count as received with unknown content, so that the next plan corrects or removes it. The others were never sent and
    are dropped, before anything else: the new plan has them, and a second fall finds only what may have arrived.

    Raises:
        TransientError: the supplier does not answer now either; everything stays as it was.
    """
    plan = case.ledger.unfinished_plan(case.supplier, case.school)
    if plan is None:
        return False

    def sent_again(batch: int, parcel: Parcel) -> bool:
        return _still_agreed(case, plan, parcel) and _sent_again(case, supplier, plan, batch, parcel)

    _end(case.ledger, case.vault, plan, sent_again, "Afgebroken; bij de volgende keer afgehandeld.")
    return True


def give_up(ledger: Ledger, vault: Vault, supplier: str, school: str) -> None:
    """End a broken-off delivery that no agreement allows to be finished any more: what may have arrived counts as received.

    Raises:
        BusyError: it is still going on.
    """
    with ledger.lease(supplier, school):
        if plan := ledger.unfinished_plan(supplier, school):
            reason = "Afgebroken, en er is geen overeenkomst meer om haar af te maken."
            _end(ledger, vault, plan, lambda _batch, _parcel: False, reason)


def _end(ledger: Ledger, vault: Vault, plan: Plan, sent_again: Callable[[int, Parcel], bool], reason: str) -> None:
    """End a broken-off plan: what may have arrived is sent again or presumed, and what was never sent is dropped before that."""
    changes = ledger.changes(plan.id)
    left = _may_have_arrived(vault, plan, changes)
    ledger.abandon_rest(plan.id, [batch for batch, _ in left])
    for batch, parcel in left:
        if parcel is None or not sent_again(batch, parcel):
            ledger.presume_batch(plan.id, batch, _may_be_known_by(parcel) if parcel else {})
    ledger.finish_plan(plan.id, "abandoned", reason)
    drop_parcels(vault, plan.supplier, plan.school, map(int, changes["batch"].unique()))


def _may_have_arrived(vault: Vault, plan: Plan, changes: pd.DataFrame) -> list[tuple[int, Parcel | None]]:
    """The batches of a broken-off plan that may have left without an answer in the ledger, each with its parcel if it is kept still."""
    unanswered = sorted(map(int, changes.loc[changes["state"] == "pending", "batch"].unique()))[:_UNDER_WAY]
    found = [(batch, kept_parcel(vault, plan.supplier, plan.school, plan.digest, batch)) for batch in unanswered]
    if len(found) == _UNDER_WAY and found[0][1] and not found[1][1]:
        del found[1]  # never sent, for the one before it is there: see `_exchange`
    return found


def _still_agreed(case: Case, plan: Plan, parcel: Parcel) -> bool:
    """Whether today's agreement allows this parcel of an earlier plan."""
    same = plan.agreement_digest == case.terms and case.ledger.field_ids(plan.field_set_id) == case.field_set.in_order
    allowed = ALLOWED_BY_STAGE[case.agreement.stage] if case.agreement.active_on(case.day) else frozenset({"delete"})
    return same and set(parcel.changes["operation"]) <= allowed - discarded_since(case, plan)


def _sent_again(case: Case, supplier: Supplier, plan: Plan, batch: int, parcel: Parcel) -> bool:
    """Send a parcel that may have arrived already; False where the supplier wants it no more."""
    try:
        receipts = supplier.send(parcel.payload, _key(plan, batch))
    except PermanentError:
        return False
    _taken_over(case, plan, batch, parcel, receipts)
    return True


def _may_be_known_by(parcel: Parcel) -> dict[int, Handle]:
    """Under which ids the supplier may have each record of a parcel that it did not answer, where that is not its key alone.

    Who got another id may be there under that, or still under the one from which he was to be moved.
    """
    rows = parcel.changes[(parcel.changes["id"] != parcel.changes["key"]) | parcel.changes["previous_id"].notna()]
    ids = zip(map(int, rows["record_id"]), rows["id"], rows["previous_id"], strict=True)
    return {number: Handle(was, None, now) if isinstance(was, str) else Handle(now, None) for number, now, was in ids}


def _open_holds(case: Case, plan: Planned) -> None:
    """One hold for each part that waits; the hold of a part that no longer waits is closed."""
    for part in PARTS:
        if part in plan.held:
            of, reason = part_of(case, plan.plan, part), plan.why([part])
            case.ledger.open_hold(NewHold(case.supplier, case.school, part, of.digest, of.number, reason, plan.digest))
        elif part not in plan.approved:
            case.ledger.close_hold(case.supplier, case.school, part, "superseded")


def _carry_out(
    case: Case, supplier: Supplier, wanted: DeliverySet, plan: Planned, renew: Callable[[], None]
) -> Outcome:
    chosen = plan.going
    if chosen.empty:
        return _nothing_sent(case, plan)
    chosen = addressed(_registered(case, chosen), wanted, case.ledger)
    try:
        parcels = _parcels(case, supplier, wanted, chosen, plan.plan)
    except CannotStay as stuck:
        return _outcome(case, plan, "held", " ".join(filter(None, [str(stuck), plan.why()])))
    keep = partial(keep_parcel, case.vault, case.supplier, case.school, plan.digest)
    keep(0, parcels[0])
    try:
        changes = pd.concat([parcel.changes.assign(batch=batch) for batch, parcel in enumerate(parcels)])
        row = _opened(case, plan, changes)
    except PlanRefusedError:
        drop_parcels(case.vault, case.supplier, case.school, [0])
        raise
    refused = 0
    try:
        with closing(_exchange(supplier, row, parcels, keep, renew)) as answers:
            for batch, receipts in enumerate(answers):
                refused += _taken_over(case, row, batch, parcels[batch], receipts, written=parcels[batch].changes)
                drop_parcels(case.vault, case.supplier, case.school, [batch])
    except (PermanentError, NeverSentError) as error:
        case.ledger.finish_plan(row.id, "single" if plan.only else "failed", str(error))
        drop_parcels(case.vault, case.supplier, case.school, range(len(parcels)))
        raise
    return _finished(case, plan, row, len(chosen), refused)


_UNDER_WAY = 2
"""How many messages may have arrived of which the ledger does not know the answer: see `_exchange`."""


def _exchange(
    supplier: Supplier,
    plan: Plan,
    parcels: Sequence[Parcel],
    keep: Callable[[int, Parcel], None],
    renew: Callable[[], None],
) -> Generator[Receipts, None, None]:
    """The answers in order. While the caller takes over one, the next message is on its way, and never more than that one.

    Each was kept in the outbox before it leaves, in order, the first by the caller: one that is not there was never sent.

    Raises:
        BusyError: waiting for an answer took so long that another run has the turn now; nothing more was sent.
    """
    with ThreadPoolExecutor(max_workers=1) as post:
        under_way = post.submit(supplier.send, parcels[0].payload, _key(plan, 0))
        for following in range(1, len(parcels)):
            keep(following, parcels[following])
            receipts = under_way.result()
            renew()
            under_way = post.submit(supplier.send, parcels[following].payload, _key(plan, following))
            yield receipts
        yield under_way.result()


def _nothing_sent(case: Case, plan: Planned) -> Outcome:
    """Nothing may go or nothing need go: remember that it was looked at, if it was at everybody."""
    parts = PARTS if plan.only is None else plan.concerned["operation"].unique()
    stopped = any(map(plan.stopped_by, parts))
    state: State = "held" if plan.held else "blocked" if stopped or plan.waiting else "unchanged"
    if plan.only:
        return _outcome(case, plan, state, plan.why())
    row = _opened(case, plan, plan.plan.changes.iloc[:0].assign(batch=0))
    ending: Ending = "unchanged" if plan.complete else "held" if stopped else "partial"
    reason = why_not(case, plan)
    case.ledger.finish_plan(row.id, ending, reason)
    return _outcome(case, plan, state, reason)


def _finished(case: Case, plan: Planned, row: Plan, sent: int, refused: int) -> Outcome:
    reason = " ".join(filter(None, [f"{refused} niet aangenomen door de leverancier." if refused else "", plan.why()]))
    if plan.only:
        case.ledger.finish_plan(row.id, "single", reason)
        return _outcome(case, plan, "failed" if refused else "held" if plan.held else "delivered", reason)
    if refused == sent:
        case.ledger.finish_plan(row.id, "failed", reason)
        return _outcome(case, plan, "failed", reason)
    case.ledger.finish_plan(row.id, "delivered" if plan.complete and not refused else "partial", reason)
    for part in plan.approved - ({CLEAR_OUT} if refused else set()):  # not done until nothing is left
        case.ledger.close_hold(case.supplier, case.school, part, "done")
    return _outcome(case, plan, "held" if plan.held else "delivered", reason)


def _registered(case: Case, changes: pd.DataFrame) -> pd.DataFrame:
    """The changes with a record id for every record, also those the ledger sees for the first time."""
    changes = changes.copy()
    for kind, new in changes[changes["record_id"].isna()].groupby("kind", sort=False):
        refs = new["ref"].tolist()
        numbers = case.ledger.numbers(case.school, str(kind), dict(zip(refs, new["key"].tolist(), strict=True)))
        changes.loc[new.index, "record_id"] = [numbers[ref] for ref in refs]
    return changes


def _parcels(
    case: Case, supplier: Supplier, wanted: DeliverySet, chosen: pd.DataFrame, plan: ChangePlan
) -> list[Parcel]:
    """Every message, encoded and checked against the field set before the first one leaves."""
    if supplier.capabilities.whole_set:
        messages = iter([_whole(case, wanted, chosen, plan)])
    else:
        messages = deltas(chosen, plan.together, wanted, supplier.capabilities)
    envelope = Envelope(case.supplier, case.school, wanted.school_fields)
    parcels = []
    for message in messages:
        payload = supplier.encode(envelope, message.content, case.field_set)
        supplier.check(payload, case.field_set)
        whole = message.content.records if isinstance(message.content, WholeSet) else None
        parcels.append(Parcel(payload, message.changes, whole))
    return parcels


def _whole(case: Case, wanted: DeliverySet, chosen: pd.DataFrame, plan: ChangePlan) -> Message:
    """The whole set; records that must stay as they are come from the one before."""
    waiting = plan.changes.drop(index=chosen.index)
    staying = pd.concat([waiting.loc[waiting["operation"] != "create", ["record_id", "kind"]], plan.lingering])
    keys = case.ledger.record_keys(staying["record_id"].astype(int).tolist())
    staying = staying.assign(key=[keys[int(i)] for i in staying["record_id"]])
    snapshot = kept_snapshot(case.vault, case.supplier, case.school)
    return whole_set(chosen, waiting, staying, wanted, snapshot)


def _key(plan: Plan, batch: int) -> str:
    """Never the key of another plan, not even of one with the same changes or in a ledger that was begun anew."""
    return f"{plan.digest}-{plan.id}-{plan.created_at:%Y%m%d%H%M%S%f}-{batch}"


def _taken_over(
    case: Case, plan: Plan, batch: int, parcel: Parcel, receipts: Receipts, written: pd.DataFrame | None = None
) -> int:
    """Remember the answer to one parcel; gives how many of its changes were not accepted.

    A change that the answer says nothing of may have been applied or not, and is presumed. `written` as in `settle_batch`.
    """
    if parcel.whole is not None:
        before = kept_snapshot(case.vault, case.supplier, case.school)
        keep_snapshot(case.vault, case.supplier, case.school, merged(parcel.whole, receipts, before))
    accepted, refused = _answers(parcel, receipts)
    case.ledger.settle_batch(plan.id, batch, accepted, refused, written)
    if len(accepted) + len(refused) < len(parcel.changes):
        case.ledger.presume_batch(plan.id, batch, _may_be_known_by(parcel))
    return len(parcel.changes) - len(accepted)


def _answers(parcel: Parcel, receipts: Receipts) -> tuple[dict[int, Handle], dict[int, str]]:
    """By record number: how the supplier knows what it accepted, and its reason for everything that it refused.

    What a whole set no longer holds is removed by it, so such a delete needs no answer of its own. Nor does whose former id is
    accepted for another: the two are taken together or not at all. What is deleted under two ids needs an answer to both.
    """
    accepted, refused = {}, {}
    taken, not_taken, whole = receipts.accepted, receipts.refused, parcel.whole is not None
    moved = _moved_along(parcel.changes, taken) if len(taken) + len(not_taken) < len(parcel.changes) else set()
    columns = (parcel.changes[name].tolist() for name in ("record_id", "kind", "id", "key", "previous_id", "operation"))
    for number, kind, wire_id, key, previous_id, operation in zip(*columns, strict=True):
        named = kind, wire_id  # the kind as the text that every `Record` is
        also = (kind, previous_id) if previous_id and operation == "delete" else named
        if named in taken and (also is named or also in taken):
            # The id is told also where it is the key, if that is back in the place of an ECK iD.
            accepted[number] = Handle(wire_id if wire_id != key or previous_id else None, taken[named])
        elif named in not_taken or also in not_taken:
            refused[number] = not_taken.get(named) or not_taken[also]
        elif wire_id in moved:
            accepted[number] = Handle(wire_id, None)
        elif whole and operation == "delete":
            accepted[number] = NO_HANDLE
    return accepted, refused


def _moved_along(changes: pd.DataFrame, taken: Collection[tuple[str, str]]) -> set[str]:
    """The new ids of who must have moved, since his former id was accepted for another, and his for a third."""
    moved = changes[changes["operation"].eq("update") & changes["previous_id"].notna()]
    new_of = dict(zip(moved["previous_id"], moved["id"], strict=True))
    todo = [i for kind, i in zip(moved["kind"], moved["id"], strict=True) if (kind, i) in taken]
    found: set[str] = set()
    while todo:
        new = new_of.get(todo.pop())
        if new and new not in found:
            found.add(new)
            todo.append(new)
    return found


def _opened(case: Case, plan: Planned, changes: pd.DataFrame) -> Plan:
    """The plan as the ledger has it, written before anything is sent."""
    new = NewPlan(
        digest=plan.digest,
        supplier=case.supplier,
        school=case.school,
        run_id=case.run_id,
        agreement_digest=case.terms,
        field_set=case.field_set,
        schooljaar=case.schooljaar,
        basis=case.basis,
        export_size=_believed_size(case, plan),
        received_at=_newest_moment(case, plan),
        counts=plan.counts,
    )
    case.ledger.open_plan(new, changes)
    written = case.ledger.unfinished_plan(case.supplier, case.school)
    assert written is not None
    # From here on these fields are given, be it to one pupil: see `widening`.
    if case.widening and case.widening.approved:
        case.ledger.close_hold(case.supplier, case.school, ADD_FIELDS, "done")
    return written


def _believed_size(case: Case, plan: Planned) -> int:
    """The size that the next export is measured against: not that of one that waits for a person because of its size or moment."""
    doubts = {Rule.EXPORT_SIZE, Rule.OLDER_EXPORT}
    doubted = any(s.rule in doubts for part in PARTS for s in plan.stopped_by(part))
    last_good = case.ledger.last_good_plan(case.supplier, case.school) if doubted else None
    return last_good.export_size if last_good else case.export_size


def _newest_moment(case: Case, plan: Planned) -> datetime:
    """The moment before which the next export is older; it goes back only where a person approved that."""
    last = case.ledger.last_plan(case.supplier, case.school)
    older = [stop for stop in plan.stops if stop.rule is Rule.OLDER_EXPORT]
    if (
        last is None
        or last.received_at is None
        or (older and not any(s in plan.stopped_by(s.operation) for s in older))
    ):
        return case.received_at
    return max(last.received_at, case.received_at)


def _outcome(case: Case, plan: Planned, state: State, reason: str) -> Outcome:
    return Outcome(case.school, case.supplier, state, plan.counts, plan.digest, reason)
