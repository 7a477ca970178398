"""The stand-ins for suppliers: strict about what they take, honest about what they hold, and outliving a process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from starlette.applications import Starlette

from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import supplier_app

pytestmark = pytest.mark.xdist_group("sandbox_suppliers")

TOKEN = "proef"
SCHOOL = {"brincode": "99XX", "dependancecode": "00", "schooljaar": "2026-2027"}


class Server:
    """A sandbox supplier and how a test speaks to it."""

    def __init__(self, app: Starlette, url: str) -> None:
        self.held = app.state.held
        self.url = url

    def post(self, path: str, content: bytes, key: str | None = "k1", token: str = TOKEN) -> requests.Response:
        """Post a message with an idempotency key and a token."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        return requests.post(f"{self.url}{path}", content, headers=headers, timeout=5)

    def delta(self, operation: str, records: list[dict[str, Any]], key: str = "k1", **school: str) -> Any:
        """Post a batch of pupils and give the results."""
        answer = self.post("/records", _batch(operation, records, **school), key)
        assert answer.status_code == 200
        return answer.json()["resultaten"]


def _batch(operation: str, records: list[dict[str, Any]], soort: str = "leerling", **school: str) -> bytes:
    return orjson.dumps({"school": SCHOOL | school, "soort": soort, "bewerking": operation, "records": records})


def _served(kind: Any) -> Iterator[Server]:
    app = supplier_app(kind, TOKEN)
    with running(app) as served:
        yield Server(app, served.url)


@pytest.fixture(scope="module")
def delta_server() -> Iterator[Server]:
    """One delta supplier for all tests."""
    yield from _served("json_delta")


@pytest.fixture(scope="module")
def edexml_server() -> Iterator[Server]:
    """One supplier that takes whole sets."""
    yield from _served("edexml_whole_set")


@pytest.fixture
def delta(delta_server: Server) -> Server:
    """The delta supplier, with an empty memory."""
    delta_server.held.forget()
    return delta_server


@pytest.fixture
def edexml(edexml_server: Server) -> Server:
    """The supplier of whole sets, with an empty memory."""
    edexml_server.held.forget()
    return edexml_server


def test_a_wrong_token_gets_401_and_changes_nothing(delta: Server) -> None:
    """Authorisation comes before everything else."""
    assert delta.post("/records", _batch("create", [{"id": "l1"}]), token="ander").status_code == 401
    assert delta.held.schools == {}


def test_a_message_without_idempotency_key_gets_400(delta: Server) -> None:
    """A supplier that promises one effect needs the key."""
    assert delta.post("/records", _batch("create", [{"id": "l1"}]), key=None).status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        _batch("create", [{"id": "l1", "bsn": "1"}]),
        _batch("create", [{"id": "l1", "schoenmaat": "36"}]),
        _batch("create", [{"id": "l1", "roepnaam": {"x": "y"}}]),
        _batch("create", [{"id": 7}]),
        _batch("create", [{"roepnaam": "Daan"}]),
        _batch("delete", [{"id": "l1", "roepnaam": "Daan"}]),
        _batch("merge", [{"id": "l1"}]),
        _batch("create", [{"id": "l1"}], soort="ouder"),
        _batch("create", [{"id": "l1"}], auteurs="x"),
        b"[]",
    ],
)
def test_a_delta_that_is_not_exactly_right_gets_422(delta: Server, content: bytes) -> None:
    """Unknown fields, kinds, operations and shapes are refused as a whole."""
    assert delta.post("/records", content).status_code == 422
    assert delta.held.schools == {}


def test_a_message_that_cannot_be_read_gets_400(delta: Server, edexml: Server) -> None:
    """What is no JSON, or no XML, is refused."""
    assert delta.post("/records", b"{").status_code == 400
    assert edexml.post("/edexml", b"<EDEX>").status_code == 400
    assert edexml.post("/edexml", b"<leerlingen/>").status_code == 400


def test_the_same_key_gives_the_same_answer_and_another_message_409(delta: Server) -> None:
    """An idempotency key stands for one message and one effect."""
    content = _batch("create", [{"id": "l1"}])
    first, second = delta.post("/records", content), delta.post("/records", content)
    assert first.content == second.content
    assert delta.post("/records", _batch("create", [{"id": "l2"}])).status_code == 409
    assert delta.held.applied["99XX-00"]["leerling"] == {"l1": {"create": 1, "update": 0, "delete": 0}}


def test_a_delta_is_applied_and_counted(delta: Server) -> None:
    """Creations, updates and deletions have their effect, and the supplier's own number stays the same."""
    (created,) = delta.delta("create", [{"id": "l1", "roepnaam": "Daan"}], "k1")
    (updated,) = delta.delta("update", [{"id": "l1", "roepnaam": "Daantje"}], "k2")
    assert delta.held.schools["99XX-00"]["leerling"]["l1"]["roepnaam"] == "Daantje"
    assert created["eigen_id"] == updated["eigen_id"] == "jd-1"
    (deleted,) = delta.delta("delete", [{"id": "l1"}], "k3")
    assert deleted["status"] == "ok"
    assert delta.held.schools["99XX-00"]["leerling"] == {}
    assert delta.held.applied["99XX-00"]["leerling"]["l1"] == {"create": 1, "update": 1, "delete": 1}


def test_an_unknown_id_cannot_be_updated_and_need_not_be_deleted(delta: Server) -> None:
    """An update of what is not there is refused with a reason; a deletion of it has nothing to do."""
    (updated,) = delta.delta("update", [{"id": "l9"}], "k1")
    (deleted,) = delta.delta("delete", [{"id": "l9"}], "k2")
    assert updated == {"id": "l9", "status": "geweigerd", "reden": "onbekend"}
    assert deleted["status"] == "ok"
    assert delta.held.applied["99XX-00"]["leerling"] == {}


def test_schools_are_kept_apart(delta: Server) -> None:
    """The same key in another location is another pupil."""
    delta.delta("create", [{"id": "l1"}], "k1")
    delta.delta("delete", [{"id": "l1"}], "k2", dependancecode="01")
    assert "l1" in delta.held.schools["99XX-00"]["leerling"]


def test_records_are_refused_by_id_and_by_place(delta: Server) -> None:
    """Another process sets over HTTP which records are refused, and why."""
    wanted = {"ids": {"l1": "dubbel"}, "every": 3, "reason": "vol"}
    assert requests.post(f"{delta.url}/_sandbox/refuse", json=wanted, timeout=5).status_code == 200
    results = delta.delta("create", [{"id": f"l{n}"} for n in range(1, 5)])
    assert [result.get("reden") for result in results] == ["dubbel", None, "vol", None]


DOCUMENT = """<EDEX><school><schooljaar>2026-2027</schooljaar><brincode>99XX</brincode></school>
<groepen><groep key="g1"><naam>3a</naam><jaargroep>3</jaargroep></groep>
<samengestelde_groep key="s1"><naam>plus</naam></samengestelde_groep></groepen>
<leerlingen>{pupils}</leerlingen>
<leerkrachten><leerkracht key="t1"><roepnaam>Kim</roepnaam><rol>LRK</rol><rol>IB</rol>
<groepen><groep key="g1"><rol>LRK</rol></groep><samengestelde_groep key="s1"/></groepen></leerkracht></leerkrachten>
</EDEX>"""
PUPIL = """<leerling key="l1" eckid="e1"><roepnaam>Daan</roepnaam><groep key="g1"/>
<samengestelde_groepen><samengestelde_groep key="s1"/></samengestelde_groepen></leerling>"""


def test_a_whole_set_is_read_with_everything_in_it(edexml: Server) -> None:
    """References and lists are kept in the shape of the catalogue."""
    answer = edexml.post("/edexml", DOCUMENT.format(pupils=PUPIL).encode()).json()
    assert answer["leerlingen"] == [{"key": "l1", "nummer": answer["leerlingen"][0]["nummer"], "status": "verwerkt"}]
    assert {name: len(results) for name, results in answer.items()} == {
        "groepen": 1,
        "samengestelde_groepen": 1,
        "leerlingen": 1,
        "leerkrachten": 1,
    }
    school = edexml.held.schools["99XX-00"]
    assert school["leerling"]["l1"] == {
        "key": "l1",
        "eckid": "e1",
        "roepnaam": "Daan",
        "groep": "g1",
        "samengestelde_groepen": ["s1"],
    }
    assert school["leerkracht"]["t1"]["rollen"] == [{"rol": "LRK"}, {"rol": "IB"}]
    assert school["leerkracht"]["t1"]["groepen"] == [
        {"groep": "g1", "rollen": [{"rol": "LRK"}]},
        {"samengestelde_groep": "s1"},
    ]


def test_what_is_not_in_a_whole_set_is_removed(edexml: Server) -> None:
    """A whole set says what there is: what is new is created, what is other updated, what is absent removed."""
    two = PUPIL + PUPIL.replace("l1", "l2").replace("e1", "e2")
    edexml.post("/edexml", DOCUMENT.format(pupils=two).encode(), "k1")
    edexml.post("/edexml", DOCUMENT.format(pupils=PUPIL.replace("Daan", "Daantje")).encode(), "k2")
    assert edexml.held.applied["99XX-00"]["leerling"] == {
        "l1": {"create": 1, "update": 1, "delete": 0},
        "l2": {"create": 1, "update": 0, "delete": 1},
    }
    assert edexml.held.applied["99XX-00"]["groep"]["g1"] == {"create": 1, "update": 0, "delete": 0}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<roepnaam>", "<bsn>1</bsn><roepnaam>"),
        ("<roepnaam>", "<schoenmaat>36</schoenmaat><roepnaam>"),
        ("<roepnaam>Daan", "<roepnaam taal='nl'>Daan"),
        ('key="l1"', 'key="l1" maat="36"'),
        ("<groep key", "<ouders/><groep key"),
    ],
)
def test_a_whole_set_with_something_unknown_gets_422(edexml: Server, old: str, new: str) -> None:
    """An element or attribute that EDEXML does not have, or that nobody may have, is refused."""
    content = DOCUMENT.format(pupils=PUPIL.replace(old, new, 1)).encode()
    assert edexml.post("/edexml", content).status_code == 422
    assert edexml.held.schools == {}


def test_the_state_can_be_asked_for(delta: Server) -> None:
    """A test in another process sees what is held, and every request that came in."""
    delta.delta("create", [{"id": "l1", "roepnaam": "Daan"}])
    state = requests.get(f"{delta.url}/_sandbox/state", timeout=5).json()
    assert state["schools"] == {"99XX-00": {"leerling": {"l1": {"id": "l1", "roepnaam": "Daan"}}}}
    assert state["own_numbers"] == {"99XX-00": {"leerling": {"l1": "jd-1"}}}
    (request,) = state["requests"]
    assert request == {"path": "/records", "key": "k1", "soort": "leerling", "bewerking": "create", "records": 1} | {
        "bytes": request["bytes"],
        "status": 200,
    }


def test_what_is_held_outlives_the_process(tmp_path: Path) -> None:
    """A server of its own process, killed and started again with its file, knows what it applied and answered."""
    file, content = tmp_path / "leverancier.json", _batch("create", [{"id": "l1", "roepnaam": "Daan"}])
    first = _in_a_process(file, content)
    second = _in_a_process(file, content)
    assert first == second
    kept = orjson.loads(file.read_bytes())
    assert kept["applied"]["99XX-00"]["leerling"]["l1"]["create"] == 1
    assert len(kept["requests"]) == 2


def _in_a_process(file: Path, content: bytes) -> Any:
    """What a server that keeps its state in `file` answers, before it is killed."""
    command = [sys.executable, "-m", "connectors.sandbox.suppliers", "--kind", "json_delta"]
    with subprocess.Popen([*command, "--token", TOKEN, "--state", str(file)], stdout=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout is not None
            url = one.stdout.readline().strip()
            headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
            return requests.post(f"{url}/records", content, headers=headers, timeout=5).json()
        finally:
            one.kill()
