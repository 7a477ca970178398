"""Every finding can be explained to the school."""

from datetime import date

import pytest

from data_contracts.contracts import Known, table_fields, table_schema
from data_contracts.fields import Record
from data_contracts.findings import explanation
from data_contracts.rules import WORDS, Rule

EVERYTHING = Known(date(2026, 11, 24), frozenset(), frozenset(), frozenset(), leerjaren=frozenset())


def rules_that_can_break() -> list[tuple[str, str]]:
    """Rule and field of every check of every table, when all fields are read."""
    found = set()
    for table in {kind.table for kind in Record}:
        schema = table_schema(table, ["soort", *(f.name for f in table_fields(table))], EVERYTHING)
        checks = [check for column in schema.columns.values() for check in column.checks] + schema.checks
        found |= {tuple(str(check.name).split(":")[::-1]) for check in checks}
    return sorted((rule, field) for rule, field in found if rule != "tekst")


@pytest.mark.parametrize(("rule", "field"), rules_that_can_break())
def test_every_rule_that_can_break_is_explained(rule: str, field: str) -> None:
    """Whatever the finding, there are two filled-in Dutch sentences: what is wrong, and what to do."""
    for sentence in explanation(rule, field):
        assert sentence.endswith(".")
        assert not set("{}") & set(sentence)


def test_no_rule_is_without_words() -> None:
    """The table of words and the list of rules are the same."""
    assert set(WORDS) == set(Rule)
    assert {rule for rule, _ in rules_that_can_break()} == set(Rule)


def test_an_explanation_names_the_kind_of_record() -> None:
    """With the kind given it speaks of that kind only; without it, of all that have the field."""
    assert explanation("verplicht", "naam", "groep")[1] == "Open de groep in ParnasSys en vul ‘groepsnaam’ in."
    assert explanation("lengte", "roepnaam")[1].startswith("Open de leerling of de leerkracht in ParnasSys")
    assert explanation("verwijzing", "groep") == (
        "De groep van deze leerling bestaat niet in de export.",
        "Open de leerling in ParnasSys, tabblad Groepsindeling, en kies een groep.",
    )


def test_an_unknown_rule_or_field_is_refused() -> None:
    """A typing mistake does not become an empty explanation."""
    with pytest.raises(ValueError, match="onzin"):
        explanation("onzin", "key")
    with pytest.raises(KeyError):
        explanation("lengte", "onzin")
