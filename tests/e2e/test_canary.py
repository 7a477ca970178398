"""A canary: no value of an export is anywhere in the instance but in the vault and the inbox, however a run goes."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.serving import running
from data_contracts.roster import Roster
from pipelines.pages import write_pages
from tests.e2e.marked import MarkedSchool, found, word
from tests.e2e.processes import orders
from tests.faults.echo import echo_app
from tests.world import DAY, SCHOOL, World, a_world

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("canary")]

Change = Callable[[Roster, MarkedSchool], Roster]


def as_made(roster: Roster, _: MarkedSchool) -> Roster:
    """An export in order."""
    return roster


def with_findings(roster: Roster, school: MarkedSchool) -> Roster:
    """Single values that break their contract, each a mark itself, and a pupil and a group that must be kept out."""
    pupils = roster.leerlingen.copy()
    broken = {
        "geboortedatum": "1871-03-05",
        "jaargroep": word("wrong year", 8),
        "groep": word("wrong group", 8),
        "voorvoegsel": word("long prefix", 30),
        "eckid": word("no address", 30),
        "geslacht": word("wrong sex", 8),
    }
    for row, (name, value) in enumerate(broken.items()):
        pupils.loc[row, name] = value
        school.marks[value] = f"leerling.{name}"
    pupils.loc[10, ["achternaam", "roepnaam"]] = None
    groups = roster.groepen.copy()
    groups.loc[0, "jaargroep"] = word("wrong year of group", 8)
    school.marks[str(groups.loc[0, "jaargroep"])] = "groep.jaargroep"
    return Roster(roster.school, groups, pupils, roster.leerkrachten)


def broken_table(roster: Roster, _: MarkedSchool) -> Roster:
    """Half of the pupils have no name."""
    pupils = roster.leerlingen.copy()
    pupils.loc[:12, ["achternaam", "roepnaam"]] = None
    return Roster(roster.school, roster.groepen, pupils, roster.leerkrachten)


def without_an_end(content: bytes) -> bytes:
    """A file that is broken off in the middle of a name."""
    return content[: content.index(b"</achternaam>", len(content) // 2)]


NIGHTS: list[tuple[str, Change, str, str, Callable[[bytes], bytes]]] = [
    # name, what the export is like, how the suppliers answer, which connector raises what it holds, what becomes of the file
    ("delivered", as_made, "", "", bytes),
    ("findings, and every record refused in its own words", with_findings, "refuse refuse refuse", "", bytes),
    ("suppliers answer 500 and 400 with what they were sent", as_made, "500 400 400", "", bytes),
    ("suppliers answer what cannot be read", as_made, "garble garble garble", "", bytes),
    ("a supplier's connector raises what it sends", as_made, "", "supplier", bytes),
    ("a source's connector raises what it read", as_made, "", "source", bytes),
    ("a broken table", broken_table, "", "", bytes),
    ("a broken file", as_made, "", "", without_an_end),
    ("delivered after all", as_made, "", "", bytes),
]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, MarkedSchool, dict[str, bool]]]:
    """An instance after all those nights, every mark that was in an export, and which nights succeeded."""
    with ExitStack() as stack:
        world = stack.enter_context(a_world(tmp_path_factory.mktemp("kanarie") / "instance"))
        app = echo_app()
        echo = stack.enter_context(running(app)).url
        order = stack.enter_context(orders("dagster"))
        suppliers, everything, succeeded = dict(world.urls), MarkedSchool(0), {}
        for edition, (name, change, answer, trouble, damaged) in enumerate(NIGHTS):
            school = MarkedSchool(edition)
            world.export_bytes(damaged(edexml(change(school.roster(), school))))
            everything.marks |= school.marks
            everything.keys = school.keys
            world.urls = _urls(suppliers, echo, answer.split())
            for supplier in suppliers:
                world.agree(supplier)
                agreement = world.home / "agreements" / f"{supplier}.yaml"
                agreement.write_text(agreement.read_text(encoding="utf-8").replace(*WITHOUT_LIMITS), encoding="utf-8")
            log = str(world.home / "uitvoer.log")
            told = order("run", home=str(world.home), school=SCHOOL, day=DAY.isoformat(), trouble=trouble, log=log)
            assert "error" not in told, name
            succeeded[name] = told["success"]
        assert app.state.answered.keys() == ANSWERED
        write_pages(world.instance, DAY)
        yield world, everything, succeeded


def _urls(suppliers: dict[str, str], echo: str, answers: list[str]) -> dict[str, str]:
    """Where each supplier is tonight: where it always is, or at the echo that answers in its way."""
    return {s: f"{echo}/{how}" for s, how in zip(suppliers, answers, strict=True)} if answers else suppliers


WITHOUT_LIMITS = (
    "limits: {first_delivery: allow}",
    "limits: {first_delivery: allow, field_changes: {count: 1000}, creates: {count: 1000}, all_deletes: {percent: 100}}",
)


ANSWERED = {
    *((mode, path) for mode in ("refuse", "garble") for path in ("edexml", "records")),
    ("500", "edexml"),
    ("400", "records"),
}


def outside_the_vault(world: World) -> list[Path]:
    """Every file of the instance that is neither in the vault nor in the inbox."""
    kept = [world.home / "vault", world.home / "inbox"]
    return [f for f in world.home.rglob("*") if f.is_file() and not any(f.is_relative_to(folder) for folder in kept)]


def test_the_nights_went_as_they_were_meant(nights: tuple[World, MarkedSchool, dict[str, bool]]) -> None:
    """Only the nights in order succeeded, the suppliers hold the marks, and Dagster wrote what it writes."""
    world, school, succeeded = nights
    assert [name for name, success in succeeded.items() if success] == ["delivered", "delivered after all"]
    names = {record["achternaam"].split()[0] for record in world.held_by("uwlr_smalle_set").values()}
    assert len(names) == 24
    assert names <= school.marks.keys()
    written = {file.name for file in outside_the_vault(world)}
    assert {"ledger.db", "uitvoer.log", "schedules.db", "bestuur.html", f"{SCHOOL}.fragment.html"} <= written
    assert (world.home / "uitvoer.log").stat().st_size > 100_000
    assert (
        any(name.endswith("-wal") for name in written)
        or sum(f.stat().st_size for f in outside_the_vault(world)) > 10**6
    )


def test_no_value_is_left_outside_the_vault(nights: tuple[World, MarkedSchool, dict[str, bool]]) -> None:
    """Ledger, Dagster's databases, logs, screen and pages hold not one of more than a thousand marks, in any spelling."""
    world, school, _ = nights
    assert len(school.marks) > 3000
    assert found(outside_the_vault(world), school.marks) == set()


def test_nothing_can_be_read_in_the_vault(nights: tuple[World, MarkedSchool, dict[str, bool]]) -> None:
    """The vault has files, and not one mark or record key in them."""
    world, school, _ = nights
    files = [file for file in (world.home / "vault").rglob("*") if file.is_file()]
    assert len(files) > 8
    assert found(files, school.marks | dict.fromkeys(school.keys, "key")) == set()


def test_the_ledger_tells_no_record_keys(nights: tuple[World, MarkedSchool, dict[str, bool]]) -> None:
    """A record key, the one thing that may name a pupil, is encrypted in the ledger."""
    world, school, _ = nights
    files = [file for file in outside_the_vault(world) if file.name.startswith("ledger.db")]
    assert found(files, dict.fromkeys(school.keys, "key")) == set()


@pytest.mark.parametrize(("content", "there"), [("12:53:52.619712xw", False), ('52.619712xw "9712XW"', True)])
def test_a_moment_in_a_database_is_no_postcode(tmp_path: Path, content: str, *, there: bool) -> None:
    """What stands after a moment may be anything; a postcode by itself is found all the same."""
    (tmp_path / "bestand.db").write_text(content)
    assert bool(found([tmp_path / "bestand.db"], {"9712XW": "leerling.postcodenl"})) is there


@pytest.mark.parametrize("spelling", range(8))
def test_the_search_finds_a_mark_that_was_put_there(tmp_path: Path, spelling: int) -> None:
    """In any case, in UTF-16, in hexadecimal and in base64 at any place: a planted mark is found, and no other."""
    mark = word("planted", 12)
    ways = [
        mark.encode(),
        mark.title().encode(),
        mark.encode("utf-16-le"),
        mark.encode("utf-16-be"),
        mark.encode().hex().upper().encode(),
        *(base64.b64encode(b"x" * shift + mark.encode() + b"rest") for shift in range(3)),
    ]
    (tmp_path / "bestand.db").write_bytes(b"\0voor " + ways[spelling] + b" na\0")
    marks = {mark: "leerling.roepnaam", word("another", 12): "leerling.achternaam"}
    assert found([tmp_path / "bestand.db"], marks) == {("leerling.roepnaam", "bestand.db")}
