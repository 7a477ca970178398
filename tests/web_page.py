"""The real web page of an instance, as the command opens it, and Debian's Chromium to look at it with."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

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
PATIENCE = 60
"""Seconds that anything may take on a busy machine before it counts as broken."""


@contextmanager
def web_page(home: Path) -> Iterator[str]:
    """The address on loopback of the web page of the instance in `home`, opened with `doorgeefluik ui`."""
    port = _free_port()
    program = Path(sys.executable).parent / "doorgeefluik"
    process = subprocess.Popen([program, "ui", "--instance", str(home), "--port", str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/server_info")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


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
