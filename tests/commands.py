"""Commands as a test gives them, within this process: quicker by the second that Python takes to begin.

That the installed command does the same in a process of its own is seen in `tests/pipelines/test_cli.py`.
"""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from pipelines.cli import app


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended, under the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def asked(*words: str, instance: Path | None = None) -> Answer:
    """What the command answers, outside any other instance that the environment names."""
    nowhere = {"DOORGEEFLUIK_HOME": None, "DAGSTER_HOME": None}
    where = ["--instance", str(instance)] if instance else []
    result = CliRunner(env=nowhere).invoke(app, [*words, *where], prog_name="doorgeefluik")
    return Answer(result.exit_code, result.stdout, result.stderr)
