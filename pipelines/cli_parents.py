"""The commands about what a parent may choose and ask: `doorgeefluik consent` and `doorgeefluik erase`.

As in `cli`: what each command does is in `commands`, and nothing heavy is imported before it is needed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.dutch import DutchCommand, DutchGroup
from pipelines.commands.telling import told
from pipelines.options import (
    HowOption,
    InstanceOption,
    JsonOption,
    PupilArgument,
    RecordedByOption,
    SchoolArgument,
    SinceOption,
    SubjectArgument,
    SupplierArgument,
)

consent = typer.Typer(
    cls=DutchGroup,
    help="Toestemming en bezwaar van ouders: vastleggen en teruglezen.",
    no_args_is_help=True,
)
erase = typer.Typer(
    cls=DutchGroup,
    help="Een leerling wissen op verzoek: beginnen, volgen, bevestigen.",
    no_args_is_help=True,
)


def _choice_command(choice: str, told_as: str) -> Callable[..., int]:
    """One of the commands that write down a choice: they take the same, and differ in what the parent said."""

    def command(
        school: SchoolArgument,
        pupil: PupilArgument,
        subject: SubjectArgument,
        since: SinceOption = "",
        by: RecordedByOption = "",
        how: HowOption = "onbekend",
        instance: InstanceOption = None,
    ) -> int:
        from pipelines.commands.consent import choose
        from pipelines.consent import Said

        return choose(instance, choice, pupil, subject, Said(school, since, how, by))

    command.__doc__ = told_as
    return command


for _name, _choice, _told_as in (
    ("give", "toestemming", "Leg vast dat een ouder toestemming geeft."),
    ("withdraw", "toestemming_ingetrokken", "Leg vast dat een ouder geen toestemming (meer) geeft."),
    ("object", "bezwaar", "Leg vast dat een ouder bezwaar maakt."),
    ("restore", "bezwaar_ingetrokken", "Leg vast dat een ouder het bezwaar intrekt."),
):
    consent.command(_name, cls=DutchCommand)(told(_choice_command(_choice, _told_as)))


@consent.command("list", cls=DutchCommand)
@told
def consent_list(
    school: SchoolArgument,
    pupil: Annotated[str | None, typer.Argument(metavar="LEERLING", help="Alleen deze leerling.")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ONDERWERP", help="Alleen deze leverancier, of dit doel.")
    ] = None,
    *,
    now: Annotated[bool, typer.Option("--now", help="Alleen wat nu geldt, zonder wat eraan voorafging.")] = False,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Toon alles wat is vastgelegd, het oudste eerst."""
    from pipelines.commands.consent import show_choices

    return show_choices(instance, school, pupil, subject, newest=now, as_json=json)


@consent.command("import", cls=DutchCommand)
@told
def consent_import(
    school: SchoolArgument,
    file: Annotated[Path, typer.Argument(metavar="BESTAND", help="CSV met een regel per leerling.")],
    key: Annotated[str, typer.Option("--key", metavar="KOLOM", help="De kolom met de sleutel van ParnasSys.")],
    column: Annotated[
        list[str],
        typer.Option(
            "--column",
            metavar="ONDERWERP=KOLOM",
            help="In welke kolom ja, nee of niets staat over een leverancier of doel; mag vaker.",
        ),
    ],
    since: SinceOption = "",
    by: RecordedByOption = "",
    how: HowOption = "onbekend",
    instance: InstanceOption = None,
) -> int:
    """Leg de toestemmingen in een CSV-bestand vast.

    Alle, of bij een fout geen enkele.
    """
    from pipelines.commands.consent import import_file
    from pipelines.consent import Said

    return import_file(instance, file, key, column, Said(school, since, how, by))


@erase.command("start", cls=DutchCommand)
@told
def erase_start(
    school: SchoolArgument,
    pupil: PupilArgument,
    by: RecordedByOption = "",
    how: HowOption = "onbekend",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Vraag niet om bevestiging.")] = False,
    instance: InstanceOption = None,
) -> int:
    """Wis een leerling bij elke leverancier, nu en voorgoed."""
    from pipelines.commands.erase import start

    return start(instance, school, pupil, by, how, sure=yes)


@erase.command("list", cls=DutchCommand)
@told
def erase_list(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Toon elk wisverzoek, en hoe het bij elke leverancier staat."""
    from pipelines.commands.erase import show_cases

    return show_cases(instance, as_json=json)


@erase.command("confirm", cls=DutchCommand)
@told
def erase_confirm(
    number: Annotated[int, typer.Argument(metavar="NUMMER", help="Nummer uit `erase list`.")],
    supplier: SupplierArgument,
    by: RecordedByOption = "",
    instance: InstanceOption = None,
) -> int:
    """Leg vast dat een leverancier zegt dat hij gewist heeft."""
    from pipelines.commands.erase import confirm

    return confirm(instance, number, supplier, by)
