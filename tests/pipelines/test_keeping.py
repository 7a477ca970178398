"""The commands that keep and prove, as a user types them."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.sandbox.school import example_school
from pipelines.keys import Keys
from pipelines.ledger.ledger import Ledger
from tests.commands import asked
from tests.world import SCHOOL, World, a_world

pytestmark = pytest.mark.xdist_group("keeping")


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A school that was delivered to one supplier."""
    with a_world(tmp_path_factory.mktemp("bewaren") / "instance", {"uwlr_lvs_set": "json_delta"}) as world:
        world.export(example_school(20))
        world.sync()
        yield world


@pytest.fixture
def home(delivered: World, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return shutil.copytree(delivered.home, tmp_path / "instance")


def _spoil(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "ledger.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_verify_says_that_a_ledger_is_whole_and_gives_its_newest_link(home: Path) -> None:
    """The link that it gives is found again, by who notes it; JSON says the same."""
    answer = asked("verify", "--json", instance=home)
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["whole"]
    assert set(document) == {"whole", "head", "seal", "plan", "at", "reason", "removed", "removed_at", "resealed_at"}
    told = asked("verify", "--head", document["head"].upper(), instance=home)
    assert told.returncode == 0
    assert "Het grootboek is heel" in told.stdout
    assert document["head"] in told.stdout


def test_verify_names_the_place_that_was_altered(home: Path) -> None:
    """A changed row breaks the ledger: exit code 1, with seal, plan and moment, and never an unheard-of error."""
    _spoil(home, "update change set cause = 'onverklaard' where id = 3")
    answer = asked("verify", instance=home)
    assert answer.returncode == 1
    assert "Het grootboek is NIET heel (zegel 1, plan 1, van " in answer.stdout
    document = json.loads(asked("verify", "--json", instance=home).stdout)
    assert (document["whole"], document["seal"], document["plan"]) == (False, 1, 1)
    assert document["at"]


def test_verify_tells_what_was_removed_after_its_time(home: Path) -> None:
    """What retention took away is told apart from what somebody took away."""
    _spoil(home, "delete from delivered")
    later = datetime(2029, 3, 4, 12, tzinfo=UTC)
    ledger = Ledger.open(f"sqlite:///{home / 'ledger.db'}", Keys.open(home / "sleutels"), lambda: later)
    number = ledger.remove_changes(later)
    answer = asked("verify", instance=home)
    assert answer.returncode == 0
    assert f"Na de bewaartermijn verwijderde wijzigingen: {number}, het laatst op 04-03-2029." in answer.stdout
    document = json.loads(asked("verify", "--json", instance=home).stdout)
    assert (document["removed"], document["removed_at"]) == (number, "2029-03-04T12:00:00+00:00")


def test_verify_misses_a_link_that_was_cut_off(home: Path) -> None:
    """A chain that was cut off at its end is whole by itself, but not for who noted its head."""
    noted = json.loads(asked("verify", "--json", instance=home).stdout)["head"]
    _spoil(
        home,
        "delete from change where batch_id in (select id from batch where seal_id = (select max(id) from seal))",
        "delete from batch where seal_id = (select max(id) from seal)",
        "delete from seal where id = (select max(id) from seal)",
    )
    assert asked("verify", instance=home).returncode == 0
    answer = asked("verify", "--head", noted, instance=home)
    assert answer.returncode == 1
    assert "genoteerde schakel" in answer.stdout


@pytest.mark.parametrize("words", [("verify",), ("status",), ("doctor",)])
def test_a_ledger_that_is_no_database_any_more_is_told_so(home: Path, words: tuple[str, ...]) -> None:
    """In Dutch, with what to do: nothing is to be tried again here."""
    for file in home.glob("ledger.db*"):
        file.unlink()
    (home / "ledger.db").write_bytes(b"geen database" * 1000)
    answer = asked(*words, instance=home)
    assert answer.returncode == 1
    told = " ".join((answer.stdout + answer.stderr).split())
    assert "Het grootboek is beschadigd en niet te lezen. Zet het terug uit de reservekopie" in told
    assert "sqlalche" not in told


@pytest.mark.parametrize("left", [b"", None], ids=["empty", "gone"])
def test_a_ledger_that_was_lost_is_not_begun_anew(home: Path, left: bytes | None) -> None:
    """With it went every objection and every request to erase: nobody may go out as if there were none."""
    for file in home.glob("ledger.db*"):
        file.unlink()
    if left is not None:
        (home / "ledger.db").write_bytes(left)
    for _ in range(2):  # the first made the tables
        answer = asked("sync", instance=home)
        assert answer.returncode == 1
        assert "Het grootboek is leeg, terwijl er een rapport" in " ".join((answer.stdout + answer.stderr).split())
    for report in (home / "reports").glob("*.html"):
        report.unlink()
    assert asked("sync", instance=home).returncode == 0


def test_verify_refuses_what_is_no_link(home: Path) -> None:
    """A slip of the pen is told as one, and not as a broken ledger."""
    answer = asked("verify", "--head", "abc", instance=home)
    assert answer.returncode == 3
    assert answer.stderr.startswith("Zo begrijp ik het niet: bij `--head`: verwacht de 64 tekens")


def test_clean_says_how_much_of_what_was_removed_and_why(home: Path) -> None:
    """A file in the vault of eight days ago goes, unless a delivery needs it still; the screen and JSON name no one."""
    old = datetime.now(UTC).timestamp() - 8 * 86_400
    export = home / "vault" / "assets" / "export" / f"{SCHOOL}.kluis"
    os.utime(export, (old, old))
    answer = asked("clean", "--json", instance=home)
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document[0] == {"what": "kluis", "number": 1, "why": "ouder dan 7 dagen"}
    assert [set(row) for row in document] == [{"what", "number", "why"}] * len(document)
    assert not export.exists()
    told = asked("clean", instance=home)
    assert told.returncode == 0
    assert "bevindingen" in told.stdout
