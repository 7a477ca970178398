"""Who goes out by which legal basis, and what can be written down under it."""

from itertools import product

import pytest

from mappings.agreement import LegalBasis
from mappings.choices import MEANING, Choice, Release, as_told, refusal

CONSENT, DUTY = LegalBasis.CONSENT, LegalBasis.LEGAL_DUTY
OPEN_TO_OBJECTION = [LegalBasis.PUBLIC_TASK, LegalBasis.CONTRACT]


@pytest.mark.parametrize("legal_basis", OPEN_TO_OBJECTION)
def test_whose_parents_said_no_is_withheld_and_nobody_else(legal_basis: LegalBasis) -> None:
    """An objection stops one pupil, and so does a consent that was withdrawn under another ground; taken back, it stops nobody."""
    newest = {"a": Choice.OBJECTION, "b": Choice.LIFTED, "c": Choice.WITHDRAWN, "d": Choice.GIVEN}
    assert Release(legal_basis, newest).withheld("abcde").to_dict() == {
        "a": "bezwaar",
        "c": "toestemming_ingetrokken",
    }


@pytest.mark.parametrize(
    ("choice", "before", "told"),
    [
        (Choice.WITHDRAWN, (), "geen_toestemming"),
        (Choice.WITHDRAWN, (Choice.WITHDRAWN, Choice.OBJECTION), "geen_toestemming"),
        (Choice.WITHDRAWN, (Choice.GIVEN, Choice.WITHDRAWN), "toestemming_ingetrokken"),
        (Choice.GIVEN, (), "toestemming"),
        (Choice.OBJECTION, (), "bezwaar"),
        ("nieuw", (), "nieuw"),
    ],
)
def test_who_never_gave_consent_is_not_told_to_have_withdrawn_it(
    choice: str, before: tuple[Choice, ...], told: str
) -> None:
    """A no on a form withdraws nothing; any other choice or cause is told as it is."""
    assert as_told(choice, before) == told


def test_without_consent_everybody_is_withheld_with_the_reason() -> None:
    """Never asked, withdrawn and objected are told apart; also of who is in no export."""
    newest = {"a": Choice.OBJECTION, "b": Choice.LIFTED, "c": Choice.WITHDRAWN, "d": Choice.GIVEN}
    assert Release(CONSENT, newest).withheld(["a", "e"]).to_dict() == {
        "a": "bezwaar",
        "b": "geen_toestemming",
        "c": "toestemming_ingetrokken",
        "e": "geen_toestemming",
    }


def test_a_legal_duty_withholds_nobody() -> None:
    """Whatever was written down before."""
    assert Release(DUTY, dict(zip("abcd", Choice, strict=True))).withheld("abcde").empty


@pytest.mark.parametrize("legal_basis", LegalBasis)
def test_whom_to_erase_is_withheld_whatever_was_chosen(legal_basis: LegalBasis) -> None:
    """Also after a consent, and where no export has the pupil, and after the end of a legal duty."""
    asked = Release(legal_basis, {"a": Choice.GIVEN}, erased=frozenset("ab"))
    assert asked.withheld("a").to_dict() == dict.fromkeys("ab", "verzoek_tot_wissen")


def test_what_can_be_written_down_follows_from_the_legal_basis() -> None:
    """Consent under consent and about a purpose, objection under public task and contract, nothing under a legal duty."""
    allowed = {
        (ground, choice, before)
        for ground, choice, before in product([None, *LegalBasis], Choice, [None, *Choice])
        if refusal(choice, ground, before) is None
    }
    consent = set(product([None, CONSENT], [Choice.GIVEN, Choice.WITHDRAWN], [None, *Choice]))
    objection = {(basis, Choice.OBJECTION, before) for basis in OPEN_TO_OBJECTION for before in [None, *Choice]}
    lifted = set(product(OPEN_TO_OBJECTION, [Choice.LIFTED], [Choice.OBJECTION, Choice.WITHDRAWN]))
    assert allowed == consent | objection | lifted


def test_every_legal_basis_is_explained() -> None:
    """A ground that is added must say what it means for pupils."""
    assert set(MEANING) == set(LegalBasis)
