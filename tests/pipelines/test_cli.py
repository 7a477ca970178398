"""The commands as a user types them: what they print, what they exit with, and that they never show a traceback."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from connectors.sandbox.school import example_school
from tests.world import SCHOOL, World, a_world

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]

COMMAND = Path(sys.executable).parent / "doorgeefluik"
KEYS = {"school", "supplier", "state", "counts", "plan", "reason"}
COUNTS = {"create", "update", "delete", "unchanged", "quarantined"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A school that may deliver, to one supplier only after approval."""
    with a_world(tmp_path_factory.mktemp("cli") / "instance") as world:
        world.agree("basispoort", first_delivery="hold")
        world.export(example_school(60))
        yield world


def asked(*arguments: str, instance: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the command answers."""
    where = ["--instance", str(instance)] if instance else []
    environment = {k: v for k, v in os.environ.items() if k not in {"DOORGEEFLUIK_HOME", "DAGSTER_HOME"}}
    environment["PYTHONWARNINGS"] = "ignore"
    return subprocess.run(
        [COMMAND, *arguments, *where], capture_output=True, text=True, check=False, env=environment, timeout=120
    )


def test_a_first_delivery_is_previewed_held_approved_and_done(world: World) -> None:
    """From a preview that sends nothing to an approval that delivers, each step with its JSON and exit code."""
    shown = asked("preview", "--json", instance=world.home)
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)
    assert all(set(row) == KEYS and set(row["counts"]) == COUNTS for row in rows)
    assert {row["state"] for row in rows} == {"preview"}
    assert not any(world.requests_seen(supplier) for supplier in world.urls)

    synced = asked("sync", "--json", instance=world.home)
    assert synced.returncode == 2
    states = {row["supplier"]: row["state"] for row in json.loads(synced.stdout)}
    assert states == {"basispoort": "held", "uwlr_smalle_set": "delivered", "uwlr_lvs_set": "delivered"}

    waiting = asked("hold", "list", "--json", instance=world.home)
    assert waiting.returncode == 2
    (row,) = json.loads(waiting.stdout)
    assert (row["supplier"], row["state"], row["operation"]) == ("basispoort", "held", "create")

    approved = asked("hold", "approve", str(row["hold"]), "--by", "directeur", instance=world.home)
    assert approved.returncode == 0, approved.stderr
    assert len(world.held_by("basispoort")) == row["counts"]["create"] - len(world.held_by("basispoort", "groep"))
    assert (world.home / "reports" / f"{SCHOOL}.html").exists()

    again = asked("sync", "--json", instance=world.home)
    assert again.returncode == 0
    assert {row["state"] for row in json.loads(again.stdout)} == {"unchanged"}
    status = json.loads(asked("status", "--json", instance=world.home).stdout)
    assert {row["state"] for row in status} == {"delivered"}


def test_only_what_is_asked_for_is_run(world: World) -> None:
    """`--supplier` chooses, and a name that is not there is a mistake in what was asked, not in the settings."""
    one = asked("preview", "--json", "--supplier", "uwlr_lvs_set", "--school", SCHOOL, instance=world.home)
    assert [row["supplier"] for row in json.loads(one.stdout)] == ["uwlr_lvs_set"]
    unknown = asked("sync", "--school", "99ZZ-00", instance=world.home)
    assert unknown.returncode == 3
    assert "99ZZ-00" in unknown.stderr
    assert SCHOOL in unknown.stderr
    assert "De instellingen" not in unknown.stderr


def test_wrong_settings_name_file_line_and_key(tmp_path: Path) -> None:
    """Every mistake stands on standard error, in Dutch, without a traceback; the exit code is 3."""
    (tmp_path / "schools.yaml").write_text("schools:\n- school: 99XX\n  nam: De School\n", encoding="utf-8")
    answer = asked("sync", instance=tmp_path)
    assert answer.returncode == 3
    assert "schools.yaml, regel 2" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_a_source_that_fails_is_told_in_dutch(world: World, tmp_path: Path) -> None:
    """A failed delivery exits with 1, says why, and shows no traceback."""
    with a_world(tmp_path / "instance") as broken:
        broken.export_bytes(b"<EDEX><school>")
        answer = asked("sync", "--json", instance=broken.home)
    assert answer.returncode == 1
    assert {row["state"] for row in json.loads(answer.stdout)} == {"failed"}
    assert all(row["reason"] for row in json.loads(answer.stdout))
    assert "Traceback" not in answer.stderr


def test_a_new_instance_can_be_made_once(tmp_path: Path) -> None:
    """`init` makes a folder whose settings load and that git leaves alone, and refuses one that has something in it."""
    made = asked("init", str(tmp_path / "nieuw"))
    assert made.returncode == 0, made.stderr
    assert "stage op full" in made.stdout
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, cwd=tmp_path, capture_output=True, check=True).stdout == b""
    assert asked("doctor", instance=tmp_path / "nieuw").returncode == 0
    assert asked("init", str(tmp_path / "nieuw")).returncode == 3


def test_the_example_agreement_of_a_new_instance_is_a_good_one(tmp_path: Path) -> None:
    """Only its address is not a real one: a preview of the sample export needs no more, and `explain` can tell about it."""
    home = tmp_path / "nieuw"
    asked("init", str(home))
    (home / "agreements" / "basispoort.yaml.voorbeeld").rename(home / "agreements" / "basispoort.yaml")
    shutil.copy(Path(__file__).parents[2] / "examples" / "EDEX.XML", home / "inbox")
    shown = asked("preview", instance=home)
    assert (shown.returncode, shown.stdout.count("voorbeeld, niets verstuurd")) == (0, 1), shown.stderr
    answer = asked("explain", "basispoort", instance=home)
    assert answer.returncode == 0, answer.stderr
    assert "geboortedatum" in answer.stdout
    assert "keuzeveld, door de school niet aangezet" in answer.stdout
    schools = (home / "schools.yaml").read_text(encoding="utf-8")
    other = schools.replace("schools:\n", "schools:\n  - {school: 99XX-01, name: De andere, source: {edexml: }}\n")
    (home / "schools.yaml").write_text(other, encoding="utf-8")
    without = asked("explain", "basispoort", "--school", "99XX-01", instance=home)
    assert without.returncode == 3
    assert "school 99XX-01 heeft geen overeenkomst met basispoort; wel: 99XX-00." in without.stderr


def test_a_doctor_finds_what_is_missing(world: World) -> None:
    """A secret that is not there is named, and the exit code says that a delivery cannot work."""
    assert asked("doctor", instance=world.home).returncode == 0
    (world.home / "teken").rename(world.home / "teken-weg")
    try:
        answer = asked("doctor", instance=world.home)
    finally:
        (world.home / "teken-weg").rename(world.home / "teken")
    assert answer.returncode == 1
    assert "fout    geheim file:teken" in answer.stdout


def test_the_web_page_stops_without_leaving_a_process(world: World) -> None:
    """`ui` answers on loopback, and after SIGTERM none of what it started is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [COMMAND, "ui", "--port", str(port), "--instance", str(world.home)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        _answers(f"http://127.0.0.1:{port}/server_info")
        process.terminate()
        assert process.wait(60) == 0
    assert _mentioning(str(world.home)) == []


def _answers(url: str) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            return requests.get(url, timeout=2).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer")


def _mentioning(text: str) -> list[str]:
    """The processes whose command line or environment names `text`, this one not counted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in told and folder.name != str(os.getpid()):
            found.append(folder.name)
    return found
