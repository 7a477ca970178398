"""`readback`: what suppliers say they hold beside the ledger, and on request a repair by the next delivery."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipelines.commands.outcomes import write_json
from pipelines.commands.telling import FAILED, HELD, OK, out, table
from pipelines.instance import open_instance
from pipelines.names import chosen_pairs
from pipelines.settings import home_folder
from pipelines.sync.readback import TOLD, ReadBack, read_back


def read_back_all(
    option: Path | None,
    schools: Sequence[str] | None,
    suppliers: Sequence[str] | None,
    *,
    repair: bool,
    as_json: bool,
) -> int:
    """Read back at these suppliers (None: all) for these schools (None: all); 2 where something differs."""
    instance = open_instance(home_folder(option))
    pairs = chosen_pairs(instance.settings, schools, suppliers)
    found = [read_back(instance, s, school, repair=repair) for school, chosen in pairs.items() for s in chosen]
    if as_json:
        write_json([asdict(one) for one in found])
    else:
        columns = ("school", "leverancier", "stand", "gelezen", "ontbreekt", "anders", "te veel")
        numbers = columns[3:]
        out.print(table("Teruggelezen; er is niets verstuurd", columns, map(_row, found), numbers))
        for one in found:
            for line in _lines(one):
                out.print(line, markup=False, soft_wrap=True)
    states = {one.state for one in found}
    return FAILED if "failed" in states else HELD if "different" in states else OK


def _row(one: ReadBack) -> tuple[object, ...]:
    return one.school, one.supplier, TOLD[one.state], *one.numbers


def _lines(one: ReadBack) -> list[str]:
    place = f"{one.supplier}, {one.school}"
    lines = [f"{place}: {one.reason}"] if one.reason else []
    for word, records in (("ontbreekt", one.missing), ("anders", one.different), ("te veel", one.extra)):
        lines += [f"{place}: {kind} {word}: {', '.join(keys)}" for kind, keys in records.items()]
    if one.fields:
        lines.append(f"{place}: verschillende velden: {', '.join(f'{n} ({c})' for n, c in one.fields.items())}")
    lines += [
        f"{place}: {n} keer een {k} die Doorgeefluik nooit heeft geleverd; vraag de leverancier ernaar."
        for k, n in one.strangers.items()
    ]
    if one.unsure:
        lines.append(
            f"{place}: {one.unsure} keer is niet bekend wat er aankwam; dat is niet vergeleken, en de volgende levering zet het recht."
        )
    if one.repaired:
        lines.append(
            f"{place}: {one.repaired} records worden bij de volgende levering rechtgezet. Bekijk het met `doorgeefluik preview`."
        )
    return lines
