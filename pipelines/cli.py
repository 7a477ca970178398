"""The command `doorgeefluik`: what can be asked, with which options. What each command does is in `commands`.

Nothing heavy is imported before a command needs it, so that help comes at once.
"""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_parents import consent, erase
from pipelines.commands.dutch import DutchCommand, DutchGroup
from pipelines.commands.telling import told
from pipelines.options import (
    ByOption,
    InstanceOption,
    JsonOption,
    PortOption,
    PupilArgument,
    SchoolArgument,
    SchoolOption,
    SupplierArgument,
    SupplierOption,
    WhichArgument,
)

app = typer.Typer(
    name="doorgeefluik",
    cls=DutchGroup,
    help="Geeft leerlinggegevens uit ParnasSys door aan leveranciers: precies wat is afgesproken, en niets meer.",
    epilog="Eindigt met 0: alles goed; 1: iets mislukte; 2: er is nog iets te besluiten of te doen; 3: de instellingen of de opdracht kloppen niet.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
hold = typer.Typer(
    cls=DutchGroup, help="Wat wacht op goedkeuring: bekijken, goedkeuren of afwijzen.", no_args_is_help=True
)
app.add_typer(hold, name="hold")
app.add_typer(consent, name="consent")
app.add_typer(erase, name="erase")
keys = typer.Typer(
    cls=DutchGroup, help="De sleutels van grootboek en kluis: bekijken en vernieuwen.", no_args_is_help=True
)
app.add_typer(keys, name="keys")


def _show_version(asked: bool) -> None:  # noqa: FBT001  typer's signature
    if asked:
        typer.echo(f"doorgeefluik {version('doorgeefluik')}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Toon de versie.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Set what holds for every command."""
    os.umask(0o077)  # design rule 8: files are for their owner alone


@app.command(cls=DutchCommand)
@told
def init(folder: Annotated[Path, typer.Argument(metavar="MAP", help="Een nieuwe of lege map.")]) -> int:
    """Maak een nieuwe installatie, met voorbeelden om in te vullen."""
    from pipelines.commands.init import make_instance

    return make_instance(folder.absolute())


@app.command(cls=DutchCommand)
@told
def doctor(instance: InstanceOption = None) -> int:
    """Kijk stap voor stap na of alles klaar is voor een levering. Verstuurt geen gegevens."""
    from pipelines.commands.doctor import examine

    return examine(instance)


@app.command(cls=DutchCommand)
@told
def demo(
    folder: Annotated[Path, typer.Option("--folder", metavar="MAP", help="De map waarin de demo werkt.")] = Path(
        ".demo"
    ),
    port: Annotated[
        int, typer.Option("--port", help="Poort van de oefenomgeving.", min=1, max=65535, metavar="POORT")
    ] = 8741,
    *,
    ui: Annotated[
        bool, typer.Option("--ui", help="Open in plaats daarvan de webpagina van de voorbeeldschool.")
    ] = False,
    ui_port: Annotated[
        int, typer.Option("--ui-port", help="Poort van die webpagina.", min=1, max=65535, metavar="POORT")
    ] = 3000,
) -> int:
    """Voer een verzonnen school door de hele synchronisatie. De leveranciers zijn nagemaakt, op deze computer."""
    from pipelines.commands.demo import run_demo

    return run_demo(folder.absolute(), port, ui_port if ui else None)


@app.command(cls=DutchCommand)
@told
def sync(
    school: SchoolOption = None,
    supplier: SupplierOption = None,
    pupil: Annotated[
        str, typer.Option("--pupil", metavar="SLEUTEL", help="Alleen deze leerling; de rest wacht op de nacht.")
    ] = "",
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Lever nu aan elke leverancier wat veranderd is. Haalt eerst de export op en kijkt haar na."""
    if pupil:
        from pipelines.commands.rights import sync_one

        return sync_one(instance, school, supplier, pupil.strip(), as_json=json)
    from pipelines.commands.sync import run_schools

    return run_schools(instance, school, supplier, as_json=json)


@app.command(cls=DutchCommand)
@told
def preview(
    school: SchoolOption = None,
    supplier: SupplierOption = None,
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Laat zien wat een levering zou doen. Verstuurt niets."""
    from pipelines.commands.sync import run_schools

    return run_schools(instance, school, supplier, as_json=json, preview=True)


@app.command(cls=DutchCommand)
@told
def status(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Toon hoe het er bij elke school en leverancier voor staat."""
    from pipelines.commands.status import show_status

    return show_status(instance, as_json=json)


@app.command(cls=DutchCommand)
@told
def verify(
    head: Annotated[
        str, typer.Option("--head", metavar="SCHAKEL", help="Kijk ook of deze eerder genoteerde schakel er nog is.")
    ] = "",
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Kijk na of het grootboek nog zegt wat het altijd zei. Geeft ook de nieuwste schakel, om te noteren."""
    from pipelines.commands.verify import verify_ledger

    return verify_ledger(instance, head, as_json=json)


@app.command(cls=DutchCommand)
@told
def readback(
    school: SchoolOption = None,
    supplier: SupplierOption = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Laat de volgende levering de verschillen rechtzetten.")
    ] = False,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Vergelijk wat leveranciers hebben met het grootboek.

    Verstuurt niets. Niet elke leverancier kan zeggen wat hij heeft.
    """
    from pipelines.commands.readback import read_back_all

    return read_back_all(instance, school, supplier, repair=repair, as_json=json)


@app.command(cls=DutchCommand)
@told
def clean(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Verwijder waarvan de bewaartermijn voorbij is. Rondt ook wisverzoeken af, en zegt hoeveel van wat; gaat anders vanzelf, elke ochtend."""
    from pipelines.commands.clean import clean_up

    return clean_up(instance, as_json=json)


@app.command(cls=DutchCommand)
@told
def agreements(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Toon elke overeenkomst: of zij geldt, en tot wanneer."""
    from pipelines.commands.agreements import show_agreements

    return show_agreements(instance, as_json=json)


@app.command(cls=DutchCommand)
@told
def explain(
    supplier: Annotated[str, typer.Argument(metavar="LEVERANCIER", help="Naam, zoals basispoort.")],
    school: Annotated[
        str | None, typer.Option("--school", metavar="SCHOOL", help="Voor deze school (99XX-00).")
    ] = None,
    instance: InstanceOption = None,
) -> int:
    """Leg uit welk gegeven een leverancier krijgt, en waarom."""
    from pipelines.commands.explain import explain_fields

    return explain_fields(instance, supplier, school)


@app.command(cls=DutchCommand)
@told
def rectify(
    school: SchoolArgument,
    pupil: PupilArgument,
    days: Annotated[
        int, typer.Option("--days", help="Na hoeveel dagen wachten iets te laat is.", min=1, metavar="DAGEN")
    ] = 2,
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Toon hoe een correctie van een leerling er overal voor staat.

    Ook of de leverancier bij teruglezen zegt te hebben wat hij aannam. Er wordt niets verstuurd.
    """
    from pipelines.commands.rectify import show_corrections

    return show_corrections(instance, school, pupil, days, as_json=json)


@app.command(cls=DutchCommand)
@told
def access(
    school: SchoolArgument,
    pupil: Annotated[
        str | None, typer.Argument(metavar="LEERLING", help="Sleutel van de leerling in ParnasSys.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="TEKST", help="Zoek in de export van nu op (een deel van) de naam.")
    ] = "",
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Schrijf voor een ouder de brief met alles over één leerling.

    AVG art. 15. Het bestand komt in `reports/inzage` en bevat persoonsgegevens. Met --json komt er geen bestand.
    """
    from pipelines.commands.rights import give_access

    return give_access(instance, school, pupil, name, as_json=json)


@app.command(cls=DutchCommand)
@told
def why(
    pupil: PupilArgument,
    supplier: SupplierArgument,
    school: Annotated[
        str | None, typer.Option("--school", metavar="SCHOOL", help="Zijn school (99XX-00), als er meer zijn.")
    ] = None,
    *,
    json: JsonOption = False,
    instance: InstanceOption = None,
) -> int:
    """Leg uit waarom een leverancier een leerling heeft of niet."""
    from pipelines.commands.rights import explain_why

    return explain_why(instance, pupil.strip(), supplier, school, as_json=json)


@app.command(cls=DutchCommand)
@told
def publish(instance: InstanceOption = None) -> int:
    """Schrijf de pagina's voor ouders, register en bestuur. Er gaat niets naar het internet."""
    from pipelines.commands.publish import publish_pages

    return publish_pages(instance)


@app.command(cls=DutchCommand)
@told
def ui(port: PortOption = 3000, instance: InstanceOption = None) -> int:
    """Open de webpagina, met de nachtelijke planning. Alleen op deze computer; stop met Ctrl-C."""
    from pipelines.commands.ui import serve

    return serve(instance, port)


@hold.command("list", cls=DutchCommand)
@told
def hold_list(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Toon wat er wacht op goedkeuring."""
    from pipelines.commands.holds import show_holds

    return show_holds(instance, as_json=json)


@hold.command("approve", cls=DutchCommand)
@told
def hold_approve(
    which: WhichArgument,
    by: ByOption = "",
    *,
    later: Annotated[
        bool, typer.Option("--later", help="Lever bij de volgende keer; draait de webpagina, dan binnen een minuut.")
    ] = False,
    instance: InstanceOption = None,
) -> int:
    """Keur precies dit goed, en lever het."""
    from pipelines.commands.holds import approve

    return approve(instance, which, by, later=later)


@hold.command("discard", cls=DutchCommand)
@told
def hold_discard(which: WhichArgument, by: ByOption = "", instance: InstanceOption = None) -> int:
    """Wijs dit af. Het wordt niet geleverd zolang het plan hetzelfde blijft."""
    from pipelines.commands.holds import discard

    return discard(instance, which, by)


@keys.command("list", cls=DutchCommand)
@told
def keys_list(*, json: JsonOption = False, instance: InstanceOption = None) -> int:
    """Toon welke sleutels er zijn, en wat elke nog nodig heeft."""
    from pipelines.commands.keys import show_keys

    return show_keys(instance, as_json=json)


@keys.command("rotate", cls=DutchCommand)
@told
def keys_rotate(instance: InstanceOption = None) -> int:
    """Vernieuw de sleutels. Er wordt niets opnieuw verstuurd.

    Doe het als er geen levering loopt; wordt het afgebroken, dan opnieuw.
    """
    from pipelines.commands.keys import rotate_keys

    return rotate_keys(instance)
