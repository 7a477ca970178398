"""The last good export of each school, whether there was none since, and what was wrong in the last one. Never a value."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from pipelines.ledger.records import record_keys, register_records
from pipelines.ledger.tables import REASON_SIZE, export, failed_export, finding, plan
from pipelines.ledger.transaction import Transaction

_COLUMNS = ("soort", "key", "veld", "regel", "gevolg", "leverancier", "run_id", "gevonden")


@dataclass(frozen=True, slots=True)
class GoodExport:
    """An export of a school that was taken as true."""

    school: str
    digest: str  # of the roster
    schooljaar: str
    pupils: int
    received_at: datetime  # aware; as in `connectors.base.Export`
    door: str | None  # edexml or uwlr; None where that was not written down yet
    next_date: date | None  # the first day on which the same export says something else
    findings: int
    quarantined: int
    run_id: str


@dataclass(frozen=True, slots=True)
class FailedExport:
    """The last attempt to get a school's data, which failed."""

    school: str
    failed_at: datetime  # aware
    run_id: str
    reason: str  # Dutch


def remember_export(transaction: Transaction, good: GoodExport) -> None:
    """Keep `good` in the place of the school's previous one, and of a failure since.

    Where it says the same later, that is also the moment of the plans that followed from the previous one.
    """
    before = last_good_export(transaction, good.school)
    if before and before.digest == good.digest and before.received_at < good.received_at:
        same = (plan.c.school == good.school) & (plan.c.received_at == before.received_at)
        transaction.execute(sa.update(plan).where(same).values(received_at=good.received_at))
    row = {field.name: getattr(good, field.name) for field in fields(GoodExport)}
    _keep(transaction, export, row)
    forget_failed_export(transaction, good.school)


def last_good_export(transaction: Transaction, school: str) -> GoodExport | None:
    """The last export of this school that was taken as true."""
    row = transaction.execute(sa.select(export).where(export.c.school == school)).one_or_none()
    return GoodExport(*row) if row else None


def remember_failed_export(transaction: Transaction, school: str, run_id: str, reason: str) -> None:
    """Keep that this school's data could not be got, in the place of an earlier time."""
    row = {"school": school, "failed_at": transaction.now, "run_id": run_id, "reason": reason[:REASON_SIZE]}
    _keep(transaction, failed_export, row)


def forget_failed_export(transaction: Transaction, school: str) -> None:
    """Keep no failure of this school: its data were got again."""
    transaction.execute(sa.delete(failed_export).where(failed_export.c.school == school))


def failed_export_of(transaction: Transaction, school: str) -> FailedExport | None:
    """Why this school's data could not be got the last time; None if they were."""
    row = transaction.execute(sa.select(failed_export).where(failed_export.c.school == school)).one_or_none()
    return FailedExport(*row) if row else None


def replace_findings(transaction: Transaction, school: str, run_id: str, findings: pd.DataFrame) -> None:
    """Keep these findings in the place of the school's previous ones.

    `findings` has `soort, key, veld, regel, gevolg` and, where a finding is about one supplier, `leverancier`; a record
    without a key has "" or NaN there.
    """
    transaction.execute(sa.delete(finding).where(finding.c.school == school))
    constant = {"school": school, "run_id": run_id, "found_at": transaction.now}
    for kind, group in findings.groupby("soort", sort=False):
        transaction.execute_many(sa.insert(finding), _rows(transaction, school, str(kind), group, constant))


def remove_findings(transaction: Transaction, before: datetime) -> int:
    """Forget what was found before this moment (aware); how many findings those were."""
    return transaction.execute(sa.delete(finding).where(finding.c.found_at < before)).rowcount


def findings_of(transaction: Transaction, schools: Iterable[str]) -> pd.DataFrame:
    """The findings of these schools: `school, soort, key, veld, regel, gevolg, leverancier, run_id, gevonden`."""
    columns = [
        finding.c[name]
        for name in ("school", "kind", "record_id", "field", "rule", "consequence", "supplier", "run_id", "found_at")
    ]
    query = sa.select(*columns).where(finding.c.school.in_(list(schools))).order_by(finding.c.id)
    rows = transaction.execute(query).all()
    known = record_keys(transaction, {row.record_id for row in rows if row.record_id is not None})
    table = [(school, kind, known.get(number, ""), *rest) for school, kind, number, *rest in rows]
    return pd.DataFrame.from_records(table, columns=["school", *_COLUMNS]).astype(
        dict.fromkeys(["school", *_COLUMNS[:-1]], "str")
    )


def _keep(transaction: Transaction, table: sa.Table, row: dict[str, object]) -> None:
    """Write the one row of a school."""
    upsert = transaction.insert(table).values(**row)
    transaction.execute(upsert.on_conflict_do_update(index_elements=["school"], set_=row))


def _rows(
    transaction: Transaction, school: str, kind: str, group: pd.DataFrame, constant: dict[str, object]
) -> list[dict[str, object]]:
    keyed = group.loc[group["key"].notna() & group["key"].ne(""), "key"]
    ids = register_records(transaction, school, kind, keyed)["record_id"].to_dict()
    suppliers = group["leverancier"] if "leverancier" in group else pd.Series(None, index=group.index, dtype="str")
    return [
        {
            **constant,
            "kind": kind,
            "record_id": ids.get(index),
            "field": field,
            "rule": rule,
            "consequence": consequence,
            "supplier": None if pd.isna(supplier) else supplier,
        }
        for index, field, rule, consequence, supplier in zip(
            group.index, group["veld"], group["regel"], group["gevolg"], suppliers, strict=True
        )
    ]
