"""What a person sees of outcomes: every stand whole in any terminal, and the next step after what waits or is wrong."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from connectors.sandbox.school import example_school
from pipelines.commands import outcomes, sync, telling
from pipelines.sync.case import Outcome, State
from pipelines.words import STATES
from tests.commands import asked
from tests.world import SCHOOL, a_world


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("state", STATES)
def test_the_stand_is_whole_in_a_terminal_of_any_width(
    state: State, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a narrow terminal nor a long name of a supplier cuts, folds or drops the stand, or a count."""
    screen = Console(width=width, file=io.StringIO(), record=True)
    monkeypatch.setattr(telling, "out", screen)
    monkeypatch.setattr(outcomes, "out", screen)
    counts = {"create": 1101, "update": 1102, "delete": 1103, "unchanged": 1104, "quarantined": 1105}
    rows = [Outcome(SCHOOL, name, state, counts, None, "") for name in ("basispoort", "een_heel_lange_naam")]
    outcomes.show(rows, "Uitkomst")
    shown = screen.export_text()
    same_word = (1 if "school" in shown else 2) if STATES[state] in outcomes.NUMBERS else 0  # as head, or in each line
    assert shown.count(STATES[state]) == 2 + same_word
    assert [shown.count(str(count)) for count in counts.values()] == [2] * 5
    assert max(map(len, shown.splitlines())) <= max(width, 80)


def test_what_waits_and_what_is_wrong_name_the_next_step(tmp_path: Path) -> None:
    """`sync` and `status` name the command with the number that it asks for, and the report file where there are findings."""
    with a_world(tmp_path / "mijn school", {"basispoort": "edexml_whole_set"}) as world:
        world.agree("basispoort", first_delivery="hold")
        roster = example_school(40)
        roster.leerlingen.loc[3, "geboortedatum"] = "1900-01-01"
        world.export(roster)
        answers = [asked(command, instance=world.home) for command in ("sync", "status")]
    for answer in answers:
        assert answer.returncode == 2, answer.stderr
        assert f"doorgeefluik hold list --instance '{world.home}'\n" in answer.stdout
        assert f"doorgeefluik hold approve 1 --instance '{world.home}'\n" in answer.stdout
        assert f"{world.home}/reports/{SCHOOL}.html\n" in answer.stdout
    assert answers[0].stdout.startswith("Uitkomst")
    assert "toevoegen" in answers[0].stdout


def test_the_progress_begins_at_none_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that a person at a terminal sees is 0 of 1 schools, not -1."""
    screen = Console(width=80, file=io.StringIO(), force_terminal=True, record=True)
    monkeypatch.setattr(sync, "err", screen)
    monkeypatch.setattr(sync, "terminal", lambda: True)
    with sync._progress(1) as progress:
        progress(SCHOOL, 0)
    shown = screen.export_text()
    assert "0/1" in shown
    assert "-1" not in shown


def test_an_approval_of_what_has_changed_since_is_told_as_lapsed(tmp_path: Path) -> None:
    """Nothing of it goes, and there is another number to decide on."""
    with a_world(tmp_path / "instance", {"basispoort": "edexml_whole_set"}) as world:
        world.agree("basispoort", first_delivery="hold")
        world.export(example_school(40))
        asked("sync", instance=world.home)
        world.export(example_school(41))
        answer = asked("hold", "approve", "1", "--by", "directeur", instance=world.home)
        assert (answer.returncode, world.held_by("basispoort")) == (2, {})
        assert "nummer 1 gold voor iets anders en is vervallen" in answer.stdout
        assert "Wacht op een besluit: nummer 2" in answer.stdout
