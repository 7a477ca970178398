"""`ui`: Dagster's web page and its daemon for one instance, on this computer only, until somebody stops them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pipelines.commands.telling import FAILED, OK, err, out
from pipelines.dagster_home import prepare
from pipelines.settings import home_folder, load_settings

WORKSPACE = "load_from:\n- python_module: {module_name: pipelines.definitions, location_name: doorgeefluik}\n"
PATIENCE = 20
"""Seconds that a process gets to stop by itself."""


def serve(option: Path | None, port: int) -> int:
    """Show the web page of an instance; ends with Ctrl-C or SIGTERM, and then leaves no process behind."""
    settings = load_settings(home_folder(option))
    if not free(port):
        err.print(f"Poort {port} is al in gebruik. Kies met --port een andere.")
        return FAILED
    environment = dict(os.environ)
    home = prepare(settings, environment)
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    signal.signal(signal.SIGTERM, _stop)
    page = ["dagster-webserver", "--host", "127.0.0.1", "--port", str(port), "--workspace", str(workspace)]
    daemon = ["dagster-daemon", "run", "--workspace", str(workspace)]
    with _running(page, environment, home) as first, _running(daemon, environment, home) as second:
        out.print(f"De webpagina komt op http://127.0.0.1:{port}; dat duurt een paar tellen. Stop met Ctrl-C.")
        with suppress(KeyboardInterrupt):
            there = False
            while first.poll() is None and second.poll() is None:
                time.sleep(0.5)
                if not there and (there := _answers(port)):
                    out.print("De webpagina is er.")
            err.print(
                f"Dagster is gestopt. Kijk in {home} naar dagster-webserver.log en dagster-daemon.log.", soft_wrap=True
            )
            return FAILED
    return OK


def free(port: int) -> bool:
    """Whether a server can still have this port on loopback."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _running(command: list[str], environment: dict[str, str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A tool of this Python's environment in a process group of its own; what it says goes to a file of today only."""
    program = Path(sys.executable).parent / command[0]
    with (home / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own tools, with our own arguments
            [program, *command[1:]], env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop, and make what is left of it stop."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
