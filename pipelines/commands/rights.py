"""`access`, `why` and `sync --pupil`: what a parent may ask about one pupil. What is told of him goes to the screen of who asks."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import orjson

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.outcomes import tell, write_json
from pipelines.commands.telling import FAILED, OK, WRONG_SETTINGS, err, out, table
from pipelines.dagster_home import prepare
from pipelines.instance import Instance, open_instance
from pipelines.names import UnknownNameError, chosen_pairs, refuse_unknown
from pipelines.rights.access import fresh_or_why, letter, write_letter
from pipelines.rights.erasure import telling_erased
from pipelines.rights.looking import Hit, UnknownPupilError, found_by_name, fresh, refuse_unknown_pupil
from pipelines.rights.trace import Step, trace
from pipelines.runs import run_one_pupil
from pipelines.settings import home_folder


def give_access(option: Path | None, school: str, pupil: str | None, name: str, *, as_json: bool) -> int:
    """Write the letter of one pupil, or list those who go by a name; `as_json` writes no file."""
    instance, day = open_instance(home_folder(option)), today_in_the_netherlands()
    refuse_unknown(instance.settings, [school], [])
    if (pupil is None) is (not name.strip()):
        both = " Niet allebei." if pupil else ""
        raise UnknownNameError([f"geef de sleutel van de leerling, of `--name` met (een deel van) de naam.{both}"])
    data = None
    if pupil is None:
        data = fresh(instance, school, day)
        hits = found_by_name(data, name)
        if not hits:
            erased = f" {_NOT_BY_NAME}" if instance.ledger.erasures.refs(school) else ""
            raise UnknownPupilError(f"Niemand in de export van nu heet zo.{erased}")
        if len(hits) > 1:
            return _show_hits(hits, as_json=as_json)
        pupil = hits[0].key
    with telling_erased(instance, school, pupil):
        told = letter(instance, school, pupil.strip(), day, data)
    if as_json:
        sys.stdout.write(orjson.dumps(asdict(told), option=orjson.OPT_INDENT_2).decode() + "\n")
        return OK
    file = write_letter(instance, told)
    if told.missing:
        err.print(f"De gegevens zelf staan niet in de brief: {told.missing}", markup=False, soft_wrap=True)
    out.print(f"De brief: {file}", markup=False, soft_wrap=True)
    out.print(
        f"Hierin staan persoonsgegevens van één leerling. Geef hem alleen aan wie er recht op heeft. Hij wordt na {told.letters_days} dagen "
        "verwijderd. Afdrukken of opslaan als PDF kan vanuit de browser.",
        markup=False,
        soft_wrap=True,
    )
    return OK


_NOT_BY_NAME = "Wie op verzoek gewist is of wordt, is op naam niet te vinden, ook als hij nog in de export staat."


def explain_why(option: Path | None, pupil: str, supplier: str, school: str | None, *, as_json: bool) -> int:
    """Tell step by step why one pupil is or is not at one supplier."""
    instance = open_instance(home_folder(option))
    refuse_unknown(instance.settings, [school] if school else [], [supplier])
    place = school or _only_school(instance)
    data, missing = fresh_or_why(instance, place, today_in_the_netherlands())
    with telling_erased(instance, place, pupil):
        refuse_unknown_pupil(instance, place, data, pupil)
    steps = trace(instance, place, supplier, pupil, data, today_in_the_netherlands(), missing)
    if as_json:
        write_json([asdict(step) for step in steps])
    else:
        _show_steps(supplier, steps)
    return OK


def sync_one(
    option: Path | None, schools: list[str] | None, suppliers: list[str] | None, pupil: str, *, as_json: bool
) -> int:
    """Deliver one pupil of one school now, through Dagster, and tell the steps of it."""
    instance = open_instance(home_folder(option))
    settings = instance.settings
    place = schools[0] if schools and len(schools) == 1 else _only_school(instance)
    chosen = chosen_pairs(settings, [place], suppliers).get(place, [])
    if not chosen:
        err.print("Hiervoor is er geen overeenkomst, dus er is niets te doen.")
        return WRONG_SETTINGS
    prepare(settings, os.environ)
    with dg.DagsterInstance.get() as dagster:
        outcomes = run_one_pupil(settings, place, pupil, chosen, dagster)
    day, failed = today_in_the_netherlands(), all(outcome.state == "failed" for outcome in outcomes)
    data, missing = (None, "") if as_json and not failed else fresh_or_why(instance, place, day)
    if failed and data:
        with telling_erased(instance, place, pupil):
            refuse_unknown_pupil(instance, place, data, pupil)
    code = tell(outcomes, "Eén leerling, nu", as_json=as_json)
    if not as_json and code != FAILED:
        for supplier in chosen:
            _show_steps(supplier, trace(instance, place, supplier, pupil, data, day, missing))
    return code


def _only_school(instance: Instance) -> str:
    """The school, where there is but one to mean."""
    schools = instance.settings.school_keys
    if len(schools) != 1:
        raise UnknownNameError([f"noem één school met `--school`: {', '.join(schools)}."])
    return schools[0]


def _show_hits(hits: list[Hit], *, as_json: bool) -> int:
    if as_json:
        write_json([{"leerling": hit.key, "naam": hit.name, "groep": hit.group} for hit in hits])
    else:
        rows = [(hit.key, hit.name, hit.group) for hit in hits]
        out.print(table("Er zijn er meer; vraag het opnieuw met de sleutel", ("sleutel", "naam", "groep"), rows))
    return OK


def _show_steps(supplier: str, steps: list[Step]) -> None:
    out.print(f"\n{supplier}", style="bold", markup=False)
    for step in steps:
        out.print(f"  {step.mark} {step.name}: {step.told}", markup=False, soft_wrap=True)
