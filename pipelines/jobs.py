"""The jobs that a person finds in the web page: deliver, preview, approve or discard a hold, read back, publish, clean up. Those about one pupil stand in `pupil_jobs`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from pipelines.decisions import NoAgreementError, decide
from pipelines.launchpad import by_whom, empty, refused
from pipelines.ledger.holds import Decision, HoldNotFoundError
from pipelines.metadata import hold_in_words, of_read_back, of_removed, of_told
from pipelines.pages import write_pages
from pipelines.resources import InstanceResource
from pipelines.retention import clean
from pipelines.sync.readback import read_back

DELIVER, PREVIEW, CLEAN = "leveren", "voorbeeld", "opruimen"
STEPS = ("gegevensset", "wijzigingsplan", "levering")
"""The assets of each supplier, in their order."""
SCHOOL_TAG = "school"
"""Run tag with the school, by which a person finds its runs in the web page."""


def asset_keys(suppliers: Sequence[str], *, preview: bool = False) -> list[dg.AssetKey]:
    """The assets of a school and these suppliers; a preview ends at the change plan and can send nothing."""
    last = STEPS[:-1] if preview else STEPS
    return [
        dg.AssetKey("export"),
        dg.AssetKey("schoolgegevens"),
        *(dg.AssetKey([s, name]) for s in suppliers for name in last),
    ]


def asset_jobs(suppliers: Sequence[str]) -> list[Any]:
    """`leveren` and `voorbeeld`, for all suppliers; a run may choose among them."""
    return [
        dg.define_asset_job(
            DELIVER,
            dg.AssetSelection.assets(*asset_keys(suppliers)),
            description="Haal de export van een school op, kijk die na en lever bij elke leverancier wat veranderd is.",
        ),
        dg.define_asset_job(
            PREVIEW,
            dg.AssetSelection.assets(*asset_keys(suppliers, preview=True)),
            description="Laat zien wat er zou worden geleverd. Verstuurt niets, en gebruikt dezelfde grenzen als leveren.",
        ),
    ]


class Decided(dg.Config):
    """Welke vasthouding, en wie het besluit neemt."""

    vasthouding: str = Field(
        description="Nummer of kenmerk; staat bij de stap `levering` en in `doorgeefluik hold list`."
    )
    door: str = Field(description="Wie dit besluit: naam of functie, zoals directeur.")


@dg.op(description="Keur precies deze vasthouding goed; daarna wordt zij vanzelf geleverd.")
def keur_goed(context: dg.OpExecutionContext, config: Decided, instance: InstanceResource) -> None:
    """Approve one hold; the sensor `na_goedkeuring` starts the delivery."""
    _decide(context, config, instance, "approved")


@dg.op(
    description="Wijs deze vasthouding af; zij wordt niet geleverd zolang het plan hetzelfde blijft.",
)
def wijs_af(context: dg.OpExecutionContext, config: Decided, instance: InstanceResource) -> None:
    """Discard one hold."""
    _decide(context, config, instance, "discarded")


@dg.job(
    description="Keur een vasthouding goed (eerste levering, veel verwijderingen). Vul in de Launchpad nummer en naam in.",
    config={"ops": {"keur_goed": empty("vasthouding", "door")}},
)
def goedkeuren() -> None:
    """One approval, by one person."""
    keur_goed()


@dg.job(
    description="Wijs een vasthouding af. Vul in de Launchpad nummer en naam in.",
    config={"ops": {"wijs_af": empty("vasthouding", "door")}},
)
def afwijzen() -> None:
    """One refusal, by one person."""
    wijs_af()


@dg.op(
    description="Verwijder uit kluis, grootboek en webpagina waarvan de bewaartermijn voorbij is (`retention` in instance.yaml), en rond wisverzoeken af.",
)
def ruim_op(context: dg.OpExecutionContext, instance: InstanceResource) -> None:
    """Take away what was kept long enough or is to be erased; the run tells how much of what, and why."""
    removed = list(clean(instance.opened, context.instance, datetime.now(UTC)))
    for one in removed:
        context.log.info("%s: %s opgeruimd, %s.", one.what, one.number, one.why)
    context.add_output_metadata(of_removed(removed))


@dg.job(
    name=CLEAN,
    description="Ruim op waarvan de bewaartermijn voorbij is, en rond wisverzoeken af. Gebeurt vanzelf elke dag.",
    config={},
)
def opruimen() -> None:
    """One cleaning."""
    ruim_op()


@dg.op(
    description="Vraag elke leverancier wat hij heeft, en leg dat naast het grootboek. Verstuurt en verandert niets."
)
def lees_terug(context: dg.OpExecutionContext, instance: InstanceResource) -> None:
    """Read back everywhere; the run fails where something differs, for that is what a person must see."""
    opened = instance.opened
    found = [read_back(opened, a.supplier, school) for a in opened.settings.agreements for school in a.schools]
    told = of_read_back(found)
    if any(one.wrong for one in found):
        raise dg.Failure(_DIFFERS, metadata=told, allow_retries=False)
    context.add_output_metadata(told)


_DIFFERS = (
    "Niet overal is gelijk wat een leverancier heeft en wat in het grootboek staat, of het was niet te lezen. Zie de tabel. "
    "`doorgeefluik readback` noemt de records; met `--repair` zet de volgende levering ze recht."
)


@dg.job(
    description="Leg naast elkaar wat leveranciers hebben en wat het grootboek zegt. Gebeurt vanzelf elke zondag.",
    config={},
)
def teruglezen() -> None:
    """One comparison, of all schools."""
    lees_terug()


@dg.op(description="Schrijf de pagina's opnieuw, in de map `reports` van de installatie.")
def schrijf_paginas(context: dg.OpExecutionContext, instance: InstanceResource) -> None:
    """Write every page for others than the ICT coordinator, as things stand now."""
    written = write_pages(instance.opened, instance.today())
    context.add_output_metadata(
        of_told(f"{len(written)} bestanden geschreven in de map {instance.opened.settings.reports}.")
    )


@dg.job(
    description="Schrijf de pagina voor ouders, het verwerkingsregister en het overzicht voor het bestuur. Zet niets op internet.",
    config={},
)
def publiceren() -> None:
    """The pages, out of settings and ledger."""
    schrijf_paginas()


def _decide(context: dg.OpExecutionContext, config: Decided, instance: InstanceResource, decision: Decision) -> None:
    by = by_whom(config.door)
    try:
        hold = decide(instance.opened, config.vasthouding, decision, by, context.log)
    except (HoldNotFoundError, NoAgreementError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(_DECIDED[decision].format(hold_in_words(hold))))


_DECIDED: dict[Decision, str] = {
    "approved": "Goedgekeurd: {}. De levering begint binnen een minuut vanzelf.",
    "discarded": "Afgewezen: {}. Er wordt niets van verstuurd zolang het plan hetzelfde blijft.",
}
