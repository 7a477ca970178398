#!/usr/bin/env python3
"""Makes `asset-graph.png`: the demo's asset graph as the running web page shows it. Needs Debian's Chromium.

From the top of the checkout: `PYTHONPATH=. .venv/bin/python docs/img/make_asset_graph.py`.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.settings import load_settings
from tests.web_page import chromium, web_page

PICTURE = Path(__file__).with_name("asset-graph.png")
WIDTH, HEIGHT, LEFT = 1500, 1040, 370
"""Of the window in pixels, and where the graph begins in it."""


def main() -> None:
    """Run the demo in a folder that is thrown away, and photograph its graph."""
    with TemporaryDirectory() as folder:
        program = Path(sys.executable).with_name("doorgeefluik")
        subprocess.run([program, "demo", "--folder", folder], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own command
        home = Path(folder) / "instance"
        with web_page(home) as url, chromium() as page:
            _photograph(page, url, ("school", *load_settings(home).suppliers))


def _photograph(page: Any, url: str, groups: tuple[str, ...]) -> None:
    """The graph with every group opened."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(f"{url}/asset-groups?expanded=" + ",".join(f"global@global:{group}" for group in groups))
    page.get_by_text("Hide navigation").click()
    for asset in ("export", "schoolgegevens"):
        page.get_by_text(asset, exact=True).filter(visible=True).first.wait_for()
    page.get_by_text("levering", exact=True).filter(visible=True).nth(len(groups) - 2).wait_for()
    page.wait_for_timeout(1500)  # the graph moves into its place
    page.screenshot(path=PICTURE, clip={"x": LEFT, "y": 110, "width": 1080, "height": HEIGHT - 110})


if __name__ == "__main__":
    main()
