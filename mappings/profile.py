"""The profile of a supplier: what its privacy leaflet allows at most, line by line, and how that looks on the wire.

Pure: text in, models out. Who reads the files is `pipelines.settings`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from data_contracts.fields import CATALOGUE, Privacy, Record
from mappings.purposes import ConsentOf
from mappings.transforms import TRANSFORMS
from mappings.written import Strict, Version, numbered

SUPPLIER_NAME = r"^[a-z][a-z0-9_]{0,40}$"
SupplierName = Annotated[str, StringConstraints(pattern=SUPPLIER_NAME)]


def _known_field(field_id: str) -> str:
    field = CATALOGUE.get(field_id)
    if field is None:
        raise ValueError(f"onbekend veld `{field_id}`; kies een veld uit EDEXML 2.1, bijvoorbeeld leerling.roepnaam")
    if field.privacy is Privacy.NEVER:
        raise ValueError(f"`{field_id}` mag aan niemand worden gegeven; haal de regel weg")
    return field_id


FieldId = Annotated[str, AfterValidator(_known_field)]


class ProfileField(Strict):
    """One line of a privacy leaflet: what the leaflet calls it, and which EDEXML field that is."""

    item: str
    field: FieldId
    optional: bool = False  # the school must switch it on
    wire: str | None = None  # name on the wire, where it is not the EDEXML name
    transform: str | None = None  # a function of mappings.transforms
    consent: ConsentOf = Field(default=None, validate_default=True)  # it goes only for whom this was given
    since: Version | None = None  # the version of the leaflet that it came with; None: it was in the first

    @field_validator("transform")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in TRANSFORMS:
            raise ValueError(f"onbekende bewerking `{name}`; kies uit {', '.join(sorted(TRANSFORMS))}")
        return name


class SupplierItem(Strict):
    """A line of the leaflet that the supplier itself gives, such as its own number of a pupil."""

    item: str
    description: str


class Profile(Strict):
    """What a supplier's privacy leaflet allows at most (Privacyconvenant, bijlage 1)."""

    supplier: SupplierName
    name: str
    about: str = ""  # what a parent must know where the name is not that of a company
    version: Version  # of the leaflet, the newest
    earlier_versions: tuple[Version, ...] = ()  # that a school may have signed
    leaflet: str
    purpose: str
    wire_format: Literal["edexml_whole_set", "json_delta"]
    record_key: Literal["key", "eckid"]  # eckid: the ECK iD where there is one, else the key (UWLR 2.3)
    fields: tuple[ProfileField, ...]
    from_supplier: tuple[SupplierItem, ...] = ()
    envelope: tuple[FieldId, ...] = ()  # school fields that the message itself needs; they tell nothing of a person

    @field_validator("record_key")
    @classmethod
    def _known_to_the_format(cls, record_key: str, info: ValidationInfo) -> str:
        if info.data.get("wire_format") == "edexml_whole_set" and record_key != "key":
            raise ValueError("edexml_whole_set kent een record aan de sleutel van ParnasSys; vul hier `key` in")
        return record_key

    @field_validator("fields")
    @classmethod
    def _fields_once_and_keyed(cls, fields: tuple[ProfileField, ...], info: ValidationInfo) -> tuple[ProfileField, ...]:
        ids = [line.field for line in fields]
        if twice := sorted({field_id for field_id in ids if ids.count(field_id) > 1}):
            raise ValueError(f"veld staat er twee keer: {', '.join(twice)}")
        for record in {CATALOGUE[field_id].record for field_id in ids} - {Record.SCHOOL}:
            if f"{record}.key" not in ids:
                raise ValueError(
                    f"{record}.key ontbreekt; zonder sleutel is een {record} niet bij te werken of te verwijderen"
                )
        _refuse_equal_names(fields)
        _refuse_unknown_versions(fields, info)
        if info.data.get("wire_format") == "edexml_whole_set":
            _refuse_other_than_edexml(fields)
        return fields

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version of the leaflet that a school may have signed, the first one first."""
        return tuple(sorted((*self.earlier_versions, self.version), key=numbered))

    @field_validator("envelope")
    @classmethod
    def _about_the_school(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        if other := sorted(
            f for f in fields if CATALOGUE[f].privacy is not Privacy.EDUCATION or f.split(".")[0] != "school"
        ):
            raise ValueError(f"alleen gegevens over de school zelf horen in de envelop, niet {', '.join(other)}")
        return fields


def _refuse_equal_names(fields: tuple[ProfileField, ...]) -> None:
    """Two values under one name would overwrite each other; `id` and `vorig_id` are the message's own."""
    names = [(CATALOGUE[line.field].record, line.wire or CATALOGUE[line.field].name) for line in fields]
    for record, name in names:
        if names.count((record, name)) > 1 or name in {"id", "vorig_id"}:
            raise ValueError(f"de naam {name} is bij {record} al bezet; kies een andere naam bij wire")


def _refuse_unknown_versions(fields: tuple[ProfileField, ...], info: ValidationInfo) -> None:
    """A field comes with a version that the profile names, and never before the key of its kind of record."""
    known = {numbered(version) for version in (*info.data.get("earlier_versions", ()), info.data.get("version", "0"))}
    came = {line.field: numbered(line.since) if line.since else min(known) for line in fields}
    for line in fields:
        if came[line.field] not in known:
            raise ValueError(
                f"{line.field} kwam in versie {line.since}, maar die staat niet bij earlier_versions of version"
            )
        if came[line.field] < came.get(f"{CATALOGUE[line.field].record}.key", min(known)):
            raise ValueError(f"{line.field} kwam eerder dan de sleutel van zijn record; verbeter since")


def _refuse_other_than_edexml(fields: tuple[ProfileField, ...]) -> None:
    """EDEXML's own key is what the supplier answers by: a record without it would never count as delivered."""
    for line in fields:
        if line.wire is not None:
            raise ValueError(f"edexml_whole_set noemt {line.field} zoals EDEXML; haal wire weg")
        if line.transform is not None and CATALOGUE[line.field].name == "key":
            raise ValueError(f"bij edexml_whole_set gaat {line.field} mee zoals hij is; haal transform daar weg")


def came_later(line: ProfileField, version: str) -> bool:
    """Whether this line is not in this version of the leaflet yet."""
    return line.since is not None and numbered(line.since) > numbered(version)
