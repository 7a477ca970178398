"""The jobs about one pupil that a person finds in the web page: bring him up to date now, write the letter for access, write down what a parent chose, erase.

A run keeps its config until the first cleaning after it, and with that the key of the pupil and what was chosen about him, and of
`een_leerling_nu` its steps; never his name, or any other value.
Like every run about a school it has that school as its partition.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date

import dagster as dg
from pydantic import Field

from connectors.base import ConnectorError
from data_contracts.delivery import ContractBroken
from data_contracts.findings import BrokenTable
from mappings.choices import Choice, How
from mappings.purposes import Purpose
from pipelines.consent import Said, write_down_one
from pipelines.instance import Instance
from pipelines.launchpad import by_whom, empty, refused, school_of
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.metadata import of_letter, of_one_pupil, of_told
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.resources import InstanceResource
from pipelines.rights.access import fresh_or_why, letter, write_letter
from pipelines.rights.erasure import ErasedPupilError, open_case, telling_erased, told_erased
from pipelines.rights.looking import NoExportError
from pipelines.rights.one_now import deliver_one
from pipelines.rights.trace import Step, trace

ONE_PUPIL = "een_leerling_nu"


class OnePupilConfig(dg.Config):
    """Welke leerling, en bij welke leveranciers."""

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
    school, pupil = school_of(context), config.leerling.strip()
    try:
        refuse_unknown(opened.settings, [school], asked)
        suppliers = [s for s in asked or opened.settings.suppliers if opened.settings.agreement(s, school)]
        with telling_erased(opened, school, pupil):
            outcomes = deliver_one(opened, school, pupil, suppliers, day, context.run_id)
    except (ConnectorError, BrokenTable, NoExportError, UnknownNameError, ErasedPupilError) as error:
        raise refused(error) from None
    told = of_one_pupil(outcomes, _steps(opened, school, pupil, suppliers, day))
    failed = [f"{outcome.supplier}: {outcome.reason}" for outcome in outcomes if outcome.state == "failed"]
    if failed:
        raise dg.Failure(" ".join(failed), metadata=told, allow_retries=False)
    context.add_output_metadata(told)


def _steps(opened: Instance, school: str, pupil: str, suppliers: Sequence[str], day: date) -> dict[str, Sequence[Step]]:
    """The steps of the pupil at each supplier as they are now, without the supplier's own words: those may name him."""
    data, missing = fresh_or_why(opened, school, day)
    found: dict[str, Sequence[Step]] = {}
    for supplier in suppliers:
        with suppress(ContractBroken):  # the outcome tells it
            found[supplier] = trace(opened, school, supplier, pupil, data, day, missing, aloud=False)
    return found


class AccessConfig(dg.Config):
    """Over welke leerling de brief gaat."""

    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")


@dg.op(description="Schrijf de brief voor inzage (AVG art. 15) in de map `reports/inzage` van de installatie.")
def schrijf_brief(context: dg.OpExecutionContext, config: AccessConfig, instance: InstanceResource) -> None:
    """Write the letter; the run tells where it is, and nothing that is in it."""
    opened, school = instance.opened, school_of(context)
    try:
        refuse_unknown(opened.settings, [school], [])
        with telling_erased(opened, school, config.leerling):
            told = letter(opened, school, config.leerling.strip(), instance.today())
    except (UnknownNameError, ErasedPupilError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_letter(write_letter(opened, told), len(told.receivers), told.missing))


class ParentChoice(dg.Config):
    """Wat een ouder over een leverancier of een doel heeft gezegd."""

    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    onderwerp: str = Field(description=f"Leverancier, zoals basispoort, of een doel: {', '.join(Purpose)}.")
    keuze: str = Field(description=f"Een van: {', '.join(Choice)}.")
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")
    hoe: str = Field(default=str(How.UNSAID), description=f"Hoe de ouder het zei, een van: {', '.join(How)}.")
    sinds: str = Field(default="", description="Wanneer de ouder het zei, als 2026-11-24. Leeg: vandaag.")


@dg.op(description="Leg vast wat een ouder heeft gekozen; het geldt vanaf de volgende levering.")
def leg_vast(context: dg.OpExecutionContext, config: ParentChoice, instance: InstanceResource) -> None:
    """Write down one choice."""
    opened, school = instance.opened, school_of(context)
    said = Said(school, config.sinds, config.hoe, by_whom(config.door))
    try:
        with telling_erased(opened, school, config.leerling):
            told = write_down_one(opened, said, config.onderwerp, config.leerling, config.keuze, instance.today())
    except (UnknownNameError, ChoiceRefusedError, ErasedPupilError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(f"{told} {told_erased(opened, school, config.leerling)}".strip()))


class ToErase(dg.Config):
    """Welke leerling gewist moet worden, en wie dat vastlegt."""

    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")
    hoe: str = Field(default=str(How.UNSAID), description=f"Hoe de ouder het vroeg, een van: {', '.join(How)}.")


@dg.op(description="Leg het verzoek vast; daarna wordt de leerling vanzelf bij elke leverancier verwijderd.")
def wis(context: dg.OpExecutionContext, config: ToErase, instance: InstanceResource) -> None:
    """Open one request; the sensor `na_wisverzoek` starts the delivery, and this run is forgotten at the end."""
    school, by = school_of(context), by_whom(config.door)
    try:
        number = open_case(instance.opened, school, config.leerling.strip(), by, config.hoe)
    except (UnknownNameError, ErasureRefusedError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(_ERASING.format(number=number, school=school)))


_ERASING = (
    "Wisverzoek {number} is vastgelegd voor school {school}. Het verwijderen bij de leveranciers begint binnen een minuut vanzelf. "
    "`doorgeefluik erase list` zegt hoe het staat, en schrijft een brief voor wie je het zelf moet vragen."
)


_JOBS: Mapping[str, tuple[dg.OpDefinition, str, tuple[str, ...]]] = {
    "keuze_vastleggen": (
        leg_vast,
        "Leg toestemming of bezwaar van een ouder vast.",
        ("leerling", "onderwerp", "keuze", "door"),
    ),
    ONE_PUPIL: (
        lever_een_leerling,
        "Lever of verwijder één leerling nu, zonder op de nacht te wachten.",
        ("leerling", "leveranciers"),
    ),
    "inzage": (
        schrijf_brief,
        "Schrijf voor een ouder de brief met alles wat leveranciers van één leerling hebben.",
        ("leerling",),
    ),
    "wissen": (
        wis,
        "Wis een leerling bij elke leverancier (AVG art. 17). Dit is niet terug te draaien.",
        ("leerling", "door"),
    ),
}
OF_ONE_PUPIL = tuple(_JOBS)
"""Jobs whose settings name a pupil: Dagster keeps those with the run, so the run goes at the first cleaning after it."""


def pupil_jobs(schools: dg.PartitionsDefinition[str]) -> list[dg.JobDefinition]:
    """The jobs, for each of these schools."""
    return [_job(name, schools) for name in _JOBS]


def _job(name: str, schools: dg.PartitionsDefinition[str]) -> dg.JobDefinition:
    op, description, fields = _JOBS[name]
    form = {"ops": {op.name: empty(*fields)}}
    told = f"{description} Kies in de Launchpad eerst de school bij Partition, en vul dan in: {', '.join(fields)}. Wie later een andere school kiest, begint met lege regels."
    config = dg.PartitionedConfig(partitions_def=schools, run_config_for_partition_key_fn=lambda _: form)
    return dg.GraphDefinition(name=name, description=told, node_defs=[op]).to_job(config=config)
