"""The demo as a newcomer runs it: twice, and the second time nothing is sent."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import example_school
from tests.pipelines.test_cli import COMMAND

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_second_demo_sends_nothing(tmp_path: Path) -> None:
    """The first run delivers to all three suppliers, the second finds nothing changed; a fourth to practise with is one name away."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [COMMAND, "demo", "--folder", str(tmp_path / "demo"), "--port", str(port)]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)

    first, second = run(), run()
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("afgeleverd") == 3
    assert "Berichten aan leveranciers in deze run: 0" not in first.stdout
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("ongewijzigd") == 1 + 3  # the head of the column, and three states
    assert "Berichten aan leveranciers in deze run: 0" in second.stdout
    agreements = tmp_path / "demo" / "instance" / "agreements"
    (agreements / "parro.yaml.voorbeeld").rename(agreements / "parro.yaml")
    third = run()
    assert third.returncode == 0, third.stderr
    assert [line.split()[2] for line in third.stdout.splitlines() if " parro " in line and "99XX" in line] == [
        "afgeleverd"
    ]
    assert (
        third.stdout.count("ongewijzigd") - 1,
        "https://foto" in (tmp_path / "demo" / "parro.json").read_text(),
    ) == (
        3,
        False,
    )


def test_the_sample_export_is_what_the_generator_makes() -> None:
    """`examples/EDEX.XML` cannot drift from the school that the tests and the demo use."""
    assert (EXAMPLES / "EDEX.XML").read_bytes() == edexml(example_school(200))
