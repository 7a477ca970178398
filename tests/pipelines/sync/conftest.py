"""The bench: a supplier of each wire format, served once a worker and emptied for each test."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette

from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import supplier_app
from pipelines.keys import Keys
from pipelines.ledger.engine import open_engine
from pipelines.ledger.ledger import Ledger
from pipelines.vault import Vault
from tests.pipelines.sync.bench import BASISPOORT, LVS, PARRO, SMALL, TOKEN, Bench, agreement

MakeBench = Callable[[str], Bench]


Stand = tuple[str, Starlette]
"""Where a stand-in is found, and the application itself."""


@pytest.fixture(scope="session")
def _suppliers() -> Iterator[dict[str, Stand]]:
    delta, whole = supplier_app("json_delta", TOKEN), supplier_app("edexml_whole_set", TOKEN)
    with running(delta) as one, running(whole) as other:
        yield {**dict.fromkeys([SMALL, LVS, PARRO], (one.url, delta)), BASISPOORT: (other.url, whole)}


@pytest.fixture
def make_bench(
    tmp_path: Path,
    keys: Keys,
    clock: Callable[[], datetime],
    _sqlite_template: Path,
    _suppliers: dict[str, Stand],
) -> Iterator[MakeBench]:
    """From the name of a supplier to a bench on which nothing was delivered yet."""
    shutil.copy(_sqlite_template, tmp_path / "grootboek.db")
    engine = open_engine(f"sqlite:///{tmp_path / 'grootboek.db'}")

    def make(supplier: str) -> Bench:
        url, app = _suppliers[supplier]
        app.state.held.forget()
        app.state.misbehaviour.clear()
        ledger, vault = Ledger(engine, keys, clock), Vault(tmp_path / "kluis", keys)
        return Bench(agreement(supplier), ledger, vault, keys, url, app.state.held, app.state.misbehaviour)

    yield make
    engine.dispose()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A supplier that takes changes, with the smalle set."""
    return make_bench(SMALL)
