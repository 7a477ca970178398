"""Whom a parent asked to erase, looked for in an export: recognised by ref, for nothing else may name him any more."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from data_contracts.fields import Record
from data_contracts.roster import Roster
from mappings.agreement import LegalBasis
from pipelines.instance import Instance
from pipelines.keys import Keys
from pipelines.ledger.records import refs_of


@dataclass(frozen=True, slots=True)
class Sought:
    """The pupils to look for, by ref; `hidden` where no supplier may have them: then the rest of the run does not see them."""

    refs: Collection[bytes] = field(repr=False)
    hidden: bool
    keys: Keys = field(repr=False)


def sought(instance: Instance, school: str) -> Sought | None:
    """Whom to look for in the exports of a school; None for nobody.

    They are not hidden where an agreement rests on a legal duty: that supplier goes on getting them (AVG art. 17 lid 3 b).
    """
    refs = instance.ledger.erasures.refs(school)
    return Sought(refs.keys(), not duty_bound(instance, school), instance.keys) if refs else None


def duty_bound(instance: Instance, school: str) -> tuple[str, ...]:
    """The suppliers to which the law obliges a school to give its pupils."""
    duties = (a for a in instance.settings.agreements if a.legal_basis is LegalBasis.LEGAL_DUTY)
    return tuple(a.supplier for a in duties if school in a.schools)


def looked_for(roster: Roster, school: str, whom: Sought) -> tuple[Roster, frozenset[bytes]]:
    """The roster, without whom is hidden, and the refs of those who are in it."""
    refs = refs_of(school, Record.LEERLING, roster.leerlingen["key"].fillna("").tolist(), whom.keys)
    there = [ref in whom.refs for ref in refs]
    found = frozenset(ref for ref, one in zip(refs, there, strict=True) if one)
    if not found or not whom.hidden:
        return roster, found
    return replace(roster, leerlingen=roster.leerlingen[[not one for one in there]].reset_index(drop=True)), found
