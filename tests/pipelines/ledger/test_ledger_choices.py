"""The register of what parents chose: every entry stays, the newest counts, and nothing in it names anybody."""

from datetime import date
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.ledger.choices import LATER, UNKNOWN, ChoiceRefusedError, NewChoices
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import metadata
from tests.pipelines.ledger.conftest import Deliveries

SCHOOL, SUPPLIER = "99XX-00", "parro"
FIRST, LATER_DAY = date(2026, 9, 1), date(2026, 10, 1)


def said(choices: dict[str, str], since: date = FIRST, subject: str = SUPPLIER, school: str = SCHOOL) -> NewChoices:
    return NewChoices(school, subject, choices, since, "formulier", "de directeur")


@pytest.fixture(autouse=True)
def _pupils(ledger: Ledger) -> None:
    """Two pupils of one school, one of whose keys is also that of a pupil elsewhere."""
    ledger.register_records(SCHOOL, "leerling", pd.Series(["a", "b"], dtype="str"))
    ledger.register_records("99XX-01", "leerling", pd.Series(["a"], dtype="str"))


def newest(ledger: Ledger, school: str = SCHOOL, subject: str = SUPPLIER) -> dict[str, str]:
    found = ledger.choices(school, subject)
    keys = ledger.record_keys(each.record_id for each in found)
    return {keys[each.record_id]: each.choice for each in found}


def test_the_newest_entry_counts_and_all_stay(ledger: Ledger, clock: Any) -> None:
    """Given, withdrawn and given again: one choice counts, three stand in the history with day, person and moment."""
    for choice in ("toestemming", "toestemming_ingetrokken", "toestemming"):
        clock.forward(days=1)
        assert ledger.record_choices(said({"a": choice})) == 1
    assert newest(ledger) == {"a": "toestemming"}
    history = ledger.choice_history(SCHOOL)
    assert [entry.choice for entry in history] == ["toestemming", "toestemming_ingetrokken", "toestemming"]
    last = history[-1]
    assert (last.subject, last.since, last.how, last.recorded_by, last.recorded_at) == (
        *(SUPPLIER, FIRST, "formulier", "de directeur"),
        clock.now,
    )


def test_a_choice_is_of_one_school_and_one_subject(ledger: Ledger) -> None:
    """The same key elsewhere, and another supplier or purpose, have nothing to do with it; all can be asked at once."""
    ledger.record_choices(said({"a": "bezwaar"}), said({"a": "toestemming", "b": "toestemming"}, subject="foto_parro"))
    assert newest(ledger) == {"a": "bezwaar"}
    assert newest(ledger, subject="basispoort") == newest(ledger, school="99XX-01") == {}
    together = [(each.subject, each.choice) for each in ledger.choices(SCHOOL, SUPPLIER, "foto_parro", "foto_website")]
    assert together == [("foto_parro", "toestemming"), (SUPPLIER, "bezwaar"), ("foto_parro", "toestemming")]
    assert ledger.choice_history("99XX-01") == []


def test_what_was_said_already_is_not_written_again(ledger: Ledger) -> None:
    """A form that is read in twice gives one entry; only the pupil who is new counts."""
    assert ledger.record_choices(said({"a": "toestemming"})) == 1
    assert ledger.record_choices(said({"a": "toestemming", "b": "toestemming"}, LATER_DAY)) == 1
    assert [entry.since for entry in ledger.choice_history(SCHOOL)] == [FIRST, LATER_DAY]


def test_an_older_word_does_not_overrule_a_later_one(ledger: Ledger) -> None:
    """A form found in a drawer cannot undo what the parent said since; nothing of the whole is written down."""
    ledger.record_choices(said({"a": "toestemming_ingetrokken"}, LATER_DAY))
    with pytest.raises(ChoiceRefusedError, match="latere datum") as caught:
        ledger.record_choices(said({"a": "toestemming", "b": "toestemming"}))
    assert (str(caught.value), caught.value.keys) == (LATER, frozenset("a"))
    assert newest(ledger) == {"a": "toestemming_ingetrokken"}


def test_of_more_subjects_at_once_all_or_none_is_written(ledger: Ledger) -> None:
    """A refusal about the second takes back the first."""
    with pytest.raises(ChoiceRefusedError):
        ledger.record_choices(said({"a": "toestemming"}), said({"x": "toestemming"}, subject="foto_parro"))
    assert ledger.choice_history(SCHOOL) == []


def test_choices_follow_a_pupil_to_a_new_key(ledger: Ledger, deliveries: Deliveries) -> None:
    """Who is known by the same id elsewhere keeps what was chosen; what was said of the new key itself is not overruled."""
    numbers = deliveries.pupils("a", "b", "c")
    plan_id = ledger.open_plan(deliveries.plan(), deliveries.changes(numbers))
    ledger.settle_batch(plan_id, 0, deliveries.accepted(numbers, wire_ids=["eck-a", "eck-b", None]), {})
    ledger.record_choices(
        said({"a": "bezwaar", "b": "bezwaar", "c": "bezwaar"}), said({"a": "toestemming"}, subject="x")
    )
    deliveries.pupils("a2", "b2")
    ledger.record_choices(said({"b2": "bezwaar_ingetrokken"}))
    for handed_on in (2, 0):
        assert ledger.hand_on_choices(SCHOOL, ["a2", "b2"], {"eck-a": "a2", "eck-b": "b2"}) == handed_on
    assert newest(ledger) == dict.fromkeys("abc", "bezwaar") | {"a2": "bezwaar", "b2": "bezwaar_ingetrokken"}
    assert newest(ledger, subject="x") == {"a": "toestemming", "a2": "toestemming"}


def test_choices_of_who_is_still_there_are_not_handed_on(ledger: Ledger, deliveries: Deliveries) -> None:
    """A key that stands in the export is a pupil, whoever else bears the same id."""
    numbers = deliveries.pupils("a", "a2")
    plan_id = ledger.open_plan(deliveries.plan(), deliveries.changes(numbers[:1]))
    ledger.settle_batch(plan_id, 0, deliveries.accepted(numbers[:1], wire_ids=["eck-a"]), {})
    ledger.record_choices(said({"a": "bezwaar"}))
    assert ledger.hand_on_choices(SCHOOL, ["a", "a2"], {"eck-a": "a2"}) == 0
    assert newest(ledger) == {"a": "bezwaar"}


def test_an_unknown_pupil_is_refused(ledger: Ledger) -> None:
    """A mistyped key makes no record, and the known pupil beside it is not written down either."""
    with pytest.raises(ChoiceRefusedError) as caught:
        ledger.record_choices(said({"a": "bezwaar", "x": "bezwaar"}))
    assert (str(caught.value), caught.value.keys) == (UNKNOWN, frozenset("x"))
    assert newest(ledger) == {}


def test_no_key_stands_in_the_register(ledger: Ledger, engine: sa.Engine) -> None:
    """The table has numbers of records only."""
    ledger.register_records(SCHOOL, "leerling", pd.Series(["KANARIEPIET"], dtype="str"))
    ledger.record_choices(said({"KANARIEPIET": "bezwaar"}))
    with engine.connect() as connection:
        rows = connection.execute(sa.select(metadata.tables["choice"])).all()
    assert len(rows) == 1
    assert "KANARIEPIET" not in repr(rows) + repr(said({"KANARIEPIET": "bezwaar"}))
