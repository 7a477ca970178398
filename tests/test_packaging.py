"""What is shipped: the wheel is built, holds what the program needs at run time, and starts without the checkout."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("packaging")

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_contracts", "mappings", "connectors", "pipelines")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout and unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(unpacked: Path) -> None:
    """Modules, profiles, templates, migrations and the instance for the demo are in; tests and other examples are not."""
    skipped = {"__pycache__"}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not skipped & set(path.parts)
    }
    example = ROOT / "examples" / "instance"
    expected |= {
        f"pipelines/example_instance/{path.relative_to(example).as_posix()}"
        for path in example.rglob("*")
        if path.is_file()
    }
    shipped = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {name for name in shipped if ".dist-info/" not in name} == expected


def test_the_wheel_carries_its_licence_and_version(unpacked: Path) -> None:
    """The licence goes along in full, and the metadata names it as SPDX does."""
    (info,) = unpacked.glob("*.dist-info")
    assert (info / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    metadata = (info / "METADATA").read_text(encoding="utf-8")
    assert re.search(r"^License-Expression: EUPL-1\.2$", metadata, re.MULTILINE)


def test_the_shipped_command_answers_help_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    """`doorgeefluik --help` works from the wheel's own files, with no file of the checkout at hand."""
    code = (
        "import pipelines, sys; from pathlib import Path; from importlib.metadata import entry_points\n"
        "assert Path(pipelines.__file__).is_relative_to(sys.argv.pop(1)), 'not the shipped package'\n"
        "command = next(iter(entry_points(group='console_scripts', name='doorgeefluik'))).load()\n"
        "command(prog_name='doorgeefluik')\n"
    )
    result = subprocess.run(
        [sys.executable, "-B", "-P", "-c", code, str(unpacked), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-500:]
    assert "explain" in result.stdout
