"""A correction in ParnasSys followed to each supplier."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from connectors.sandbox.school import example_school
from pipelines.names import UnknownNameError
from pipelines.rights.rectification import NOT_READ_BACK, Correction, corrections
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
    assert (told["basispoort"].fields, told["basispoort"].read_back) == ("roepnaam", NOT_READ_BACK)
    assert told["uwlr_smalle_set"].told == "geweigerd; wordt opnieuw geprobeerd"
    assert [_told(world, days_later=days)["uwlr_smalle_set"].late for days in (1, 3)] == [False, True]
    requests.post(f"{smalle}/_sandbox/refuse", json={}, timeout=5).raise_for_status()
    world.sync()
    assert {one.told for one in _told(world).values()} == {"aangenomen; gelijk aan de export"}


def test_what_waits_for_a_person_or_an_agreement_says_so(world: World) -> None:
    """With the reason that the delivery gives."""
    world.agree("uwlr_smalle_set", stage="create")
    assert _told(world)["uwlr_smalle_set"].told.startswith("wacht. De overeenkomst staat op stage: create.")


def test_a_pupil_who_is_not_in_the_export_is_not_known(world: World) -> None:
    """A name instead of a key is answered so as well."""
    with pytest.raises(UnknownNameError, match="niet in de export"):
        corrections(world.instance, SCHOOL, "Verbeterd", DAY, datetime.now(UTC), 2)
