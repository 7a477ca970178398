"""The jobs that a person finds in the web page: deliver, preview, approve or discard a hold, read back, publish, clean up, and tell how
agreements, ledger and requests to erase stand. Those about the pupils of one school stand in `pupil_jobs`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from pipelines.agreements import as_row, every_agreed, every_remark, pupils_held
from pipelines.decisions import NoAgreementError, decide
from pipelines.job_metadata import of_agreements, of_erasures, of_read_back, of_removed, of_told
from pipelines.launchpad import by_whom, empty, refused
from pipelines.ledger.erasures import ErasureRefusedError
from pipelines.ledger.forgetting import LedgerBrokenError
from pipelines.ledger.holds import Decision, HoldNotFoundError
from pipelines.names import UnknownNameError
from pipelines.pages import write_pages
from pipelines.resources import InstanceResource
from pipelines.retention import clean
from pipelines.rights.erasure import confirm_case, followed
from pipelines.sync.readback import read_back
from pipelines.verification import NoLinkError, verified
from pipelines.words import hold_in_words

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


@dg.op(description="Laat zien of elke overeenkomst geldt en tot wanneer, en wat erover te weten is. Verandert niets.")
def toon_overeenkomsten(context: dg.OpExecutionContext, instance: InstanceResource) -> None:
    """Tell how it stands with every agreement."""
    opened, today = instance.opened, instance.today()
    found = every_agreed(opened.settings, today)
    held = pupils_held(opened)
    rows = [as_row(opened.settings, one, held) for one in found]
    context.add_output_metadata(of_agreements(rows, list(every_remark(opened, found, today))))


@dg.job(
    description="Laat zien welke overeenkomst geldt en tot wanneer, wat nooit gevuld was en wat voor niemand wordt gelezen.",
    config={},
)
def overeenkomsten() -> None:
    """One look at all agreements."""
    toon_overeenkomsten()


class Noted(dg.Config):
    """Welke schakel eerder is genoteerd, als dat is gedaan."""

    schakel: str = Field(
        default="", description="De 64 tekens die hier eerder bij `Nieuwste schakel` stonden. Leeg: alleen de zegels."
    )


@dg.op(description="Loop alle zegels van het grootboek na. Verandert niets.")
def kijk_grootboek_na(context: dg.OpExecutionContext, config: Noted, instance: InstanceResource) -> None:
    """Walk the seals; the run fails where one does not hold."""
    try:
        found = verified(instance.opened.ledger, config.schakel)
    except NoLinkError as error:
        raise refused(f"Bij `schakel`: {error}.") from None
    told = of_told(" ".join(found.told))
    if found.broken:
        raise dg.Failure(found.told[0], metadata=told, allow_retries=False)
    context.add_output_metadata(told)


@dg.job(
    description="Kijk na of het grootboek nog zegt wat het altijd zei, en geef de nieuwste schakel om elders te noteren.",
    config={"ops": {"kijk_grootboek_na": empty("schakel")}},
)
def grootboek_nakijken() -> None:
    """One walk along the seals."""
    kijk_grootboek_na()


@dg.op(description="Laat zien hoe elk wisverzoek staat, en schrijf de brieven die je zelf moet versturen.")
def toon_wisverzoeken(context: dg.OpExecutionContext, instance: InstanceResource) -> None:
    """Tell of every request; the letters name the pupil by his ids at the supplier, the run by nothing."""
    context.add_output_metadata(of_erasures(followed(instance.opened, instance.today())))


@dg.job(
    description="Laat zien hoe verzoeken om een leerling te wissen er bij elke leverancier voor staan, en wat er nog te doen is.",
    config={},
)
def wisverzoeken() -> None:
    """One look at all requests."""
    toon_wisverzoeken()


class Confirmation(dg.Config):
    """Welke leverancier welk wisverzoek heeft bevestigd, en wie dat vastlegt."""

    verzoek: str = Field(description="Nummer van het wisverzoek; zie de job `wisverzoeken`.")
    leverancier: str = Field(description="Naam van de leverancier, zoals parro.")
    door: str = Field(description="Wie dit vastlegt: naam of functie, zoals directeur.")


@dg.op(description="Leg vast dat een leverancier de leerling zelf heeft gewist.")
def bevestig_wissen(context: dg.OpExecutionContext, config: Confirmation, instance: InstanceResource) -> None:
    """Write it down; the sensor `na_wissen` closes the request if that was the last supplier."""
    by, supplier = by_whom(config.door), config.leverancier.strip()
    if not config.verzoek.strip().isdecimal():
        raise refused("Vul bij `verzoek` het nummer van het wisverzoek in; zie de job `wisverzoeken`.")
    try:
        confirm_case(instance.opened, int(config.verzoek), supplier, by)
    except (ErasureRefusedError, LedgerBrokenError, UnknownNameError) as error:
        raise refused(error) from None
    context.add_output_metadata(of_told(_CONFIRMED.format(supplier, config.verzoek.strip())))


_CONFIRMED = (
    "Vastgelegd: {} heeft de leerling van wisverzoek {} zelf gewist. Is elke leverancier klaar, dan wordt het verzoek binnen een "
    "paar minuten vanzelf afgerond. Zie de job `wisverzoeken`."
)


@dg.job(
    description="Leg vast dat een leverancier een leerling zelf heeft gewist, na jouw brief.",
    config={"ops": {"bevestig_wissen": empty("verzoek", "leverancier", "door")}},
)
def wissen_bevestigen() -> None:
    """One confirmation, by one person."""
    bevestig_wissen()


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

JOBS = (
    *(goedkeuren, afwijzen),
    *(overeenkomsten, publiceren, wisverzoeken, wissen_bevestigen),
    *(grootboek_nakijken, teruglezen, opruimen),
)
"""Those that are about no school in particular."""
