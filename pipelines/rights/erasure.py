"""Erasing a pupil (AVG art. 17 and 19): how each supplier stands, the letter to one that must be asked, and what is forgotten at the end.

What Dagster keeps of him is taken away in `pipelines.retention`; the deletes themselves go out with an ordinary delivery.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from data_contracts.dutch_time import day_of
from data_contracts.fields import Record
from mappings.agreement import Stage
from mappings.choices import How
from pipelines.consent import named
from pipelines.instance import Instance
from pipelines.ledger.choices import ChoiceRefusedError
from pipelines.ledger.erasures import Erasure, Followed
from pipelines.ledger.handles import NO_HANDLE
from pipelines.ledger.records import refs_of
from pipelines.names import RefusedError, UnknownNameError, refuse_unknown
from pipelines.rendering import write_page
from pipelines.sync.erased import duty_bound
from pipelines.sync.outbox import keep_snapshot, kept_snapshot, snapshot_name

NOTHING_HELD, DELETED, CONFIRMED = (
    "heeft niets van deze leerling",
    "heeft de leerling verwijderd",
    "heeft het bevestigd",
)
WAITS, BROKEN_OFF = "wacht op de volgende levering", "levering afgebroken; de volgende maakt haar af"
REFUSED, MUST_BE_ASKED, DUTY = (
    "weigert te verwijderen: vraag het zelf",
    "verwijdert niet vanzelf: vraag het",
    "moet hem houden: wettelijke verplichting",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one supplier: in Dutch, since when, and whether anything is left to be done.

    `ask`: only a person can get it done; there is a letter for it. `missed`: the delivery that was to do it could not.
    """

    supplier: str
    told: str
    done: bool
    at: datetime | None = None
    ask: bool = False
    missed: bool = False


def open_case(instance: Instance, school: str, pupil: str, by: str, how: str) -> int:
    """Write down that a pupil must be erased; from now on he goes nowhere. The number of the request.

    Raises:
        UnknownNameError: no such school or manner.
        ErasureRefusedError: no such pupil, or he was erased already.
    """
    refuse_unknown(instance.settings, [school], [])
    return instance.ledger.erasures.open(school, pupil, by, named(How, how, "de manier"))


def confirm_case(instance: Instance, number: int, supplier: str, by: str) -> None:
    """Write down that a supplier says it erased the pupil itself.

    Raises:
        UnknownNameError: a supplier that neither the school has nor the request is about.
        ErasureRefusedError: no such open request, or the supplier has nothing of the pupil.
    """
    known = {each.supplier for each in instance.ledger.erasures.followed(number)}
    if supplier not in known:
        refuse_unknown(instance.settings, [], [supplier])
    instance.ledger.erasures.confirm(number, supplier, by)


def standings(instance: Instance, one: Erasure, day: date) -> list[Standing]:
    """How an open or closed request stands on a day with every supplier of the school, and every other that had something of him."""
    known = {each.supplier: each for each in instance.ledger.erasures.followed(one.id)}
    here = {a.supplier for a in instance.settings.agreements if one.school in a.schools}
    return [
        _standing(instance, one, known.get(supplier) or Followed(supplier, held=False, under_way=False), day)
        for supplier in sorted({*here, *known})
    ]


def followed(instance: Instance, day: date) -> list[tuple[Erasure, list[Standing], list[str]]]:
    """Every request, oldest first, with its `standings` and `what_to_do`."""
    return [
        (one, found := standings(instance, one, day), what_to_do(instance, one, found, day))
        for one in instance.ledger.erasures.all()
    ]


def told_erased(instance: Instance, school: str, pupil: str) -> str:
    """That a request to erase this pupil is open or was carried out, in Dutch; "" where there is none, or he has left since."""
    (ref,) = refs_of(school, Record.LEERLING, [pupil.strip()], instance.keys)
    number = instance.ledger.erasures.refs(school).get(ref)
    for one in instance.ledger.erasures.all() if number is not None else ():
        if number in one.records:
            return (_ERASED if one.closed_at else _BEING_ERASED).format(one.id)
    return ""


_BEING_ERASED = "Voor deze leerling loopt een verzoek om te wissen (wisverzoek {}): hij wordt overal verwijderd. Zie `doorgeefluik erase list`."
_ERASED = (
    "Deze leerling is op verzoek gewist (wisverzoek {}): Doorgeefluik bewaart niets van hem en geeft hem aan niemand, "
    "ook al staat hij nog in de export."
)


class ErasedPupilError(RefusedError):
    """Nothing can be asked of a pupil who is erased, or is being erased; the message is a Dutch sentence."""


@contextmanager
def telling_erased(instance: Instance, school: str, pupil: str) -> Iterator[None]:
    """Where a pupil is not known or not in the export, say that he was erased, if that is why.

    Raises:
        ErasedPupilError: it is.
    """
    try:
        yield
    except (UnknownNameError, ChoiceRefusedError):
        if told := told_erased(instance, school, pupil):
            raise ErasedPupilError(told) from None
        raise


def ready(instance: Instance, day: date) -> list[Erasure]:
    """The open requests of which every supplier is done on a day."""
    unclosed = [one for one in instance.ledger.erasures.all() if one.closed_at is None]
    return [one for one in unclosed if all(each.done for each in standings(instance, one, day))]


def state_of(one: Erasure) -> str:
    """Whether a request is open."""
    return f"afgerond op {day_of(one.closed_at)}" if one.closed_at else "open"


def what_to_do(instance: Instance, one: Erasure, found: Sequence[Standing], day: date) -> list[str]:
    """What a person must know or do about a request that stands like this (`standings`), a sentence each.

    Writes a letter to every supplier that must be asked; it names the school, and the pupil by those of his ids at the supplier
    only by which it knows nobody else.
    """
    if one.closed_at:
        return [_STILL_THERE] if one.in_export else []
    if all(each.done for each in found):
        return [_ALL_DONE]
    files = [_letter(instance, one, each, day) for each in found if each.ask]
    return [_ASK_THEM, *(f"  {file}" for file in files), _CONFIRM.format(one.id)] if files else []


_STILL_THERE = "De leerling staat nog in de export. Hij gaat nergens heen zolang dat zo is."
_ALL_DONE = "Elke leverancier is klaar. Het verzoek wordt afgerond bij de volgende `sync` of `clean`; draait de webpagina, dan vanzelf."
_ASK_THEM = "Deze leveranciers moet je zelf vragen; in elk van deze brieven staat aan wie:"
_CONFIRM = "Heeft een leverancier het bevestigd: doorgeefluik erase confirm {} LEVERANCIER (in de webpagina: de job `wissen_bevestigen`)"


def forget(instance: Instance, one: Erasure) -> None:
    """Take what identifies the pupil out of the vault, the letters and the ledger, in that order: the ledger's part closes the request.

    Raises:
        ErasureRefusedError: some supplier has him still.
        LedgerBrokenError: the ledger is not whole, so nothing in it is forgotten.
    """
    keys = list(instance.ledger.record_keys(one.records).values())
    _forget_in_vault(instance, one.school, keys)
    for file in _about(instance, one):
        file.unlink(missing_ok=True)
    instance.ledger.erasures.close(one.id)
    instance.ledger.compact()


def _standing(instance: Instance, one: Erasure, known: Followed, day: date) -> Standing:
    if one.closed_at is None:
        if known.supplier in duty_bound(instance, one.school, day) and (known.held or one.in_export):
            return Standing(known.supplier, DUTY, done=False)
        if known.under_way:
            return Standing(known.supplier, BROKEN_OFF, done=False)
    return _holding(instance, one, known, day) if known.held else _without(one, known)


def _without(one: Erasure, known: Followed) -> Standing:
    """Of a supplier that has nothing of the pupil, or no longer."""
    if said := one.confirmed.get(known.supplier):
        return Standing(known.supplier, f"{CONFIRMED} ({said.by})", done=True, at=said.at)
    if known.operation == "delete" and known.state == "accepted":
        return Standing(known.supplier, DELETED, done=True, at=known.answered_at)
    return Standing(known.supplier, NOTHING_HELD, done=True)


def _holding(instance: Instance, one: Erasure, known: Followed, day: date) -> Standing:
    """Of a supplier that has something of the pupil still."""
    agreement = instance.settings.agreement(known.supplier, one.school)
    if agreement is None or agreement.stage is not Stage.FULL or day < agreement.signed:
        return Standing(known.supplier, MUST_BE_ASKED, done=False, ask=True)
    after = known.answered_at is not None and known.answered_at >= one.opened_at
    if known.operation == "delete" and known.state == "refused" and after:
        return Standing(known.supplier, REFUSED, done=False, at=known.answered_at, ask=True)
    plan = instance.ledger.last_plan(known.supplier, one.school)
    missed = plan and plan.created_at >= one.opened_at and plan.state in _NOT_ALL and plan.reason
    told = f"{WAITS}. De vorige keer: {missed}" if missed else WAITS
    return Standing(known.supplier, told, done=False, missed=bool(missed))


_NOT_ALL = {"failed", "held", "partial"}
"""How a plan ends that left something to do."""


def _letter(instance: Instance, one: Erasure, standing: Standing, day: date) -> Path:
    keys = instance.ledger.record_keys(one.records)
    handles = instance.ledger.handles(standing.supplier, one.records)
    known = [(handles.get(number, NO_HANDLE), keys.get(number)) for number in one.records]
    shared = instance.ledger.shared_ids(standing.supplier, one.records)
    others = frozenset[str | None]().union(*shared.values())
    ids = [text for handle, key in known for text in (handle.wire_id or key, handle.other_id) if text not in others]
    ids += [handle.own_id for handle, _ in known]
    profile = instance.settings.profiles.get(standing.supplier)
    here = one.school in instance.settings.school_keys  # else it was taken out of the settings since
    return write_page(
        instance.settings.reports / "wissen" / one.school / f"{one.id}-{standing.supplier}.html",
        "erasure_letter.html.j2",
        school=instance.settings.school(one.school) if here else {"name": "de school", "school": one.school},
        supplier=profile.name if profile else standing.supplier,
        ids=list(dict.fromkeys(filter(None, ids))),
        today=day,
        number=one.id,
    )


def _forget_in_vault(instance: Instance, school: str, keys: Sequence[str]) -> None:
    """Keep nothing of the school but the last whole set of each supplier, without this pupil."""
    suppliers = {snapshot_name(supplier, school): supplier for supplier in _suppliers(instance, school)}
    for name in instance.vault.names():
        if name in suppliers:
            _keep_without(instance, suppliers[name], school, keys)
        elif school in name.split("/"):
            instance.vault.remove(name)


def _suppliers(instance: Instance, school: str) -> set[str]:
    """Of whom a whole set may be in the vault: also where the agreement is gone."""
    return {*instance.settings.profiles, *(supplier for _, supplier in instance.ledger.delivered_counts(school))}


def _keep_without(instance: Instance, supplier: str, school: str, keys: Sequence[str]) -> None:
    snapshot = kept_snapshot(instance.vault, supplier, school) or {}
    left = {
        kind: frame[~frame.index.isin(keys)] if kind is Record.LEERLING else frame for kind, frame in snapshot.items()
    }
    keep_snapshot(instance.vault, supplier, school, left)


def _about(instance: Instance, one: Erasure) -> Iterator[Path]:
    """The letters about the pupil: those to suppliers, and those that tell his parents what is known of him.

    Also those of anybody whom the ledger did not know yet (number 0): it may have been him, and they can be written again.
    """
    yield from (instance.settings.reports / "wissen" / one.school).glob(f"{one.id}-*")
    for number in (0, *one.records):
        yield from (instance.settings.letters / one.school).glob(f"{number}-*")
