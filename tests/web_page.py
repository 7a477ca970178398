"""The real web page of an instance: Dagster's own server and daemon as processes, and Debian's Chromium to look at it with."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from pipelines.dagster_home import prepare
from pipelines.settings import load_settings

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ROOT = Path(__file__).parent.parent
WORKSPACE = """\
load_from:
- python_module: {{module_name: pipelines.definitions, location_name: doorgeefluik, working_directory: "{root}"}}
"""
PATIENCE = 60
"""Seconds that anything may take on a busy machine before it counts as broken."""


@contextmanager
def web_page(home: Path) -> Iterator[str]:
    """The address on loopback of the web page of the instance in `home`, with a daemon that starts what is asked there."""
    environment = dict(os.environ)
    prepare(load_settings(home), environment)
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(root=ROOT), encoding="utf-8")
    port = _free_port()
    server = ["dagster-webserver", "--host", "127.0.0.1", "--port", str(port)]
    with ExitStack() as stack:
        for command in (server, ["dagster-daemon", "run"]):
            stack.enter_context(_process([*command, "--workspace", str(workspace)], environment, home))
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/server_info")
        yield url


@contextmanager
def chromium() -> Iterator[Any]:
    """A page of Chromium, in Dutch and in Dutch time."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(
            viewport={"width": 1600, "height": 1000}, locale="nl-NL", timezone_id="Europe/Amsterdam"
        )
        page.set_default_timeout(PATIENCE * 1000)
        try:
            yield page
        finally:
            browser.close()


def asked(url: str, query: str, variables: Mapping[str, Any] | None = None) -> Any:
    """What the web page's own GraphQL answers."""
    body = {"query": query, "variables": dict(variables or {})}
    answer = requests.post(f"{url}/graphql", json=body, timeout=PATIENCE).json()
    assert "errors" not in answer, answer
    return answer["data"]


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], home: Path) -> Iterator[None]:
    """A tool of this Python's environment, until the block ends; what it says goes to a file beside the instance."""
    program = Path(sys.executable).parent / command[0]
    with (home / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *command[1:]], env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
