"""Whom a parent asked to erase, looked for in an export: recognised by ref, for nothing else may name him any more."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date

from data_contracts.fields import Record
from data_contracts.roster import Roster
from pipelines.instance import Instance
from pipelines.keys import Keys
from pipelines.ledger.records import refs_of


@dataclass(frozen=True, slots=True)
class Sought:
    """The pupils to look for, by ref; `hidden` where no supplier may have them: then the rest of the run does not see them."""

    refs: Collection[bytes] = field(repr=False)
    hidden: bool
    keys: Keys = field(repr=False)


def sought(instance: Instance, school: str, day: date) -> Sought | None:
    """Whom to look for in an export of a school on a day; None for nobody.

    They are not hidden where an agreement rests on a legal duty: that supplier goes on getting them.
    """
    refs = instance.ledger.erasures.refs(school)
    return Sought(refs.keys(), not duty_bound(instance, school, day), instance.keys) if refs else None


def duty_bound(instance: Instance, school: str, day: date) -> tuple[str, ...]:
    """The suppliers to which the law obliges a school on a day to give its pupils."""
    return tuple(a.supplier for a in instance.settings.agreements if school in a.schools and a.obliges_on(day))


def looked_for(roster: Roster, school: str, whom: Sought) -> tuple[Roster, frozenset[bytes]]:
    """The roster, without whom is hidden, and the refs of those who are in it."""
    refs = refs_of(school, Record.LEERLING, roster.leerlingen["key"].fillna("").tolist(), whom.keys)
    there = [ref in whom.refs for ref in refs]
    found = frozenset(ref for ref, one in zip(refs, there, strict=True) if one)
    if not found or not whom.hidden:
        return roster, found
    return replace(roster, leerlingen=roster.leerlingen[[not one for one in there]].reset_index(drop=True)), found
