"""The jobs about one pupil that a person finds in the web page: bring him up to date now, write the letter for access, write down what a parent chose, erase.

A run keeps its config, and with that the key of the pupil, until the first cleaning after it (`retention.OF_ONE_PUPIL`); never anything else of him.
"""

import dagster as dg
from pydantic import Field

from connectors.base import ConnectorError
from data_contracts.findings import BrokenTable
from mappings.choices import Choice, How
from mappings.purposes import Purpose
from pipelines.consent import Said, write_down_one
from pipelines.jobs import empty, refused
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.metadata import of_letter, of_one_pupil, of_told
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.resources import InstanceResource
from pipelines.rights.access import letter, write_letter
from pipelines.rights.erasure import open_case
from pipelines.rights.looking import NoExportError
from pipelines.rights.one_now import deliver_one

ONE_PUPIL = "een_leerling_nu"


class OnePupilConfig(dg.Config):
    """Welke leerling, en bij welke leveranciers."""

    school: str = Field(description="School, zoals 99XX-00.")
    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    leveranciers: str = Field(
        default="", description="Namen met komma's, zoals basispoort. Leeg: alle van deze school."
    )


@dg.op(
    description="Lever of verwijder alleen deze leerling, zoals het plan zegt. De rest wacht op de volgende levering."
)
def lever_een_leerling(context: dg.OpExecutionContext, config: OnePupilConfig, instance: InstanceResource) -> None:
    """Bring one pupil up to date."""
    opened, day = instance.opened, instance.today()
    asked = [name.strip() for name in config.leveranciers.split(",") if name.strip()]
    try:
        refuse_unknown(opened.settings, [config.school], asked)
        suppliers = [s for s in asked or opened.settings.suppliers if opened.settings.agreement(s, config.school)]
        outcomes = deliver_one(opened, config.school, config.leerling.strip(), suppliers, day, context.run_id)
    except (ConnectorError, BrokenTable, NoExportError, UnknownNameError) as error:
        raise refused(error) from None
    failed = [f"{outcome.supplier}: {outcome.reason}" for outcome in outcomes if outcome.state == "failed"]
    if failed:
        raise dg.Failure(" ".join(failed), metadata=of_one_pupil(outcomes), allow_retries=False)
    context.add_output_metadata(of_one_pupil(outcomes))


class AccessConfig(dg.Config):
    """Over welke leerling de brief gaat."""

    school: str = Field(description="School, zoals 99XX-00.")
    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")


@dg.op(description="Schrijf de brief voor inzage (AVG art. 15) in de map `reports/inzage` van de installatie.")
def schrijf_brief(context: dg.OpExecutionContext, config: AccessConfig, instance: InstanceResource) -> None:
    """Write the letter; the run tells where it is, and nothing that is in it."""
    opened = instance.opened
    try:
        refuse_unknown(opened.settings, [config.school], [])
        told = letter(opened, config.school, config.leerling.strip(), instance.today())
    except UnknownNameError as error:
        raise refused(error) from None
    context.add_output_metadata(of_letter(write_letter(opened, told), len(told.receivers), told.missing))


@dg.job(
    name=ONE_PUPIL,
    description="Lever of verwijder één leerling nu, zonder op de nacht te wachten. Vul in de Launchpad school en leerling in.",
    config={"ops": {"lever_een_leerling": empty("school", "leerling", "leveranciers")}},
)
def een_leerling_nu() -> None:
    """One pupil, at one or more suppliers."""
    lever_een_leerling()


@dg.job(
    description="Schrijf voor een ouder de brief met alles wat leveranciers van één leerling hebben. Vul in de Launchpad school en leerling in.",
    config={"ops": {"schrijf_brief": empty("school", "leerling")}},
)
def inzage() -> None:
    """One letter, about one pupil."""
    schrijf_brief()


class ParentChoice(dg.Config):
    """Wat een ouder over een leverancier of een doel heeft gezegd."""

    school: str = Field(description="School, zoals 99XX-00.")
    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    onderwerp: str = Field(description=f"Leverancier, zoals basispoort, of een doel: {', '.join(Purpose)}.")
    keuze: str = Field(description=f"Een van: {', '.join(Choice)}.")
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")
    hoe: str = Field(default=str(How.FORM), description=f"Hoe de ouder het zei, een van: {', '.join(How)}.")
    sinds: str = Field(default="", description="Wanneer de ouder het zei, als 2026-11-24. Leeg: vandaag.")


@dg.op(description="Leg vast wat een ouder heeft gekozen; het geldt vanaf de volgende levering.")
def leg_vast(context: dg.OpExecutionContext, config: ParentChoice, instance: InstanceResource) -> None:
    """Write down one choice."""
    if not config.door.strip():
        raise refused("Vul bij `door` in wie dit vastlegt.")
    said = Said(config.school, config.sinds, config.hoe, config.door.strip())
    try:
        told = write_down_one(instance.opened, said, config.onderwerp, config.leerling, config.keuze, instance.today())
    except (UnknownNameError, ChoiceRefusedError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(told))


@dg.job(
    description="Leg toestemming of bezwaar van een ouder vast. Vul in de Launchpad school, leerling, onderwerp, keuze en naam in.",
    config={"ops": {"leg_vast": empty("school", "leerling", "onderwerp", "keuze", "door")}},
)
def keuze_vastleggen() -> None:
    """One choice, of one pupil, about one supplier or purpose."""
    leg_vast()


class ToErase(dg.Config):
    """Welke leerling gewist moet worden, en wie dat vastlegt."""

    school: str = Field(description="School, zoals 99XX-00.")
    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")
    hoe: str = Field(default=str(How.LETTER), description=f"Hoe de ouder het vroeg, een van: {', '.join(How)}.")


@dg.op(description="Leg het verzoek vast; daarna wordt de leerling vanzelf bij elke leverancier verwijderd.")
def wis(context: dg.OpExecutionContext, config: ToErase, instance: InstanceResource) -> None:
    """Open one request; the sensor `na_wisverzoek` starts the delivery, and this run is forgotten at the end."""
    if not config.door.strip():
        raise refused("Vul bij `door` in wie dit vastlegt.")
    try:
        number = open_case(instance.opened, config.school, config.leerling.strip(), config.door.strip(), config.hoe)
    except (UnknownNameError, ErasureRefusedError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(_ERASING.format(number=number, school=config.school)))


_ERASING = (
    "Wisverzoek {number} is vastgelegd voor school {school}. Het verwijderen bij de leveranciers begint binnen een minuut vanzelf. "
    "`doorgeefluik erase list` zegt hoe het staat, en schrijft een brief voor wie je het zelf moet vragen."
)


@dg.job(
    description="Wis een leerling bij elke leverancier (AVG art. 17). Dit is niet terug te draaien. Vul in de Launchpad school, leerling en naam in.",
    config={"ops": {"wis": empty("school", "leerling", "door")}},
)
def wissen() -> None:
    """One request, about one pupil."""
    wis()
