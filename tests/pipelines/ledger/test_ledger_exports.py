"""Exports and findings: the last good one of each school, and what was wrong in the last one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from pipelines.ledger.exports import FailedExport, GoodExport
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.looks import Look

GOOD = GoodExport(
    school="99XX-00",
    digest="d1",
    schooljaar="2026-2027",
    pupils=200,
    received_at=datetime(2026, 11, 2, 1, 30, 0, 123456, tzinfo=UTC),
    door="uwlr",
    next_date=date(2027, 1, 1),
    findings=3,
    quarantined=1,
    run_id="run-1",
)
COLUMNS = ["soort", "key", "veld", "regel", "gevolg"]


def findings(*rows: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS, dtype="str")


def test_the_last_good_export_is_remembered_per_school(ledger: Ledger) -> None:
    """A later one takes its place, to the microsecond; another school has its own."""
    assert ledger.last_good_export("99XX-00") is None
    ledger.remember_export(GOOD)
    ledger.remember_export(replace(GOOD, school="99XX-01"))
    later = replace(GOOD, digest="d2", next_date=None)
    ledger.remember_export(later)
    assert ledger.last_good_export("99XX-00") == later
    assert ledger.last_good_export("99XX-01") == replace(GOOD, school="99XX-01")


def test_a_failed_export_is_remembered_until_the_data_were_got_again(ledger: Ledger, clock: Any) -> None:
    """The last failure of a school stays, cut to size, until a good export or word that nothing changed."""
    for school in ("99XX-00", "99XX-01"):
        ledger.remember_failed_export(school, "run-1", "ParnasSys is niet bereikbaar.")
    first = clock.now
    clock.forward(days=1)
    ledger.remember_failed_export("99XX-00", "run-2", "x" * 600)
    assert ledger.failed_export("99XX-00") == FailedExport("99XX-00", clock.now, "run-2", "x" * 500)
    assert ledger.failed_export("99XX-01") == FailedExport("99XX-01", first, "run-1", "ParnasSys is niet bereikbaar.")
    ledger.remember_export(GOOD)
    assert ledger.failed_export("99XX-00") is None
    ledger.forget_failed_export("99XX-01")
    assert ledger.failed_export("99XX-01") is None


def test_findings_of_a_run_replace_the_previous_ones_of_that_school(ledger: Ledger) -> None:
    """What was mended in ParnasSys is gone from the list; other schools keep theirs."""
    ledger.replace_findings("99XX-01", "run-0", findings(("groep", "g", "naam", "ontbreekt", "record")))
    ledger.replace_findings("99XX-00", "run-1", findings(("leerling", "a", "roepnaam", "te_lang", "waarde")))
    two = findings(("leerling", "b", "geboortedatum", "datum", "waarde"), ("groep", "", "key", "ontbreekt", "record"))
    ledger.replace_findings("99XX-00", "run-2", two)
    found = ledger.findings("99XX-00")
    assert found[COLUMNS].to_numpy().tolist() == two.to_numpy().tolist()
    assert found["run_id"].eq("run-2").all()
    assert found["leverancier"].isna().all()
    assert ledger.findings("99XX-00", "99XX-01")["school"].tolist() == ["99XX-01", "99XX-00", "99XX-00"]


def test_a_finding_can_be_about_one_supplier(ledger: Ledger) -> None:
    """What is wrong for one supplier only is told of that supplier."""
    table = findings(("leerling", "a", "eckid", "ontbreekt", "record")).assign(leverancier="parro")
    ledger.replace_findings("99XX-00", "run-1", table)
    assert ledger.findings("99XX-00")["leverancier"].tolist() == ["parro"]


def test_a_run_without_findings_empties_the_list(ledger: Ledger) -> None:
    """A clean export leaves no old complaints."""
    ledger.replace_findings("99XX-00", "run-1", findings(("leerling", "a", "roepnaam", "te_lang", "waarde")))
    ledger.replace_findings("99XX-00", "run-2", findings())
    assert ledger.findings("99XX-00").empty
    assert ledger.findings().empty


def test_findings_that_are_old_are_forgotten(ledger: Ledger, clock: Any) -> None:
    """Those of before the moment go, and are counted; a finding of that very moment stays."""
    for school in ("99XX-00", "99XX-01"):
        ledger.replace_findings(
            school,
            "run-1",
            findings(("leerling", "a", "roepnaam", "te_lang", "waarde"), ("groep", "", "key", "x", "y")),
        )
        clock.forward(days=1)
    moment = ledger.findings("99XX-01")["gevonden"][0]
    assert ledger.remove_findings(moment) == 2
    assert ledger.findings("99XX-00").empty
    assert len(ledger.findings("99XX-01")) == 2
    assert ledger.remove_findings(moment) == 0


def test_the_last_look_at_a_supplier_stays_until_the_next(ledger: Ledger, clock: Any) -> None:
    """With the reason where it came to nothing, cut to size; a good look takes the reason away, and only there."""
    ledger.remember_look("99XX-00", "basispoort", "run-1", "x" * 600)
    ledger.remember_look("99XX-01", "basispoort", "run-2", "Geen inlogsleutel.")
    first = clock.now
    assert ledger.looks("99XX-00") == {
        ("99XX-00", "basispoort"): Look("99XX-00", "basispoort", first, "run-1", "x" * 500)
    }
    clock.now += timedelta(days=1)
    ledger.remember_look("99XX-00", "basispoort", "run-3")
    assert {place: (look.looked_at, look.reason) for place, look in ledger.looks().items()} == {
        ("99XX-00", "basispoort"): (clock.now, None),
        ("99XX-01", "basispoort"): (first, "Geen inlogsleutel."),
    }
