"""The signed agreement, and the field set that follows from it: profile ∩ agreement ∩ law, with a reason for every field left out.

Pure: text in, models out. Who reads the files is `pipelines.settings`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from data_contracts.fields import CATALOGUE, JAARGROEPEN, Record
from mappings.limits import Limits
from mappings.profile import Profile, ProfileField, SupplierName, came_later
from mappings.purposes import Purpose
from mappings.written import HttpsAddress, SecretReference, Strict, Version, numbered

SCHOOL_KEY = r"^\d{2}[A-Z]{2}-\d{2}$"
SchoolKey = Annotated[str, StringConstraints(pattern=SCHOOL_KEY)]


def _as_number(jaargroep: str) -> tuple[int, str]:
    return (int(jaargroep), "") if jaargroep.isdecimal() else (100, jaargroep)


class Scope(Strict):
    """Which pupils: those of these year groups. Empty means every pupil who is at school."""

    jaargroepen: tuple[str, ...] = ()

    @field_validator("jaargroepen")
    @classmethod
    def _known(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(groups) - JAARGROEPEN):
            raise ValueError(
                f"onbekende jaargroep {', '.join(unknown)}; kies uit {', '.join(sorted(JAARGROEPEN, key=_as_number))}"
            )
        return groups


class Connection(Strict):
    """Where the supplier is reached, and with which secrets (as references only)."""

    base_url: HttpsAddress
    token: SecretReference
    client_certificate: SecretReference | None = None  # file:PATH of a PEM with certificate and key
    certificate_authority: SecretReference | None = None  # file:PATH, where the supplier does not use a public one
    batch_size: int | None = Field(default=None, ge=1, le=5000)

    @field_validator("base_url")
    @classmethod
    def _without_last_slash(cls, url: str) -> str:
        return url.rstrip("/")


class LegalBasis(StrEnum):
    """AVG art. 6 lid 1: on what ground the school may give these data."""

    PUBLIC_TASK = "publieke_taak"
    CONTRACT = "overeenkomst"
    CONSENT = "toestemming"
    LEGAL_DUTY = "wettelijke_verplichting"

    @property
    def words(self) -> str:
        """As a person reads it."""
        return self.value.replace("_", " ")


class Stage(StrEnum):
    """How far deliveries go while a school tries a supplier out."""

    REPORT_ONLY = "report_only"
    CREATE = "create"
    CREATE_UPDATE = "create_update"
    FULL = "full"


class Agreement(Strict):
    """The school's own signed instance of a profile (AVG art. 28 lid 3)."""

    supplier: SupplierName
    schools: tuple[SchoolKey, ...] = Field(min_length=1)
    model: str
    signed: date
    valid_until: date
    leaflet_version: Version | None = None  # which version of the leaflet was signed; None: the first
    legal_basis: LegalBasis
    optional: tuple[str, ...] = ()  # leaflet items switched on
    withhold: tuple[str, ...] = ()  # leaflet items withheld
    scope: Scope = Scope()
    limits: Limits = Limits()
    stage: Stage = Stage.FULL
    connection: Connection

    @field_validator("valid_until")
    @classmethod
    def _dates_in_order(cls, valid_until: date, info: ValidationInfo) -> date:
        if (signed := info.data.get("signed")) and valid_until < signed:
            raise ValueError("valid_until ligt vóór signed; keer de datums om of verbeter ze")
        return valid_until

    def active_on(self, day: date) -> bool:
        """Whether the agreement is in force on `day`, its first and last day included."""
        return self.signed <= day <= self.valid_until

    def obliges_on(self, day: date) -> bool:
        """Whether the law obliges the school on `day` to give what was agreed: its pupils stay there (AVG art. 17 lid 3 b)."""
        return self.legal_basis is LegalBasis.LEGAL_DUTY and self.active_on(day)


def signed_version(profile: Profile, agreement: Agreement) -> str:
    """The version of the leaflet that counts: what a newer one brings is asked for by nobody until the school signs it."""
    return agreement.leaflet_version or profile.versions[0]


class NarrowingError(ValueError):
    """An agreement names something that its profile does not have. `key` and `value` say where it stands."""

    def __init__(self, key: str, value: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.value = value


@dataclass(frozen=True, slots=True)
class AgreedField:
    """A field that goes out, and why."""

    id: str
    item: str
    wire: str
    transform: str | None
    reason: str
    consent: Purpose | None = None  # the purpose that a pupil's parents must have consented to

    @property
    def record(self) -> Record:
        return CATALOGUE[self.id].record

    @property
    def name(self) -> str:
        """The EDEXML name, and the column in the delivery set."""
        return CATALOGUE[self.id].name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line of the leaflet that does not go out, and why."""

    item: str
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class FieldSet:
    """The fields that one school gives one supplier: profile ∩ agreement ∩ law, each with its reason."""

    supplier: str
    profile_version: str
    record_key: Literal["key", "eckid"]
    fields: tuple[AgreedField, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def digest(self) -> str:
        """Names what is sent, how, and by which version of the leaflet; equal digests mean equal sets."""
        lines = [self.supplier, self.profile_version, self.record_key]
        lines += [f"{f.id} {f.wire} {f.transform or '-'}" + (f" {f.consent}" if f.consent else "") for f in self.fields]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    @property
    def in_order(self) -> tuple[str, ...]:
        """The ids of all fields that go out, in catalogue order."""
        return tuple(f.id for f in self.fields)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all fields that go out."""
        return frozenset(self.in_order)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What parents can choose about that matters here: the supplier, and each purpose that a field goes by."""
        return (self.supplier, *sorted({str(f.consent) for f in self.fields if f.consent}))

    def without(self, fields: Iterable[AgreedField], reason: str) -> Self:
        """The set as it is while these fields are left out, for this reason."""
        out = {f.id: LeftOut(f.item, f.id, reason) for f in fields}
        kept = tuple(f for f in self.fields if f.id not in out)
        return replace(self, fields=kept, left_out=(*self.left_out, *out.values()))

    def of(self, record: Record) -> tuple[AgreedField, ...]:
        """The fields of one kind of record, in catalogue order."""
        return tuple(f for f in self.fields if f.record is record)

    @property
    def kinds(self) -> tuple[Record, ...]:
        """The kinds of record that go out, groups before persons; the school itself is no record but an envelope."""
        return tuple(kind for kind in Record if kind is not Record.SCHOOL and self.of(kind))


def field_set(profile: Profile, agreement: Agreement) -> FieldSet:
    """Cut the profile down to what this agreement gives.

    Raises:
        NarrowingError: the agreement names an item or a version that the profile does not have, or withholds a key.
    """
    for error in narrowing_errors(profile, agreement):
        raise error
    agreed: list[AgreedField] = []
    left_out = [
        LeftOut(i.item, None, f"komt van {profile.name} zelf, wordt niet gestuurd") for i in profile.from_supplier
    ]
    version = signed_version(profile, agreement)
    why = {line.field: _why_left_out(line, agreement, version) for line in profile.fields}
    for line in profile.fields:  # a record goes with its key, or not at all
        if reason := why[line.field] or why.get(f"{CATALOGUE[line.field].record}.key"):
            left_out.append(LeftOut(line.item, line.field, reason))
        else:
            agreed.append(_agreed(line, _why_given(line, profile, version)))
    agreed += [
        AgreedField(f, "bericht", CATALOGUE[f].name, None, "nodig om het bericht te plaatsen") for f in profile.envelope
    ]
    order = list(CATALOGUE)
    agreed.sort(key=lambda f: order.index(f.id))
    return FieldSet(profile.supplier, version, profile.record_key, tuple(agreed), tuple(left_out))


def _agreed(line: ProfileField, reason: str) -> AgreedField:
    wire = line.wire or CATALOGUE[line.field].name
    return AgreedField(line.field, line.item, wire, line.transform, reason, line.consent)


def _why_given(line: ProfileField, profile: Profile, version: str) -> str:
    how = "keuzeveld, door de school aangezet" if line.optional else "vast onderdeel"
    how += f"; alleen met toestemming voor: {line.consent.words}" if line.consent else ""
    return f"{how} ({profile.leaflet}, versie {version})"


def _why_left_out(line: ProfileField, agreement: Agreement, version: str) -> str | None:
    if came_later(line, version):
        return f"kwam erbij in versie {line.since} van de bijsluiter; getekend is versie {version}"
    if line.item in agreement.withhold:
        return "door de school ingehouden (withhold)"
    if line.optional and line.item not in agreement.optional:
        return "keuzeveld, door de school niet aangezet (optional)"
    return None


def narrowing_errors(profile: Profile, agreement: Agreement) -> Iterator[NarrowingError]:
    """Everything that the agreement names without the profile allowing it."""
    version = signed_version(profile, agreement)
    if numbered(version) not in map(numbered, profile.versions):
        known = ", ".join(profile.versions)
        message = f"van de bijsluiter van {profile.name} is versie {version} niet bekend; kies uit: {known}"
        yield NarrowingError("leaflet_version", version, message)
    switchable = {line.item for line in profile.fields if line.optional and not came_later(line, version)}
    later = {line.item: line.since for line in profile.fields if line.optional and came_later(line, version)}
    items = {line.item for line in profile.fields}
    keys = {line.item for line in profile.fields if CATALOGUE[line.field].name == "key"}
    choice = ", ".join(sorted(switchable)) or "geen"
    for item in agreement.optional:
        if item not in switchable and item in later:
            message = (
                f"`{item}` kwam erbij in versie {later[item]} van de bijsluiter van {profile.name}; getekend is versie "
                f"{version}. Is de nieuwe getekend, zet die dan bij leaflet_version"
            )
            yield NarrowingError("optional", item, message)
        elif item not in switchable:
            message = f"`{item}` is geen keuzeveld van {profile.name}; keuzevelden zijn: {choice}"
            yield NarrowingError("optional", item, message)
    for item in agreement.withhold:
        if item not in items:
            yield NarrowingError("withhold", item, f"`{item}` staat niet in de privacybijsluiter van {profile.name}")
        if item in keys:
            message = f"`{item}` is de sleutel; zonder sleutel kan er niets worden verwijderd"
            yield NarrowingError("withhold", item, message)
