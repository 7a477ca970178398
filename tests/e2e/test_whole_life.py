"""The whole life of one pupil with everything real: after each step what every supplier holds of him, and what his parents are told."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connectors.base import Export
from connectors.sandbox.administration import Administration
from connectors.sandbox.school import example_school
from data_contracts.roster import Roster
from mappings.choices import Choice
from pipelines.consent import Said, write_down
from pipelines.dagster_home import prepare
from pipelines.retention import finish_erasures
from pipelines.rights.access import Receiver, letter, write_letter
from pipelines.rights.erasure import open_case
from pipelines.rights.looking import UnknownPupilError, fresh, refuse_unknown_pupil
from pipelines.rotation import rotate
from pipelines.settings import load_settings
from pipelines.sync.readback import read_back
from tests.e2e.marked import found
from tests.e2e.nights import long_unchanged, seen, served_by_parnassys, states
from tests.world import DAY, SCHOOL, World

pytestmark = pytest.mark.slow

BASISPOORT, PUBLISHER, PARRO = "basispoort", "uwlr_smalle_set", "parro"
FORMATS = {BASISPOORT: "edexml_whole_set", PUBLISHER: "json_delta", PARRO: "json_delta"}
KEY, ECKID, PHOTO = "kanarie-4711", "https://ketenid.nl/201703/" + "7f" * 64, "https://foto.example/kanarie"
NAME = {"roepnaam": "Pim", "voorvoegsel": "van", "achternaam": "Kanarievogel"}
BETTER = NAME | {"roepnaam": "Pim Kanarie"}
MORE = {"geboortedatum": "2018-03-04", "geslacht": "1", "jaargroep": "4"}
GIVEN, WITHDRAWN, OBJECTION = Choice.GIVEN, Choice.WITHDRAWN, Choice.OBJECTION

Held = dict[str, dict[str, Any]]
"""What each supplier that has him holds of him, by name on the wire."""


@dataclass(frozen=True, slots=True)
class Life:
    """The world, what ParnasSys says, and the row of the pupil in it."""

    world: World
    administration: Administration
    roster: Roster
    row: int

    @property
    def group(self) -> str:
        """The key of his group."""
        return str(self.roster.leerlingen["groep"][self.row])

    def enrolled(self, name: Mapping[str, str]) -> None:
        """He stands in ParnasSys under this name, photo and all."""
        child = {"key": KEY, "eckid": ECKID, "fotourl": PHOTO, **MORE, **name}
        pupils = self.roster.leerlingen.copy()
        pupils.loc[self.row, list(child)] = list(child.values())
        self.administration.put(SCHOOL, replace(self.roster, leerlingen=pupils))

    def says(self, subject: str, choice: Choice) -> None:
        """His parents say something, and it is written down."""
        write_down(self.world.instance, Said(SCHOOL, by="directeur"), {subject: {KEY: choice}}, DAY)

    def night(self, **why: str) -> None:
        """Deliver; at these suppliers one pupil changes, for this cause, and at the others nothing."""
        outcomes = self.world.sync()
        long_unchanged(self.administration)  # the next night ParnasSys has no news, unless something is put there
        assert {s: o.state for s, o in outcomes.items()} == dict.fromkeys(FORMATS, "unchanged") | dict.fromkeys(
            why, "delivered"
        )
        assert {s: self._causes(s) for s in why} == {s: [cause] for s, cause in why.items()}

    def _causes(self, supplier: str) -> list[str]:
        """Why each pupil of the last plan changed; his group may come with him."""
        ledger = self.world.instance.ledger
        plan = ledger.last_plan(supplier, SCHOOL)
        assert plan is not None
        changes = ledger.changes(plan.id)
        return [str(cause) for cause in changes.loc[changes["kind"] == "leerling", "cause"]]

    def held(self) -> Held:
        """What the suppliers really hold of him."""
        found = {s: self.world.held_by(s) for s in FORMATS}
        mine = {s: records.get(KEY) or records.get(ECKID) for s, records in found.items()}
        return {s: _filled(record) for s, record in mine.items() if record}

    def told(self) -> Held:
        """What the letter says that the suppliers hold of him; of those that it says hold nothing, nothing."""
        receivers = letter(self.world.instance, SCHOOL, KEY, self.world.day).receivers
        assert {r.pending for r in receivers} == {""}
        return {r.supplier: self._values(r) for r in receivers if r.holds == "ja"}

    def _values(self, receiver: Receiver) -> dict[str, Any]:
        fields = self.world.instance.settings.field_set(receiver.supplier, SCHOOL).fields
        wires = {f.id: f.wire for f in fields if f.record == "leerling"}
        values = {wires[v.field_id]: v.value for v in receiver.values if v.about == "de leerling"}
        assert len(values) == len(wires)
        return _filled(values)

    def read(self) -> str:
        """The letter itself, as his parents open it."""
        told = letter(self.world.instance, SCHOOL, KEY, self.world.day)
        return write_letter(self.world.instance, told).read_text(encoding="utf-8")

    def went(self) -> dict[str, list[str]]:
        """What the letter says was sent, and why, by supplier."""
        receivers = letter(self.world.instance, SCHOOL, KEY, self.world.day).receivers
        return {r.supplier: [f"{e.operation}: {e.cause}" for e in r.events] for r in receivers}

    def files(self) -> list[Path]:
        """Every file of the instance."""
        return [file for file in self.world.home.rglob("*") if file.is_file()]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """A school in ParnasSys' web service; Parro goes by consent, and a photo by a consent of its own."""
    with served_by_parnassys(tmp_path / "instance", FORMATS) as (world, administration), ExitStack() as stack:
        file = world.home / "agreements" / "parro.yaml"
        text = file.read_text(encoding="utf-8").replace("publieke_taak", "toestemming").replace("[]", "[foto]")
        file.write_text(text, encoding="utf-8")
        home = str(prepare(load_settings(world.home), {}))
        world.dagster = stack.enter_context(dg.DagsterInstance.from_config(home))
        roster = example_school(60)
        pupils = roster.leerlingen
        row = pupils.index[pupils["jaargroep"].eq("4") & pupils["uitstroomdatum"].isna() & pupils["eckid"].notna()][0]
        administration.put(SCHOOL, replace(roster, leerlingen=pupils.drop(index=row)))
        assert states(world.sync()) == {"delivered", "unchanged"}
        others = dict.fromkeys(world.held_by(BASISPOORT), GIVEN)
        write_down(world.instance, Said(SCHOOL, by="directeur"), {PARRO: others}, DAY)
        assert world.sync()[PARRO].state == "delivered"
        yield Life(world, administration, roster, int(row))


def _filled(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value not in (None, []) and name != "id"}


def test_the_whole_life_of_one_pupil(life: Life) -> None:
    """Enrolled, a photo given and withdrawn, an objection, a better name, erased: each supplier and the letter say the same at each step."""
    world, group = life.world, {"groep": life.group}
    at_basispoort = {"key": KEY, **NAME, **MORE, **group}
    at_publisher = {"eckid": ECKID, **NAME, "jaargroep": "4", **group}
    at_parro = {"key": KEY, **NAME, **group}

    life.enrolled(NAME)
    life.night(basispoort="nieuw", uwlr_smalle_set="nieuw")
    held = {BASISPOORT: at_basispoort, PUBLISHER: at_publisher}
    assert life.held() == life.told() == held
    life.says(PARRO, GIVEN)
    life.night(parro="nieuw")
    assert life.held() == life.told() == held | {PARRO: at_parro}
    assert PHOTO not in life.read()
    told = letter(life.world.instance, SCHOOL, KEY, life.world.day)
    assert "foto" not in next(one.fields for one in told.receivers if one.supplier == PARRO), "none ever went"

    life.says("foto_parro", GIVEN)
    life.night(parro="toestemming_gegeven")
    assert life.held() == life.told() == held | {PARRO: at_parro | {"fotourl": PHOTO}}
    assert PHOTO in life.read()
    life.says("foto_parro", WITHDRAWN)
    life.night(parro="toestemming_ingetrokken")
    assert life.held() == life.told() == held | {PARRO: at_parro}
    assert PHOTO not in life.read()

    life.says(PUBLISHER, OBJECTION)
    life.night(uwlr_smalle_set="bezwaar")
    assert life.held() == life.told() == {BASISPOORT: at_basispoort, PARRO: at_parro}
    life.enrolled(BETTER)
    life.night(basispoort="gegevens_gewijzigd", parro="gegevens_gewijzigd")
    assert life.held() == life.told() == {BASISPOORT: at_basispoort | BETTER, PARRO: at_parro | BETTER}
    told = letter(world.instance, SCHOOL, KEY, world.day)
    assert told.name == "Pim Kanarie van Kanarievogel"
    assert [(c.supplier, c.choice) for c in told.choices] == [
        ("Parro", "toestemming"),
        ("foto in Parro", "toestemming"),
        ("foto in Parro", "toestemming ingetrokken"),
        ("UWLR smalle set", "bezwaar"),
    ]
    went = {
        BASISPOORT: ["toegevoegd: nieuw", "gewijzigd: gegevens gewijzigd"],
        PARRO: [
            "toegevoegd: nieuw",
            "gewijzigd: toestemming gegeven",
            "gewijzigd: toestemming ingetrokken",
            "gewijzigd: gegevens gewijzigd",
        ],
        PUBLISHER: ["toegevoegd: nieuw", "verwijderd: bezwaar"],
    }
    assert life.went() == went

    open_case(world.instance, SCHOOL, KEY, "directeur", "bericht")
    life.night(basispoort="verzoek_tot_wissen", parro="verzoek_tot_wissen")
    assert life.held() == life.told() == {}
    erased = "verwijderd: verzoek tot wissen"
    assert life.went() == went | {s: [*went[s], erased] for s in (BASISPOORT, PARRO)}
    assert finish_erasures(world.instance, world.dagster, world.day).number == 1
    _is_known_by_nothing_any_more(life)
    _is_not_sent_again(life)


def _is_known_by_nothing_any_more(life: Life) -> None:
    """Neither the letter nor the reason why knows him, nor any file of the instance, those letters included."""
    instance = life.world.instance
    data = fresh(instance, SCHOOL, life.world.day)
    assert instance.ledger.dossier(SCHOOL, KEY) is None
    with pytest.raises(UnknownPupilError):
        letter(instance, SCHOOL, KEY, life.world.day)
    with pytest.raises(UnknownPupilError):
        refuse_unknown_pupil(instance, SCHOOL, data, KEY)  # before `why` says anything
    of_him = {KEY: "key", ECKID: "eckid", NAME["achternaam"]: "name", PHOTO: "photo"}
    assert found(life.files(), of_him) == set()
    assert instance.ledger.verify() is None


def _is_not_sent_again(life: Life) -> None:
    """Though he stands in the export still, also where that has news and the keys are new, and nobody else goes with him."""
    world, sent = life.world, seen(life.world)
    life.night()
    rotate(world.instance)
    life.night()
    life.enrolled(NAME)
    life.night()
    export = world.instance.source(SCHOOL).pull(world.instance.settings.school(SCHOOL).id_on(DAY), None)
    assert isinstance(export, Export)
    assert KEY.encode() in export.content
    assert (life.held(), seen(world)) == ({}, sent)
    for supplier in (PUBLISHER, PARRO):
        assert read_back(world.instance, supplier, SCHOOL).state == "equal"
    _is_known_by_nothing_any_more(life)
