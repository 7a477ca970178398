"""The world that is measured: an instance folder with one large school, and its suppliers in a process of their own.

Nothing is timed here; everything that makes input lives here, so that the measured process need not.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from connectors.sandbox.edexml_writer import edexml
from connectors.sandbox.school import changed_share, example_school
from data_contracts.roster import Roster
from mappings.profiles import profile_texts

SCHOOL = "99XX-00"
DAY = date(2026, 11, 24)
TOKEN = "teken-van-de-meting"

_AGREEMENT = """\
supplier: {supplier}
schools: [99XX-00]
model: Privacyconvenant 4.0
signed: 2026-08-01
valid_until: 2027-07-31
legal_basis: publieke_taak
limits: {{first_delivery: allow}}
connection: {{base_url: "{url}", token: "file:teken"}}
"""

_SETS = ("uwlr_smalle_set", "uwlr_lvs_set")


def delta_suppliers(number: int) -> list[str]:
    """The names of suppliers that take changes: by turns the smalle set and the LVS set."""
    return [f"meting_{index:02d}" for index in range(number)]


def lay_out(home: Path, urls: dict[str, str]) -> None:
    """An instance folder whose school has an agreement with every supplier of `urls`; nothing was delivered yet."""
    for folder in ("agreements", "profiles", "inbox"):
        (home / folder).mkdir(parents=True)
    (home / "schools.yaml").write_text(
        "schools:\n- {school: 99XX-00, name: De Meetlat, source: {edexml: {path: inbox}}}\n", encoding="utf-8"
    )
    (home / "teken").write_text(TOKEN, encoding="utf-8")
    (home / "teken").chmod(0o600)
    shipped = profile_texts()
    for index, (supplier, url) in enumerate(urls.items()):
        (home / "agreements" / f"{supplier}.yaml").write_text(
            _AGREEMENT.format(supplier=supplier, url=url), encoding="utf-8"
        )
        if f"{supplier}.yaml" not in shipped:
            like = _SETS[index % len(_SETS)]
            text = shipped[f"{like}.yaml"].replace(f"supplier: {like}", f"supplier: {supplier}")
            (home / "profiles" / f"{supplier}.yaml").write_text(text, encoding="utf-8")


@dataclasses.dataclass(frozen=True, slots=True)
class Exports:
    """Three exports of one school as bytes: the first, the same content made later, and 1 % of the pupils changed."""

    new: bytes
    same: bytes
    changed: bytes

    @classmethod
    def of(cls, pupils: int) -> "Exports":
        """The exports of an example school."""
        roster = example_school(pupils)
        other = _later(changed_share(roster, 0.01), 2)
        return cls(edexml(roster), edexml(_later(other, 3)), edexml(other))


def drop(home: Path, content: bytes) -> None:
    """Put an export in the inbox, in the place of what lay there."""
    (home / "inbox" / "EDEX.XML").write_bytes(content)


@contextmanager
def suppliers_apart(formats: dict[str, str]) -> Iterator[dict[str, str]]:
    """Serve these suppliers (name -> wire format) from a process of their own; their addresses, by name."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_suppliers", TOKEN]
    command += [f"{supplier}={wire_format}" for supplier, wire_format in formats.items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_root()) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            yield {supplier: f"{url}/{supplier}" for supplier in formats}
        finally:
            process.terminate()


def measured(stage: str, home: Path, *more: str) -> dict[str, Any]:
    """What a fresh process of `bench_stages` says of one stage: seconds, cpu, peak (MiB), floor (seconds), and facts."""
    import orjson

    command = [sys.executable, "-m", "tests.benchmarks.bench_stages", stage, str(home), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=_root(), env=_environment())
    result: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return result


def best(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The fastest of several measurements of one stage: whatever else ran on the machine can only have slowed it."""
    fastest = dict(min(results, key=lambda result: result["seconds"]))
    return fastest | {name: min(r[name] for r in results) for name in ("cpu", "floor") if name in fastest}


def _later(roster: Roster, hour: int) -> Roster:
    made = datetime(DAY.year, DAY.month, DAY.day, hour)  # noqa: DTZ001  EDEXML writes no zone
    return dataclasses.replace(roster, school=roster.school.assign(aanmaakdatum=made.isoformat()))


def _environment() -> dict[str, str]:
    """Without the hints of coverage or of a debugger; one thread for arrow is what a small machine has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV_")}


def _root() -> Path:
    return Path(__file__).parents[2]
