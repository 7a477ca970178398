"""Killed at any moment of a delivery and run again: every supplier ends equal to the delivery set, nothing twice, nothing lost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import (
    changed_share,
    example_school,
    left_school,
    moved_to_other_group,
    newcomer,
    without,
)
from data_contracts.roster import Roster
from tests.e2e.heart import shown
from tests.e2e.processes import TOKEN, Order, orders, started

DAY = date(2026, 11, 24)
PUPILS = 80

AGREEMENT = """\
supplier: {supplier}
schools: [{school}]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
stage: full
limits:
  first_delivery: allow
  unexplained_deletes: {{percent: 100}}
  all_deletes: {{percent: 100}}
  field_changes: {{percent: 100}}
  creates: {{percent: 100}}
  export_size: {{minimum_percent: 0, maximum_percent: 1000}}
connection: {{base_url: "{url}", token: "file:teken", batch_size: 10}}
"""

pytestmark = pytest.mark.slow


@contextmanager
def _served(kind: str, folder: Path) -> Iterator[str]:
    """The address of a supplier in a process of its own."""
    state = str(folder / f"{kind}.json")
    with started("connectors.sandbox.suppliers", "--kind", kind, "--token", TOKEN, "--state", state) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@dataclass
class Proof:
    """One school and one supplier, and the orders that concern them."""

    home: Path
    school: str
    supplier: str
    url: str
    order: Order

    def __post_init__(self) -> None:
        for folder in ("agreements", "inbox"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "teken").write_text(TOKEN, encoding="utf-8")
        (self.home / "teken").chmod(0o600)
        (self.home / "schools.yaml").write_text(
            f"schools:\n- {{school: {self.school}, name: Proef, source: {{edexml: {{path: inbox}}}}}}\n",
            encoding="utf-8",
        )
        (self.home / "agreements" / f"{self.supplier}.yaml").write_text(
            AGREEMENT.format(supplier=self.supplier, school=self.school, url=self.url), encoding="utf-8"
        )

    def export(self, roster: Roster) -> None:
        """Put an export in the inbox."""
        (self.home / "inbox" / "EDEX.XML").write_bytes(edexml(roster))

    def do(self, what: str, **more: Any) -> dict[str, Any]:
        """Let a child do something about this supplier."""
        about = {"home": str(self.home), "school": self.school, "supplier": self.supplier, "day": DAY.isoformat()}
        return self.order(what, **about, **more)

    def at_supplier(self) -> dict[str, Any]:
        """What the supplier has of this school, how often each effect was applied, and which numbers it gave."""
        state = requests.get(f"{self.url}/_sandbox/state", timeout=10).json()
        held = {kind: shown(records) for kind, records in state["schools"].get(self.school, {}).items()}
        mine = {"held": held, "applied": state["applied"].get(self.school, {})}
        return mine | {"own_numbers": state["own_numbers"].get(self.school, {})}

    def misbehave(self, **behaviour: Any) -> None:
        """Tell the supplier how to treat its next request."""
        requests.post(f"{self.url}/_sandbox/misbehave", json=behaviour, timeout=10).raise_for_status()

    def calm(self) -> None:
        """Let the supplier behave again."""
        requests.delete(f"{self.url}/_sandbox/misbehave", timeout=10)


def next_night(roster: Roster, seed: int) -> Roster:
    """The school a day later: names corrected, a pupil moved, some new, two gone without a word and one with."""
    keys = roster.leerlingen["key"].tolist()
    placed = roster.leerlingen.loc[roster.leerlingen["groep"].notna(), "key"].tolist()
    roster = changed_share(roster, 0.25, seed)
    roster = moved_to_other_group(roster, placed[seed % len(placed)])
    roster = left_school(roster, [keys[(7 * seed) % len(keys)]], date(2026, 11, 1))
    return without(newcomer(roster, count=3, seed=seed), [keys[0], keys[-1]])


def effects(before: dict[str, Any], wanted: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    """How often each operation on each record must have been applied to come from one state to another."""
    found: dict[tuple[str, str, str], int] = {}
    for kind in before.keys() | wanted.keys():
        old, new = before.get(kind, {}), wanted.get(kind, {})
        found |= {(kind, record, "create"): 1 for record in new.keys() - old.keys()}
        found |= {(kind, record, "delete"): 1 for record in old.keys() - new.keys()}
        found |= {(kind, record, "update"): 1 for record in new.keys() & old.keys() if new[record] != old[record]}
    return found


def applied(before: dict[str, Any], after: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    """How often each operation on each record was applied between two looks."""
    return {
        (kind, record, operation): more
        for kind, records in after.items()
        for record, counts in records.items()
        for operation, number in counts.items()
        if (more := number - before.get(kind, {}).get(record, {}).get(operation, 0))
    }


def check_whole(proof: Proof, before: dict[str, Any], seen: dict[str, Any]) -> None:
    """After a kill and another run, supplier, delivery set and ledger agree, and every effect was applied once."""
    after = proof.at_supplier()
    assert seen.get("state") in {"delivered", "unchanged"}, seen
    assert [seen[fact] for fact in ("broken", "unfinished", "pending", "left_to_do")] == [None, False, 0, 0]
    wanted = {kind: records for kind, records in seen["should_hold"].items() if records}
    held = {kind: records for kind, records in after["held"].items() if records}
    assert held == wanted
    assert applied(before["applied"], after["applied"]) == effects(before["held"], wanted)
    numbers = [after["own_numbers"][kind][record] for kind, records in held.items() for record in records]
    assert seen["own_numbers"] == sorted(numbers)


def kills(supplier: str, seconds: float) -> list[dict[str, Any]]:
    """25 ways to be killed: spread over the length of a delivery, and at chosen points around its messages."""
    messages = 1 if supplier == "basispoort" else 4
    spread = [{"kill_after": seconds * share / 13} for share in range(13)]
    chosen = [{"fuse": (m, 1 + n % messages)} for n in range(4) for m in ("before", "during", "after")]
    return [*spread, *chosen]


@dataclass
class Nights:
    """One night after another; every fifth begins at a school that the supplier does not know yet."""

    folder: Path
    supplier: str
    url: str
    order: Order
    number: int = 0

    def next(self, kill: dict[str, Any]) -> dict[str, Any]:
        """Deliver, killed as asked; deliver again; everything must be whole. How the first delivery went."""
        if self.number % 5 == 0:
            school = f"99{chr(65 + self.number // 5)}A"
            self.roster = example_school(PUPILS, seed=self.number, brincode=school)
            self.proof = Proof(self.folder / school, f"{school}-00", self.supplier, self.url, self.order)
        else:
            self.roster = next_night(self.roster, self.number)
        self.number += 1
        self.proof.export(self.roster)
        before = self.proof.at_supplier()
        if "during" in kill.get("fuse", ()):
            self.proof.misbehave(kind="slow", seconds=0.08, times=kill["fuse"][1])
        first = self.proof.do("deliver", **kill)
        self.proof.calm()
        check_whole(self.proof, before, self.proof.do("deliver", look=True))
        return first


@pytest.mark.parametrize(("supplier", "kind"), [("basispoort", "edexml_whole_set"), ("uwlr_smalle_set", "json_delta")])
def test_a_killed_delivery_is_finished_by_the_next_run(supplier: str, kind: str, tmp_path: Path) -> None:
    """Killed at 25 moments (50 for both wire formats), a delivery has the same effects as one that was left alone."""
    with _served(kind, tmp_path) as url, orders() as order:
        nights = Nights(tmp_path, supplier, url, order)
        usual = [nights.next({})["seconds"] for _ in range(2)]
        waiting = kills(supplier, min(usual))
        while waiting:
            kill = waiting.pop(0)
            if not nights.next(kill)["killed"]:
                assert "kill_after" in kill, kill
                waiting.append({"kill_after": kill["kill_after"] * 0.7})  # it was done before: sooner, then
            assert nights.number < 60


def test_a_killed_run_of_dagster_is_made_good_by_the_next(tmp_path: Path) -> None:
    """The process of a whole run is killed three times, early, halfway and late; each next run delivers what was left."""
    kinds = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta"}
    with ExitStack() as stack:
        order = stack.enter_context(orders("dagster"))
        roster = example_school(PUPILS)
        proofs = [
            Proof(tmp_path / "instance", "99XX-00", supplier, stack.enter_context(_served(kind, tmp_path)), order)
            for supplier, kind in kinds.items()
        ]
        proofs[0].export(roster)
        proofs[0].do("run")  # the first night is slower than those after it
        roster = next_night(roster, 3)
        proofs[0].export(roster)
        usual = proofs[0].do("run")
        killed = 0
        for number, share in enumerate([0.3, 0.55, 0.8]):
            roster = next_night(roster, number)
            proofs[0].export(roster)
            before = [proof.at_supplier() for proof in proofs]
            killed += proofs[0].do("run", kill_after=usual["seconds"] * share)["killed"]
            again = proofs[0].do("run")
            assert {again[supplier][0] for supplier in kinds} <= {"delivered", "unchanged"}, again
            for proof, then in zip(proofs, before, strict=True):
                check_whole(proof, then, proof.do("deliver", look=True))
        assert killed >= 1  # on a busy machine a run may be done before its time; not all three
