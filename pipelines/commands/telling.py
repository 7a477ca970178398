"""How commands speak: tables and JSON on standard output, everything else on standard error, no traceback to a user."""

import functools
import getpass
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final, ParamSpec

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

P = ParamSpec("P")

OK, FAILED, HELD, WRONG_SETTINGS = 0, 1, 2, 3
"""Exit codes of every command."""

DEBUG: Final = "DOORGEEFLUIK_DEBUG"
NOT_UNDERSTOOD: Final = "Zo begrijp ik het niet:"
_ANY_WIDTH: Final = 10_000
_ASKED_WRONGLY: Final = frozenset(
    {
        "geheim_ontbreekt",
        "onbekende_naam",
        "onbekende_leerling",
        "onbekende_vasthouding",
        "bestand_geweigerd",
        "geweigerd",
    }
)
"""The errors after which trying again is of no use: something must be typed or filled in otherwise."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False)


def told(command: Callable[P, int]) -> Callable[P, None]:
    """A command that ends with its exit code, and that tells what went wrong in a sentence."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(_code(lambda: command(*args, **kwargs)))

    return run


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()) -> Table:
    """A table for a person; the columns in `numbers` are put to the right."""
    result = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        min_width=min(len(title) + 1, out.width),  # else a long title folds above a narrow table
    )
    for column in columns:
        result.add_column(
            column,
            justify="right" if column in numbers else "left",
            no_wrap=column in {"school", "leverancier", "stand", *numbers},
        )
    for row in rows:
        result.add_row(*map(str, row))
    return result


def fits(shown: Table) -> bool:
    """Whether a table can be shown here without cutting or folding a cell."""
    return out.measure(shown, options=out.options.update(width=_ANY_WIDTH)).maximum <= out.width


def _code(command: Callable[[], int]) -> int:
    from mappings.yaml_source import SettingsError  # noqa: PLC0415  help must come at once

    try:
        return command()
    except SettingsError as error:
        err.print("De instellingen kloppen nog niet:")
        for problem in error.problems:
            err.print(f"  {problem}", markup=False, soft_wrap=True)
        return WRONG_SETTINGS
    except KeyboardInterrupt:
        return FAILED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        code = getattr(error, "code", "")
        heading = f"{NOT_UNDERSTOOD} " if code == "onbekende_naam" else ""
        for line in _sentence(error).splitlines():
            err.print(f"{heading}{line}", markup=False, soft_wrap=True)
        return WRONG_SETTINGS if code in _ASKED_WRONGLY else FAILED


def _sentence(error: Exception) -> str:
    """What a user is told. Only the errors of our own are known to hold no value of a record."""
    if type(error).__module__.split(".")[0] in {"connectors", "data_contracts", "pipelines", "mappings"}:
        return str(error)
    return (
        f"Er ging iets onverwachts mis ({type(error).__name__}). Er is niets verloren: probeer het opnieuw. "
        f"Blijft het misgaan, zet dan {DEBUG}=1 voor de opdracht en geef de melding door aan wie Doorgeefluik beheert."
    )


def who(by: str) -> str:
    """Who does it: as the person said, or else by the name of the login."""
    return by.strip() or getpass.getuser()


def terminal() -> bool:
    """Whether a person watches."""
    return sys.stderr.isatty()
