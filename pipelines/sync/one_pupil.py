"""The part of a change plan that is about one pupil. Everything else in the plan waits for the next night."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from data_contracts.fields import Record
from mappings.projection import DeliverySet
from pipelines.keys import Keys
from pipelines.ledger.records import refs_of
from pipelines.sync.plan import ChangePlan

_GROUPS = {"groep": Record.GROEP, "samengestelde_groepen": Record.SAMENGESTELDE_GROEP}


@dataclass(frozen=True, slots=True)
class OnePupil:
    """A pupil's `key`, and the labels of the rows of `ChangePlan.changes` that are about him."""

    key: str
    rows: "pd.Index[int]"


def one_pupil(plan: ChangePlan, wanted: DeliverySet, key: str, keys: Keys) -> OnePupil:
    """What of a plan is about one pupil: his own change, and the creation of the groups that he is in.

    A group that the supplier has and that changed waits with the rest: he can be put in it as it is.
    """
    changes = plan.changes
    ref = refs_of(plan.school, Record.LEERLING, [key], keys)[0]
    mine = changes["kind"].eq(Record.LEERLING).to_numpy() & _is(changes["ref"], ref)
    if changes.loc[mine, "operation"].ne("delete").any():
        for kind, names in groups_of(wanted, key).items():
            mine |= (
                changes["kind"].eq(kind) & changes["key"].isin(names) & changes["operation"].eq("create")
            ).to_numpy()
    return OnePupil(key, changes.index[mine])


def _is(refs: pd.Series, ref: bytes) -> npt.NDArray[np.bool_]:
    """Not `eq`, which takes bytes through numpy and there loses zeros at their end."""
    return np.fromiter((other == ref for other in refs), dtype=np.bool_, count=len(refs))


def groups_of(wanted: DeliverySet, key: str) -> dict[Record, list[str]]:
    """The keys of the groups that a pupil of a delivery set is in, as far as the supplier gets to know those."""
    pupil = wanted.records[Record.LEERLING].loc[key]
    texts = {name: str(pupil[name]) for name in _GROUPS if isinstance(pupil.get(name), str)}
    return {_GROUPS[name]: [text] if name == "groep" else orjson.loads(text) for name, text in texts.items()}
