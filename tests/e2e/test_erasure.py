"""A pupil is erased with everything real: at every supplier, from the vault, the ledger and Dagster, and byte for byte."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import requests
import sqlalchemy as sa
from typer.testing import CliRunner

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
from pipelines.build import build_defs
from pipelines.cli import app
from pipelines.dagster_home import prepare
from pipelines.ledger.engine import open_engine
from pipelines.ledger.tables import change, handles, record
from pipelines.pupil_jobs import OF_PUPILS
from pipelines.resources import InstanceResource
from pipelines.retention import finish_erasures
from pipelines.rights.erasure import open_case, standings
from pipelines.rights.one_now import deliver_one
from pipelines.runs import QUIET
from pipelines.settings import load_settings
from tests.e2e.marked import MarkedSchool, Marks, found, word
from tests.e2e.nights import causes, states
from tests.world import SCHOOL, World, a_world

pytestmark = pytest.mark.slow
NEWER = datetime(2026, 11, 10, 12, tzinfo=UTC)
"""After the moment of every export of the example school."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three suppliers."""
    with a_world(tmp_path / "instance") as world:
        yield world


@pytest.fixture
def kept(world: World) -> Iterator[World]:
    """With the databases of Dagster in the instance; that takes twice the time."""
    home = str(prepare(load_settings(world.home), {}))
    with dg.DagsterInstance.from_config(home) as world.dagster:
        yield world


def without(roster: Roster, key: str) -> Roster:
    """The school after this pupil left."""
    pupils = roster.leerlingen
    return dataclasses.replace(roster, leerlingen=pupils[pupils["key"] != key].reset_index(drop=True))


def holders(world: World, roster: Roster, key: str) -> list[str]:
    """The suppliers that have the pupil with this key, under it or under his ECK iD."""
    pupil = roster.leerlingen.set_index("key").loc[key]
    return [s for s in world.urls if {key, str(pupil["eckid"])} & world.held_by(s).keys()]


def _delivered(world: World, *, pupils: int, place: int = 3) -> tuple[Roster, str]:
    """A school that every supplier has, and the key of one of its pupils."""
    roster = example_school(pupils)
    world.export(roster)
    world.sync()
    return roster, str(roster.leerlingen["key"].iloc[place])


def _erase(world: World, key: str) -> int:
    return open_case(world.instance, SCHOOL, key, "directeur", "bericht")


def _finished(world: World) -> int:
    return finish_erasures(world.instance, world.dagster, world.day).number


def _told(world: World, number: int) -> dict[str, str]:
    one = world.instance.ledger.erasures.all()[number - 1]
    return {each.supplier: each.told for each in standings(world.instance, one, world.day)}


def test_who_is_erased_goes_everywhere_and_comes_back_as_a_new_pupil(world: World) -> None:
    """Deleted at each supplier without asking anybody, not sent while he is in the export, new when he left and came back."""
    roster, key = _delivered(world, pupils=60, place=7)
    before = world.instance.ledger.erasures.open(SCHOOL, key, "directeur", "bericht")
    (record_id,) = world.instance.ledger.erasures.all()[0].records
    assert len(holders(world, roster, key)) == 3
    assert states(world.sync()) == {"delivered"}
    assert {cause for supplier in world.urls for cause in causes(world, supplier)} == {"verzoek_tot_wissen"}
    assert holders(world, roster, key) == []
    assert set(_told(world, before).values()) == {"heeft de leerling verwijderd"}
    assert (_finished(world), _finished(world)) == (1, 0)

    assert states(world.sync()) == {"unchanged"}
    assert states(world.sync()) == {"unchanged"}
    world.export(without(roster, key))
    assert states(world.sync()) == {"unchanged"}
    assert world.instance.ledger.verify() is None
    world.export(roster)
    assert states(world.sync()) == {"delivered"}
    assert len(holders(world, roster, key)) == 3
    again = world.instance.ledger.delivered_state("basispoort", SCHOOL)
    keys = world.instance.ledger.record_keys(again["record_id"])
    assert [number for number, text in keys.items() if text == key] != [record_id]
    assert record_id not in keys
    assert world.instance.ledger.verify() is None


def test_who_is_erased_does_not_come_back_with_an_older_export(world: World) -> None:
    """He left by the newest one; where that is taken away, nobody is made anew before a person has seen it."""
    roster, key = _delivered(world, pupils=40)
    _erase(world, key)
    world.sync()
    _finished(world)
    world.export_bytes(edexml(without(roster, key), aanmaakdatum=NEWER))
    assert states(world.sync()) == {"unchanged"}
    world.export(roster)
    assert states(world.sync()) == {"held"}
    assert holders(world, roster, key) == []


def test_who_asks_about_an_erased_pupil_hears_that_he_was_erased(world: World) -> None:
    """He is still in the export of ParnasSys; open or carried out, no command says that he is unknown and leaves it at that."""
    _, key = _delivered(world, pupils=40)

    def said(*words: str, code: int = 3) -> str:
        answer = CliRunner().invoke(app, [*words, "--instance", str(world.home)])
        assert answer.exit_code == code, words
        return " ".join(answer.output.split())

    _erase(world, key)
    being_erased = "Voor deze leerling loopt een verzoek om te wissen (wisverzoek 1)"
    assert being_erased in said("rectify", SCHOOL, key)
    assert being_erased in said("consent", "object", SCHOOL, key, "basispoort", code=0)
    assert f"In de export: {being_erased}" in said("why", key, "basispoort", code=0)
    world.sync()
    assert _finished(world) == 1
    erased = "Deze leerling is op verzoek gewist (wisverzoek 1)"
    for words in (
        ("rectify", SCHOOL, key),
        ("consent", "object", SCHOOL, key, "basispoort"),
        ("access", SCHOOL, key),
        ("why", key, "basispoort"),
    ):
        assert said(*words).startswith(erased), words
    assert erased in said("sync", "--pupil", key)
    assert "op naam niet te vinden" in said("access", SCHOOL, "--name", "zo heet niemand")
    assert "niet bekend" in said("access", SCHOOL, "weetniet")


def test_a_supplier_that_does_not_answer_keeps_the_request_open(world: World) -> None:
    """The next night asks it again, and then the request is closed."""
    roster, key = _delivered(world, pupils=40)
    number = _erase(world, key)
    trouble = f"{world.urls['uwlr_lvs_set']}/_sandbox/misbehave"
    requests.post(trouble, json={"kind": "fail", "status": 500, "times": 20}, timeout=5).raise_for_status()
    world.sync()
    assert _finished(world) == 0
    assert holders(world, roster, key) == ["uwlr_lvs_set"]
    assert _told(world, number)["uwlr_lvs_set"].startswith("levering afgebroken")
    requests.delete(trouble, timeout=5)
    world.sync()
    assert (_finished(world), holders(world, roster, key)) == (1, [])


def test_nothing_is_forgotten_while_a_run_about_a_pupil_of_the_school_is_at_work(kept: World) -> None:
    """It may be about him, and what it writes would name him afterwards."""
    _, key = _delivered(kept, pupils=40)
    _erase(kept, key)
    kept.sync()
    meanwhile: list[int] = []

    class Looking(InstanceResource):
        def setup_for_execution(self, context: dg.InitResourceContext) -> None:
            super().setup_for_execution(context)
            meanwhile.append(_finished(kept))

    defs = build_defs(load_settings(kept.home), resources={"instance": Looking(home=str(kept.home))})
    for name in OF_PUPILS:
        job = defs.resolve_job_def(name)
        assert job.partitioned_config is not None
        form = QUIET | job.partitioned_config.get_run_config_for_partition_key(SCHOOL)
        job.execute_in_process(run_config=form, partition_key=SCHOOL, instance=kept.dagster, raise_on_error=False)
    assert (meanwhile, _finished(kept)) == ([0] * len(OF_PUPILS), 1)


@pytest.mark.parametrize("when", ["before a night", "after one", "after one, and he is tried alone"])
def test_a_request_is_also_about_the_key_that_the_pupil_gets_meanwhile(world: World, when: str) -> None:
    """Under neither is he anywhere but where he cannot be deleted yet, also where he was known by his ECK iD; and no run for him alone goes past that."""
    roster = example_school(40)
    pupils = roster.leerlingen.copy()
    key = str(pupils["key"].iloc[3])
    world.export(roster)
    world.sync()
    world.agree("basispoort", stage="create_update")
    number = _erase(world, key)
    if when != "before a night":
        world.sync()
    pupils.loc[3, "key"] = "nieuw-1"
    renumbered = dataclasses.replace(roster, leerlingen=pupils)
    world.export(renumbered)
    if when == "after one, and he is tried alone":
        deliver_one(world.instance, SCHOOL, "nieuw-1", list(world.urls), world.day, "een-leerling")
        assert (holders(world, roster, key), holders(world, renumbered, "nieuw-1")) == (["basispoort"], [])
    for _ in range(2):
        world.sync()
        assert (holders(world, roster, key), holders(world, renumbered, "nieuw-1")) == (["basispoort"], [])
    assert len(world.instance.ledger.erasures.all()[number - 1].records) == 2
    world.agree("basispoort")
    world.sync()
    assert (_finished(world), holders(world, renumbered, "nieuw-1")) == (1, [])


@pytest.mark.parametrize("closed", [False, True], ids=["open", "carried out"])
def test_who_has_the_eckid_that_an_erased_pupil_had_beside_him_is_somebody_else(world: World, *, closed: bool) -> None:
    """It stood with the wrong twin: the other stays where he is, also when the erased one has left."""
    roster = example_school(40)
    pupils = roster.leerlingen.copy()
    there = pupils.index[pupils["eckid"].notna()]
    key, other, eckid = str(pupils["key"][there[3]]), str(pupils["key"][there[4]]), pupils["eckid"][there[3]]
    pupils.loc[there[4], "eckid"] = None
    world.export(dataclasses.replace(roster, leerlingen=pupils))
    world.sync()
    number = _erase(world, key)
    world.sync()
    assert _finished(world) == 1 if closed else True
    pupils = pupils.assign(eckid=pupils["eckid"].where(pupils["key"] != key, None).where(pupils["key"] != other, eckid))
    moved = dataclasses.replace(roster, leerlingen=pupils)
    for night in (moved, without(moved, key), without(moved, key)):
        world.export(night)
        world.sync()
        assert len(holders(world, night, other)) == 3
    assert len(world.instance.ledger.erasures.all()[number - 1].records) == 1
    assert world.instance.ledger.verify() is None


def test_who_gets_another_key_after_all_was_done_stays_away_until_he_left(world: World) -> None:
    """He is known by his ECK iD, which goes with the rest when he has left: under whatever key he comes back, he is new."""
    roster, key = _delivered(world, pupils=40)
    _erase(world, key)
    world.sync()
    assert _finished(world) == 1
    pupils = roster.leerlingen.copy()
    pupils.loc[3, "key"] = "nieuw-1"
    renumbered = dataclasses.replace(roster, leerlingen=pupils)
    world.export(renumbered)
    assert states(world.sync()) == {"unchanged"}
    assert states(world.sync()) == {"unchanged"}
    world.export(without(roster, key))
    assert states(world.sync()) == {"unchanged"}
    world.export(renumbered)
    assert states(world.sync()) == {"delivered"}
    assert len(holders(world, renumbered, "nieuw-1")) == 3
    assert world.instance.ledger.verify() is None


def test_a_legal_duty_keeps_the_pupil_there_until_he_left(world: World) -> None:
    """AVG art. 17 lid 3 b: the others erase him; the request is closed when the law no longer asks for him."""
    _oblige(world)
    roster, key = _delivered(world, pupils=60)
    number = _erase(world, key)
    world.sync()
    assert holders(world, roster, key) == ["uwlr_lvs_set"]
    assert _told(world, number)["uwlr_lvs_set"] == "moet hem houden: wettelijke verplichting"
    assert _finished(world) == 0
    world.export(without(roster, key))
    world.sync()
    assert (_finished(world), holders(world, roster, key)) == (1, [])


def test_a_legal_duty_that_is_over_keeps_nobody(world: World) -> None:
    """The pupil is erased there too, and that waits for nobody."""
    roster, key = _delivered(world, pupils=60)
    _oblige(world, valid_until="2026-11-23")
    number = _erase(world, key)
    world.sync()
    assert holders(world, roster, key) == []
    assert set(_told(world, number).values()) == {"heeft de leerling verwijderd"}
    assert _finished(world) == 1


def test_a_legal_duty_that_is_to_come_keeps_no_request_open(world: World) -> None:
    """Until its first day the pupil goes to nobody; from then on the law asks for him."""
    _oblige(world, signed="2026-11-25")
    roster, key = _delivered(world, pupils=60)
    _erase(world, key)
    world.sync()
    assert (_finished(world), holders(world, roster, key)) == (1, [])
    world.day += timedelta(days=1)
    world.sync()
    assert holders(world, roster, key) == ["uwlr_lvs_set"]


def _oblige(world: World, **dates: str) -> None:
    """Make the agreement with the supplier of the LVS set one of a legal duty, with these dates."""
    file = world.home / "agreements" / "uwlr_lvs_set.yaml"
    text = re.sub("(?<=legal_basis: ).*", "wettelijke_verplichting", file.read_text(encoding="utf-8"))
    for name, day in dates.items():
        text = re.sub(f"(?<={name}: ).*", day, text)
    file.write_text(text, encoding="utf-8")


def _of_the_pupil(school: MarkedSchool, roster: Roster, row: int) -> Marks:
    """Every mark in the row of one pupil, and his key."""
    values = "\n".join(map(str, roster.leerlingen.iloc[row].dropna()))
    others = "\n".join(map(str, roster.leerlingen.drop(index=row).to_numpy().ravel()))
    mine = {mark: name for mark, name in school.marks.items() if mark in values and mark not in others}
    return mine | {str(roster.leerlingen["key"].iloc[row]): "key"}


def _opened(world: World, folder: Path) -> list[Path]:
    """Everything that can be decrypted with the keys of the instance, each in a file: the vault, and three columns of the ledger."""
    instance, readable = world.instance, []
    contents = [instance.vault.get(name) for name in instance.vault.names()]
    engine = open_engine(instance.settings.ledger_url)
    with engine.connect() as connection:
        for row in connection.execute(sa.select(record.c.ref, record.c.key_encrypted)):
            contents += [instance.keys.decrypt(row.key_encrypted, row.ref)] if row.key_encrypted else []
        contents += [bytes(number) for number in connection.execute(sa.select(handles.c.content_encrypted)).scalars()]
        assert not connection.execute(
            sa.select(change.c.answer_encrypted).where(change.c.answer_encrypted.is_not(None))
        ).all()
    state = [instance.ledger.delivered_state(supplier, SCHOOL)["record_id"] for supplier in world.urls]
    held = [instance.ledger.handles(s, ids) for s, ids in zip(world.urls, state, strict=True)]
    contents += ["\n".join(str(text) for h in bundle.values() for text in h).encode() for bundle in held]
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
        readable.append(folder / str(number))
    return readable


def _files(world: World) -> list[Path]:
    return [file for file in world.home.rglob("*") if file.is_file()]


def test_nothing_of_the_pupil_is_left_byte_for_byte(kept: World, tmp_path: Path) -> None:
    """Name, birth date, key and everything else of him: in no file of the instance, nor in what can be decrypted there."""
    school = MarkedSchool(0)
    roster = school.roster()
    roster.leerlingen.loc[5, "voorvoegsel"] = word("long prefix", 30)
    mine = _of_the_pupil(school, roster, 5)
    key = str(roster.leerlingen["key"].iloc[5])
    assert {"key", "leerling.achternaam", "leerling.roepnaam", "leerling.geboortedatum"} <= set(mine.values())
    kept.export_bytes(edexml(roster))
    kept.sync()
    config = {"leerling": key, "onderwerp": "basispoort", "keuze": "bezwaar", "door": "x"}
    job = build_defs(load_settings(kept.home)).resolve_job_def("keuze_vastleggen")
    run_config = QUIET | {"ops": {"leg_vast": {"config": config}}}
    job.execute_in_process(run_config=run_config, partition_key=SCHOOL, instance=kept.dagster)
    kept.sync()
    assert {file for _, file in found(_files(kept), {key: "key"})} >= {f"{SCHOOL}.html", "runs.db"}
    assert len({name for name, _ in found(_opened(kept, tmp_path / "before"), mine)}) > 5

    _erase(kept, key)
    assert "failed" not in states(kept.sync())
    assert _finished(kept) == 1
    assert found([f for f in _files(kept) if not f.is_relative_to(kept.home / "inbox")], mine) == set()
    assert found(_opened(kept, tmp_path / "after"), mine) == set()
    for night in range(2):
        kept.sync()
        assert found([f for f in _files(kept) if not f.is_relative_to(kept.home / "inbox")], mine) == set()
        assert found(_opened(kept, tmp_path / f"night {night}"), mine) == set()
    kept.export(without(roster, key))
    kept.sync()
    assert found(_files(kept), mine) == set()
    assert found(_opened(kept, tmp_path / "later"), mine) == set()
    assert len(found(_opened(kept, tmp_path / "others"), school.marks)) > 20
    assert kept.instance.ledger.verify() is None
