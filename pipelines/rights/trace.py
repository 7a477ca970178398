"""Why one pupil is or is not at one supplier: the steps from the export to the answer, each with what came of it, in Dutch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from data_contracts.dutch_time import HERE
from data_contracts.fields import Record
from data_contracts.findings import explanation
from mappings.agreement import Agreement
from pipelines.instance import Instance
from pipelines.ledger.dossier import Dossier, Passed
from pipelines.rights.erasure import told_erased
from pipelines.rights.looking import Look, in_export, in_quarantine, look
from pipelines.sync.guard import ALLOWED_BY_STAGE, CLEAR_OUT
from pipelines.sync.school import SchoolData
from pipelines.words import OPERATIONS, spaced

_SCOPE = {
    "van_school": "de laatste schooldag is geweest, of de jaargroep is H.",
    "buiten_bereik": "zijn jaargroep hoort niet bij `scope` van de overeenkomst.",
}
_CHOICE = {
    "bezwaar": "een ouder maakte bezwaar.",
    "toestemming_ingetrokken": "een ouder gaf geen toestemming, of trok haar in.",
    "geen_toestemming": "toestemming is nodig, en er is niets vastgelegd.",
    "verzoek_tot_wissen": "een ouder vroeg om te wissen.",
}
_ANSWERS = {
    "accepted": (True, "aangenomen"),
    "refused": (False, "geweigerd"),
    "presumed": (None, "er kwam geen antwoord; hij kan zijn aangekomen. De volgende levering zet het recht"),
    "pending": (None, "nog geen antwoord; de volgende levering gaat ermee verder"),
    "abandoned": (False, "niet verstuurd: de levering is afgebroken"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `ok` is None where it says nothing, or was not reached."""

    name: str
    ok: bool | None
    told: str

    @property
    def mark(self) -> str:
        """Yes, no, or says nothing, at a glance."""
        return {True: "✓", False: "✗", None: "–"}[self.ok]

    def __repr__(self) -> str:
        return f"Step({self.name!r}, {self.ok})"  # a supplier's own words may name a pupil


def _yes(name: str, told: str) -> Step:
    return Step(name, ok=True, told=told)


def _no(name: str, told: str) -> Step:
    return Step(name, ok=False, told=told)


def _open(name: str, told: str) -> Step:
    """A step that says nothing, or was not reached."""
    return Step(name, ok=None, told=told)


def trace(
    instance: Instance,
    school: str,
    supplier: str,
    pupil: str,
    data: SchoolData | None,
    day: date,
    missing: str = "",
    *,
    aloud: bool = True,
) -> list[Step]:
    """The steps for one pupil at one supplier; without `data`, `missing` says why there is no export.

    The plan is the one that a delivery would make now; nothing is written or sent. `aloud` is for the screen of who asks:
    with the supplier's own words, which may hold a name.

    Raises:
        ContractBroken: the delivery set is not exactly what was agreed.
    """
    agreement, dossier = instance.settings.agreement(supplier, school), instance.ledger.dossier(school, pupil)
    begun = agreement if agreement and agreement.signed <= day else None  # until then its fields are not even read
    seen = look(instance, begun, school, data, day, pupil) if begun and data else None
    last = next((one for one in reversed(dossier.passed) if one.supplier == supplier), None) if dossier else None
    return [
        _export(data, pupil, missing, told_erased(instance, school, pupil)),
        _contract(data, pupil),
        *_scope_and_choice(seen, data, pupil),
        _agreement(agreement, seen, day),
        _plan(instance, seen, dossier, supplier, pupil),
        _sent(last),
        _answer(instance, last, aloud=aloud),
    ]


def _export(data: SchoolData | None, pupil: str, missing: str, erased: str) -> Step:
    if data is None:
        return _open("In de export", f"De export is er nu niet. {missing}".strip())
    if erased and not in_export(data, pupil):
        return _no("In de export", erased)  # he may be there: nothing of him is read any more
    there = in_export(data, pupil)
    return Step("In de export", there, "staat in de export van nu." if there else "staat niet in de export van nu.")


def _contract(data: SchoolData | None, pupil: str) -> Step:
    if data is None or not in_export(data, pupil):
        return _open("Gegevens", "niet na te kijken.")
    found = told_findings(data, pupil)
    if in_quarantine(data, pupil):
        return _no("Gegevens", " ".join(["in quarantaine; blijft overal zoals hij was.", *found]))
    return _yes("Gegevens", " ".join(["in orde, behalve:", *found]) if found else "in orde.")


def told_findings(data: SchoolData, pupil: str) -> list[str]:
    """What is wrong with a pupil in the export, and what to do about it; never the value."""
    found = data.checked.findings
    mine = found[found["soort"].eq(Record.LEERLING) & found["key"].eq(pupil)]
    broken = zip(mine["veld"], mine["regel"], strict=True)
    told = (f"{name}: {' '.join(explanation(rule, name, Record.LEERLING))}" for name, rule in broken)
    return list(dict.fromkeys(told))  # once, also where two have the same key


def _scope_and_choice(seen: Look | None, data: SchoolData | None, pupil: str) -> Iterator[Step]:
    """Whether he is one of those whom the agreement is about, and whether his parents' choices let him go."""
    if seen is None or data is None:
        yield _open("Binnen het bereik", "niet te zeggen.")
        yield _open("Keuze van ouders", "niet te zeggen.")
        return
    gone = seen.wanted.gone[Record.LEERLING].get(pupil)
    there = pupil in seen.wanted.of(Record.LEERLING).index
    if Record.LEERLING not in seen.wanted.records:
        yield _no("Binnen het bereik", "de overeenkomst geeft deze leverancier geen leerlingen.")
    elif gone in _SCOPE:
        yield _no("Binnen het bereik", _SCOPE[gone])
    elif there:
        yield _yes("Binnen het bereik", "zit op school, en hoort bij de jaargroepen van de overeenkomst.")
    elif pupil in seen.wanted.uncertain.keys[Record.LEERLING]:
        yield _open(
            "Binnen het bereik",
            "niet te bepalen: zijn gegevens of zijn groep zijn niet in orde, of zijn sleutel staat er twee keer. Blijft zoals hij was.",
        )
    elif gone in _CHOICE:
        yield _open("Binnen het bereik", "doet er niet toe: de keuze van ouders houdt hem tegen.")
    else:
        yield _open("Binnen het bereik", "niet te zeggen.")
    if gone in _CHOICE:
        yield _no("Keuze van ouders", _CHOICE[gone])
    else:
        yield _yes("Keuze van ouders", "niets houdt hem tegen.")


def _agreement(agreement: Agreement | None, seen: Look | None, day: date) -> Step:
    name = "Overeenkomst"
    if agreement is None:
        return _no(name, "er is geen overeenkomst met deze leverancier.")
    if day < agreement.signed:
        return _no(name, f"gaat pas in op {agreement.signed:%d-%m-%Y}.")
    if day > agreement.valid_until:
        return _no(
            name,
            f"is afgelopen op {agreement.valid_until:%d-%m-%Y}; er gaat niets nieuws meer uit, verwijderen wel.",
        )
    until = f"geldt tot en met {agreement.valid_until:%d-%m-%Y}"
    operations = set(seen.plan.concerned["operation"]) if seen else set()
    if missing := sorted(OPERATIONS[o] for o in operations - ALLOWED_BY_STAGE[agreement.stage]):
        return _no(name, f"{until}, maar staat op stage: {agreement.stage}; {', '.join(missing)} mag nog niet.")
    return _yes(name, f"{until}, stage: {agreement.stage}.")


def _nothing(seen: Look, pupil: str, *, has: bool) -> Step:
    """Why there is nothing to do about a pupil whom the supplier `has` or not."""
    if seen.plan.waiting:
        return _no("Plan", seen.plan.why())
    uncertain = seen.wanted.uncertain
    if pupil in uncertain.keys[Record.LEERLING]:
        return _no("Plan", "niets te doen zolang niet vaststaat of hij binnen het bereik valt; zie hierboven.")
    if pupil not in seen.wanted.of(Record.LEERLING).index and Record.LEERLING in uncertain.kinds:
        return _no("Plan", _WHO_KNOWS)
    if has and seen.plan.stopped_by(CLEAR_OUT):
        return _no("Plan", "wordt verwijderd zodra het leegruimen mag; zie `doorgeefluik hold list`.")
    if has:
        return _yes("Plan", "niets te doen: de leverancier heeft hem al zo.")
    return _yes("Plan", "niets te doen: de leverancier heeft hem niet, en hoort hem nu niet te krijgen.")


_WHO_KNOWS = (
    "niets te doen: van een leerling in de export is niet te zeggen wie het is (zie het rapport), dus wie er niet in staat "
    "blijft zoals hij was."
)


def _plan(instance: Instance, seen: Look | None, dossier: Dossier | None, supplier: str, pupil: str) -> Step:
    if seen is None:
        return _open("Plan", "er is geen plan te maken.")
    mine = seen.plan.own
    if mine.empty:
        return _nothing(seen, pupil, has=dossier is not None and supplier in dossier.holdings)
    operation, cause, fields = mine[["operation", "cause", "changed_fields"]].iloc[0]
    what = f"{OPERATIONS[operation]}, oorzaak {spaced(cause)}"
    what += f" ({fields.replace(',', ', ')})" if fields else ""
    if mine.index.isin(seen.plan.going.index).all():
        return _yes("Plan", f"{what}. Gaat mee bij de volgende levering.")
    waiting = [
        hold
        for state in ("open", "approved")
        for hold in instance.ledger.holds(seen.wanted.school, supplier, state)
        if hold.operation == operation
    ]
    number = (
        f" Vasthouding {waiting[0].id}{' is goedgekeurd' if waiting[0].state == 'approved' else ''}." if waiting else ""
    )
    return _no("Plan", f"{what}. Gaat niet mee: {seen.plan.why([operation])}{number}")


def _sent(last: Passed | None) -> Step:
    if last is None:
        return _open("Verstuurd", "nooit iets over hem naar deze leverancier.")
    moment = (last.answered_at or last.planned_at).astimezone(HERE)
    went = last.state != "abandoned"
    return Step(
        "Verstuurd", went, f"het laatst op {moment:%d-%m-%Y %H:%M}: {OPERATIONS[last.operation]} (plan {last.plan_id})."
    )


def _answer(instance: Instance, last: Passed | None, *, aloud: bool) -> Step:
    if last is None:
        return _open("Antwoord", "geen.")
    ok, told = _ANSWERS[last.state]
    words = instance.ledger.refusals(last.plan_id).get(last.record_id, "") if aloud and last.state == "refused" else ""
    return Step("Antwoord", ok, f"{told}. De leverancier zegt: {words}" if words else f"{told}.")
