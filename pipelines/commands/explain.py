"""`explain`: of each item of a privacy leaflet whether a supplier gets it now, and why."""

from collections.abc import Sequence
from pathlib import Path

from data_contracts.dutch_time import today_in_the_netherlands
from mappings.agreement import Agreement, FieldSet, Stage, field_set
from mappings.choices import MEANING
from mappings.profile import Profile
from mappings.transforms import sources
from pipelines.commands.telling import OK, out, table
from pipelines.instance import Instance, open_instance
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.settings import home_folder
from pipelines.sync.prepare import fields_in_force


def explain_fields(option: Path | None, supplier: str, school: str | None) -> int:
    """Explain every field, once for all schools that share an agreement and the fields of it that are in force; then of what is to come."""
    instance = open_instance(home_folder(option))
    settings = instance.settings
    refuse_unknown(settings, [school] if school else [], [supplier])
    agreements = [a for a in settings.agreements if a.supplier == supplier and (school is None or school in a.schools)]
    if not agreements:
        known = ", ".join(s for s in settings.school_keys if settings.agreement(supplier, s))
        raise UnknownNameError([f"school {school} heeft geen overeenkomst met {supplier}; wel: {known}."])
    for agreement in agreements:
        for fields, schools in _schools_by_fields(instance, agreement).items():
            if school is None or school in schools:
                _explain(settings.profiles[supplier], agreement, fields, schools)
    for coming in settings.others:
        mine = coming.supplier == supplier and (school is None or school in coming.schools)
        if mine and today_in_the_netherlands() < coming.signed:
            profile = settings.profiles[supplier]
            _explain(profile, coming, field_set(profile, coming), coming.schools)
    return OK


def _schools_by_fields(instance: Instance, agreement: Agreement) -> dict[FieldSet, list[str]]:
    """The schools of an agreement by what they give now: a new field may wait at one and go out at another."""
    found: dict[FieldSet, list[str]] = {}
    for school in agreement.schools:
        today = fields_in_force(instance, agreement.supplier, school, today_in_the_netherlands())
        found.setdefault(today.fields, []).append(school)
    return found


def _not_now(agreement: Agreement) -> str:
    """Why what stands below does not go out today, or not all of it."""
    today = today_in_the_netherlands()
    if today < agreement.signed:
        return "de overeenkomst moet nog ingaan; tot die dag gaat er niets uit."
    if today > agreement.valid_until:
        return "de overeenkomst is afgelopen; er gaat niets nieuws meer uit, verbeteringen en verwijderingen nog wel."
    if agreement.stage is Stage.REPORT_ONLY:
        return "de overeenkomst staat op `stage: report_only`; er wordt niets verstuurd."
    return ""


def _explain(profile: Profile, agreement: Agreement, fields: FieldSet, schools: Sequence[str]) -> None:
    out.print(f"{profile.name}, voor {', '.join(schools)}. {profile.purpose}", markup=False)
    out.print(
        f"{agreement.model}, van {agreement.signed:%d-%m-%Y} tot en met {agreement.valid_until:%d-%m-%Y}; "
        f"grondslag {agreement.legal_basis.words}.",
        markup=False,
    )
    leaflet = f"{profile.leaflet}, versie {fields.profile_version}"
    out.print(f"Bijsluiter: {leaflet}.", markup=False, soft_wrap=True)
    if now := _not_now(agreement):
        out.print(f"Let op: {now}", markup=False, soft_wrap=True)
    out.print(MEANING[agreement.legal_basis], markup=False, soft_wrap=True)
    given = [
        (f.item, f"{f.record}.{f.wire}", ", ".join(sources(f.id, f.transform)), f.reason.removesuffix(f" ({leaflet})"))
        for f in fields.fields
    ]
    columns = ("gegeven", "bij de leverancier", "uit ParnasSys", "waarom")
    out.print(table("Krijgt deze leverancier", columns, given))
    for item, purpose in ((f.item, f.consent) for f in fields.fields if f.consent):
        out.print(
            f"{item}: alleen van wie toestemming gaf voor {purpose} ({purpose.words}). Wordt die ingetrokken, dan wordt het bij de "
            "volgende levering gewist.",
            markup=False,
            soft_wrap=True,
        )
    left_out = [(left.item, left.id or "", left.reason) for left in fields.left_out]
    if left_out:
        out.print(table("Krijgt deze leverancier niet", ("gegeven", "veld", "waarom niet"), left_out))
    out.print("Wat hier niet bij staat, krijgt deze leverancier nooit.")
