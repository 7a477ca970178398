"""The official schemas of EDEXML, where they are: they are not in this repository, and the product does not need them.

`DOORGEEFLUIK_STANDARDS` names their folder, else it is `../shared/standards` beside the repository. Their list of school
years ends at 2024-2025, so it is extended, in memory only.
"""

import os
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import etree

STANDARDS = Path(os.environ.get("DOORGEEFLUIK_STANDARDS") or Path(__file__).parents[3] / "shared" / "standards")
VERSIONS = ("1.0.3", "2.0", "2.1")

needs_standards = pytest.mark.skipif(
    not (STANDARDS / "edexml-2.1").exists(),
    reason="de officiële schema's zijn hier niet (DOORGEEFLUIK_STANDARDS wijst de map aan)",
)


@cache
def schema(version: str) -> etree.XMLSchema:
    """The schema of one version of EDEXML."""
    path = STANDARDS / f"edexml-{version}" / "EDEXML.structuur.xsd"
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Extending(path.parent))
    return etree.XMLSchema(etree.parse(BytesIO(_extended(path)), parser, base_url=str(path)))


def accepts(version: str, content: bytes) -> bool:
    """Whether the official schema takes this file."""
    try:
        return bool(schema(version).validate(etree.fromstring(content, etree.XMLParser(resolve_entities=False))))
    except (etree.XMLSyntaxError, ValueError):
        return False


def _extended(path: Path) -> bytes:
    years = b"".join(f'<xs:enumeration value="{year}-{year + 1}"/>'.encode() for year in range(2026, 2030))
    return re.sub(
        rb'(<xs:enumeration value="20\d\d-20\d\d"\s*/>)(?!\s*<xs:enumeration)', rb"\1" + years, path.read_bytes()
    )


class _Extending(etree.Resolver):
    """Gives the includes of a schema from its own folder, extended; nothing from elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, system_url: str | None, public_id: str | None, context: object) -> object:
        path = self.folder / Path(urlsplit(system_url or "").path).name
        return self.resolve_string(_extended(path), context, base_url=str(path))
