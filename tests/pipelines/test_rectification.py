"""A correction in ParnasSys followed to each supplier."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from connectors.sandbox.school import example_school
from pipelines.names import UnknownNameError
from pipelines.rights.rectification import Correction, corrections
from pipelines.sync.readback import read_back
from tests.commands import asked
from tests.world import DAY, SCHOOL, World, a_world

ROSTER = example_school(40)
KEY = str(ROSTER.leerlingen["key"].iloc[4])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A school that was delivered to two suppliers, after which one name was corrected in ParnasSys."""
    formats = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
    with a_world(tmp_path / "instance", formats) as world:
        world.export(ROSTER)
        world.sync()
        pupils = ROSTER.leerlingen.copy()
        pupils.loc[4, "roepnaam"] = "Verbeterd"
        world.export(dataclasses.replace(ROSTER, leerlingen=pupils))
        yield world


def _told(world: World, *, days_later: int = 0) -> dict[str, Correction]:
    now = datetime.now(UTC) + timedelta(days=days_later)
    return {one.supplier: one for one in corrections(world.instance, SCHOOL, KEY, DAY, now, 2)}


def test_a_correction_is_followed_until_it_is_accepted(world: World) -> None:
    """In the export, refused by one supplier, late after two days, and accepted in the end; looking changes nothing."""
    for told in _told(world).values():
        assert (told.told, told.fields) == ("staat in de export; gaat mee met de volgende levering", "roepnaam")
        assert not told.late
    smalle = world.urls["uwlr_smalle_set"]
    eckid = str(ROSTER.leerlingen["eckid"].iloc[4])
    requests.post(f"{smalle}/_sandbox/refuse", json={"ids": {eckid: "nee", KEY: "nee"}}, timeout=5).raise_for_status()
    world.sync()
    told = _told(world)
    assert told["basispoort"].told == "aangenomen; gelijk aan de export"
    assert (told["basispoort"].fields, told["basispoort"].read_back) == ("roepnaam", "kan niet teruglezen")
    assert told["uwlr_smalle_set"].told == "geweigerd; wordt opnieuw geprobeerd"
    assert [_told(world, days_later=days)["uwlr_smalle_set"].late for days in (1, 3)] == [False, True]
    requests.post(f"{smalle}/_sandbox/refuse", json={}, timeout=5).raise_for_status()
    world.sync()
    assert {one.told for one in _told(world).values()} == {"aangenomen; gelijk aan de export"}


def test_what_the_supplier_says_to_have_of_the_pupil_is_read_back(world: World) -> None:
    """Compared with what he accepted last: his fields by name, never a value; somebody else's record tells nothing of him."""
    smalle, pupils = world.urls["uwlr_smalle_set"], ROSTER.leerlingen
    ids = pupils["eckid"].fillna(pupils["key"]).tolist()

    def there(records: dict[str, dict[str, str] | None] | None = None) -> str:
        if records is not None:
            body = {"school": SCHOOL, "kind": "leerling", "records": records}
            requests.post(f"{smalle}/_sandbox/drift", json=body, timeout=5).raise_for_status()
        return _told(world)["uwlr_smalle_set"].read_back

    world.sync()
    sent = world.requests_seen("uwlr_smalle_set")
    assert there({ids[5]: {"roepnaam": "Kanarie"}, ids[6]: None}) == "gelijk"
    told = asked("rectify", SCHOOL, KEY, "--json", instance=world.home)
    assert [row["teruggelezen"] for row in json.loads(told.stdout)] == ["kan niet teruglezen", "gelijk"]
    assert there({ids[4]: {"roepnaam": "Kanarie", "achternaam": "Kanarie"}}) == "verschil in achternaam, roepnaam"
    assert there({ids[4]: None}) == "ontbreekt"
    with world.instance.ledger.lease("uwlr_smalle_set", SCHOOL):
        assert there().startswith("eerst leveren: ")
    assert world.requests_seen("uwlr_smalle_set") == sent
    read_back(world.instance, "uwlr_smalle_set", SCHOOL, repair=True)
    assert there().startswith("niet te vergelijken: ")
    world.sync()
    assert there() == "gelijk"
    (world.home / "teken").write_text("verkeerd", encoding="utf-8")
    assert there().startswith("mislukt: ")


def test_a_pupil_whose_delete_was_refused_is_there(world: World) -> None:
    """He left and came back, and the supplier has had him all the while."""
    smalle, pupils = world.urls["uwlr_smalle_set"], ROSTER.leerlingen
    eckid = str(pupils["eckid"].iloc[4])
    requests.post(f"{smalle}/_sandbox/refuse", json={"ids": {eckid: "nee", KEY: "nee"}}, timeout=5).raise_for_status()
    world.export(dataclasses.replace(ROSTER, leerlingen=pupils[pupils["key"] != KEY].reset_index(drop=True)))
    world.sync()
    world.export(ROSTER)
    requests.post(f"{smalle}/_sandbox/refuse", json={}, timeout=5).raise_for_status()
    world.sync()
    assert _told(world)["uwlr_smalle_set"].told == "gelijk aan de export; er is niets gecorrigeerd"


def test_where_nothing_was_delivered_nothing_is_there(tmp_path: Path) -> None:
    """Told as that, not as equal."""
    with a_world(tmp_path / "instance", {"uwlr_smalle_set": "json_delta"}) as world:
        world.export(ROSTER)
        assert _told(world)["uwlr_smalle_set"].read_back == "staat er niet"


def test_what_waits_for_a_person_or_an_agreement_says_so(world: World) -> None:
    """With the reason that the delivery gives."""
    world.agree("uwlr_smalle_set", stage="create")
    assert _told(world)["uwlr_smalle_set"].told.startswith("wacht. De overeenkomst staat op stage: create.")


def test_a_supplier_that_cannot_be_looked_at_stands_alone(world: World) -> None:
    """Its agreement has not begun: that is told, and the others as always."""
    file = world.home / "agreements" / "uwlr_smalle_set.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("signed: 2026-08-01", "signed: 2027-01-01"))
    told = _told(world)
    assert told["uwlr_smalle_set"].told.startswith(
        "De overeenkomst gaat pas in op 01-01-2027. Deze leverancier heeft nog"
    )
    assert told["basispoort"].told.startswith("staat in de export")


def test_a_pupil_who_is_not_in_the_export_is_not_known(world: World) -> None:
    """A name instead of a key is answered so as well."""
    with pytest.raises(UnknownNameError, match="niet in de export"):
        corrections(world.instance, SCHOOL, "Verbeterd", DAY, datetime.now(UTC), 2)
