"""The practice world behind one port: each stand-in below a path of its own, and steered there."""

from pathlib import Path

import requests

from connectors.base import SchoolId
from connectors.sandbox.serving import running
from connectors.sandbox.together import SUPPLIERS, sandbox

SECRETS = dict.fromkeys(("sleutel", *SUPPLIERS), "geheim-van-de-proef")


def test_steering_a_supplier_is_no_message_to_it(tmp_path: Path) -> None:
    """A supplier that must fail once fails at the next message, and not when somebody looks at what it holds."""
    world = sandbox(SchoolId("99XX", "00", "2026-2027"), SECRETS, tmp_path, pupils=20)
    with running(world.app) as served:
        supplier = f"{served.url}/uwlr_smalle_set"
        requests.post(f"{supplier}/_sandbox/misbehave", json={"kind": "fail", "status": 503}, timeout=5)
        assert requests.get(f"{supplier}/_sandbox/state", timeout=5).status_code == 200
        assert requests.post(f"{supplier}/records", b"{}", timeout=5).status_code == 503
        assert requests.post(f"{supplier}/records", b"{}", timeout=5).status_code == 401
        assert requests.get(f"{served.url}/basispoort/_sandbox/state", timeout=5).json()["requests"] == []
    assert world.messages() == 1
