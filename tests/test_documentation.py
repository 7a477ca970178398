"""The documentation held against the program: what it tells a reader to type must be there, and its examples must load."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest
import typer

from pipelines.cli import app
from pipelines.commands.init import NEXT
from pipelines.settings import load_settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    """Each page of the documentation in turn."""
    return Path(request.param)


def test_every_command_and_option_exists(page: Path) -> None:
    """Each `doorgeefluik ...` that a page names is a command of the program, with options that it takes."""
    known = _commands()
    for line in re.findall(r"^(?:\.venv/bin/)?doorgeefluik (.*)$", _typed(page), re.MULTILINE):
        words = line.split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        assert name, f"{page.name}: doorgeefluik {line}"
        assert {word for word in words if word.startswith("--")} <= known[name], f"{page.name}: doorgeefluik {line}"


def test_every_make_word_exists(page: Path) -> None:
    """Each `make ...` that a page names is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)\b", _typed(page), re.MULTILINE)) <= targets


def test_make_help_names_every_word() -> None:
    """Also the one that the README begins with."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(re.findall(r"^make ([a-z]+) +\w", told, re.MULTILINE)) == sorted(phony.split())


def test_every_link_leads_somewhere(page: Path) -> None:
    """Each link to a file of ours finds it, and each link to a heading finds that."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        assert not heading or heading in _headings(file), f"{page.name}: {target}"


def test_the_examples_of_the_handbook_load_together(tmp_path: Path) -> None:
    """Both schools, the agreements and the profile as they are printed make an instance that loads."""
    handbook, suppliers = (_yaml(ROOT / "docs" / name) for name in ("handleiding.md", "leveranciers.md"))
    schools, uwlr, agreement = handbook[:3]
    (parro,) = [text for text in handbook if text.startswith("supplier: parro")]
    other = uwlr.replace("    source:", "  - school: 99XX-01\n    name: De andere\n    source:", 1)
    files = {
        "schools.yaml": schools + other,
        "agreements/basispoort.yaml": agreement,
        "agreements/parro.yaml": parro,
        "agreements/oefenplatform.yaml": re.sub("optional: .*", "optional: []", agreement).replace(
            "supplier: basispoort", "supplier: oefenplatform"
        ),
        "profiles/oefenplatform.yaml": suppliers[0],
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path)
    assert settings.suppliers == ("basispoort", "oefenplatform", "parro")
    assert settings.field_set("parro", "99XX-00").subjects == ("parro", "foto_parro")
    assert "leerling.roepnaam" in settings.wanted_fields("99XX-00", date(2026, 11, 24))


def test_the_agreement_of_the_handbook_is_the_one_that_init_writes() -> None:
    """What a reader sees explained is, to the letter, what lies in the new folder."""
    template = ROOT / "pipelines" / "templates" / "instance" / "basispoort.yaml"
    assert template.read_text(encoding="utf-8") in _yaml(ROOT / "docs" / "handleiding.md")


@pytest.mark.parametrize("text", [(ROOT / "README.md").read_text(encoding="utf-8"), NEXT], ids=["README.md", "init"])
def test_the_short_way_leads_to_a_delivery(text: str) -> None:
    """Between looking and delivering stands that `stage` must change: the example agreement only looks. After it comes the approval."""
    step = r"doorgeefluik preview --instance .*stage`? op `?full.*doorgeefluik sync --instance .*hold list .*hold approve 1"
    assert re.search(step, text, re.DOTALL)


def _typed(page: Path) -> str:
    """What is printed as code: blocks and words between backticks, without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    words = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return re.sub(r"  +#.*", "", "\n".join([*blocks, *words]))


def _yaml(page: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def _headings(file: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _commands() -> dict[str, set[str]]:
    """Every command with the options it takes: `sync`, `hold list`, and `hold` alone."""
    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        for inner, one in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = {option for param in one.params for option in param.opts}
        found.setdefault(name, set())
    return found
