"""`consent`: what a parent chose about one supplier, and everything that was chosen before."""

import getpass
import sys
from dataclasses import replace
from pathlib import Path

import orjson

from mappings.agreement import LegalBasis
from mappings.choices import Choice
from pipelines.commands.telling import OK, out, table
from pipelines.consent import FileRefusedError, Said, answers, named, write_down, write_down_file
from pipelines.dutch_time import today_in_the_netherlands
from pipelines.instance import open_instance
from pipelines.names import refuse_unknown
from pipelines.settings import home_folder


def choose(option: Path | None, choice: str, pupil: str, said: Said) -> int:
    """Write down one choice of one pupil's parents."""
    instance, chosen = open_instance(home_folder(option)), named(Choice, choice, "De keuze")
    news = write_down(instance, _signed(said), {pupil.strip(): chosen}, today_in_the_netherlands())
    what = f"{_words(chosen)}, {said.supplier}, school {said.school}"
    told = f"Vastgelegd: {what}. Het geldt vanaf de volgende levering." if news else f"Dit was al vastgelegd: {what}."
    out.print(told, markup=False, soft_wrap=True)
    return OK


def import_file(option: Path | None, file: Path, key: str, value: str, said: Said) -> int:
    """Write down the consents in a file, all or none."""
    instance = open_instance(home_folder(option))
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FileRefusedError([f"Het bestand {file} is niet te lezen ({error.strerror})."]) from None
    agreement = instance.settings.agreement(said.supplier, said.school)
    if agreement and agreement.legal_basis is not LegalBasis.CONSENT:
        raise FileRefusedError(
            ["De grondslag van deze leverancier is niet toestemming. Leg bezwaren één voor één vast."]
        )
    lines = answers(content, key, value)
    news = write_down_file(instance, _signed(said), lines, today_in_the_netherlands())
    given = sum(line.choice is Choice.GIVEN for line in lines.values())
    out.print(
        f"Gelezen: {given} keer ja, {len(lines) - given} keer nee. Nieuw vastgelegd: {news}; de rest stond er al zo.",
        soft_wrap=True,
    )
    return OK


def show_choices(option: Path | None, school: str, pupil: str | None, supplier: str | None, *, as_json: bool) -> int:
    """Everything that was chosen at a school, of one pupil and one supplier or of all, oldest first."""
    instance = open_instance(home_folder(option))
    ledger = instance.ledger
    entries = [entry for entry in ledger.choice_history(school) if supplier in {None, entry.supplier}]
    if not entries:  # what is no longer in the settings keeps its history
        refuse_unknown(instance.settings, [school], [supplier] if supplier else [])
    keys = ledger.record_keys(entry.record_id for entry in entries)
    rows = [
        {
            "leerling": keys.get(entry.record_id, ""),
            "leverancier": entry.supplier,
            "keuze": entry.choice,
            "sinds": entry.since.isoformat(),
            "hoe": entry.how,
            "door": entry.recorded_by,
            "vastgelegd": entry.recorded_at.isoformat(timespec="seconds"),
        }
        for entry in entries
        if pupil in {None, keys.get(entry.record_id)}
    ]
    if as_json:
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif rows:
        shown = [[_words(value) if name == "keuze" else value for name, value in row.items()] for row in rows]
        out.print(table("Keuzes van ouders; de onderste van een leerling en leverancier telt", tuple(rows[0]), shown))
    else:
        out.print("Er is niets vastgelegd.")
    return OK


def _signed(said: Said) -> Said:
    return replace(said, by=said.by.strip() or getpass.getuser())


def _words(choice: str) -> str:
    return choice.replace("_", " ")
