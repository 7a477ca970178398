"""From a school's data to the delivery set of one supplier, or to the outcome where there is nothing to project."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime

import pandas as pd

from connectors.base import PermanentError
from data_contracts.delivery import assert_delivery
from data_contracts.fields import CATALOGUE
from data_contracts.findings import Checked
from mappings.agreement import Agreement, FieldSet
from mappings.projection import DeliverySet, delivery_set
from pipelines.instance import Instance
from pipelines.sync.case import NO_COUNTS, Case, Outcome, State, nothing_to_do
from pipelines.sync.school import SchoolData, basis, choices_digest, release
from pipelines.sync.widening import InForce, in_force


@dataclass(frozen=True, slots=True)
class Facts:
    """What the later steps must know of a school's data; it can lie in the vault, as `Case` cannot."""

    schooljaar: str
    export_size: int
    received_at: datetime
    basis: str
    terms: str = ""  # what the agreement allowed when this was made
    key_id: str = ""  # under which key


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one supplier should hold of one school; where there is an `outcome`, the matter ends with it."""

    facts: Facts | None = None
    wanted: DeliverySet | None = field(default=None, repr=False)
    quarantined: pd.DataFrame | None = field(default=None, repr=False)
    outcome: Outcome | None = None


def prepared(
    instance: Instance,
    supplier: str,
    school: str,
    data: SchoolData | None,
    day: date,
    run_id: str,
    pupil: str | None = None,
) -> Prepared:
    """The delivery set of a supplier; `data` is None where the source said that nothing changed, `pupil` as in `case_of`.

    Raises:
        ContractBroken: the delivery set is not exactly what was agreed.
    """
    agreement = instance.settings.agreement(supplier, school)
    known = data or instance.ledger.last_good_export(school)
    if agreement is None:
        return Prepared(outcome=_ended(school, supplier, "blocked", "Er is geen overeenkomst voor deze school."))
    if day < agreement.signed:
        return Prepared(outcome=_ended(school, supplier, "blocked", _not_begun(instance, agreement, school)))
    if known is None:
        return Prepared(outcome=_ended(school, supplier, "failed", AGAIN))
    fields = fields_in_force(instance, supplier, school, day)
    chosen, erased = instance.ledger.choices(school, *fields.fields.subjects), instance.ledger.erasures.refs(school)
    digest = basis(known.digest, fields, agreement, chosen, erased, day)
    facts = Facts(known.schooljaar, known.pupils, known.received_at, digest)
    case = case_of(instance, supplier, school, facts, day, run_id, pupil)
    facts = replace(facts, terms=case.terms, key_id=instance.keys.fingerprint_id)
    if done := nothing_to_do(case):
        return Prepared(facts, outcome=done)
    if data is None:
        return Prepared(facts, outcome=_ended(school, supplier, "failed", AGAIN))
    wanted = projected(instance, data.checked, case.field_set, agreement, school, day)
    return Prepared(facts, wanted, data.checked.quarantined)


def case_of(
    instance: Instance, supplier: str, school: str, facts: Facts, day: date, run_id: str, pupil: str | None = None
) -> Case:
    """The case of a supplier and school that have an agreement; `pupil` is the key of the only one that the run is for.

    Raises:
        PermanentError: agreement or parents allow something else than when `facts` were noted, or the keys were renewed since.
    """
    agreement = instance.settings.agreement(supplier, school)
    assert agreement is not None
    today = fields_in_force(instance, supplier, school, day)
    fields = today.fields
    case = Case(
        school=school,
        agreement=agreement,
        field_set=fields,
        schooljaar=facts.schooljaar,
        export_size=facts.export_size,
        received_at=facts.received_at,
        basis=facts.basis,
        day=day,
        run_id=run_id,
        choices=choices_digest(
            instance.ledger.choices(school, *fields.subjects), instance.ledger.erasures.refs(school)
        ),
        ledger=instance.ledger,
        vault=instance.vault,
        keys=instance.keys,
        widening=today.widening,
        next_begins=instance.settings.next_begins(agreement, school),
        pupil=pupil,
    )
    if facts.terms and (facts.terms, facts.key_id) != (case.terms, instance.keys.fingerprint_id):
        raise PermanentError(
            "verouderd",
            "De overeenkomst, een keuze van een ouder of de sleutel is veranderd sinds de gegevensset is gemaakt.",
            "Maak die eerst opnieuw.",
        )
    return case


def fields_in_force(instance: Instance, supplier: str, school: str, day: date) -> InForce:
    """The fields that go to a supplier of a school on this day. See `widening.in_force`.

    Raises:
        LookupError: they have no agreement.
    """
    agreed = instance.settings.field_set(supplier, school)
    agreement = instance.settings.agreement(supplier, school)
    assert agreement is not None
    return in_force(instance.ledger, agreement, agreed, school, day)


AGAIN = "De gegevens van de school zijn er niet. Haal eerst de export opnieuw op."


def projected(
    instance: Instance, checked: Checked, fields: FieldSet, agreement: Agreement, school: str, day: date
) -> DeliverySet:
    """What the supplier of an agreement should hold of a school, with these fields.

    Raises:
        ContractBroken: that is not exactly what was agreed.
    """
    # Read after the terms of the case were noted: a choice made in between makes this set too new, never too old.
    released = release(instance.ledger, instance.keys, fields, agreement, school, checked, day)
    wanted = delivery_set(checked, fields, agreement.scope, released, school, day)
    for kind, frame in wanted.records.items():
        assert_delivery(frame, [CATALOGUE[agreed.id] for agreed in fields.of(kind)])
    return wanted


def _not_begun(instance: Instance, agreement: Agreement, school: str) -> str:
    """Until an agreement begins nothing goes out; a supplier that holds something by an earlier one keeps it as it is."""
    begins = f"De overeenkomst gaat pas in op {agreement.signed:%d-%m-%Y}."
    if not instance.ledger.held_fields(agreement.supplier, school):
        return begins
    return f"{begins} {_STAYS}"


_STAYS = (
    "Deze leverancier heeft nog gegevens van de vorige; tot die dag gaan er ook geen correcties en verwijderingen heen. "
    "Zet de vorige terug in een eigen bestand: dan geldt die tot deze haar opvolgt."
)


def _ended(school: str, supplier: str, state: State, reason: str) -> Outcome:
    return Outcome(school, supplier, state, dict(NO_COUNTS), None, reason)
