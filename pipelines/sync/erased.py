"""Whom a parent asked to erase, looked for in an export: recognised by ref, for nothing else may name him any more."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pandas as pd

from data_contracts.fields import Record
from data_contracts.roster import Roster
from pipelines.instance import Instance
from pipelines.keys import Keys
from pipelines.ledger.presence import Seen
from pipelines.ledger.records import refs_of


@dataclass(frozen=True, slots=True)
class Sought:
    """The pupils to look for, by ref of their key, or of their ECK iD where none of the keys that they had is there.

    `hidden` where no supplier may have them: then the rest of the run does not see them.
    """

    refs: Collection[bytes] = field(repr=False)
    eckids: Mapping[bytes, Collection[bytes]] = field(repr=False)
    hidden: bool
    keys: Keys = field(repr=False)


def sought(instance: Instance, school: str, day: date) -> Sought | None:
    """Whom to look for in an export of a school on a day; None for nobody.

    They are not hidden where an agreement rests on a legal duty: that supplier goes on getting them.
    """
    erasures = instance.ledger.erasures
    if not (refs := erasures.refs(school)):
        return None
    return Sought(refs.keys(), erasures.eckids(school), not duty_bound(instance, school, day), instance.keys)


def duty_bound(instance: Instance, school: str, day: date) -> tuple[str, ...]:
    """The suppliers to which the law obliges a school on a day to give its pupils."""
    return tuple(a.supplier for a in instance.settings.agreements if school in a.schools and a.obliges_on(day))


def looked_for(roster: Roster, school: str, whom: Sought) -> tuple[Roster, dict[bytes, Seen]]:
    """The roster, without whom is hidden; and those who are in it, by ref."""
    keys = roster.leerlingen["key"].fillna("").tolist()
    refs = refs_of(school, Record.LEERLING, keys, whom.keys)
    told = eckid_of(roster.leerlingen)
    by_eckid = dict(zip(told, refs_of(school, "eckid", told.values(), whom.keys), strict=True))
    eckids = [by_eckid.get(key) for key in keys]
    present = set(refs).intersection(whom.refs)
    moved = {eckid for eckid, had in whom.eckids.items() if present.isdisjoint(had)}
    there = [ref in whom.refs or eckid in moved for ref, eckid in zip(refs, eckids, strict=True)]
    of_others = {eckid for eckid, one in zip(eckids, there, strict=True) if eckid and not one}
    lost = {ref for eckid in of_others.intersection(whom.eckids) for ref in whom.eckids[eckid]}
    rows = zip(refs, keys, eckids, there, strict=True)
    found = {ref: Seen(key, eckid, not_his=ref in lost) for ref, key, eckid, one in rows if one}
    if not found or not whom.hidden:
        return roster, found
    return replace(roster, leerlingen=roster.leerlingen[[not one for one in there]].reset_index(drop=True)), found


def eckid_of(pupils: pd.DataFrame) -> dict[str, str]:
    """The ECK iD by key of every pupil who has one to himself; of nobody where no supplier needs it, for then it is not read."""
    if "eckid" not in pupils:
        return {}
    told = pupils.dropna(subset=["key", "eckid"])
    alone = told[~told["eckid"].duplicated(keep=False)]
    return dict(zip(alone["key"], alone["eckid"], strict=True))
