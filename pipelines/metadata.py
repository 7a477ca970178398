"""Results of a delivery as metadata for the web page. With `job_metadata` the only module that makes any, so all there is to audit for leaks.

Counts, record keys, names of fields and Dutch sentences; never a value of a record (design rule 8).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from connectors.base import Export, NothingChanged
from data_contracts.fields import CATALOGUE, Record
from data_contracts.findings import explanation
from mappings.agreement import Agreement, FieldSet, Stage
from mappings.choices import BY_RIGHT, NO_CONSENT
from mappings.projection import DeliverySet
from mappings.transforms import sources
from pipelines.ledger.holds import Hold
from pipelines.rights.trace import Step
from pipelines.sync.case import Outcome, Planned
from pipelines.sync.school import SchoolData
from pipelines.words import OPERATIONS, STATES, as_sentence, spaced

ROWS = 200
"""Most rows of a table in the web page."""

SUMMARY = "Samenvatting"
"""Stands first everywhere: what a person who reads one line must know."""

STATE = "Stand"
"""How it ended, or would end; the command reads it back with `outcome_in`."""

BY_SUPPLIER = "Per leverancier"
"""What came of one pupil at each supplier; the command reads it back with `outcomes_in`."""

LOCATION = "doorgeefluik"
"""What workspace.yaml calls our definitions; links to jobs need it."""

Metadata = dict[str, Any]


def of_export(export: Export | NothingChanged) -> Metadata:
    """Where an export came from, when, and how large it was."""
    if isinstance(export, NothingChanged):
        return {
            SUMMARY: "ParnasSys meldt dat er niets is gewijzigd sinds de vorige keer.",
            "Gevraagd op": _moment(export.received_at.timestamp()),
        }
    return {
        SUMMARY: f"Export van school {export.school.key}, schooljaar {export.school.schooljaar}.",
        "Herkomst": export.origin,
        "Stand van": _moment(export.received_at.timestamp()),
        "Omvang in bytes": len(export.content),
    }


def of_school(data: SchoolData) -> Metadata:
    """How many records came in, and what was wrong."""
    roster = data.checked.roster
    out, findings = len(data.checked.quarantined), len(data.checked.findings)
    wrong = f"{findings} bevindingen, {out} records in quarantaine" if findings else "geen bevindingen"
    return {
        SUMMARY: f"{len(roster.leerlingen)} leerlingen in {len(roster.groepen)} groepen; {wrong}.",
        "Leerlingen": len(roster.leerlingen),
        "Groepen": len(roster.groepen),
        "Leerkrachten": len(roster.leerkrachten),
        "In quarantaine": out,
        "Bevindingen": findings,
        **({"Wat er mis is": findings_table(data.checked.findings)} if findings else {}),
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
    return table(rows, ["Soort", "Sleutel", "Veld", "Wat is er", "Wat te doen", "Blijft achter"])


def of_delivery_set(wanted: DeliverySet, fields: FieldSet, agreement: Agreement) -> Metadata:
    """What this supplier should hold, why, and of which fields that is made."""
    counts = {_KINDS[kind]: len(frame) for kind, frame in wanted.records.items()}
    left_out = [{"Gegeven": out.item, "Waarom niet": out.reason} for out in fields.left_out]
    together = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    why = wanted.gone[Record.LEERLING]
    withheld = why[why.isin([*BY_RIGHT, NO_CONSENT])].value_counts()
    own = [f for f in fields.of(Record.LEERLING) if f.consent]
    filled = [f"{f.item} van {wanted.records[Record.LEERLING][f.name].notna().sum()} leerlingen" for f in own]
    return {
        SUMMARY: f"{together}, elk met ten hoogste de velden hieronder.",
        **{kind.capitalize(): number for kind, number in counts.items()},
        "Overeenkomst": _agreement_text(agreement),
        "Gaat niet mee": ", ".join(f"{n} {spaced(str(cause))}" for cause, n in withheld.items())
        or "niemand om een keuze",
        **({"Alleen met toestemming": ", ".join(filled)} if filled else {}),
        "Niet gegeven": table(left_out, ["Gegeven", "Waarom niet"]) if left_out else "Alles uit de privacybijsluiter.",
        "Herkomst van de velden": _origins(fields),
        "dagster/partition_row_count": len(wanted.records.get(Record.LEERLING, ())),
        "dagster/column_lineage": _lineage(fields),
    }


def of_plan(plan: Planned, outcome: Outcome, gone: Mapping[int, str]) -> Metadata:
    """What would change, by cause and by record, and what stands in the way; `outcome` is what a preview tells.

    `gone` has the keys of what is to be deleted, by record number; that stands first, for it is what a person must judge.
    """
    changes = plan.plan.changes.sort_values("operation", key=lambda names: names != "delete", kind="stable")
    by_cause = changes.groupby(["operation", "kind", "cause"], sort=False).size().reset_index(name="aantal")
    causes = [
        {"Handeling": OPERATIONS[operation], "Soort": kind, "Oorzaak": spaced(cause), "Aantal": int(number)}
        for operation, kind, cause, number in by_cause.itertuples(index=False)
    ]
    rows = [
        {
            "Soort": kind,
            "Sleutel": gone.get(number, "onbekend") if operation == "delete" else key,
            "Handeling": OPERATIONS[operation],
            "Oorzaak": spaced(cause),
            "Velden": names,
        }
        for kind, key, number, operation, cause, names in changes.head(ROWS)[
            ["kind", "key", "record_id", "operation", "cause", "changed_fields"]
        ].itertuples(index=False)
    ]
    tables = {
        "Wijzigingen per oorzaak": table(causes, ["Handeling", "Soort", "Oorzaak", "Aantal"]),
        "Wijzigingen": table(rows, ["Soort", "Sleutel", "Handeling", "Oorzaak", "Velden"]),
    }
    return {
        SUMMARY: f"{_work(plan.plan.counts).capitalize()}. Hier is nog niets van verstuurd.",
        **_counts(plan.plan.counts),
        **(tables if rows else {}),
        **_ending(outcome),
    }


def of_outcome(outcome: Outcome, waiting: Sequence[Hold] = ()) -> Metadata:
    """How it ended, and what a person must now decide."""
    return {
        SUMMARY: as_sentence(_how(outcome)),
        **(_to_decide(waiting) if waiting else {}),
        **_counts(outcome.counts),
        **_ending(outcome),
    }


def of_one_pupil(outcomes: Sequence[Outcome], steps: Mapping[str, Sequence[Step]]) -> Metadata:
    """What came of one pupil at each supplier, and the steps that led there."""
    rows: list[Mapping[str, str | int]] = [
        {"Leverancier": o.supplier, **{dutch: o.counts[name] for name, dutch in _COUNTS.items()}, **_ending(o)}
        for o in outcomes
    ]
    return {
        SUMMARY: " ".join(f"{o.supplier} {_how(o)}" for o in outcomes) or "Er is geen overeenkomst.",
        BY_SUPPLIER: table(rows, ["Leverancier", STATE, *_COUNTS.values(), _REASON, _PLAN]),
        **of_steps(steps),
    }


def of_steps(steps: Mapping[str, Sequence[Step]]) -> Metadata:
    """Why one pupil is or is not at each of these suppliers."""
    rows = [
        {"Leverancier": supplier, "Stap": step.name, "": step.mark, "Uitkomst": step.told}
        for supplier, each in steps.items()
        for step in each
    ]
    return {"Stappen": table(rows, ["Leverancier", "Stap", "", "Uitkomst"])}


def outcome_in(metadata: Mapping[str, Any], school: str, supplier: str) -> Outcome:
    """The outcome that `of_plan` or `of_outcome` told."""
    return _outcome({name: value.value for name, value in metadata.items()}, school, supplier)


def outcomes_in(metadata: Mapping[str, Any], school: str) -> list[Outcome]:
    """The outcomes that `of_one_pupil` told."""
    rows = [record.data for record in metadata[BY_SUPPLIER].records]
    return [_outcome(row, school, str(row["Leverancier"])) for row in rows]


def _outcome(told: Mapping[str, Any], school: str, supplier: str) -> Outcome:
    state = next(state for state, dutch in STATES.items() if dutch == told[STATE])
    counts = {name: int(told[dutch]) for name, dutch in _COUNTS.items()}
    plan, reason = told[_PLAN], told[_REASON]
    return Outcome(
        school, supplier, state, counts, None if plan == _NO_PLAN else plan, "" if reason == _NO_REASON else reason
    )


def _ending(outcome: Outcome) -> dict[str, str]:
    return {
        STATE: STATES[outcome.state],
        _REASON: outcome.reason or _NO_REASON,
        _PLAN: outcome.plan or _NO_PLAN,
    }


_REASON, _NO_REASON = "Toelichting", "geen bijzonderheden"
_PLAN, _NO_PLAN = "Plan", "geen"


def _to_decide(waiting: Sequence[Hold]) -> Metadata:
    """What waits, under the number that the jobs `goedkeuren` and `afwijzen` ask for."""
    rows: list[Mapping[str, str | int]] = [
        {"Vasthouding": h.id, "Handeling": OPERATIONS[h.operation], "Aantal": h.number, "Waarom": h.reason}
        for h in waiting
    ]
    return {
        "Wacht op een besluit": table(rows, ["Vasthouding", "Handeling", "Aantal", "Waarom"]),
        "Goedkeuren": dg.MetadataValue.job("goedkeuren", location_name=LOCATION),
        "Afwijzen": dg.MetadataValue.job("afwijzen", location_name=LOCATION),
    }


_KINDS = {
    Record.GROEP: "groepen",
    Record.SAMENGESTELDE_GROEP: "samengestelde groepen",
    Record.LEERLING: "leerlingen",
    Record.LEERKRACHT: "leerkrachten",
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


def _how(outcome: Outcome) -> str:
    """How it ended, with what was done and why; a reason alone where nothing was."""
    idle = outcome.reason and not any(outcome.counts.get(operation) for operation in OPERATIONS)
    told = STATES[outcome.state] if idle else f"{STATES[outcome.state]}: {_work(outcome.counts)}"
    return f"{told}. {outcome.reason}".strip()


def _work(counts: Mapping[str, int]) -> str:
    """`204 toevoegen, 1 wijzigen`; what is nought is left out."""
    parts = [f"{number} {dutch}" for operation, dutch in OPERATIONS.items() if (number := counts.get(operation))]
    return ", ".join(parts) or "niets te doen"


def _origins(fields: FieldSet) -> dg.MetadataValue[Any]:
    rows = [
        {
            "Bij de leverancier": f"{f.record}.{f.wire}",
            "In ParnasSys": ", ".join(sources(f.id, f.transform)),
            "In de bijsluiter": f.item,
            "Waarom": f.reason.partition(" (")[0],  # bijsluiter and legal basis are the same on every row
        }
        for f in fields.fields
    ]
    return table(rows, ["Bij de leverancier", "In ParnasSys", "In de bijsluiter", "Waarom"])


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
        "Gelezen velden": table(rows, ["Veld", "Naam", "Soort gegeven"]),
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
    }


def _agreement_text(agreement: Agreement) -> str:
    return (
        f"{agreement.model}, van {agreement.signed:%d-%m-%Y} tot en met {agreement.valid_until:%d-%m-%Y}, "
        f"grondslag {agreement.legal_basis.words}; mag {_STAGES[agreement.stage]}"
    )


_STAGES = {
    Stage.REPORT_ONLY: "nog niets leveren",
    Stage.CREATE: "alleen toevoegen",
    Stage.CREATE_UPDATE: "toevoegen en wijzigen",
    Stage.FULL: "toevoegen, wijzigen en verwijderen",
}


def _moment(timestamp: float) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.timestamp(timestamp)


def table(rows: Sequence[Mapping[str, str | int]], columns: Sequence[str]) -> dg.MetadataValue[Any]:
    """A table with these columns."""
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows], schema)
