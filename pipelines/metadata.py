"""Results as metadata for the web page: the only module that makes any, so the only one to audit for leaks.

Counts, record keys, names of fields and Dutch sentences; never a value of a record (design rule 8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from connectors.base import Export, NothingChanged
from data_contracts.fields import CATALOGUE
from data_contracts.findings import explanation
from mappings.agreement import Agreement, FieldSet
from mappings.projection import DeliverySet
from mappings.transforms import sources
from pipelines.sync.case import Outcome, Planned
from pipelines.sync.school import SchoolData

ROWS = 200
"""Most rows of a table in the web page; the report has them all."""

Metadata = dict[str, Any]


def of_export(export: Export | NothingChanged) -> Metadata:
    """Where an export came from, when, and how large it was."""
    if isinstance(export, NothingChanged):
        return {
            "Antwoord": "Niets gewijzigd sinds de vorige keer.",
            "Gevraagd op": _moment(export.received_at.timestamp()),
        }
    return {
        "Herkomst": export.origin,
        "Opgehaald": _moment(export.received_at.timestamp()),
        "Omvang in bytes": len(export.content),
    }


def of_school(data: SchoolData) -> Metadata:
    """How many records came in, and what was wrong."""
    roster = data.checked.roster
    return {
        "Leerlingen": len(roster.leerlingen),
        "Groepen": len(roster.groepen),
        "Leerkrachten": len(roster.leerkrachten),
        "In quarantaine": len(data.checked.quarantined),
        "Bevindingen": len(data.checked.findings),
        "Wat er mis is": findings_table(data.checked.findings),
        "dagster/partition_row_count": len(roster.leerlingen),
    }


def findings_table(findings: pd.DataFrame) -> dg.MetadataValue[Any]:
    """Findings with what is wrong and what to do in ParnasSys."""
    rows = []
    for kind, key, name, rule, effect in findings.head(ROWS)[["soort", "key", "veld", "regel", "gevolg"]].itertuples(
        index=False
    ):
        wrong, action = explanation(rule, name, kind)
        left = "het hele record" if effect == "record" else "alleen deze waarde"
        rows.append(
            {
                "Soort": kind,
                "Sleutel": key,
                "Veld": name,
                "Wat is er": wrong,
                "Wat te doen": action,
                "Blijft achter": left,
            }
        )
    return _table(rows, ["Soort", "Sleutel", "Veld", "Wat is er", "Wat te doen", "Blijft achter"])


def of_delivery_set(wanted: DeliverySet, fields: FieldSet, agreement: Agreement) -> Metadata:
    """What this supplier should hold, why, and of which fields that is made."""
    counts = {str(kind): len(frame) for kind, frame in wanted.records.items()}
    return {
        **{f"Aantal {kind}": number for kind, number in counts.items()},
        "Overeenkomst": _agreement_text(agreement),
        "Herkomst van de velden": _origins(fields),
        "Niet gegeven": _table(
            [{"Gegeven": out.item, "Reden": out.reason} for out in fields.left_out], ["Gegeven", "Reden"]
        ),
        "dagster/column_lineage": _lineage(fields),
        "dagster/partition_row_count": counts.get("leerling", 0),
    }


def of_plan(plan: Planned) -> Metadata:
    """What would change, by cause and by record, and what stands in the way."""
    changes = plan.plan.changes
    by_cause = changes.groupby(["operation", "kind", "cause"], sort=False).size().reset_index(name="aantal")
    causes = [
        {"Handeling": _DUTCH[operation], "Soort": kind, "Oorzaak": _words(cause), "Aantal": int(number)}
        for operation, kind, cause, number in by_cause.itertuples(index=False)
    ]
    rows = [
        {
            "Soort": kind,
            "Sleutel": key or "niet in de export",
            "Handeling": _DUTCH[operation],
            "Oorzaak": _words(cause),
            "Velden": names,
        }
        for kind, key, operation, cause, names in changes.head(ROWS)[
            ["kind", "key", "operation", "cause", "changed_fields"]
        ].itertuples(index=False)
    ]
    return {
        **_counts(plan.plan.counts),
        "Plan": plan.digest,
        "Wijzigingen per oorzaak": _table(causes, ["Handeling", "Soort", "Oorzaak", "Aantal"]),
        "Wijzigingen": _table(rows, ["Soort", "Sleutel", "Handeling", "Oorzaak", "Velden"]),
        "Tegengehouden": plan.why() or "niets",
    }


def of_outcome(outcome: Outcome) -> Metadata:
    """How it ended. `uitkomst` is what the command reads."""
    return {
        "Stand": _STATES[outcome.state],
        **_counts(outcome.counts),
        "Toelichting": outcome.reason or "geen bijzonderheden",
        "uitkomst": dg.MetadataValue.json(asdict(outcome)),
    }


_DUTCH = {"create": "toevoegen", "update": "wijzigen", "delete": "verwijderen"}
_STATES = {
    "delivered": "afgeleverd",
    "unchanged": "ongewijzigd",
    "held": "wacht op goedkeuring",
    "preview": "voorbeeld, niets verstuurd",
    "blocked": "niet afgesproken",
    "failed": "mislukt",
}
_COUNTS = {
    "create": "Toevoegen",
    "update": "Wijzigen",
    "delete": "Verwijderen",
    "unchanged": "Ongewijzigd",
    "quarantined": "In quarantaine",
}


def _counts(counts: Mapping[str, int]) -> Metadata:
    return {dutch: counts[name] for name, dutch in _COUNTS.items()}


def _words(cause: str) -> str:
    return cause.replace("_", " ")


def _origins(fields: FieldSet) -> dg.MetadataValue[Any]:
    rows = [
        {
            "Veld bij de leverancier": f"{f.record}.{f.wire}",
            "Gegeven in de bijsluiter": f.item,
            "Veld in ParnasSys": ", ".join(sources(f.id, f.transform)),
            "Reden": f.reason,
        }
        for f in fields.fields
    ]
    return _table(rows, ["Veld bij de leverancier", "Gegeven in de bijsluiter", "Veld in ParnasSys", "Reden"])


def _lineage(fields: FieldSet) -> dg.TableColumnLineage:
    """From every delivered field to the fields of the export it is made of."""
    return dg.TableColumnLineage(
        {
            f.id: [dg.TableColumnDep(dg.AssetKey("schoolgegevens"), source) for source in sources(f.id, f.transform)]
            for f in fields.fields
        }
    )


def of_fields_read(wanted: frozenset[str]) -> Metadata:
    """Which fields of the export were read at all; the rest was not even decoded."""
    read = [field for field in CATALOGUE.values() if field.id in wanted]
    rows = [{"Veld": f.id, "Naam": f.label, "Soort gegeven": f.privacy.value} for f in read]
    lineage = {f.id: [dg.TableColumnDep(dg.AssetKey("export"), f.id)] for f in read}
    return {
        "Gelezen velden": _table(rows, ["Veld", "Naam", "Soort gegeven"]),
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
    }


def _agreement_text(agreement: Agreement) -> str:
    return (
        f"{agreement.model}, van {agreement.signed:%d-%m-%Y} tot en met {agreement.valid_until:%d-%m-%Y}, "
        f"grondslag {agreement.legal_basis.value.replace('_', ' ')}, fase {agreement.stage.value}"
    )


def _moment(timestamp: float) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.timestamp(timestamp)


def _table(rows: Sequence[Mapping[str, str | int]], columns: Sequence[str]) -> dg.MetadataValue[Any]:
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows], schema)
