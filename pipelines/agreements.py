"""How it stands with each agreement: whether it is in force, how long still, what it gives, and what the supplier holds by it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from data_contracts.fields import CATALOGUE, Record
from mappings.agreement import Agreement, FieldSet, Stage, field_set
from mappings.profile import Profile
from mappings.projection import read_for
from mappings.written import numbered
from pipelines.instance import Instance
from pipelines.settings import Settings
from pipelines.sync.filled import empty_fields

Validity = Literal["upcoming", "active", "ending", "ended", "replaced"]
WARNED = (7, 30, 60)
"""In how many days, at most, an agreement ends that is warned about."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """An agreement with its profile, its fields and how it stands. `within` days it ends, where it is ending.

    `counts`: it is the one that deliveries of its schools go by now. `followed_on`: when every school has the next one that has one written already, and `left_out`
    the others, if any has.
    """

    agreement: Agreement
    profile: Profile
    fields: FieldSet
    state: Validity
    within: int | None
    counts: bool = True
    followed_on: date | None = None
    left_out: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The state in Dutch."""
        return f"loopt af binnen {self.within} dagen" if self.within else _TOLD[self.state]

    @property
    def warning(self) -> str | None:
        """What there is to do about it: it has not begun, is ending or has ended, or does not join on to the next."""
        return self._before_it_begins if self.state == "upcoming" else self._as_it_ends

    @property
    def _before_it_begins(self) -> str | None:
        first = f"{self.agreement.signed:%d-%m-%Y}"
        if self.counts:
            return f"gaat pas in op {first}; tot die dag gaat er niets uit"
        if self.agreement.stage is Stage.FULL:
            return None
        return (  # less goes on then than by one that has ended
            f"gaat in op {first} met `stage: {self.agreement.stage}`: dan wordt er bij wie al gegevens heeft niets meer "
            "verwijderd, ook niet na een bezwaar. Zet stage voor die dag op full"
        )

    @property
    def _as_it_ends(self) -> str | None:
        until, following = f"{self.agreement.valid_until:%d-%m-%Y}", self.followed_on
        if following and following - self.agreement.valid_until > timedelta(days=1):
            return (
                f"loopt tot en met {until}, en de volgende gaat pas in op {following:%d-%m-%Y}: ertussen gaat er niets "
                "nieuws uit, en wordt gevraagd of alles weg mag. Laat ze aansluiten als dat niet de bedoeling is"
            )
        if following or self.state not in {"ending", "ended"}:
            left_out = ", ".join(self.left_out) if self.state in {"ending", "ended"} else ""
            return f"loopt tot en met {until}, en de volgende noemt deze scholen niet: {left_out}" if left_out else None
        if self.state == "ended":
            return (
                f"is afgelopen op {until}: er gaat niets nieuws meer uit. Is er een nieuwe, zet die dan in een eigen "
                "bestand ernaast; anders: zie in de handleiding ‘Stoppen met een leverancier’"
            )
        return (
            f"loopt af op {until}, binnen {self.within} dagen; daarna gaat er niets nieuws meer "
            "uit, en wordt gevraagd of alles weg mag. Spreek een nieuwe af, of zie in de handleiding ‘Stoppen met een leverancier’"
        )

    @property
    def leaflet(self) -> str | None:
        """What there is to know of the version of the leaflet, where the profile has more than one."""
        first, newest = self.profile.versions[0], self.profile.versions[-1]
        signed, name = self.agreement.leaflet_version, self.profile.leaflet
        if self.state == "replaced":
            return None
        if signed is None and first != newest:
            return (
                f"noemt geen leaflet_version, dus geldt de eerste versie van de {name}, {first}. Zet erbij welke versie is "
                f"getekend; er zijn: {', '.join(self.profile.versions)}"
            )
        if signed is not None and numbered(signed) < numbered(newest):
            return (
                f"is getekend bij versie {signed} van de {name}; er is een nieuwere, {newest}. Wat daarin erbij kwam gaat "
                "niet mee tot je die tekent en bij leaflet_version zet"
            )
        return None


_TOLD = {"upcoming": "gaat nog in", "active": "actief", "ended": "afgelopen", "replaced": "opgevolgd"}


def agreed(settings: Settings, today: date, school: str | None = None) -> Iterator[Agreed]:
    """Every agreement that counts now, or those of one school, in order of supplier."""
    for agreement in sorted(settings.agreements, key=lambda a: (a.supplier, a.schools)):
        if school is None or school in agreement.schools:
            state, within = _validity(agreement, today)
            following = _following(settings, agreement)
            left_out = tuple(key for key in agreement.schools if following and key not in following)
            one = _of(settings, agreement, state, within)
            yield replace(one, followed_on=max(following.values(), default=None), left_out=left_out)


def every_agreed(settings: Settings, today: date) -> list[Agreed]:
    """Every agreement in order of supplier and time, also what others took the place of and what is to come."""
    found = [*agreed(settings, today)]
    for agreement in settings.others:
        state: Validity = "upcoming" if today < agreement.signed else "replaced"
        found.append(replace(_of(settings, agreement, state, None), counts=False))
    return sorted(found, key=lambda one: (one.agreement.supplier, one.agreement.signed, one.agreement.schools))


def _of(settings: Settings, agreement: Agreement, state: Validity, within: int | None) -> Agreed:
    profile = settings.profiles[agreement.supplier]
    return Agreed(agreement, profile, field_set(profile, agreement), state, within)


def _following(settings: Settings, agreement: Agreement) -> dict[str, date]:
    """When the next agreement of each of its schools begins, for those that have one."""
    found = {school: settings.next_begins(agreement, school) for school in agreement.schools}
    return {school: begins for school, begins in found.items() if begins}


def pupils_held(instance: Instance) -> dict[tuple[str, str], int]:
    """How many pupils each supplier holds now, by school and supplier."""
    held = instance.ledger.held_by_kind()
    return {place: kinds[Record.LEERLING] for place, kinds in held.items() if Record.LEERLING in kinds}


def pupils_by(one: Agreed, held: Mapping[tuple[str, str], int]) -> int:
    """How many pupils the supplier holds by an agreement; `held` as `pupils_held` gives it."""
    return sum(held.get((school, one.agreement.supplier), 0) for school in one.agreement.schools) if one.counts else 0


def as_row(settings: Settings, one: Agreed, held: Mapping[tuple[str, str], int]) -> dict[str, str | int]:
    """An agreement as a person reads it in a table, by heading; `held` as `pupils_held` gives it."""
    agreement = one.agreement
    return {
        "Leverancier": agreement.supplier,
        "Scholen": " ".join(agreement.schools),
        "Stand": one.told,
        "Van": f"{agreement.signed:%d-%m-%Y}",
        "Tot en met": f"{agreement.valid_until:%d-%m-%Y}",
        "Grondslag": agreement.legal_basis.words,
        "Leerlingen": pupils_by(one, held),
        "Velden": len(one.fields.fields),
        "Bestand": file_name(settings, one),
    }


def file_name(settings: Settings, one: Agreed) -> str:
    """The file in which an agreement is written, in the folder of agreements."""
    return settings.file_of(one.agreement).removeprefix("agreements/")


def never_filled(instance: Instance, one: Agreed) -> dict[str, tuple[str, ...]]:
    """By school the agreed fields that were empty in everything that the supplier held in the last 30 days; a school without any is left out.

    Of an agreement that does not count now there are none. A key is not looked at: where the ECK iD takes its place it is meant to be empty. Nor is what needs a consent of its own.
    """
    mine = {f.id for f in one.fields.fields if f.name != "key" and not f.consent}
    found = {
        school: tuple(
            field_id
            for field_id in empty_fields(instance.ledger, instance.keys, one.agreement.supplier, school)
            if field_id in mine
        )
        for school in (one.agreement.schools if one.counts else ())
    }
    return {school: fields for school, fields in found.items() if fields}


def read_for_nobody(instance: Instance, today: date) -> dict[str, tuple[str, ...]]:
    """By school the fields that are read for an agreement that has ended alone, whose supplier holds nothing any more."""
    settings, held = instance.settings, instance.ledger.delivered_counts()
    found = {}
    for school in settings.school_keys:
        concerned = [a for a in settings.agreements if school in a.schools and a.signed <= today]
        needed = [a for a in concerned if today <= a.valid_until or (school, a.supplier) in held]
        agreed_fields = [f for a in needed for f in settings.field_set(a.supplier, school).fields]
        used = read_for(agreed_fields)
        found[school] = tuple(f for f in CATALOGUE if f in settings.wanted_fields(school, today) - used)
    return {school: fields for school, fields in found.items() if fields}


def every_remark(instance: Instance, found: Iterable[Agreed], today: date) -> Iterator[str]:
    """What a person should know of these agreements, and what is read for nobody, a sentence each."""
    for one in found:
        for told in filter(None, (one.warning, one.leaflet)):
            yield f"let op: {one.agreement.supplier} ({file_name(instance.settings, one)}) {told}."
        for school, fields in never_filled(instance, one).items():
            yield (
                f"{school} {one.agreement.supplier}: afgesproken, maar in de laatste 30 dagen bij geen enkel record gevuld: "
                f"{_named(fields)}."
            )
    for school, fields in read_for_nobody(instance, today).items():
        yield f"{school}: gelezen, maar voor niemand: {_named(fields)}."


def _named(fields: Iterable[str]) -> str:
    return ", ".join(f"{CATALOGUE[f].label} ({f})" for f in fields)


def _validity(agreement: Agreement, today: date) -> tuple[Validity, int | None]:
    if today < agreement.signed:
        return "upcoming", None
    if today > agreement.valid_until:
        return "ended", None
    left = (agreement.valid_until - today).days
    within = next((days for days in WARNED if left <= days), None)
    return ("ending" if within else "active"), within
