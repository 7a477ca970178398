"""YAML text into models: what a value is, and that each mistake is told with its place, once, in Dutch, without secrets."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum

import pytest
from pydantic import Field

from mappings.agreement import SchoolKey
from mappings.written import SecretReference, Strict
from mappings.yaml_source import Problem, SettingsError, document, parsed


class Colour(StrEnum):
    RED = "rood"
    BLUE = "blauw"


class Part(Strict):
    count: int = Field(default=1, ge=1, le=9)
    share: float = Field(default=1.0, gt=0)
    token: SecretReference | None = None


class Whole(Strict):
    name: str
    day: date | None = None
    on: bool = False
    colour: Colour | None = None
    school: SchoolKey | None = None
    words: tuple[str, ...] = ()
    part: Part = Part()


@pytest.fixture
def mistakes() -> Callable[[str], tuple[Problem, ...]]:
    def of(text: str) -> tuple[Problem, ...]:
        with pytest.raises(SettingsError) as caught:
            parsed(text, "x.yaml", Whole)
        return caught.value.problems

    return of


def test_the_model_decides_what_a_written_value_is() -> None:
    """Text keeps its digits and its `no`; dates, numbers and booleans come from the model's own types."""
    whole = parsed("{name: no, day: 2026-08-01, on: true, words: [3, 007, 2.3], part: {count: 4}}", "x.yaml", Whole)
    assert whole == Whole(name="no", day=date(2026, 8, 1), on=True, words=("3", "007", "2.3"), part=Part(count=4))


def test_an_anchor_stands_for_its_value() -> None:
    """An alias gives the value of its anchor."""
    assert parsed("name: &n a\nwords: [*n, *n]", "x.yaml", Whole).words == ("a", "a")


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("day: 2026-08-01", "name", "deze sleutel ontbreekt, en is verplicht"),
        ("name: a\nday: 1 aug", "day", "verwacht een datum die bestaat, zoals 2026-08-31"),
        ("name: a\nday: 20260801", "day", "verwacht een datum die bestaat, zoals 2026-08-31"),
        ("name: a\non: misschien", "on", "verwacht true of false"),
        ("name: a\ncolour: groen", "colour", "verwacht een van: rood, blauw"),
        (
            "name: a\nschool: 99XX",
            "school",
            "verwacht BRIN en vestiging van de school, zoals 99XX-00, met hoofdletters",
        ),
        ("name: a\nwords: een", "words", "verwacht een lijst, zoals [een, twee]"),
        ("name: a\npart: een", "part", "verwacht sleutels met waarden"),
        ("name: a\npart: {count: 0}", "part.count", "verwacht 1 of meer"),
        ("name: a\npart: {count: 10}", "part.count", "verwacht 9 of minder"),
        ("name: a\npart: {count: 1.5}", "part.count", "verwacht een geheel getal"),
        ("name: a\npart: {share: 0}", "part.share", "verwacht meer dan 0"),
        ("name: a\npart: {share: veel}", "part.share", "verwacht een getal"),
        ("name: [a]", "name", "verwacht tekst"),
        ("name: a\nwords: [a, {b: c}]", "words[2]", "verwacht tekst"),
        ("name: a\npart: {cuont: 3}", "part.cuont", "deze sleutel is onbekend; bedoeld is misschien `count`"),
        ("name: a\npart: {x: 3}", "part.x", "deze sleutel is onbekend; hier mogen staan: count, share, token"),
        ("name: a\nname: b", "name", "deze sleutel staat er twee keer, ook op regel 1"),
        ("name: !!int 3", "name", "laat het label (met uitroepteken) voor deze waarde weg"),
        ("- a", "", "verwacht sleutels met waarden"),
    ],
)
def test_each_mistake_is_told_in_dutch_at_its_key(
    mistakes: Callable[[str], tuple[Problem, ...]], text: str, key: str, expected: str
) -> None:
    """One mistake gives one problem, at the last line of the text, with the expectation in Dutch."""
    (problem,) = mistakes(text)
    assert (problem.key, problem.message, problem.line) == (key, expected, text.count("\n") + 1)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(
    mistakes: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Duplicate keys, unknown keys and wrong values of one file come together."""
    found = mistakes("name: a\nday: x\nday: y\nkleur: rood\n")
    assert [(p.line, p.key) for p in found] == [(3, "day"), (3, "day"), (4, "kleur")]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("name: a\n\ton: true", 2, "geen tab"),
        ("name: [a", 1, "geen leesbare YAML"),
        ("name: a\nday: *b", 2, "niet bestaat"),
        ("name: a\n---\nname: b", 2, "maar één document"),
        ("name: a\nday: \x00", 2, "geen leesbare YAML"),
        ("name: &a [*a]", None, "verwijst naar zichzelf"),
        ("[" * 5000, None, "te groot"),
    ],
)
def test_text_that_is_not_yaml_is_refused_with_its_line(
    mistakes: Callable[[str], tuple[Problem, ...]], text: str, line: int | None, part: str
) -> None:
    """What cannot be read at all ends as one problem, not as the parser's own exception."""
    (problem,) = mistakes(text)
    assert problem.line == line
    assert part in problem.message


def test_aliases_that_multiply_are_refused(mistakes: Callable[[str], tuple[Problem, ...]]) -> None:
    """A short text that stands for millions of values ends quickly."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9)]
    (problem,) = mistakes("\n".join(["l0: &l0 a", *levels]))
    assert "te groot" in problem.message


@pytest.mark.parametrize(
    "text",
    ["part: {token: kanarie}", "part: {token: [kanarie]}", "part: {tokn: kanarie}", "part: kanarie", "words: kanarie"],
)
def test_what_may_be_a_secret_is_not_repeated(mistakes: Callable[[str], tuple[Problem, ...]], text: str) -> None:
    """A literal at a secret's key, at an unknown key, or in the place of a whole block is left out of the error."""
    with pytest.raises(SettingsError) as caught:
        parsed(f"name: a\n{text}", "x.yaml", Whole)
    assert "kanarie" not in str(caught.value)
    assert len(mistakes(f"name: a\n{text}")) == 1


def test_a_problem_reads_as_one_line() -> None:
    """File, line, key, expectation and what was found stand in that order."""
    problem = document("a: b\nschools: [x, y]", "agreements/a.yaml").problem(("schools", 1), "verwacht iets", "`y`")
    assert str(problem) == "agreements/a.yaml, regel 2, `schools[2]`: verwacht iets. Gevonden: `y`."
