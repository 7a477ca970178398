"""What the commands say and exit with when something was mistyped, missing, or in use."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from connectors.sandbox.school import example_school
from tests.commands import asked
from tests.world import SCHOOL, World, a_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A small school that may deliver to one supplier at once."""
    with a_world(tmp_path / "instance", {"uwlr_smalle_set": "json_delta"}) as world:
        world.export(example_school(30))
        yield world


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sync", "--onzin"], "deze optie bestaat niet: --onzin"),
        (["leveren"], "deze opdracht bestaat niet: 'leveren'."),
        (["synk"], "deze opdracht bestaat niet: 'synk'. Misschien: 'sync'?\n"),
        (["explain"], "hier ontbreekt 'LEVERANCIER'"),
        (["status", "nu"], "dit is te veel: (nu)"),
        (["ui", "--port", "99999"], "verwacht hoogstens 65535"),
        ([], "Gebruik: doorgeefluik [OPTIES] OPDRACHT"),
    ],
)
def test_what_was_mistyped_is_told_in_dutch(arguments: list[str], told: str) -> None:
    """A mistyped command exits with 3, never with the 2 that says that something waits for approval."""
    answer = asked(*arguments)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert told in answer.stderr


@pytest.mark.parametrize(
    "command",
    [[], ["sync"], ["hold"], ["hold", "approve"], ["demo"], ["consent"], ["consent", "give"], ["consent", "import"]],
)
def test_help_is_dutch(command: list[str]) -> None:
    """No word of the help is typer's own English, and no command is described by half a sentence."""
    answer = asked(*command, "--help")
    assert answer.returncode == 0
    assert "Gebruik: doorgeefluik" in answer.stdout
    english = ("Usage", "Options", "Commands", "Arguments", "Show", "required", "default", "TEXT", "PATH", "<")
    assert [word for word in english if word in answer.stdout.replace("1<=x<=65535", "")] == []
    assert not re.search(r"\w\.\.\.$", answer.stdout, re.MULTILINE)
    for block in answer.stdout.split("\n\n"):  # in a list the texts begin below each other, also where one goes on
        starts = {
            found.end() for line in block.splitlines() if (found := re.match(r"  (?:\S.*?  +| {3,})(?=\S)", line))
        }
        assert len(starts) <= 1, block


def test_help_comes_at_once() -> None:
    """Help waits for none of the libraries that take long to load, and what only looks does not wait for Dagster."""
    code = "import sys; from importlib import import_module; [import_module(name) for name in sys.argv[1:]]; print(*sys.modules)"
    for modules, heavy in (
        (["pipelines.cli"], {"dagster", "pandas", "pandera", "sqlalchemy", "pydantic"}),
        (
            [f"pipelines.commands.{name}" for name in ("status", "agreements", "explain", "consent", "verify")],
            {"dagster"},
        ),
    ):
        loaded = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=True)
        assert heavy.isdisjoint(loaded.stdout.split())


def test_a_run_without_keys_is_told_once_and_sends_nothing(world: World) -> None:
    """Where a key file of the ledger is gone, the command says which and how to go on, and no run is started."""
    assert asked("sync", instance=world.home).returncode == 0
    (world.home / "sleutels" / "vingerafdruk.sleutel").unlink()
    before = world.requests_seen("uwlr_smalle_set")
    answer = asked("sync", "--json", instance=world.home)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("vingerafdruk.sleutel ontbreekt") == 1
    assert world.requests_seen("uwlr_smalle_set") == before


def test_a_lost_folder_of_keys_is_not_made_anew(world: World) -> None:
    """A person must not think that the folder is there, nor a backup take new keys for the old ones."""
    assert asked("sync", instance=world.home).returncode == 0
    (world.home / "sleutels").rename(world.home / "weg")
    answer = asked("status", instance=world.home)
    assert answer.returncode == 1
    assert "Zet die map terug uit de reservekopie" in answer.stderr
    assert not (world.home / "sleutels").exists()


def test_a_missing_address_of_the_ledger_is_a_mistake_in_the_settings(world: World) -> None:
    """A secret that the settings name and that is not there exits with 3, and the secret is named."""
    (world.home / "instance.yaml").write_text("ledger: env:DOORGEEFLUIK_GEEN_GROOTBOEK\n", encoding="utf-8")
    answer = asked("status", instance=world.home)
    assert answer.returncode == 3
    assert "env:DOORGEEFLUIK_GEEN_GROOTBOEK" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_supplier_named_twice_is_run_once(world: World) -> None:
    """A repeated `--supplier` gives one row."""
    twice = ["--supplier", "uwlr_smalle_set"] * 2
    answer = asked("preview", "--json", *twice, instance=world.home)
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)) == 1


def test_a_name_in_other_letters_is_told_as_it_is_written(world: World) -> None:
    """A school or supplier that differs only in capitals is named as the settings have it, and nothing is run."""
    answer = asked("sync", "--school", "99xx-00", "--supplier", "UWLR_smalle_set", instance=world.home)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert "hoofdletters: 99XX-00." in answer.stderr
    assert "hoofdletters: uwlr_smalle_set." in answer.stderr
    assert "De instellingen" not in answer.stderr


def test_a_hold_that_is_not_there_is_told(world: World) -> None:
    """An unknown number exits with 3 and points to the list; an empty list exits with 0."""
    answer = asked("hold", "discard", "77", instance=world.home)
    assert answer.returncode == 3
    assert "hold list" in answer.stderr
    empty = asked("hold", "list", "--json", instance=world.home)
    assert (empty.returncode, json.loads(empty.stdout)) == (0, [])


def test_a_school_without_an_agreement_is_said_to_have_nothing_to_do(tmp_path: Path) -> None:
    """Nothing to run is told in words, and is no failure."""
    home = tmp_path / "nieuw"
    asked("init", str(home))
    answer = asked("sync", "--json", instance=home)
    assert (answer.returncode, json.loads(answer.stdout)) == (0, [])
    assert "geen overeenkomst" in answer.stderr


def test_a_pupil_whom_nobody_knows_is_a_mistake_and_no_failure(world: World) -> None:
    """Trying again is of no use, so it exits with 3, and without JSON."""
    answer = asked("sync", "--pupil", "weetniet", "--json", instance=world.home)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert "is bij deze school niet bekend" in answer.stderr


def test_who_is_not_found_by_name_is_a_mistake_and_no_failure(world: World) -> None:
    """The key and a name exclude each other; a name that nobody has exits with 3, and without JSON."""
    for words, told in (
        (("--name", "zo heet niemand", "--json"), "Niemand in de export van nu heet zo.\n"),
        (("10001", "--name", "jansen"), "(een deel van) de naam. Niet allebei.\n"),
        ((), "(een deel van) de naam.\n"),
    ):
        answer = asked("access", SCHOOL, *words, instance=world.home)
        assert (answer.returncode, answer.stdout) == (3, "")
        assert answer.stderr.endswith(told)


def test_a_file_of_consents_that_is_not_as_asked_is_a_mistake(world: World) -> None:
    """A file that is not there, and one with other columns, exit with 3 and say so."""
    file = world.home / "lijst.csv"
    for what in ("bestaat niet", "staat niet in de eerste regel"):
        columns = ["--key", "Sleutel", "--column", "foto_website=Website"]
        answer = asked("consent", "import", SCHOOL, str(file), *columns, instance=world.home)
        assert answer.returncode == 3
        assert what in answer.stderr
        file.write_text("Leerling;Foto\n1;ja\n", encoding="utf-8")


def test_the_version_is_told() -> None:
    """For who asks for help by telephone."""
    answer = asked("--version")
    assert (answer.returncode, answer.stdout) == (0, f"doorgeefluik {version('doorgeefluik')}\n")


@pytest.mark.parametrize(
    ("wrong", "quarantined"), [({"achternaam": None, "roepnaam": None}, 1), ({"jaargroep": "19"}, 0)]
)
def test_a_preview_tells_where_what_is_wrong_stands(
    world: World, wrong: dict[str, str | None], quarantined: int
) -> None:
    """It writes no report, so it points to the web page; also where only a value stays behind. Where all is well it says nothing."""
    told, roster = "staat in de webpagina bij deze run, onder schoolgegevens", example_school(30)
    assert told not in asked("preview", instance=world.home).stdout
    pupils = roster.leerlingen.copy()
    pupils.loc[3, [*wrong]] = list(wrong.values())
    world.export(replace(roster, leerlingen=pupils))
    assert told in asked("preview", instance=world.home).stdout
    (row,) = json.loads(asked("preview", "--json", instance=world.home).stdout)
    assert row["counts"]["quarantined"] == quarantined


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        return str(closing.getsockname()[1])


def test_a_port_in_use_is_told(world: World, tmp_path: Path) -> None:
    """The demo and the web page name the port, and change nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        demo = asked("demo", "--folder", str(tmp_path / "demo"), "--port", port)
        shown = asked("demo", "--folder", str(tmp_path / "demo"), "--ui", "--ui-port", port, "--port", _free_port())
        page = asked("ui", "--port", port, instance=world.home)
    assert (demo.returncode, shown.returncode, page.returncode) == (1, 1, 1)
    assert f"Poort {port} is al in gebruik" in demo.stderr
    assert demo.stderr.endswith("doorgeefluik demo --port POORT\n")
    assert shown.stderr.endswith("doorgeefluik demo --ui --ui-port POORT\n")
    assert f"Poort {port} is al in gebruik" in page.stderr
    assert not (tmp_path / "demo").exists()


def test_the_doctor_says_what_to_do_about_an_address(world: World) -> None:
    """A supplier that does not answer is named, with what to do; everything else is still looked at."""
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    agreement = world.home / "agreements" / "uwlr_smalle_set.yaml"
    text = agreement.read_text(encoding="utf-8").replace(world.urls["uwlr_smalle_set"], f"http://127.0.0.1:{port}")
    agreement.write_text(text, encoding="utf-8")
    answer = asked("doctor", instance=world.home)
    assert answer.returncode == 1
    assert "controleer het adres" in answer.stdout
    assert "ok      kluis" in answer.stdout
    assert "schijf" in answer.stdout
