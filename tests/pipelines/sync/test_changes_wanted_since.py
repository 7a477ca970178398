"""When a source may be asked for changes only: not where the same export says something else by now, nor after trouble."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Export, SchoolId
from data_contracts.roster import Roster
from pipelines.sync.school import SchoolData, changes_wanted_since, remember
from tests.pipelines.sync.bench import DAY, Bench, changed, judged, pupils, school

SCHOOL = SchoolId("99XX", "00", "2026-2027")
MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
ROWS = pupils(30)


def _since(bench: Bench, roster: Roster, day: date, origin: str = "uwlr 2.3") -> Any:
    data = SchoolData(judged(roster, DAY), "inhoud", SCHOOL.schooljaar, len(roster.leerlingen), MOMENT)
    remember(bench.ledger, Export(SCHOOL, b"", origin, MOMENT), data, DAY, "run")
    return changes_wanted_since(bench.ledger, SCHOOL, {}, day)


@pytest.mark.parametrize(
    ("rows", "days"),
    [
        pytest.param(ROWS, None, id="nothing that lapses"),
        pytest.param(changed(ROWS, 2, uitstroomdatum="2026-11-30"), 7, id="a known leaver"),
        pytest.param(changed(ROWS, 2, geboortedatum="2024-11-25"), 1, id="an age that is judged anew"),
    ],
)
def test_the_same_export_counts_as_long_as_it_says_the_same(bench: Bench, rows: Any, days: int | None) -> None:
    """Until the day on which it says something else, only changes are asked for."""
    roster = school(rows)
    assert _since(bench, roster, DAY) == MOMENT
    for later in (1, 6, 7, 365):
        expected = None if days and later >= days else MOMENT
        assert _since(bench, roster, DAY + timedelta(days=later)) == expected


def test_after_a_file_everything_is_asked_for(bench: Bench) -> None:
    """It may be of before the moment at which it was put there."""
    assert _since(bench, school(ROWS), DAY, "edexml EDEX.XML") is None


def test_after_an_export_that_failed_everything_is_asked_for(bench: Bench) -> None:
    """What was found wrong in it is still shown, and only a whole export takes that away."""
    assert _since(bench, school(ROWS), DAY) == MOMENT
    bench.ledger.remember_failed_export(SCHOOL.key, "run", "Te veel leerlingen in quarantaine.")
    assert changes_wanted_since(bench.ledger, SCHOOL, {}, DAY) is None
