"""A process that delivers in children which can be killed: everything is imported once, and each delivery is a fork.

Reads one order a line from standard input and answers each with one line, both JSON. Nothing is judged here.
"""

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from connectors.base import Envelope, Receipts, Supplier
from connectors.sandbox.school import example_school
from data_contracts.findings import checked
from mappings.agreement import FieldSet
from tests.e2e.heart import Night, night


class Fuse:
    """A supplier that kills this process around its `number`th message: `before` it is sent, `during`, or `after` the answer."""

    def __init__(self, supplier: Supplier, moment: str, number: int) -> None:
        self.capabilities = supplier.capabilities
        self._supplier, self._moment, self._left = supplier, moment, number

    def encode(self, envelope: Envelope, message: Any, field_set: FieldSet) -> bytes:
        return self._supplier.encode(envelope, message, field_set)

    def check(self, payload: bytes, field_set: FieldSet) -> None:
        self._supplier.check(payload, field_set)

    def send(self, payload: bytes, idempotency_key: str) -> Receipts:
        self._left -= 1
        if self._left == 0 and self._moment == "before":
            _die()
        if self._left == 0 and self._moment == "during":
            threading.Timer(0.03, _die).start()
        receipts = self._supplier.send(payload, idempotency_key)
        if self._left == 0 and self._moment == "after":
            _die()
        return receipts


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deliver(order: dict[str, Any], begin: Callable[[], None]) -> dict[str, Any]:
    """One delivery of one night; `fuse` is a moment and a number, `look` asks what came of it."""
    tonight = night(Path(order["home"]), order["school"], date.fromisoformat(order["day"]))
    fuse = order.get("fuse")
    begin()
    outcome = tonight.deliver(order["supplier"], lambda door: Fuse(door, *fuse) if fuse else door)
    answer = {"state": outcome.state, "reason": outcome.reason, "counts": outcome.counts}
    return answer | (_look(tonight, order["supplier"]) if order.get("look") else {})


def _look(tonight: Night, supplier: str) -> dict[str, Any]:
    """What should be at the supplier, and what the ledger says of it."""
    ledger = tonight.instance.ledger
    state = ledger.delivered_state(supplier, tonight.school)
    handles = ledger.handles(supplier, state["record_id"].tolist())
    broken = ledger.verify()
    return {
        "should_hold": tonight.should_hold(supplier),
        "left_to_do": tonight.left_to_do(supplier),
        "unfinished": ledger.unfinished_plan(supplier, tonight.school) is not None,
        "pending": len(ledger.pending(supplier, tonight.school)),
        "own_numbers": sorted(handle.own_id or "" for handle in handles.values()),
        "broken": None if broken is None else str(broken),
    }


def run(order: dict[str, Any], begin: Callable[[], None]) -> dict[str, Any]:
    """A whole run of Dagster, in its own folder on disk; `log` takes all that it says, at its loudest."""
    import dagster as dg

    from pipelines.dagster_home import prepare
    from pipelines.runs import run_school
    from pipelines.settings import load_settings
    from tests.faults.trouble import executed_loudly, instance_with

    if "log" in order:
        _redirect(order["log"])
    settings = load_settings(Path(order["home"]))
    prepare(settings, os.environ)
    resources = {"instance": instance_with(order.get("trouble", ""), home=order["home"], day=order["day"])}
    with dg.DagsterInstance.get() as instance:
        begin()
        if "log" in order:
            return {"success": executed_loudly(settings, order["school"], instance, resources)}
        outcomes = run_school(settings, order["school"], settings.suppliers, instance, resources=resources)
    return {outcome.supplier: [outcome.state, outcome.reason] for outcome in outcomes}


def _redirect(log: str) -> None:
    """Let everything that this process writes to its screen go to a file."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


ORDERS = {"deliver": deliver, "run": run}


def _in_child(order: dict[str, Any], pipe: int) -> None:
    """Carry out an order and write the answer; a first byte says that the real work begins."""
    answer: dict[str, Any]
    try:
        answer = ORDERS[order["do"]](order, lambda: os.write(pipe, b"*") and None)
    except BaseException as error:  # noqa: BLE001  the parent tells it
        answer = {"error": f"{type(error).__name__}: {error}"}
    with os.fdopen(pipe, "wb") as out:
        out.write(json.dumps(answer).encode())
    os._exit(0)


def _carried_out(order: dict[str, Any]) -> dict[str, Any]:
    """Fork, let the child work, kill it `kill_after` seconds after it began, and tell how it went."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(order, write)
    os.close(write)
    first = os.read(read, 1)
    begun = time.monotonic()
    if first == b"*" and "kill_after" in order and not select.select([read], [], [], order["kill_after"])[0]:
        os.kill(child, signal.SIGKILL)
    rest = b"".join(iter(lambda: os.read(read, 2**16), b""))
    os.close(read)
    _, status = os.waitpid(child, 0)
    answer = json.loads((first + rest).removeprefix(b"*") or b"{}")
    return {**answer, "killed": os.WIFSIGNALED(status), "seconds": time.monotonic() - begun}


def main() -> None:
    """Carry out orders until there are no more."""
    checked(example_school(20), date(2026, 11, 2))  # pandera imports half of itself at its first use
    if "dagster" in sys.argv:
        import pipelines.runs  # noqa: F401  so that a child need not
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_carried_out(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
