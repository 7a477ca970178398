"""The page for parents: to whom a school gives which fields, what for, on what ground and until when. No record is named in it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from data_contracts.fields import CATALOGUE, Privacy, Record
from mappings.agreement import AgreedField, LegalBasis, Stage
from mappings.profile import came_later
from pipelines.agreements import Agreed, agreed
from pipelines.grounds import GROUNDS
from pipelines.instance import Instance
from pipelines.rendering import write_page
from pipelines.standing import left_behind
from pipelines.sync.prepare import fields_in_force
from pipelines.sync.widening import InForce

ABOUT = {
    Record.LEERLING: "Over leerlingen",
    Record.GROEP: "Over groepen",
    Record.SAMENGESTELDE_GROEP: "Over samengestelde groepen",
    Record.LEERKRACHT: "Over leerkrachten",
    Record.SCHOOL: "Over de school",
}


def write_parents(instance: Instance, school: str, today: date) -> list[Path]:
    """Write the page of a school, and the same text as a fragment for the school's own website; gives both files."""
    held = {supplier for key, supplier in instance.ledger.delivered_counts(school) if key == school}
    every = [one for one in agreed(instance.settings, today, school) if _shown(one, held)]
    gone = [outcome.supplier for outcome in left_behind(instance, school)]
    profiles = instance.settings.profiles
    values = {
        "school": instance.settings.school(school),
        "today": today,
        "suppliers": [
            _supplier(one, fields_in_force(instance, one.agreement.supplier, school, today))
            | {"holds": one.agreement.supplier in held}
            for one in every
        ],
        "left_behind": [profiles[name].name if name in profiles else name for name in gone],
        "never": list(dict.fromkeys(f.label for f in CATALOGUE.values() if f.privacy is Privacy.NEVER)),
    }
    folder = instance.settings.reports / "ouders"
    return [
        write_page(folder / f"{school}.html", "parents.html.j2", **values),
        write_page(folder / f"{school}.fragment.html", "parents_fragment.html.j2", **values),
    ]


def _shown(one: Agreed, held: set[str]) -> bool:
    """What has ended concerns nobody any more once the supplier holds nothing."""
    return one.state != "ended" or one.agreement.supplier in held


def _supplier(one: Agreed, now: InForce) -> dict[str, Any]:
    agreement, profile, fields = one.agreement, one.profile, now.fields
    ground, objection = GROUNDS[agreement.legal_basis]
    signed = [line for line in profile.fields if not came_later(line, fields.profile_version)]
    choices = {line.field for line in signed if line.optional and line.item not in agreement.optional}
    left_out = [line.field for line in signed if line.field not in fields.ids | now.waiting]
    return {
        "name": profile.name,
        "about": profile.about,
        "purpose": profile.purpose,
        "leaflet": f"{profile.leaflet}, versie {fields.profile_version}",
        "items": list(dict.fromkeys([f.item for f in signed] + [i.item for i in profile.from_supplier])),
        "model": agreement.model,
        "ground": ground,
        "objection": objection,
        "consents": [(CATALOGUE[f.id].label, f.consent.words) for f in fields.fields if f.consent],
        "state": one.state,
        "signed": agreement.signed,
        "until": agreement.valid_until,
        "only_tried": agreement.stage is Stage.REPORT_ONLY,
        "year_groups": _in_words(agreement.scope.jaargroepen),
        "by_consent": agreement.legal_basis is LegalBasis.CONSENT,
        "teachers": bool(fields.of(Record.LEERKRACHT)),
        "given": [(heading, list(map(_field, fields.of(kind)))) for kind, heading in ABOUT.items() if fields.of(kind)],
        "waiting": _names(line.field for line in signed if line.field in now.waiting),
        "off": _names(field_id for field_id in left_out if field_id in choices),
        "withheld": _names(field_id for field_id in left_out if field_id not in choices),
        "own": profile.from_supplier,
    }


def _field(field: AgreedField) -> dict[str, str]:
    """What the catalogue calls a field, what it is, and what the leaflet calls it where that is another word."""
    known = CATALOGUE[field.id]
    instead = " Alleen waar er geen ECK iD is." if field.name == "key" and field.transform else ""
    if field.consent:
        instead = f" Alleen met uw toestemming ({field.consent.words})."
    other = field.item if field.item not in {known.label, "bericht"} else ""
    return {"label": known.label, "description": known.description + instead, "leaflet": other}


def _in_words(groups: tuple[str, ...]) -> str:
    """Year groups as a parent names them: groep 3 tot en met 8."""
    in_order = sorted(groups, key=lambda one: (not one.isdigit(), one.zfill(2)))
    numbers = [int(one) for one in in_order if one.isdigit()]
    if len(numbers) == len(in_order) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"groep {numbers[0]} tot en met {numbers[-1]}"
    *most, last = in_order or [""]
    return f"groep {', '.join(most)} en {last}" if most else last and f"groep {last}"


def _names(ids: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(CATALOGUE[field_id].label for field_id in ids))
