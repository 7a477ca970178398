"""The jobs about one pupil that a person finds in the web page: bring him up to date now, tell why a supplier has him or how a
correction stands, write the letter for access, write down what a parent chose, erase. One takes in a file
of what the parents of many chose.

A run keeps its config until the first cleaning after it, and with that the key of the pupil and what was chosen about him, and of
`een_leerling_nu`, `waarom` and `correctie` what they told; never his name, or any other value.
Like every run about a school it has that school as its partition.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pydantic import Field

from connectors.base import ConnectorError
from data_contracts.delivery import ContractBroken
from data_contracts.findings import BrokenTable
from mappings.choices import Choice, How
from mappings.purposes import Purpose
from pipelines.consent import Said, write_down_one
from pipelines.consent_files import take_in
from pipelines.consent_lines import FileRefusedError
from pipelines.instance import Instance
from pipelines.job_metadata import of_corrections, of_letter, of_told
from pipelines.launchpad import by_whom, job_of_school, refused, school_of
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.metadata import of_one_pupil, of_steps
from pipelines.names import UnknownNameError, refuse_unknown
from pipelines.resources import InstanceResource
from pipelines.rights.access import fresh_or_why, letter, write_letter
from pipelines.rights.erasure import ErasedPupilError, open_case, telling_erased, told_erased
from pipelines.rights.looking import NoExportError, refuse_unknown_pupil
from pipelines.rights.one_now import deliver_one
from pipelines.rights.rectification import corrections
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


class WhyConfig(dg.Config):
    """Welke leerling, en bij welke leverancier."""

    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    leverancier: str = Field(description="Naam van de leverancier, zoals basispoort.")


@dg.op(description="Vertel stap voor stap waarom een leverancier deze leerling heeft of niet. Verstuurt niets.")
def leg_uit(context: dg.OpExecutionContext, config: WhyConfig, instance: InstanceResource) -> None:
    """Tell the steps."""
    opened, day, school = instance.opened, instance.today(), school_of(context)
    pupil, supplier = config.leerling.strip(), config.leverancier.strip()
    try:
        refuse_unknown(opened.settings, [school], [supplier])
        data, missing = fresh_or_why(opened, school, day)
        with telling_erased(opened, school, pupil):
            refuse_unknown_pupil(opened, school, data, pupil)
        steps = trace(opened, school, supplier, pupil, data, day, missing, aloud=False)
    except (UnknownNameError, ErasedPupilError, ContractBroken) as error:
        raise refused(error) from None
    in_the_way = [f"{step.name}: {step.told}" for step in steps if step.ok is False]
    told = " ".join(in_the_way) or "Niets houdt hem tegen."
    context.add_output_metadata(of_told(f"{supplier}. {told}") | of_steps({supplier: steps}))


class CorrectionConfig(dg.Config):
    """Van welke leerling."""

    leerling: str = Field(description="Sleutel van de leerling in ParnasSys, zoals 4711; geen naam.")
    dagen: int = Field(default=2, ge=1, description="Na hoeveel dagen wachten iets te laat is.")


@dg.op(
    description="Vertel hoe een correctie van deze leerling bij elke leverancier staat, ook bij teruglezen. Verstuurt niets."
)
def volg_correctie(context: dg.OpExecutionContext, config: CorrectionConfig, instance: InstanceResource) -> None:
    """Tell it; the run fails where something has waited too long, for that is what a person must see."""
    opened, school, pupil = instance.opened, school_of(context), config.leerling.strip()
    try:
        with telling_erased(opened, school, pupil):
            found = corrections(opened, school, pupil, instance.today(), datetime.now(UTC), config.dagen)
    except (UnknownNameError, ErasedPupilError, ConnectorError, BrokenTable, NoExportError) as error:
        raise refused(error) from None
    told = of_corrections(found)
    if late := [one.supplier for one in found if one.late]:
        raise dg.Failure(f"Te laat bij {', '.join(late)}. Zie de tabel.", metadata=told, allow_retries=False)
    context.add_output_metadata(told)


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


class ConsentFile(dg.Config):
    """Welk bestand, en wat waar staat."""

    bestand: str = Field(description="Waar het CSV-bestand staat op deze computer, met map en naam.")
    sleutelkolom: str = Field(description="Naam van de kolom met de sleutel van ParnasSys.")
    kolommen: str = Field(
        description="Onderwerp=kolom, met komma's ertussen, zoals foto_website=Website, foto_parro=Parro."
    )
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")
    hoe: str = Field(default=str(How.UNSAID), description=f"Hoe ouders het zeiden, een van: {', '.join(How)}.")
    sinds: str = Field(default="", description="Wanneer ouders het zeiden, als 2026-11-24. Leeg: vandaag.")


@dg.op(description="Leg de toestemmingen in een CSV-bestand vast: alle, of bij een fout geen enkele.")
def lees_in(context: dg.OpExecutionContext, config: ConsentFile, instance: InstanceResource) -> None:
    """Write down what is in the file; the run tells counts, and at a mistake numbers of lines."""
    said = Said(school_of(context), config.sinds, config.hoe, by_whom(config.door))
    columns = [column.strip() for column in config.kolommen.split(",") if column.strip()]
    if not columns:
        raise refused("Vul bij `kolommen` in welk onderwerp in welke kolom staat, zoals foto_website=Website.")
    try:
        told = take_in(
            instance.opened, said, Path(config.bestand.strip()), config.sleutelkolom, columns, instance.today()
        )
    except (UnknownNameError, FileRefusedError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(" ".join(told)))


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
    "De job `wisverzoeken` zegt hoe het staat, en schrijft een brief voor wie je het zelf moet vragen."
)


_JOBS: dict[str, tuple[dg.OpDefinition, str, tuple[str, ...]]] = {
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
    "waarom": (
        leg_uit,
        "Leg uit waarom een leverancier een leerling heeft of niet. Verstuurt niets.",
        ("leerling", "leverancier"),
    ),
    "correctie": (
        volg_correctie,
        "Laat zien of een verbetering van één leerling overal is aangekomen. Verstuurt niets.",
        ("leerling",),
    ),
    "inzage": (
        schrijf_brief,
        "Schrijf voor een ouder de brief met alles wat leveranciers van één leerling hebben.",
        ("leerling",),
    ),
    "keuzes_inlezen": (
        lees_in,
        "Leg een lijst met toestemmingen uit een CSV-bestand vast.",
        ("bestand", "sleutelkolom", "kolommen", "door"),
    ),
    "wissen": (
        wis,
        "Wis een leerling bij elke leverancier (AVG art. 17). Dit is niet terug te draaien.",
        ("leerling", "door"),
    ),
}
OF_PUPILS = tuple(_JOBS)
"""Jobs whose settings name a pupil, or a file that may be called after one: Dagster keeps those with the run, so the run goes at the first cleaning after it."""


def pupil_jobs(schools: dg.PartitionsDefinition[str]) -> list[dg.JobDefinition]:
    """The jobs, for each of these schools."""
    return [job_of_school(name, *of_job, schools) for name, of_job in _JOBS.items()]
