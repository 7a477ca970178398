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


def test_a_choice_counts_under_every_key_of_the_pupil(ledger: Ledger) -> None:
    """Known by his ECK iD, whether it was said of the old key or of the new one; the newest counts, and an older word is refused."""
    ledger.meet_pupils(SCHOOL, ["a", "b", "c"], {"a": "eck-a", "b": "eck-b"})
    ledger.record_choices(said({"a": "bezwaar", "b": "bezwaar", "c": "bezwaar"}))
    ledger.meet_pupils(SCHOOL, ["a2", "b2", "c2"], {"a2": "eck-a", "b2": "eck-b"})
    assert newest(ledger) == dict.fromkeys(["a", "a2", "b", "b2", "c"], "bezwaar")
    ledger.record_choices(said({"b2": "bezwaar_ingetrokken"}, LATER_DAY))
    with pytest.raises(ChoiceRefusedError, match="latere datum"):
        ledger.record_choices(said({"b": "bezwaar"}))
    assert newest(ledger) == dict.fromkeys(["a", "a2", "c"], "bezwaar") | dict.fromkeys(
        ["b", "b2"], "bezwaar_ingetrokken"
    )
    assert ledger.record_choices(said({"b": "bezwaar"}, LATER_DAY)) == 1
    assert newest(ledger)["b2"] == "bezwaar"


def test_a_choice_counts_under_a_key_that_took_the_place_of_another(ledger: Ledger, deliveries: Deliveries) -> None:
    """Also where no ECK iD was ever told here; and an ECK iD that goes to somebody else takes no choice along."""
    a, _ = deliveries.pupils("a", "b")
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"b": "eck-b"})
    ledger.record_choices(said({"a": "bezwaar", "b": "bezwaar"}))
    (new,) = deliveries.pupils("a2")
    ledger.open_plan(deliveries.plan(), deliveries.changes([new], "update", replaces=a))
    ledger.meet_pupils(SCHOOL, ["b", "c"], {"b": "eck-B", "c": "eck-b"})
    assert newest(ledger) == dict.fromkeys(["a", "a2", "b"], "bezwaar")


def test_two_in_one_export_are_not_one_person(ledger: Ledger) -> None:
    """An ECK iD that stood with the wrong twin: what is said of the one is not said of the other, also when the first has left."""
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"a": "eck"})
    ledger.record_choices(said({"a": "bezwaar"}))
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"b": "eck"})
    ledger.meet_pupils(SCHOOL, ["b"], {"b": "eck"})
    assert newest(ledger) == {"a": "bezwaar"}


def test_an_eckid_that_changes_takes_the_former_keys_along(ledger: Ledger, deliveries: Deliveries) -> None:
    """Also where a supplier took the one key in the place of the other; but not the keys of who keeps the ECK iD."""
    a, _ = deliveries.pupils("a", "b")
    ledger.meet_pupils(SCHOOL, ["a", "b"], {"a": "eck-a", "b": "eck-b"})
    ledger.record_choices(said({"a": "bezwaar"}))
    (new,) = deliveries.pupils("a2")
    ledger.open_plan(deliveries.plan(), deliveries.changes([new], "update", replaces=a))
    ledger.meet_pupils(SCHOOL, ["a2", "b"], {"a2": "eck-a", "b": "eck-a-of-b"})
    ledger.meet_pupils(SCHOOL, ["a2", "b"], {"a2": "eck-A", "b": "eck-b"})
    assert newest(ledger) == dict.fromkeys(["a", "a2"], "bezwaar")
    ledger.meet_pupils(SCHOOL, ["b"], {"b": "eck-A"})  # by mistake, for one export
    ledger.meet_pupils(SCHOOL, ["a2", "b"], {"a2": "eck-A", "b": "eck-b"})
    assert newest(ledger) == dict.fromkeys(["a", "a2"], "bezwaar")


def test_a_choice_about_a_pupil_whose_key_was_shredded_knows_him_again(ledger: Ledger) -> None:
    """Nothing referred to it; from now on something does."""
    ledger.meet_pupils(SCHOOL, ["c"], {})
    assert ledger.shred_unused_keys()
    ledger.record_choices(said({"c": "bezwaar"}))
    assert newest(ledger) == {"c": "bezwaar"}


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
