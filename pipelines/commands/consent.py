"""`consent`: what a parent chose about one supplier or purpose, and everything that was chosen before."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from data_contracts.dutch_time import HERE, today_in_the_netherlands
from pipelines.commands.telling import OK, out, table, who
from pipelines.consent import Said, in_words, write_down_one
from pipelines.consent_files import take_in
from pipelines.instance import open_instance
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.names import refuse_unknown, refusing
from pipelines.rights.erasure import telling_erased, told_erased
from pipelines.settings import home_folder


def choose(option: Path | None, choice: str, pupil: str, subject: str, said: Said) -> int:
    """Write down one choice of one pupil's parents."""
    instance = open_instance(home_folder(option))
    with refusing(ChoiceRefusedError), telling_erased(instance, said.school, pupil):
        told = write_down_one(instance, _signed(said), subject, pupil, choice, today_in_the_netherlands())
    out.print(told, markup=False, soft_wrap=True)
    if erased := told_erased(instance, said.school, pupil):
        out.print(erased, markup=False, soft_wrap=True)
    return OK


def import_file(option: Path | None, file: Path, key: str, columns: Sequence[str], said: Said) -> int:
    """Write down the consents in a file, all or none; each of `columns` is a subject, `=` and the name of its column."""
    instance = open_instance(home_folder(option))
    for line in take_in(instance, _signed(said), file, key, columns, today_in_the_netherlands()):
        out.print(line, markup=False, soft_wrap=True)
    return OK


def show_choices(
    option: Path | None, school: str, pupil: str | None, subject: str | None, *, newest: bool, as_json: bool
) -> int:
    """What was chosen at a school, of one pupil and about one subject or of all, oldest first; or the `newest` of each alone."""
    instance = open_instance(home_folder(option))
    ledger = instance.ledger
    entries = [entry for entry in ledger.choice_history(school) if subject in {None, entry.subject}]
    if not entries:  # what is no longer in the settings keeps its history
        refuse_unknown(instance.settings, [school], subjects=[subject] if subject else [])
    persons = ledger.identities(school)
    whose = [min(persons.get(entry.record_id, {entry.record_id})) for entry in entries]
    listed = list(zip(whose, entries, in_words(zip(whose, entries, strict=True)), strict=True))
    if newest:
        listed = list({(number, entry.subject): (number, entry, words) for number, entry, words in listed}.values())
    keys = ledger.record_keys({entry.record_id for entry in entries}.union(*persons.values()))
    told = [
        (entry, words)
        for _, entry, words in listed
        if pupil is None or pupil in map(keys.get, persons.get(entry.record_id, {entry.record_id}))
    ]
    rows = [
        {
            "leerling": keys.get(entry.record_id, ""),
            "onderwerp": entry.subject,
            "keuze": entry.choice,
            "sinds": entry.since.isoformat(),
            "hoe": entry.how,
            "door": entry.recorded_by,
            "vastgelegd": entry.recorded_at.astimezone(HERE).isoformat(timespec="seconds"),
        }
        for entry, _ in told
    ]
    if as_json:
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif rows:
        for row, (entry, words) in zip(rows, told, strict=True):
            row["keuze"] = words
            row["sinds"] = f"{entry.since:%d-%m-%Y}"
            row["vastgelegd"] = f"{entry.recorded_at.astimezone(HERE):%d-%m-%Y %H:%M}"
        what = "wat nu geldt" if newest else "de onderste van een leerling en onderwerp telt"
        out.print(table(f"Keuzes van ouders; {what}", tuple(rows[0]), [tuple(row.values()) for row in rows]))
    else:
        out.print("Er is niets vastgelegd.")
    return OK


def _signed(said: Said) -> Said:
    return replace(said, by=who(said.by))
