"""The whole practice world behind one port: a ParnasSys and a supplier of each kind, for the demo and the web page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.base import SchoolId
from connectors.sandbox.administration import Administration
from connectors.sandbox.parnassys import parnassys_app
from connectors.sandbox.school import example_school, with_photos
from connectors.sandbox.suppliers import WireFormat, supplier_app

SUPPLIERS: Mapping[str, WireFormat] = {
    "basispoort": "edexml_whole_set",
    "uwlr_smalle_set": "json_delta",
    "uwlr_lvs_set": "json_delta",
    "parro": "json_delta",
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The servers as one application, and handles to look into them; supplier NAME answers under `/NAME`, UWLR under `/parnassys/uwlr`."""

    app: Starlette
    administration: Administration
    suppliers: Mapping[str, Starlette]

    def messages(self) -> int:
        """How many messages the suppliers were sent so far, together."""
        return sum(len(app.state.held.requests) for app in self.suppliers.values())


def sandbox(school: SchoolId, secrets: Mapping[str, str], state: Path, *, pupils: int = 200) -> Sandbox:
    """A practice world.

    Args:
        school: the one school that the ParnasSys serves; there is a photo of every pupil.
        secrets: a token for each supplier, and `sleutel` and `klantcode` for UWLR.
        state: a folder in which the suppliers keep what they hold, so that it outlives this process.
        pupils: the size of the example school.
    """
    roster = example_school(
        pupils, brincode=school.brincode, dependancecode=school.dependancecode, schooljaar=school.schooljaar
    )
    administration = Administration()
    administration.add(school, secrets["sleutel"], with_photos(roster))
    suppliers = {
        name: supplier_app(kind, secrets[name], state_file=state / f"{name}.json") for name, kind in SUPPLIERS.items()
    }
    routes = [Mount(f"/{name}", app) for name, app in suppliers.items()]
    return Sandbox(
        Starlette(routes=[Mount("/parnassys", parnassys_app(administration)), *routes]), administration, suppliers
    )
