"""One school in one run: from export to checked roster, and what is remembered of it."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from connectors.base import Export, SchoolId
from connectors.parnassys import read_roster
from data_contracts.findings import Checked, checked
from data_contracts.rules import Rule
from mappings.agreement import Agreement, FieldSet
from mappings.projection import has_left
from pipelines.ledger.exports import GoodExport
from pipelines.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class SchoolData:
    """What a school's export says today, checked.

    `digest` names everything that deliveries follow from: the content, what was kept out, and who has left by now.
    """

    checked: Checked = field(repr=False)
    digest: str
    schooljaar: str
    pupils: int


def school_data(export: Export, wanted: frozenset[str], day: date) -> SchoolData:
    """Read and check an export.

    Raises:
        PermanentError: not readable, or of another school or year.
        BrokenTable: too much of it breaks its contract.
    """
    roster = read_roster(export.content, wanted, export.school)
    result = checked(roster, day)
    return SchoolData(result, _digest(result, day), export.school.schooljaar, len(roster.leerlingen))


def remember(ledger: Ledger, export: Export, data: SchoolData, day: date, run_id: str) -> None:
    """Keep that this export was taken as true, and what was wrong in it."""
    ledger.replace_findings(export.school.key, run_id, data.checked.findings)
    good = GoodExport(
        school=export.school.key,
        digest=data.digest,
        schooljaar=data.schooljaar,
        pupils=data.pupils,
        received_at=export.received_at,
        next_date=_next_date(data.checked, day),
        findings=len(data.checked.findings),
        quarantined=len(data.checked.quarantined),
        run_id=run_id,
    )
    ledger.remember_export(good)


def basis(school_digest: str, field_set: FieldSet, agreement: Agreement, day: date) -> str:
    """Names everything that a change plan follows from, besides what the supplier already has."""
    parts = (school_digest, field_set.digest, agreement.model_dump_json(), str(agreement.active_on(day)))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def changes_wanted_since(ledger: Ledger, school: SchoolId, bases: dict[str, str], day: date) -> datetime | None:
    """The moment after which changes matter; None where everything must be fetched.

    Only where every supplier (`bases`: supplier -> basis of the last export) has what that export says, it says the same
    on `day`, and no attempt has failed since.
    """
    last = ledger.last_good_export(school.key)
    if last is None or last.schooljaar != school.schooljaar or (last.next_date and last.next_date <= day):
        return None
    if ledger.failed_export(school.key):
        return None
    for supplier, wanted in bases.items():
        plan = ledger.last_plan(supplier, school.key)
        if plan is None or not plan.settles(wanted):
            return None
    return last.received_at


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
