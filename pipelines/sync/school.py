"""One school in one run: from export to checked roster, and what is remembered of it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pandas as pd

from connectors.base import Export, SchoolId
from connectors.parnassys import read_roster
from data_contracts.fields import Record
from data_contracts.findings import Checked, checked
from data_contracts.rules import Rule
from mappings.agreement import Agreement, FieldSet
from mappings.choices import Choice, Release
from mappings.projection import has_left
from pipelines.keys import Keys
from pipelines.ledger.choices import Chosen
from pipelines.ledger.exports import GoodExport
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.presence import Seen
from pipelines.ledger.records import refs_of
from pipelines.sync.erased import Sought, eckid_of, looked_for
from pipelines.sync.widening import InForce


@dataclass(frozen=True, slots=True)
class SchoolData:
    """What a school's export says today, checked.

    `received_at` is the export's. `digest` names everything that deliveries follow from: the content, what was kept out, and who
    has left by now.
    `erased` are those in the export whom a parent asked to erase, as `looked_for` tells them.
    """

    checked: Checked = field(repr=False)
    digest: str
    schooljaar: str
    pupils: int
    received_at: datetime
    erased: Mapping[bytes, Seen] = field(default_factory=dict, repr=False)


def school_data(export: Export, wanted: frozenset[str], day: date, sought: Sought | None = None) -> SchoolData:
    """Read and check an export, without whom a parent asked to erase where `sought` says so.

    Raises:
        PermanentError: not readable, or of another school or year.
        BrokenTable: too much of it breaks its contract.
    """
    roster = read_roster(export.content, wanted, export.school)
    roster, erased = looked_for(roster, export.school.key, sought) if sought else (roster, {})
    result = checked(roster, day, read=wanted)
    digest, year = _digest(result, day), export.school.schooljaar
    return SchoolData(result, digest, year, len(roster.leerlingen), export.received_at, erased)


def meet(ledger: Ledger, school: str, data: SchoolData) -> None:
    """Know from now on which pupils there are and who each is under another key, and who of the erased is there still.

    What parents said before about a key that is gone counts after this, so it comes before any delivery set.
    """
    ledger.erasures.note_presence(school, data.erased, data.pupils, unnamed=_some_pupil_is_unnamed(data.checked))
    ledger.meet_pupils(school, _pupils(data.checked), _eckids(data.checked))


def remember(ledger: Ledger, export: Export, data: SchoolData, day: date, run_id: str) -> None:
    """Keep that this export was taken as true: whom it tells of, and what was wrong in it."""
    meet(ledger, export.school.key, data)
    ledger.replace_findings(export.school.key, run_id, data.checked.findings)
    good = GoodExport(
        school=export.school.key,
        digest=data.digest,
        schooljaar=data.schooljaar,
        pupils=data.pupils,
        received_at=data.received_at,
        door=export.origin.partition(" ")[0],
        next_date=_next_date(data.checked, day),
        findings=len(data.checked.findings),
        quarantined=len(data.checked.quarantined),
        run_id=run_id,
    )
    ledger.remember_export(good)


def basis(
    school_digest: str,
    fields: InForce,
    agreement: Agreement,
    chosen: Sequence[Chosen],
    erased: Iterable[bytes],
    day: date,
) -> str:
    """Names everything that a change plan follows from, besides what the supplier already has."""
    agreed = (fields.digest, agreement.model_dump_json(), str(agreement.active_on(day)))
    parts = (school_digest, *agreed, choices_digest(chosen, erased))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def choices_digest(chosen: Sequence[Chosen], erased: Iterable[bytes] = ()) -> str:
    """Names what parents chose, of one supplier: about it, about what it is given for, and whom they asked to erase, by ref."""
    lines = sorted(f"{each.record_id} {each.subject} {each.choice}" for each in chosen)
    lines += sorted(ref.hex() for ref in erased)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def release(
    ledger: Ledger, keys: Keys, fields: FieldSet, agreement: Agreement, school: str, data: Checked, day: date
) -> Release:
    """Who of a school may go to a supplier on a day, and with which photo, as its parents chose and asked until now.

    Pupils in the export are found by ref: a choice outlives the key in the ledger. Others are named by that key.
    """
    chosen, erased = ledger.choices(school, *fields.subjects), ledger.erasures.refs(school)
    if not chosen and not erased:
        return Release(agreement.legal_basis)
    numbers = {each.ref: each.record_id for each in chosen} | erased
    pupils = _pupils(data)
    keys_of = dict(zip(refs_of(school, Record.LEERLING, pupils, keys), pupils, strict=True))
    others = ledger.record_keys(number for ref, number in numbers.items() if ref not in keys_of)
    found = {ref: key for ref, number in numbers.items() if (key := keys_of.get(ref) or others.get(number))}
    newest: dict[str, dict[str, Choice]] = {subject: {} for subject in fields.subjects}
    for each in chosen:
        if each.ref in found:
            newest[each.subject][found[each.ref]] = Choice(each.choice)
    gone = frozenset(key for ref, key in found.items() if ref in erased and not agreement.obliges_on(day))
    return Release(agreement.legal_basis, newest.pop(fields.supplier), newest, gone)


def changes_wanted_since(ledger: Ledger, school: SchoolId, bases: dict[str, str], day: date) -> datetime | None:
    """The moment after which changes matter; None where everything must be fetched.

    Only where every supplier (`bases`: supplier -> basis of the last export) has what that export says, it says the same
    on `day`, and no attempt has failed since. A file does not tell exactly of what moment it is, so after one everything is.
    """
    last = ledger.last_good_export(school.key)
    if last is None or last.schooljaar != school.schooljaar or (last.next_date and last.next_date <= day):
        return None
    if last.door != "uwlr" or ledger.failed_export(school.key):
        return None
    for supplier, wanted in bases.items():
        plan = ledger.last_plan(supplier, school.key)
        if plan is None or not plan.settles(wanted):
            return None
    return last.received_at


def _pupils(data: Checked) -> list[str]:
    """The keys of all pupils in an export, those in quarantine too where theirs can be used."""
    return list(dict.fromkeys([*data.roster.leerlingen["key"], *_kept_out(data)["key"]]))


def _eckids(data: Checked) -> dict[str, str]:
    """The ECK iDs of all pupils in an export, those in quarantine too: also there somebody may stand under a new key."""
    pupils, kept_out, columns = data.roster.leerlingen, _kept_out(data), ["key", "eckid"]
    if "eckid" not in pupils:
        return {}
    known = kept_out[~kept_out["key"].duplicated(keep=False)]
    return eckid_of(pd.concat([pupils[columns], known[columns]]))


def _kept_out(data: Checked) -> pd.DataFrame:
    """The pupils in quarantine whose key can be used."""
    out = data.quarantined
    return out[out["soort"].eq(Record.LEERLING) & out["key"].ne("") & ~out["key"].str.startswith("#")]


def _some_pupil_is_unnamed(data: Checked) -> bool:
    """Whether some pupil in an export has no usable key, or shares it: it could be anybody."""
    keys = data.quarantined.loc[data.quarantined["soort"].eq(Record.LEERLING), "key"]
    return bool((keys.eq("") | keys.str.startswith("#") | keys.duplicated(keep=False)).any())


def _digest(result: Checked, day: date) -> str:
    pupils = result.roster.leerlingen
    left = pupils.loc[has_left(pupils, day), "key"]
    out = result.quarantined.fillna("").to_csv(index=False) + result.findings.fillna("").to_csv(index=False)
    whole = "\0".join([result.roster.digest(), out, "\x1f".join(left)])
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _next_date(result: Checked, day: date) -> date | None:
    """The first day on which the same export says something else: a known leaver is gone, or an age is judged anew."""
    last_days = result.roster.leerlingen["uitstroomdatum"].dropna()
    coming = last_days[last_days >= day.isoformat()]
    if result.findings["regel"].eq(Rule.AGE).any():
        return day + timedelta(days=1)
    return None if coming.empty else date.fromisoformat(coming.min()) + timedelta(days=1)
