"""A whole world in a folder: a school with an EDEXML export in its inbox, three suppliers on loopback, and the nightly sync by hand."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import requests

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import supplier_app
from data_contracts.roster import Roster
from pipelines.instance import Instance, open_instance
from pipelines.resources import InstanceResource
from pipelines.runs import run_school
from pipelines.settings import load_settings
from pipelines.sync.case import Outcome

SCHOOL = "99XX-00"
DAY = date(2026, 11, 24)
TOKEN = "teken-van-de-proef"
FORMATS = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta", "uwlr_lvs_set": "json_delta"}

AGREEMENT = """\
supplier: {supplier}
schools: [99XX-00]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
optional: {optional}
limits: {{first_delivery: {first_delivery}}}
stage: {stage}
connection: {{base_url: "{url}", token: "file:teken"}}
"""


@dataclass
class World:
    """`urls` are the suppliers' addresses; `day` is today."""

    home: Path
    urls: Mapping[str, str]
    dagster: dg.DagsterInstance
    day: date = DAY

    @property
    def instance(self) -> Instance:
        """The instance, to look at its ledger."""
        return open_instance(self.home, self.day)

    def export(self, roster: Roster) -> None:
        """Put an export in the inbox, as somebody at school does."""
        self.export_bytes(edexml(roster))

    def export_bytes(self, content: bytes) -> None:
        """Put any bytes in the inbox."""
        (self.home / "inbox" / "EDEX.XML").write_bytes(content)

    def agree(self, supplier: str, *, first_delivery: str = "allow", stage: str = "full", more: str = "") -> None:
        """Write the agreement with a supplier; `more` is YAML that is added at the end."""
        optional = "[geboortedatum, geslacht]" if supplier == "basispoort" else "[]"
        text = AGREEMENT.format(
            supplier=supplier, optional=optional, first_delivery=first_delivery, stage=stage, url=self.urls[supplier]
        )
        (self.home / "agreements" / f"{supplier}.yaml").write_text(text + more, encoding="utf-8")

    def sync(self, *suppliers: str, preview: bool = False) -> dict[str, Outcome]:
        """Run the school; the outcome of each supplier."""
        settings = load_settings(self.home)
        resources: dict[str, Any] = {"instance": InstanceResource(home=str(self.home), day=self.day.isoformat())}
        chosen = suppliers or settings.suppliers
        outcomes = run_school(settings, SCHOOL, chosen, self.dagster, preview=preview, resources=resources)
        return {outcome.supplier: outcome for outcome in outcomes}

    def held_by(self, supplier: str, kind: str = "leerling") -> dict[str, dict[str, Any]]:
        """What a supplier holds: its records of one kind, by id."""
        state = requests.get(f"{self.urls[supplier]}/_sandbox/state", timeout=10).json()
        return state["schools"].get(SCHOOL, {}).get(kind, {})

    def requests_seen(self, supplier: str) -> int:
        """How many messages a supplier was sent."""
        state = requests.get(f"{self.urls[supplier]}/_sandbox/state", timeout=10).json()
        return len(state["requests"])


@contextmanager
def a_world(home: Path, suppliers: Mapping[str, str] | None = None) -> Iterator[World]:
    """A world with these suppliers (name -> wire format), every one with an agreement, and an empty inbox."""
    with ExitStack() as stack:
        formats = suppliers or FORMATS
        urls = {s: stack.enter_context(running(supplier_app(f, TOKEN))).url for s, f in formats.items()}  # type: ignore[arg-type]
        for folder in ("agreements", "inbox"):
            (home / folder).mkdir(parents=True)
        (home / "schools.yaml").write_text(
            "schools:\n- {school: 99XX-00, name: De Regenboog, source: {edexml: {path: inbox}}}\n", encoding="utf-8"
        )
        (home / "teken").write_text(TOKEN, encoding="utf-8")
        os.chmod(home / "teken", 0o600)  # noqa: PTH101  as a person would
        world = World(home, urls, stack.enter_context(dg.DagsterInstance.ephemeral()))
        for supplier in urls:
            world.agree(supplier)
        yield world
