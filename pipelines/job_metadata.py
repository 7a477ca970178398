"""What jobs besides the delivery tell, as metadata for the web page; as in `metadata` never a value of a record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from data_contracts.dutch_time import day_of
from pipelines.ledger.erasures import Erasure
from pipelines.metadata import SUMMARY, Metadata, table
from pipelines.removal import Removed
from pipelines.rights.erasure import Standing, state_of
from pipelines.rights.rectification import Correction
from pipelines.sync.readback import TOLD, ReadBack
from pipelines.words import as_sentence

REMOVED = "Opgeruimd"
"""What was taken away; the command reads it back with `removed_in`."""


def of_letter(file: Path, receivers: int, missing: str) -> Metadata:
    """Where a letter for access lies, and how many suppliers it is about; nothing that is in it."""
    return {
        SUMMARY: f"De brief is geschreven en gaat over {receivers} leveranciers. {missing}".strip(),
        "Bestand": dg.MetadataValue.path(str(file)),
    }


def of_told(sentences: str) -> Metadata:
    """What was done and what follows, where a few sentences say it all."""
    return {SUMMARY: sentences}


def of_removed(removed: Sequence[Removed]) -> Metadata:
    """How many of each kind were taken away, and why."""
    rows: list[Mapping[str, str | int]] = [{"Wat": r.what, "Aantal": r.number, "Waarom": r.why} for r in removed]
    return {
        SUMMARY: f"{sum(r.number for r in removed)} opgeruimd; waarom staat erbij.",
        REMOVED: table(rows, ["Wat", "Aantal", "Waarom"]),
    }


def of_read_back(found: Sequence[ReadBack]) -> Metadata:
    """How what suppliers hold compares with the ledger: counts and names of fields, what is wrong first and by name."""
    heads = ("Gelezen", "Ontbreekt", "Anders", "Te veel")
    rows: list[Mapping[str, str | int]] = [
        {
            "School": one.school,
            "Leverancier": one.supplier,
            "Stand": TOLD[one.state],
            **dict(zip(heads, one.numbers, strict=True)),
            "Velden": ", ".join(one.fields),
            "Toelichting": one.reason,
        }
        for one in sorted(found, key=lambda one: not one.wrong)
    ]
    counts = Counter(TOLD[one.state] for one in found)
    wrong = ", ".join(f"{one.supplier} ({one.school})" for one in found if one.wrong)
    told = ", ".join(f"{number} keer {state}" for state, number in counts.items()) or "er is niets terug te lezen"
    return {
        SUMMARY: f"Kijk naar {wrong}. In totaal: {told}." if wrong else f"{as_sentence(told)}.",
        "Teruggelezen": table(rows, ["School", "Leverancier", "Stand", *heads, "Velden", "Toelichting"]),
    }


def of_corrections(found: Sequence[Correction]) -> Metadata:
    """How a correction of one pupil stands at each supplier."""
    return {
        SUMMARY: " ".join(f"{one.supplier}: {one.told}." for one in found) or "Deze school heeft geen leverancier.",
        **_if_any("Per leverancier", [one.as_row for one in found]),
    }


def of_agreements(rows: Sequence[Mapping[str, str | int]], remarks: Sequence[str]) -> Metadata:
    """How it stands with every agreement, and what a person should know of it; `rows` as `agreements.as_row` makes them."""
    counts = Counter(row["Stand"] for row in rows)
    told = ", ".join(f"{number} {state}" for state, number in counts.items()) or "er zijn er nog geen"
    return {
        SUMMARY: f"Overeenkomsten: {told}. Opmerkingen: {len(remarks) or 'geen'}.",
        **_if_any("Overeenkomsten", rows),
        **_if_any("Opmerkingen", [{"Opmerking": text} for text in remarks]),
    }


def of_erasures(found: Sequence[tuple[Erasure, Sequence[Standing], Sequence[str]]]) -> Metadata:
    """How each request to erase a pupil stands at each supplier, and what there is to do about it; its pupil is not named."""
    if not found:
        return {SUMMARY: "Er zijn geen verzoeken om een leerling te wissen."}
    rows: list[Mapping[str, str | int]] = [
        {
            "Verzoek": one.id,
            "School": one.school,
            "Van": day_of(one.opened_at),
            "Stand": state_of(one),
            "Leverancier": each.supplier,
            "Wat": each.told,
            "Wanneer": day_of(each.at),
        }
        for one, standings, _ in found
        for each in standings
    ]
    to_do: list[Mapping[str, str | int]] = [
        {"Verzoek": one.id, "Wat": text.strip()} for one, _, texts in found for text in texts
    ]
    left = sum(one.closed_at is None for one, _, _ in found)
    return {
        SUMMARY: f"Verzoeken om te wissen: {len(found)}, waarvan {left or 'geen'} open.",
        **_if_any("Wat te doen", to_do),
        "Wisverzoeken": table(rows, ["Verzoek", "School", "Van", "Stand", "Leverancier", "Wat", "Wanneer"]),
    }


def _if_any(name: str, rows: Sequence[Mapping[str, str | int]]) -> Metadata:
    """A table under this name with the columns of its rows; none where there are no rows."""
    return {name: table(rows, list(rows[0]))} if rows else {}


def removed_in(metadata: Mapping[str, Any]) -> list[Removed]:
    """What `of_removed` told."""
    rows = (record.data for record in metadata[REMOVED].records)
    return [Removed(str(row["Wat"]), int(row["Aantal"]), str(row["Waarom"])) for row in rows]
