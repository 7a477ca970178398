"""One supplier of one small school through the heart, on a real ledger and vault, against a real server on loopback."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pandas as pd

from connectors.base import Capabilities, Delta, Envelope, Receipts, Supplier, WholeSet
from connectors.http import HttpSettings, open_session
from connectors.sandbox.serving import Misbehaviour
from connectors.sandbox.supplier_state import SupplierState
from connectors.suppliers import WIRE_FORMATS
from connectors.suppliers.wire import Door
from data_contracts.fields import Record
from data_contracts.findings import Checked, checked
from data_contracts.roster import Roster
from mappings.agreement import Agreement, FieldSet, field_set
from mappings.choices import Choice, How, Release
from mappings.profile import Profile
from mappings.profiles import profile_texts
from mappings.projection import DeliverySet, delivery_set
from mappings.yaml_source import document, validated
from pipelines.keys import Keys
from pipelines.ledger.choices import NewChoices
from pipelines.ledger.holds import Decision
from pipelines.ledger.ledger import Ledger
from pipelines.sync.case import Case, Outcome, Planned, planned
from pipelines.sync.deliver import delivered
from pipelines.sync.school import choices_digest, release
from pipelines.sync.widening import InForce, in_force
from pipelines.vault import Vault

SCHOOL = "99XX-00"
DAY = date(2026, 11, 24)
TOKEN = "teken-van-de-proef"
SMALL, LVS, BASISPOORT, PARRO = "uwlr_smalle_set", "uwlr_lvs_set", "basispoort", "parro"
WIDE: dict[str, Any] = {
    "first_delivery": "allow",
    "unexplained_deletes": {},
    "all_deletes": {},
    "field_changes": {},
    "creates": {},
    "export_size": {"minimum_percent": 0, "maximum_percent": 1000},
}
"""Limits that nothing reaches; a test of a limit sets its own."""

COLUMNS = {
    "groepen": ("soort", "key", "naam", "jaargroep"),
    "leerlingen": (
        *("key", "eckid", "achternaam", "voorvoegsel", "roepnaam", "geboortedatum", "geslacht", "start_ondw_jgr3"),
        *("jaargroep", "groep", "samengestelde_groepen", "fotourl", "uitstroomdatum"),
    ),
    "leerkrachten": ("key", "eckid", "achternaam", "voorvoegsel", "roepnaam", "emailadres", "groepen"),
}

Row = dict[str, str | None]

GROUPS: list[Row] = [
    {"soort": "groep", "key": "g3", "naam": "Groep 3", "jaargroep": "3"},
    {"soort": "groep", "key": "g45", "naam": "Groep 4/5", "jaargroep": "C"},
    {"soort": "groep", "key": "leeg", "naam": "Niemand", "jaargroep": "8"},
    {"soort": "samengestelde_groep", "key": "plus", "naam": "Plusklas"},
]
TEACHERS: list[Row] = [
    {"key": "t1", "roepnaam": "Juf", "groepen": '[{"groep":"g3"},{"groep":"leeg"}]'},
    {"key": "t2", "achternaam": "Meester", "groepen": '[{"samengestelde_groep":"plus"}]'},
    {"key": "t3", "achternaam": "Vrij", "groepen": '[{"groep":"leeg"}]'},
]


def eck(number: int) -> str:
    """The ECK iD of a pupil."""
    return f"https://ketenid.nl/201703/{number:0128x}"


def pupil(number: int, **other: str | None) -> Row:
    """A pupil of group 3 with an ECK iD, unless told otherwise."""
    return {
        "key": str(number),
        "eckid": eck(number),
        "achternaam": f"Achter{number}",
        "roepnaam": f"Roep{number}",
        "geboortedatum": "2019-03-04",
        "geslacht": "1",
        "jaargroep": "3",
        "groep": "g3",
        **other,
    }


def school(pupils: list[Row], groups: list[Row] | None = None, teachers: list[Row] | None = None) -> Roster:
    """A roster of these rows, with every column that some profile needs."""
    tables = {
        "groepen": GROUPS if groups is None else groups,
        "leerlingen": pupils,
        "leerkrachten": TEACHERS if teachers is None else teachers,
    }
    block = pd.DataFrame({"schooljaar": ["2026-2027"], "brincode": ["99XX"], "dependancecode": ["00"]}, dtype="str")
    frames = {n: pd.DataFrame(rows, columns=list(COLUMNS[n])).astype("str") for n, rows in tables.items()}
    return Roster(school=block, **frames)


def pupils(number: int) -> list[Row]:
    """Pupils 1 to `number`, all in group 3; the first one is also in the plusklas."""
    first = pupil(1, samengestelde_groepen='["plus"]')
    return [first, *(pupil(n) for n in range(2, number + 1))]


_JUDGED: dict[tuple[str, date], Checked] = {}


def judged(roster: Roster, day: date = DAY) -> Checked:
    """The roster, checked; the same school is looked at once only, for the contracts are the slow part."""
    name = (roster.digest(), day)
    if name not in _JUDGED:
        _JUDGED[name] = checked(roster, day)
    return _JUDGED[name]


@cache
def profile(supplier: str) -> Profile:
    """A profile that ships with the program."""
    name = next(name for name in profile_texts() if name.startswith(supplier))
    return validated(document(profile_texts()[name], name), Profile)


def agreement(supplier: str, **other: Any) -> Agreement:
    """An agreement in force, that holds nothing back."""
    fields: dict[str, Any] = {
        "supplier": supplier,
        "schools": [SCHOOL],
        "model": "Privacyconvenant 4.0",
        "signed": date(2026, 8, 1),
        "valid_until": date(2027, 7, 31),
        "legal_basis": "publieke_taak",
        "limits": WIDE,
        "connection": {"base_url": "https://voorbeeld.test", "token": "env:TEKEN"},
    }
    return Agreement.model_validate(fields | other)


def fields_of(agreed: Agreement) -> FieldSet:
    """The field set of an agreement."""
    return field_set(profile(agreed.supplier), agreed)


def projected(
    data: Checked,
    agreed: Agreement,
    day: date = DAY,
    released: Release | None = None,
    fields: FieldSet | None = None,
) -> DeliverySet:
    """The delivery set of a checked roster; no parent has chosen anything, and no field waits, unless told otherwise."""
    released = released or Release(agreed.legal_basis)
    return delivery_set(data, fields or fields_of(agreed), agreed.scope, released, SCHOOL, day)


class Killed(BaseException):
    """As SIGKILL: nothing of the program can catch it and go on."""


@dataclass
class Fragile:
    """A supplier whose connection kills the program at one message, before it was sent or after it was answered."""

    supplier: Supplier
    at: int
    after: bool
    sent: int = 0

    @property
    def capabilities(self) -> Capabilities:
        """Those of the supplier."""
        return self.supplier.capabilities

    def encode(self, envelope: Envelope, message: Delta | WholeSet, fields: FieldSet) -> bytes:
        """As the supplier does."""
        return self.supplier.encode(envelope, message, fields)

    def check(self, payload: bytes, fields: FieldSet) -> None:
        """As the supplier does."""
        self.supplier.check(payload, fields)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Send, unless this is the message at which all ends."""
        self.sent += 1
        if self.sent == self.at and not self.after:
            raise Killed
        receipts = self.supplier.send(payload, idempotency_key)
        if self.sent == self.at:
            raise Killed
        return receipts


@dataclass
class Bench:
    """One supplier and its stand-in; `agreed` may be replaced between two nights."""

    agreed: Agreement
    ledger: Ledger
    vault: Vault
    keys: Keys
    url: str
    held: SupplierState
    misbehaviour: Misbehaviour
    schooljaar: str = "2026-2027"
    day: date = DAY
    received_at: datetime = datetime(2026, 11, 24, 3, tzinfo=UTC)
    last: Checked | None = field(default=None, repr=False)

    def agree(self, **other: Any) -> None:
        """Replace the agreement."""
        self.agreed = agreement(self.agreed.supplier, **other)

    def supplier(self, *, batch_size: int | None = None, attempts: int = 1) -> Supplier:
        """The real connector, which gives up at the first failure unless told otherwise."""
        session = open_session(HttpSettings(token=TOKEN, attempts=attempts, backoff=0, breaker_failures=99))
        door = Door(session, self.url, self.agreed.supplier)
        return WIRE_FORMATS[profile(self.agreed.supplier).wire_format](door, batch_size)

    def case(self, data: Checked) -> Case:
        """What is known before planning."""
        today = self.in_force
        return Case(
            school=SCHOOL,
            agreement=self.agreed,
            field_set=today.fields,
            widening=today.widening,
            schooljaar=self.schooljaar,
            export_size=len(data.roster.leerlingen),
            received_at=self.received_at,
            basis="basis",
            day=self.day,
            run_id="run",
            choices=choices_digest(self.ledger.choices(SCHOOL, *fields_of(self.agreed).subjects)),
            ledger=self.ledger,
            vault=self.vault,
            keys=self.keys,
        )

    def wanted(self, data: Checked) -> DeliverySet:
        """The delivery set, as parents have chosen until now."""
        fields = self.in_force.fields
        released = release(self.ledger, self.keys, fields, self.agreed, SCHOOL, data, self.day)
        return projected(data, self.agreed, self.day, released, fields)

    @property
    def in_force(self) -> InForce:
        """The fields of today."""
        return in_force(self.ledger, self.agreed, fields_of(self.agreed), SCHOOL, self.day)

    def choose(self, choice: Choice, *numbers: int, about: str | None = None) -> None:
        """Write down what the parents of these pupils say today, about the supplier or about a purpose."""
        keys = [str(number) for number in numbers]
        self.ledger.register_records(SCHOOL, "leerling", pd.Series(keys, dtype="str"))
        subject = about or self.agreed.supplier
        said = NewChoices(SCHOOL, subject, dict.fromkeys(keys, choice), self.day, How.FORM, "directeur")
        self.ledger.record_choices(said)

    def plan(self, roster: Roster) -> Planned:
        """What would happen."""
        data = judged(roster, self.day)
        return planned(self.case(data), self.wanted(data), data.quarantined)

    def night(self, roster: Roster, supplier: Supplier | None = None) -> Outcome:
        """One delivery, from roster to receipts."""
        return self.carry_out(roster, self.plan(roster), supplier)

    def carry_out(self, roster: Roster, plan: Planned, supplier: Supplier | None = None) -> Outcome:
        """Deliver what was planned, now or earlier."""
        data = judged(roster, self.day)
        return delivered(self.case(data), supplier or self.supplier(), self.wanted(data), data.quarantined, plan)

    def decide(self, decision: Decision) -> list[str]:
        """Approve or discard everything that waits; which parts that were."""
        waiting = self.ledger.holds(SCHOOL)
        for hold in waiting:
            self.ledger.decide_hold(str(hold.id), decision, "directeur")
        return [hold.operation for hold in waiting]

    def killed(self, roster: Roster, *, at: int, after: bool, batch_size: int = 2) -> None:
        """A night that ends in the middle of message `at`."""
        try:
            self.night(roster, Fragile(self.supplier(batch_size=batch_size), at, after))
        except Killed:
            return
        raise AssertionError("the delivery was over before it could be killed")

    def shown(self, kind: str = "leerling") -> dict[str, dict[str, Any]]:
        """What the supplier holds of one kind, by id."""
        return self.held.schools.get(SCHOOL, {}).get(kind, {})

    def applied(self, kind: str = "leerling") -> Mapping[str, Mapping[str, int]]:
        """How often each operation had its effect, by id."""
        return self.held.applied.get(SCHOOL, {}).get(kind, {})

    @property
    def messages(self) -> list[tuple[str, str, int]]:
        """Kind, operation and number of records of the batches that were sent."""
        return [(r["soort"], r["bewerking"], r["records"]) for r in self.held.requests if "soort" in r]


def unread(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of what was done; what was looked at besides is left out."""
    return {name: counts[name] for name in EMPTY}


EMPTY = {"create": 0, "update": 0, "delete": 0}
"""Nothing was done."""


def told(plan: Planned) -> set[tuple[str, str | None, str, str, str]]:
    """The changes of a plan as kind, key, operation, cause, changed fields."""
    frame = plan.plan.changes[["kind", "key", "operation", "cause", "changed_fields"]].astype(object)
    return set(frame.where(frame.notna(), None).itertuples(index=False, name=None))


def changed(rows: list[Row], number: int, **values: str | None) -> list[Row]:
    """The same rows, with other values for pupil `number`."""
    return [{**row, **values} if row["key"] == str(number) else row for row in rows]


def with_values(roster: Roster, table: str, **values: list[str | None]) -> Roster:
    """A roster with other columns in one table."""
    frame = getattr(roster, table).assign(**{n: pd.array(v, dtype="str") for n, v in values.items()})
    return dataclasses.replace(roster, **{table: frame})


def keys_in(wanted: DeliverySet, kind: Record) -> list[str]:
    """The record keys of one kind in a delivery set."""
    return wanted.records[kind].index.tolist()
