"""`make bench`: what a night costs, in seconds and peak memory, each line beside its target and its floor.

The floor is measured in the same process as the work. Every line is the best of several fresh processes.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.bench_world import Exports, best, delta_suppliers, drop, lay_out, measured, suppliers_apart

PEAK = 300
"""MiB that no line may pass."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `target` is in seconds, `times` in times the floor; None where none is set."""

    name: str
    result: dict[str, Any]
    floor_is: str
    target: float | None = None
    times: float | None = None


def main() -> None:
    """Measure, and print the table."""
    chosen = _chosen()
    console = Console(width=130)
    with tempfile.TemporaryDirectory(prefix="doorgeefluik-meting-") as scratch, console.status("Er wordt gemeten ..."):
        lines = list(_lines(Path(scratch), chosen))
    console.print(_table(lines, chosen))


def _lines(scratch: Path, chosen: argparse.Namespace) -> Iterator[Line]:
    exports = Exports.of(chosen.pupils)
    rounds = [_round(scratch / f"ronde-{number}", exports, chosen.suppliers) for number in range(chosen.rounds)]
    names = ("parse", "new", "changed", "same")
    parsed, new, changed, same = (best([results[name] for results in rounds]) for name in names)
    yield Line("Inlezen tot tabellen", parsed, "libxml2 zelf over dezelfde bytes", times=3)
    posted = "dezelfde berichten met requests"
    yield Line("Alles nieuw", new, posted, target=10)
    yield Line("1 % gewijzigd", changed, posted, target=4)
    yield Line("Niets gewijzigd", same, "libxml2 zelf over dezelfde bytes", target=1.5)
    small = Exports.of(250)
    runs = [_dagster(scratch / f"dagster-{number}", small) for number in range(chosen.rounds)]
    yield Line("Dagster: 250 leerlingen, 3 leveranciers", best(runs), "lege job met evenveel assets")


def _round(home: Path, exports: Exports, suppliers: int) -> dict[str, dict[str, Any]]:
    """One life of a school: everything new, then 1 % changed, then the same again."""
    results = {}
    with suppliers_apart(dict.fromkeys(delta_suppliers(suppliers), "json_delta")) as urls:
        lay_out(home, urls)
        drop(home, exports.new)
        results["parse"] = measured("parse", home)
        for name in ("new", "changed", "same"):
            drop(home, getattr(exports, name))
            results[name] = measured("sync", home)
    shutil.rmtree(home)
    return results


def _dagster(home: Path, exports: Exports) -> dict[str, Any]:
    formats = {"basispoort": "edexml_whole_set", "uwlr_smalle_set": "json_delta", "uwlr_lvs_set": "json_delta"}
    with suppliers_apart(formats) as urls:
        lay_out(home, urls)
        drop(home, exports.new)
        return measured("dagster", home)


def _table(lines: list[Line], chosen: argparse.Namespace) -> Table:
    title = f"Kosten van een nacht: {chosen.pupils} leerlingen, {chosen.suppliers} leveranciers"
    table = Table(
        title=title, caption=f"Beste van {chosen.rounds}; piek is het hele proces, Python en pandas inbegrepen."
    )
    table.add_column("Werk")
    for name in ("Seconden", "Processor", "Doel", "Piek (MiB)", "Doel", "Ondergrens (s)", "Maal"):
        table.add_column(name, justify="right")
    table.add_column("Ondergrens is")
    for line in lines:
        table.add_row(*_cells(line))
    return table


def _cells(line: Line) -> list[str]:
    result, times = line.result, line.result["seconds"] / line.result["floor"]
    slow = line.target is not None and result["seconds"] > line.target
    target = f"< {line.target:g} s" if line.target else f"< {line.times:g} maal" if line.times else "-"
    held = line.target is not None
    return [
        line.name,
        _judged(f"{result['seconds']:.2f}", bad=slow),
        f"{result['cpu']:.2f}",
        target,
        _judged(f"{result['peak']:.0f}", bad=held and result["peak"] > PEAK),
        f"< {PEAK}" if held else "-",
        f"{result['floor']:.2f}",
        _judged(f"{times:.1f}", bad=line.times is not None and times > line.times),
        line.floor_is,
    ]


def _judged(text: str, *, bad: bool) -> str:
    return f"[red]{text}[/red]" if bad else text


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Meet wat een nacht kost, naast de ondergrens van deze machine.")
    parser.add_argument("--pupils", type=int, default=25_000, help="leerlingen van de school")
    parser.add_argument("--suppliers", type=int, default=10, help="leveranciers die wijzigingen ontvangen")
    parser.add_argument("--rounds", type=int, default=3, help="hoe vaak elke regel wordt gemeten; de beste telt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
