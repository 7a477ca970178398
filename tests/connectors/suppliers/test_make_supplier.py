"""The profiles that ship, and the supplier that is made of one."""

from pathlib import Path

import pytest
import yaml

from connectors.base import PermanentError
from connectors.suppliers import WIRE_FORMATS, make_supplier
from data_contracts.fields import CATALOGUE, Privacy
from mappings.agreement import Connection
from mappings.profile import Profile
from mappings.profiles import profile_texts
from mappings.transforms import TRANSFORMS

PROFILES = {name: Profile.model_validate(yaml.safe_load(text)) for name, text in profile_texts().items()}
CONNECTION = {"base_url": "https://leverancier.example/", "token": "file:token"}

BASISPOORT = {
    "Basispoort-identificatienummer",
    "voornaam",
    "achternaam",
    "tussenvoegsel",
    "geboortedatum",
    "leerlingkey",
    "groepskey",
    "groepsnaam",
    "jaargroep",
    "geslacht",
    "identificatienummer van de school",
}


def test_four_profiles_ship() -> None:
    """Basispoort, Parro and the two sets of UWLR are there, each named as its file."""
    assert set(PROFILES) == {"basispoort.yaml", "parro.yaml", "uwlr_smalle_set.yaml", "uwlr_lvs_set.yaml"}
    assert all(name == f"{profile.supplier}.yaml" for name, profile in PROFILES.items())


def test_basispoort_has_its_eleven_items_and_no_other() -> None:
    """The privacy leaflet of Basispoort has eleven items; birth date and sex are the ones a school switches on."""
    profile = PROFILES["basispoort.yaml"]
    assert {line.item for line in profile.fields} | {item.item for item in profile.from_supplier} == BASISPOORT
    assert {line.item for line in profile.fields if line.optional} == {"geboortedatum", "geslacht"}


def test_of_all_profiles_parro_alone_has_a_photo_and_that_by_consent() -> None:
    """The photo is switched on by the school and let through by the parents; nothing else goes by a consent of its own."""
    lines = [(profile.supplier, line) for profile in PROFILES.values() for line in profile.fields]
    (found,) = [(supplier, line) for supplier, line in lines if CATALOGUE[line.field].needs_consent or line.consent]
    assert (found[0], found[1].field, found[1].consent, found[1].optional) == (
        *("parro", "leerling.fotourl", "foto_parro"),
        True,
    )


def test_the_smalle_set_has_no_birth_date_and_no_sex() -> None:
    """UWLR 2.3 took the birth date out of its smalle set; sex was never in it."""
    fields = {line.field for line in PROFILES["uwlr_smalle_set.yaml"].fields}
    assert not fields & {"leerling.geboortedatum", "leerling.geslacht", "leerling.start_ondw_jgr3"}


def test_the_lvs_set_differs_from_the_smalle_set_by_what_the_standard_says() -> None:
    """Three pupil fields more, and no e-mail address of a teacher (UWLR 2.3)."""
    narrow = {line.field for line in PROFILES["uwlr_smalle_set.yaml"].fields}
    wide = {line.field for line in PROFILES["uwlr_lvs_set.yaml"].fields}
    assert wide - narrow == {"leerling.geboortedatum", "leerling.geslacht", "leerling.start_ondw_jgr3"}
    assert narrow - wide == {"leerkracht.emailadres"}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_envelope_tells_nothing_of_a_person(name: str) -> None:
    """Envelope fields are about the school, and neither its author nor its remarks."""
    fields = [CATALOGUE[field_id] for field_id in PROFILES[name].envelope]
    assert all(field.record == "school" and field.privacy is Privacy.EDUCATION for field in fields)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_transform_that_a_profile_names_exists(name: str) -> None:
    """A profile names only functions of `mappings.transforms`."""
    assert {line.transform for line in PROFILES[name].fields} - {None} <= set(TRANSFORMS)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_makes_a_supplier_of_its_format(name: str, tmp_path: Path) -> None:
    """The wire format of a profile decides which class speaks with the supplier."""
    token = tmp_path / "token"
    token.write_text("geheim")
    token.chmod(0o600)
    supplier = make_supplier(PROFILES[name], Connection(**CONNECTION, batch_size=7), tmp_path)
    assert type(supplier) is WIRE_FORMATS[PROFILES[name].wire_format]
    assert supplier.capabilities.batch_size == 7


def test_without_its_token_no_supplier_is_made(tmp_path: Path) -> None:
    """A missing secret is an error before anything is sent."""
    with pytest.raises(PermanentError) as caught:
        make_supplier(PROFILES["basispoort.yaml"], Connection(**CONNECTION), tmp_path)
    assert caught.value.code == "geheim_ontbreekt"
