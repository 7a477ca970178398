"""Processes of their own that a test starts, gives orders to, and lets be killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOKEN = "teken-van-de-proef"

Order = Callable[..., dict[str, Any]]


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A module that runs in a process of its own until the block ends, with its standard input and output."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def orders(*arguments: str) -> Iterator[Order]:
    """How to give orders to a process that can be killed in its children."""
    with started("tests.faults.killing", *arguments) as process:

        def order(do: str, **more: Any) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            process.stdin.flush()
            return dict(json.loads(process.stdout.readline()))

        yield order
