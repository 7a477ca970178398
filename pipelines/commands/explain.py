"""`explain`: of each item of a privacy leaflet whether a supplier gets it, and why."""

from pathlib import Path

from mappings.agreement import Agreement
from mappings.choices import MEANING
from mappings.transforms import sources
from pipelines.commands.telling import OK, out, table
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.settings import Settings, home_folder, load_settings


def explain_fields(option: Path | None, supplier: str, school: str | None) -> int:
    """Explain every field, once for all schools that share an agreement."""
    settings = load_settings(home_folder(option))
    refuse_unknown(settings, [school] if school else [], [supplier])
    agreements = [a for a in settings.agreements if a.supplier == supplier and (school is None or school in a.schools)]
    if not agreements:
        known = ", ".join(s for s in settings.school_keys if settings.agreement(supplier, s))
        raise UnknownNameError([f"school {school} heeft geen overeenkomst met {supplier}; wel: {known}."])
    for agreement in agreements:
        _explain(settings, agreement)
    return OK


def _explain(settings: Settings, agreement: Agreement) -> None:
    profile = settings.profiles[agreement.supplier]
    fields = settings.field_set(agreement.supplier, agreement.schools[0])
    out.print(f"{profile.name}, voor {', '.join(agreement.schools)}. {profile.purpose}", markup=False)
    out.print(
        f"{agreement.model}, van {agreement.signed:%d-%m-%Y} tot en met {agreement.valid_until:%d-%m-%Y}; "
        f"grondslag {agreement.legal_basis.value.replace('_', ' ')}.",
        markup=False,
    )
    out.print(MEANING[agreement.legal_basis], markup=False, soft_wrap=True)
    given = [(f.item, f"{f.record}.{f.wire}", ", ".join(sources(f.id, f.transform)), f.reason) for f in fields.fields]
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
    out.print(table("Krijgt deze leverancier niet", ("gegeven", "veld", "waarom niet"), left_out))
    out.print("Wat hier niet bij staat, krijgt deze leverancier nooit.")
