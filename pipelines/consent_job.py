"""The job with which a person writes down in the web page what a parent chose."""

import dagster as dg
from pydantic import Field

from mappings.choices import Choice, How
from pipelines.consent import Said, named, write_down
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.names import UnknownNameError
from pipelines.resources import InstanceResource


class ParentChoice(dg.Config):
    """Wat een ouder over een leverancier heeft gezegd."""

    school: str = Field(description="School, zoals 99XX-00.")
    leerling: str = Field(description="Sleutel van de leerling in ParnasSys; geen naam.")
    leverancier: str = Field(description="Naam van de leverancier, zoals basispoort.")
    keuze: str = Field(description=f"Een van: {', '.join(Choice)}.")
    door: str = Field(description="Wie dit vastlegt: naam of functie.")
    hoe: str = Field(default=str(How.FORM), description=f"Hoe de ouder het zei, een van: {', '.join(How)}.")
    sinds: str = Field(default="", description="Wanneer de ouder het zei, als 2026-11-24. Leeg: vandaag.")


@dg.op(description="Leg vast wat een ouder heeft gekozen; het geldt vanaf de volgende levering.")
def leg_vast(context: dg.OpExecutionContext, config: ParentChoice, instance: InstanceResource) -> None:
    """Write down one choice."""
    if not config.door.strip():
        raise dg.Failure("Vul bij `door` in wie dit vastlegt.", allow_retries=False)
    said = Said(config.school, config.leverancier, config.sinds, config.hoe, config.door.strip())
    try:
        choices = {config.leerling.strip(): named(Choice, config.keuze, "De keuze")}
        news = write_down(instance.opened, said, choices, instance.today())
    except (UnknownNameError, ChoiceRefusedError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.log.info("Vastgelegd voor %s, school %s: %s keer.", said.supplier, said.school, news)


EMPTY = dict.fromkeys(("school", "leerling", "leverancier", "keuze", "door"), "")
"""What the Launchpad shows: five lines to fill in."""


@dg.job(
    description="Leg toestemming of bezwaar van een ouder vast. Vul in de Launchpad school, leerling, leverancier, keuze en naam in.",
    config={"ops": {"leg_vast": {"config": EMPTY}}},
)
def keuze_vastleggen() -> None:
    """One choice, of one pupil, about one supplier."""
    leg_vast()
