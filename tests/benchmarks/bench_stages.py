"""What is measured, each stage in a process of its own: the product's work, then its floor in the same process.

Prints one JSON line: `seconds`, `cpu` (of this process), `peak` (MiB, before the floor is measured), `floor` (seconds).
"""

import io
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from connectors.base import Capabilities, Delta, Envelope, Export, NothingChanged, Receipts, Supplier, WholeSet
from mappings.agreement import FieldSet
from pipelines.collector import search_rarely
from pipelines.instance import Instance, open_instance
from pipelines.sync.case import Outcome, planned
from pipelines.sync.deliver import delivered
from pipelines.sync.prepare import case_of, prepared
from pipelines.sync.school import SchoolData, remember, school_data
from tests.benchmarks.bench_world import DAY, SCHOOL, TOKEN

Result = dict[str, Any]
RECORDS = ("school", "groep", "samengestelde_groep", "leerling", "leerkracht")


def parse(home: Path) -> Result:
    """Bytes to typed frames, against libxml2 handing out the same records without looking into them."""
    instance = open_instance(home)
    export = _pulled(instance)
    wanted = instance.settings.wanted_fields(SCHOOL, DAY)
    from connectors.parnassys import read_roster

    result = _timed(lambda: read_roster(export.content, wanted, export.school))
    return result | {"floor": _seconds(lambda: bare_iteration(export.content))}


def sync(home: Path) -> Result:
    """One school for all its suppliers, without Dagster: pull, parse, contracts, and each supplier in turn."""
    instance = open_instance(home)
    bodies = home / "bodies"
    bodies.unlink(missing_ok=True)
    outcomes: list[Outcome] = []
    result = _timed(lambda: outcomes.extend(synced(instance, bodies)))
    floor = (
        post_bare(instance, bodies) if bodies.exists() else _seconds(lambda: bare_iteration(_pulled(instance).content))
    )
    totals = {name: sum(o.counts[name] for o in outcomes) for name in ("create", "update", "delete", "unchanged")}
    return result | {"floor": floor, "states": sorted({o.state for o in outcomes}), **totals}


def synced(instance: Instance, bodies: Path) -> Iterator[Outcome]:
    """The work of the assets, one after the other; what is sent is written to `bodies` as well, for the floor."""
    search_rarely()
    export = _pulled(instance)
    data = school_data(export, instance.settings.wanted_fields(SCHOOL, DAY), DAY)
    remember(instance.ledger, export, data, DAY, "meting")
    del export
    for supplier in instance.settings.suppliers:
        yield _supplied(instance, supplier, data, bodies)


def _supplied(instance: Instance, supplier: str, data: SchoolData, bodies: Path) -> Outcome:
    ready = prepared(instance, supplier, SCHOOL, data, DAY, "meting")
    if ready.outcome:
        return ready.outcome
    assert ready.facts is not None
    assert ready.wanted is not None
    assert ready.quarantined is not None
    case = case_of(instance, supplier, SCHOOL, ready.facts, DAY, "meting")
    plan = planned(case, ready.wanted, ready.quarantined)
    with bodies.open("ab") as kept:
        door = Overheard(instance.supplier(supplier, SCHOOL), supplier, kept)
        return delivered(case, door, ready.wanted, ready.quarantined, plan)


@dataclass
class Overheard:
    """A supplier whose messages are written down as they go out."""

    supplier: Supplier
    name: str
    kept: io.BufferedWriter
    capabilities: Capabilities = field(init=False)

    def __post_init__(self) -> None:
        self.capabilities = self.supplier.capabilities

    def encode(self, envelope: Envelope, message: Delta | WholeSet, field_set: FieldSet) -> bytes:
        """As the supplier does."""
        return self.supplier.encode(envelope, message, field_set)

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        """As the supplier does."""
        self.supplier.check(payload, field_set)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        """Write the message down, and send it."""
        self.kept.write(f"{self.name} {len(payload)}\n".encode() + payload)
        return self.supplier.send(payload, idempotency_key)


def post_bare(instance: Instance, bodies: Path) -> float:
    """Seconds to post the same messages with requests and nothing else."""
    import requests

    urls = {a.supplier: f"{a.connection.base_url}/records" for a in instance.settings.agreements}
    messages = list(_messages(bodies))
    begin = time.perf_counter()
    for supplier in urls:
        with requests.Session() as session:
            session.trust_env = False
            for number, (name, body) in enumerate(messages):
                if name == supplier:
                    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": f"{time.time_ns()}-{number}"}
                    session.post(urls[name], data=body, headers=headers, timeout=60).raise_for_status()
    return time.perf_counter() - begin


def _messages(bodies: Path) -> Iterator[tuple[str, bytes]]:
    with bodies.open("rb") as kept:
        for line in kept:
            name, size = line.decode().split()
            yield name, kept.read(int(size))


def dagster(home: Path) -> Result:
    """One school end to end as a Dagster run, against an empty job of as many assets; both after a first run."""
    import os

    import dagster as dg

    from pipelines.dagster_home import prepare
    from pipelines.resources import InstanceResource
    from pipelines.runs import run_school
    from pipelines.settings import load_settings

    settings = load_settings(home)
    prepare(settings, os.environ)
    resource = {"instance": InstanceResource(home=str(home), day=DAY.isoformat())}
    with dg.DagsterInstance.get() as instance:
        empty = _empty_job(2 + 3 * len(settings.suppliers))
        _run_empty(empty, instance)
        outcomes: list[Outcome] = []
        work = lambda: outcomes.extend(run_school(settings, SCHOOL, settings.suppliers, instance, resources=resource))  # noqa: E731
        result = _timed(work)
        floor = _seconds(lambda: _run_empty(empty, instance))
    return result | {"floor": floor, "states": sorted({o.state for o in outcomes})}


def _empty_job(assets: int) -> Any:
    """A chain of assets that do nothing, with one partition, as the product's own."""
    import dagster as dg

    schools = dg.StaticPartitionsDefinition([SCHOOL])
    nothing = [
        dg.asset(name=f"niets_{i}", deps=[f"niets_{i - 1}"] if i else [], partitions_def=schools)(_nothing)
        for i in range(assets)
    ]
    definitions = dg.Definitions(nothing, jobs=[dg.define_asset_job("leeg")], executor=dg.in_process_executor)
    return definitions.resolve_job_def("leeg")


def _nothing() -> None:
    """Do nothing."""


def _run_empty(job: Any, instance: Any) -> None:
    from pipelines.runs import QUIET

    assert job.execute_in_process(run_config=QUIET, instance=instance, partition_key=SCHOOL).success


def bare_iteration(content: bytes) -> int:
    """The number of records that libxml2 finds; each is forgotten at once."""
    from lxml import etree

    number = 0
    for _, element in etree.iterparse(io.BytesIO(content), events=("end",), tag=RECORDS):
        element.clear()
        number += 1
    return number


def _pulled(instance: Instance, day: date = DAY) -> Export:
    pulled = instance.source(SCHOOL).pull(instance.settings.school(SCHOOL).id_on(day), None)
    assert not isinstance(pulled, NothingChanged)
    return pulled


def without_test_tools() -> None:
    """As where the product is installed: pandera loads hypothesis where it finds it, which takes 0.25 s and 25 MiB."""
    sys.modules["hypothesis"] = None  # type: ignore[assignment]


def _timed(work: Callable[[], object]) -> Result:
    begin, cpu = time.perf_counter(), time.process_time()
    kept = work()
    seconds, used = time.perf_counter() - begin, time.process_time() - cpu
    peak = peak_memory()
    del kept
    return {"seconds": seconds, "cpu": used, "peak": peak}


def peak_memory() -> float:
    """MiB that this process has had in memory at most. `ru_maxrss` would count that of the process that started this one."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


STAGES: dict[str, Callable[[Path], Result]] = {"parse": parse, "sync": sync, "dagster": dagster}


if __name__ == "__main__":
    without_test_tools()
    sys.stdout.write(orjson.dumps(STAGES[sys.argv[1]](Path(sys.argv[2]))).decode() + "\n")
