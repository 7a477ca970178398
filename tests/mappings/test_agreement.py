"""What an agreement can make of a profile: it narrows, never widens, and a mistake in it stops the loading."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from data_contracts.fields import CATALOGUE, Privacy, Record
from mappings.agreement import Agreement, NarrowingError, field_set
from mappings.profile import Profile
from mappings.yaml_source import Problem, SettingsError, parsed
from pipelines.settings import load_settings

SCHOOLS = "schools:\n  - school: 99XX-00\n    name: De Voorbeeldschool\n    source: {edexml: {path: inbox}}\n"
PROFILE = """\
supplier: voorbeeld
name: Voorbeeld
version: "1.0"
leaflet: Privacybijsluiter Voorbeeld
purpose: oefenen
wire_format: json_delta
record_key: key
fields:
  - {item: leerlingkey, field: leerling.key}
  - {item: voornaam, field: leerling.roepnaam, wire: first_name}
  - {item: geslacht, field: leerling.geslacht, optional: true}
from_supplier:
  - {item: eigen nummer, description: nummer dat de leverancier geeft}
envelope: [school.schooljaar]
"""
AGREEMENT = """\
supplier: voorbeeld
schools: [99XX-00]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
optional: []
withhold: []
connection: {base_url: https://voorbeeld.example, token: env:VOORBEELD_TOKEN}
"""
NEVER = [field.id for field in CATALOGUE.values() if field.privacy is Privacy.NEVER]


def profile(text: str = PROFILE) -> Profile:
    return parsed(text, "voorbeeld.yaml", Profile)


def agreement(old: str = "", new: str = "") -> Agreement:
    return parsed(AGREEMENT.replace(old, new), "voorbeeld.yaml", Agreement)


@pytest.fixture
def problem(tmp_path: Path) -> Callable[[str, str, str], Problem]:
    """Writes an instance in which `old` is `new` in one file, and gives the one problem of loading it."""

    def of(name: str, old: str, new: str) -> Problem:
        files = {"schools.yaml": SCHOOLS, "profiles/voorbeeld.yaml": PROFILE, "agreements/voorbeeld.yaml": AGREEMENT}
        assert old in files[name]
        files[name] = files[name].replace(old, new)
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            load_settings(tmp_path)
        return next(found for found in caught.value.problems if found.file == name)

    return of


def test_a_field_set_holds_the_fixed_fields_and_the_envelope_each_with_its_reason() -> None:
    """By default an optional field stays home, and what the supplier gives itself is not sent."""
    result = field_set(profile(), agreement())
    assert result.ids == {"leerling.key", "leerling.roepnaam", "school.schooljaar"}
    assert {line.item: line.reason for line in result.left_out} == {
        "eigen nummer": "komt van Voorbeeld zelf, wordt niet gestuurd",
        "geslacht": "keuzeveld, door de school niet aangezet (optional)",
    }
    assert all(field.reason for field in result.fields)


def test_an_optional_field_is_switched_on_and_a_required_one_withheld() -> None:
    """`optional` adds only what the leaflet offers; `withhold` takes out what it requires, and says so."""
    result = field_set(profile(), agreement("optional: []\nwithhold: []", "optional: [geslacht]\nwithhold: [voornaam]"))
    assert result.ids == {"leerling.key", "leerling.geslacht", "school.schooljaar"}
    assert "door de school ingehouden (withhold)" in {line.reason for line in result.left_out}


def test_a_kind_of_record_goes_with_its_key_or_not_at_all() -> None:
    """A key that is not switched on takes its kind along: the message would tell it all the same."""
    groups = "  - {item: groep, field: groep.key, optional: true}\n  - {item: groepsnaam, field: groep.naam}\n"
    optional = profile(PROFILE.replace("from_supplier", f"{groups}from_supplier"))
    off, on = (field_set(optional, agreement("optional: []", f"optional: [{item}]")) for item in ("geslacht", "groep"))
    assert (off.of(Record.GROEP), {out.id for out in off.left_out}) == ((), {None, "groep.key", "groep.naam"})
    assert [f.id for f in on.of(Record.GROEP)] == ["groep.key", "groep.naam"]


def test_the_digest_names_what_is_sent_and_how() -> None:
    """Equal sets have equal digests; another field or another name on the wire makes another digest."""
    plain = field_set(profile(), agreement()).digest
    assert field_set(profile(), agreement("2027-07-31", "2028-07-31")).digest == plain
    assert field_set(profile(), agreement("optional: []", "optional: [geslacht]")).digest != plain
    assert field_set(profile(PROFILE.replace("first_name", "voornaam")), agreement()).digest != plain


def test_the_wire_name_is_the_standards_own_unless_the_profile_gives_one() -> None:
    """A field goes out under EDEXML's name, or under the name that the supplier wants."""
    wire = {field.id: field.wire for field in field_set(profile(), agreement()).fields}
    assert wire == {"leerling.key": "key", "leerling.roepnaam": "first_name", "school.schooljaar": "schooljaar"}


def test_the_key_of_a_record_cannot_be_withheld() -> None:
    """Without its key a record could never be deleted."""
    with pytest.raises(NarrowingError, match="sleutel"):
        field_set(profile(), agreement("withhold: []", "withhold: [leerlingkey]"))


def test_an_agreement_is_in_force_on_its_first_and_last_day() -> None:
    """The days of signing and of ending count; the days around them do not."""
    days = [date(2026, 7, 31), date(2026, 8, 1), date(2027, 7, 31), date(2027, 8, 1)]
    assert [agreement().active_on(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "part"),
    [
        ("optional: []", "optional:\n  - geslacht\n  - bsn", 9, "optional[2]", "`bsn` is geen keuzeveld van Voorbeeld"),
        ("optional: []", "optional: [voornaam]", 7, "optional[1]", "keuzevelden zijn: geslacht"),
        ("withhold: []", "withhold: [naam]", 8, "withhold[1]", "staat niet in de privacybijsluiter"),
        ("env:VOORBEELD_TOKEN", "kanarie", 9, "connection.token", "hier hoort een verwijzing: env:NAAM"),
        ("https://", "https://jan:kanarie@", 9, "connection.base_url", "geen naam of wachtwoord in het adres"),
        ("https://", "http://", 9, "connection.base_url", "https://"),
        ("optional: []", "optionel: []", 7, "optionel", "bedoeld is misschien `optional`"),
        ("valid_until: 2027-07-31", "valid_until: 2025-07-31", 5, "valid_until", "ligt vóór signed"),
        ("supplier: voorbeeld", "supplier: voorbeelt", 1, "supplier", "bedoeld is misschien `voorbeeld`"),
        ("[99XX-00]", "[99XX-00, 99YY-00]", 2, "schools[2]", "deze school staat niet in schools.yaml"),
        ("[99XX-00]", "[99XX-00, 99XX-00]", 2, "schools[2]", "heeft al een overeenkomst met voorbeeld"),
        ("publieke_taak", "zin", 6, "legal_basis", "verwacht een van: publieke_taak, overeenkomst"),
    ],
)
def test_a_mistake_in_an_agreement_stops_the_loading_with_its_place(
    problem: Callable[[str, str, str], Problem], old: str, new: str, line: int, key: str, part: str
) -> None:
    """Each mistake names the agreement's file, the line, the key and what to do, and repeats no secret."""
    found = problem("agreements/voorbeeld.yaml", old, new)
    assert (found.file, found.line, found.key) == ("agreements/voorbeeld.yaml", line, key)
    assert part in found.message
    assert "kanarie" not in str(found)


@pytest.mark.parametrize("field_id", NEVER)
def test_a_profile_with_a_field_that_nobody_may_have_is_refused(
    problem: Callable[[str, str, str], Problem], field_id: str
) -> None:
    """A forbidden field stops the loading at the line that names it, in the fields and in the envelope."""
    for old, line in (("leerling.roepnaam", 10), ("school.schooljaar", 14)):
        found = problem("profiles/voorbeeld.yaml", old, field_id)
        assert found.line == line
        assert f"`{field_id}` mag aan niemand worden gegeven" in found.message


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (
            "leerling.fotourl",
            "`leerling.fotourl` mag alleen mee met toestemming van de ouders; zet erbij voor welk doel",
        ),
        ("leerling.fotourl, consent: foto_krant", "verwacht een van: foto_website, foto_nieuwsbrief, foto_parro"),
        ("leerling.roepnaam, consent: foto_parro", "`leerling.roepnaam` is geen foto"),
    ],
)
def test_a_photo_and_nothing_but_a_photo_names_the_purpose_it_is_for(
    problem: Callable[[str, str, str], Problem], new: str, told: str
) -> None:
    """Without a purpose, with one that is none, or at another field the profile is refused, at the line that names the field."""
    found = problem("profiles/voorbeeld.yaml", "leerling.roepnaam, wire: first_name", new)
    assert (found.line, found.key, told in found.message) == (10, "fields[2].consent", True)


def test_a_photo_is_agreed_with_its_purpose() -> None:
    """The field set knows by which consent a field goes; another purpose is another set."""
    lines = [
        PROFILE.replace("leerling.roepnaam", f"leerling.fotourl, consent: {p}") for p in ("foto_parro", "foto_website")
    ]
    parro, website = (field_set(profile(text), agreement()) for text in lines)
    (photo,) = [field for field in parro.fields if field.consent]
    assert (photo.id, parro.subjects) == ("leerling.fotourl", ("voorbeeld", "foto_parro"))
    assert "alleen met toestemming voor: foto in Parro" in photo.reason
    assert parro.digest != website.digest


def test_the_law_forbids_the_fields_that_it_names() -> None:
    """The forbidden class holds the personal numbers, origin and parents' schooling of pupils, and every free block."""
    names = "bsn sofinummer onderwijsnummer bsn_ondwnr-4 etniciteit land_vader land_moeder gewicht gewicht_nieuw"
    assert {f"leerling.{name}" for name in [*names.split(), "toevoegingen"]} <= set(NEVER)


def test_a_profile_without_a_key_or_with_a_field_twice_is_refused(
    problem: Callable[[str, str, str], Problem],
) -> None:
    """What could not be updated or is said twice is told at the key `fields`."""
    twice = problem("profiles/voorbeeld.yaml", "leerling.geslacht", "leerling.roepnaam")
    keyless = problem("profiles/voorbeeld.yaml", "leerling.key", "leerling.achternaam")
    assert (twice.key, keyless.key) == ("fields", "fields")
    assert "twee keer" in twice.message
    assert "leerling.key ontbreekt" in keyless.message


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "told"),
    [
        ("record_key: key", "record_key: eckid", 7, "record_key", "vul hier `key` in"),
        ("leerling.key}", "leerling.key, transform: key_without_eckid}", 8, "fields", "haal transform daar weg"),
        ("leerling.roepnaam}", "leerling.roepnaam, wire: voornaam}", 8, "fields", "haal wire weg"),
    ],
)
def test_edexml_knows_every_record_by_its_key(old: str, new: str, line: int, key: str, told: str) -> None:
    """Another record key, or a key that is not always there, is refused for EDEXML, at its line, and for JSON it is not."""
    text = PROFILE.replace(", wire: first_name", "").replace(old, new)
    assert profile(text).wire_format == "json_delta"
    with pytest.raises(SettingsError) as caught:
        profile(text.replace("json_delta", "edexml_whole_set"))
    (found,) = caught.value.problems
    assert (found.file, found.line, found.key) == ("voorbeeld.yaml", line, key)
    assert told in found.message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("wire: first_name", "wire: id", "id is bij leerling al bezet"),
        ("wire: first_name", "wire: key", "key is bij leerling al bezet"),
        ("wire: first_name", "transform: raden", "onbekende bewerking `raden`"),
        ("[school.schooljaar]", "[leerling.roepnaam]", "alleen gegevens over de school"),
        ("[school.schooljaar]", "[school.auteur]", "alleen gegevens over de school"),
    ],
)
def test_a_profile_cannot_overwrite_invent_or_smuggle(
    problem: Callable[[str, str, str], Problem], old: str, new: str, told: str
) -> None:
    """Equal names on the wire, an unknown transform and a person in the envelope are refused, with file and line."""
    found = problem("profiles/voorbeeld.yaml", old, new)
    assert told in found.message
    assert found.line is not None


GROWN = PROFILE.replace('version: "1.0"', 'version: "1.10"\nearlier_versions: ["1.0", "1.9"]').replace(
    "leerling.roepnaam, wire: first_name}",
    "leerling.roepnaam, wire: first_name}\n  - {item: achternaam, field: leerling.achternaam, since: '1.9'}\n"
    "  - {item: e-mailadres, field: leerling.emailadres, optional: true, since: '1.10'}",
)


@pytest.mark.parametrize(
    ("signed", "later"),
    [(None, {"achternaam", "e-mailadres"}), ("1.0", {"achternaam", "e-mailadres"}), ("1.9", {"e-mailadres"})],
)
def test_a_new_version_of_the_leaflet_asks_for_nothing_by_itself(signed: str | None, later: set[str]) -> None:
    """What came with a version that was not signed stays home, and says so; without a version the first one counts."""
    agreed = agreement("optional: []", f"leaflet_version: {signed}" if signed else "")
    result = field_set(profile(GROWN), agreed)
    told = {line.item for line in result.left_out if f"getekend is versie {signed or '1.0'}" in line.reason}
    assert (told, result.profile_version) == (later, signed or "1.0")
    assert ("leerling.achternaam" in result.ids) is ("achternaam" not in later)
    newest = field_set(profile(GROWN), agreement("optional: []", "leaflet_version: 1.10\noptional: [e-mailadres]"))
    assert {"leerling.achternaam", "leerling.emailadres"} <= newest.ids


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("optional: []", "leaflet_version: 2.0", "leaflet_version", "kies uit: 1.0"),
        ("optional: []", "leaflet_version: nieuw", "leaflet_version", "getallen met punten"),
    ],
)
def test_an_agreement_cannot_sign_a_version_that_is_not_there(
    problem: Callable[[str, str, str], Problem], old: str, new: str, key: str, words: str
) -> None:
    """Loading refuses it, at its line, and says what there is."""
    found = problem("agreements/voorbeeld.yaml", old, new)
    assert (found.key, found.line) == (key, 7)
    assert words in found.message


def test_an_item_of_a_later_version_cannot_be_switched_on() -> None:
    """The school must have signed the version that it came with."""
    with pytest.raises(NarrowingError, match=r"kwam erbij in versie 1\.10"):
        field_set(profile(GROWN), agreement("optional: []", "leaflet_version: 1.9\noptional: [e-mailadres]"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("since: '1.9'", "since: '1.5'", "earlier_versions"),
        ("key}", "key, since: '1.9'}", "sleutel"),
    ],
)
def test_a_profile_names_the_versions_of_its_fields(old: str, new: str, words: str) -> None:
    """A field comes with a version that is known, and not before the key by which its record is removed."""
    with pytest.raises(SettingsError, match=words):
        profile(GROWN.replace(old, new, 1))
