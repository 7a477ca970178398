"""The help and the mistakes of the command line in Dutch: typer makes the texts, here they are put in other words."""

import sys
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from pipelines.commands.telling import FAILED, NOT_UNDERSTOOD, WRONG_SETTINGS, err

_WORDS: Final = {
    "Usage: ": "Gebruik: ",
    "[OPTIONS]": "[OPTIES]",
    "COMMAND [ARGS]...": "OPDRACHT ...",
    "Options:": "Opties:",
    "Commands:": "Opdrachten:",
    "Arguments:": "Argumenten:",
    "Show this message and exit.": "Toon deze uitleg.",
    "[required]": "[verplicht]",
    "[default: ": "[standaard: ",
    "No such option: ": "deze optie bestaat niet: ",
    "No such command ": "deze opdracht bestaat niet: ",
    "(Possible options: ": "(misschien: ",
    "Did you mean ": "Misschien: ",
    "Missing argument ": "hier ontbreekt ",
    "Missing option ": "hier ontbreekt ",
    "Got unexpected extra argument(s) ": "dit is te veel: ",
    "Invalid value for ": "deze waarde kan niet bij ",
    "Input should be a valid integer, unable to parse string as an integer": "verwacht een geheel getal",
    "Input should be less than or equal to ": "verwacht hoogstens ",
    "Input should be greater than or equal to ": "verwacht minstens ",
    "Option ": "optie ",
    " requires an argument": " vraagt een waarde",
    " <str>": "",
    " <path>": "",
}


def in_dutch(text: str) -> str:
    """What typer says, with the words that it has of its own in Dutch."""
    for english, dutch in _WORDS.items():
        text = text.replace(english, dutch)
    return text


class DutchCommand(TyperCommand):
    """A command whose help is Dutch."""

    def get_help(self, ctx: Any) -> str:
        """The whole help text."""
        return in_dutch(super().get_help(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments and options, in Dutch before their columns are measured: else those would not be straight."""
        write = formatter.write_dl
        formatter.write_dl = lambda rows: write([(in_dutch(name), in_dutch(told)) for name, told in rows])
        super().format_options(ctx, formatter)


class DutchGroup(TyperGroup):
    """The commands together. A mistake in what was typed exits as one in the settings does: 2 means that something waits."""

    def get_help(self, ctx: Any) -> str:
        """The whole help text."""
        return in_dutch(super().get_help(ctx))

    def main(
        self,
        args: Any = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  typer's signature
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002  typer's signature
        **extra: Any,
    ) -> Any:
        """Do what was asked and, unless somebody else goes on from here, leave with its exit code."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)  # noqa: FBT003
        except TyperException as error:
            if not standalone_mode:
                raise
            err.print(_mistake(error), markup=False, soft_wrap=True)
            code = WRONG_SETTINGS
        except typer.Abort:
            code = FAILED
        if standalone_mode:
            sys.exit(code)
        return code


def _mistake(error: TyperException) -> str:
    told = in_dutch(error.format_message())
    if told.startswith(_WORDS["Usage: "]):  # nothing was asked: the mistake is the help itself
        return told
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "doorgeefluik"
    return f"{NOT_UNDERSTOOD} {told if told.endswith('?') else told.rstrip('.') + '.'}\nUitleg: {where} --help"
