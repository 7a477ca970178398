"""Options and arguments that more than one command of `doorgeefluik` has, each with its help in Dutch."""

from pathlib import Path
from typing import Annotated

import typer

InstanceOption = Annotated[
    Path | None,
    typer.Option(
        "--instance", metavar="MAP", help="De map van deze installatie. Anders: DOORGEEFLUIK_HOME, anders ./instance."
    ),
]
SchoolOption = Annotated[
    list[str] | None,
    typer.Option("--school", metavar="SCHOOL", help="Alleen deze school (99XX-00); mag vaker. Anders: alle scholen."),
]
SupplierOption = Annotated[
    list[str] | None,
    typer.Option("--supplier", metavar="NAAM", help="Alleen deze leverancier; mag vaker. Anders: alle leveranciers."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Geef één JSON-document op de standaarduitvoer.")]
ByOption = Annotated[str, typer.Option("--by", metavar="NAAM", help="Wie dit besluit. Anders: je inlognaam.")]
WhichArgument = Annotated[str, typer.Argument(metavar="NUMMER", help="Nummer of kenmerk uit `hold list`.")]
SchoolArgument = Annotated[str, typer.Argument(metavar="SCHOOL", help="De school (99XX-00).")]
PupilArgument = Annotated[
    str, typer.Argument(metavar="LEERLING", help="Sleutel van de leerling in ParnasSys; geen naam.")
]
SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="ONDERWERP", help="Leverancier, zoals basispoort, of doel: foto_website, foto_nieuwsbrief, foto_parro."
    ),
]
SupplierArgument = Annotated[str, typer.Argument(metavar="LEVERANCIER", help="Naam, zoals basispoort.")]
SinceOption = Annotated[
    str, typer.Option("--since", metavar="DATUM", help="Wanneer de ouder het zei, als 2026-11-24. Anders: vandaag.")
]
RecordedByOption = Annotated[str, typer.Option("--by", metavar="NAAM", help="Wie dit vastlegt. Anders: je inlognaam.")]
HowOption = Annotated[
    str,
    typer.Option(
        "--how", metavar="HOE", help="Hoe de ouder het zei: formulier, bericht, parro, mondeling of onbekend."
    ),
]
PortOption = Annotated[int, typer.Option("--port", help="Poort van de webpagina.", min=1, max=65535, metavar="POORT")]
