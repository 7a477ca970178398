"""Guards of the house itself: the directions of import, the size of things, and what may stand in no file."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_contracts", "mappings", "connectors", "pipelines")
LONGEST_FUNCTION, LONGEST_FILE = 80, 400


@cache
def tracked() -> tuple[Path, ...]:
    """Every text file of the repository that git knows, the licence and the lock's hashes included."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    binary = {".png", ".jpg", ".pdf", ".xlsx"}
    return tuple(path for name in names if name and (path := ROOT / name).is_file() and path.suffix not in binary)


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def places_of(pattern: str) -> list[str]:
    """`file:line` of every match in the tracked files; the line itself is not repeated."""
    search = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if search.search(line)
    ]


def test_imports_run_one_way() -> None:
    """import-linter's contracts of `pyproject.toml` hold."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_heart_and_the_border_load_without_dagster() -> None:
    """Every module below `pipelines`, and those of `sync` and `ledger`, is imported, and Dagster is not with them."""
    code = """
import importlib, pkgutil, sys
for name in ("data_contracts", "mappings", "connectors", "pipelines.sync", "pipelines.ledger", "pipelines.rights"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print([name for name in sys.modules if name.partition(".")[0] == "dagster"])
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    """A clone works anywhere: nothing points to a package host, or to a folder of whoever wrote it."""
    hosts = r"\b(files\.pythonhosted|pypi\.(?:org|python)|registry\.(?:npmjs|yarnpkg)|proxy\.golang)\b|--(?:extra-)?index-url \w"
    folders = r"(?<![\w.:/$}*-])/(?:work|home|root|Users|opt)/\w"
    assert places_of(f"{hosts}|{folders}") == []


def test_the_lock_is_the_hashed_one() -> None:
    """`requirements.lock` pins every package with hashes; a `uv.lock`, which names hosts, is not kept."""
    assert "uv.lock" not in {path.name for path in tracked()}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.-]+(?:\[[^]]*\])?==.*(?:\n    --hash=.*)*", lock, re.MULTILINE)
    assert len(pinned) > 50
    assert [entry.split("=")[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_every_module_says_what_lives_in_it() -> None:
    """The first thing in each module is a sentence about it."""
    silent = [p for p in sources(*PACKAGES, "tests") if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_functions_and_files_stay_small() -> None:
    """No function over 80 lines and no file over 400 in the four packages."""
    long_files = [p.name for p in sources(*PACKAGES) if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    long_functions = [
        f"{path.name}:{function.name}"
        for path in sources(*PACKAGES)
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION
    ]
    assert (long_files, long_functions) == ([], [])


def test_every_test_names_the_behaviour_it_protects() -> None:
    """Each test function has a docstring."""
    nameless = [
        f"{path.name}:{function.name}"
        for path in sources("tests")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert nameless == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "workspace.yaml", "dg.toml", ".ci/run"])
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    """The files that a user, a contributor and Dagster look for stand at the top, and are not empty."""
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_a_bare_dagster_reads_the_workspace_file() -> None:
    """A `[tool.dg]` or `[tool.dagster]` in pyproject.toml would make `dagster` ignore workspace.yaml."""
    assert not re.search(r"^\[tool\.(dg|dagster)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="alle tests draaien in één proces")
def test_tests_of_one_group_go_to_one_process(request: pytest.FixtureRequest) -> None:
    """What they share is then made once; pytest-xdist tells them by the end of their name."""
    groups = [(item.nodeid, item.get_closest_marker("xdist_group")) for item in request.session.items]
    assert [name for name, group in groups if group and not name.endswith(f"@{group.args[0]}")] == []
