"""The part of a change plan that is about one pupil. Everything else in the plan waits for the next night."""

from collections.abc import Collection
from dataclasses import dataclass

import orjson
import pandas as pd

from data_contracts.fields import Record
from mappings.projection import DeliverySet
from pipelines.sync.compare import among_refs
from pipelines.sync.plan import ChangePlan

_GROUPS = {"groep": Record.GROEP, "samengestelde_groepen": Record.SAMENGESTELDE_GROEP}


@dataclass(frozen=True, slots=True)
class OnePupil:
    """A pupil's `key`, the `refs` of each of his keys, and the labels of the rows of `ChangePlan.changes` that are about him (`own`),
    and of all that go with those.
    """

    key: str
    refs: frozenset[bytes]
    own: "pd.Index[int]"
    rows: "pd.Index[int]"


def one_pupil(plan: ChangePlan, wanted: DeliverySet, key: str, refs: Collection[bytes]) -> OnePupil:
    """What of a plan is about one pupil: his own changes, under each of his keys (`refs`), and the creation of the groups that he is in.

    A group that the supplier has and that changed waits with the rest: he can be put in it as it is. Who takes his id, or gives
    up the one that he gets, comes along: the one cannot go without the other.
    """
    changes = plan.changes
    own = changes.index[changes["kind"].eq(Record.LEERLING).to_numpy() & among_refs(changes["ref"], refs)]
    rows = own.union([row for rows in plan.together if not rows.isdisjoint(own) for row in rows])
    sent = changes.loc[rows]
    for pupil in sent.loc[sent["operation"].ne("delete"), "key"]:
        for kind, names in groups_of(wanted, pupil).items():
            created = changes["kind"].eq(kind) & changes["key"].isin(names) & changes["operation"].eq("create")
            rows = rows.union(changes.index[created])
    return OnePupil(key, frozenset(refs), own, rows)


def groups_of(wanted: DeliverySet, key: str) -> dict[Record, list[str]]:
    """The keys of the groups that a pupil of a delivery set is in, as far as the supplier gets to know those."""
    pupil = wanted.records[Record.LEERLING].loc[key]
    texts = {name: str(pupil[name]) for name in _GROUPS if isinstance(pupil.get(name), str)}
    return {_GROUPS[name]: [text] if name == "groep" else orjson.loads(text) for name, text in texts.items()}
