"""Which agreed fields were empty in everything that a supplier held: the digest of an absent value tells, without any value."""

from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd

from data_contracts.fields import CATALOGUE, Record
from pipelines.keys import Keys
from pipelines.ledger.delivered import is_presumed
from pipelines.ledger.ledger import Ledger
from pipelines.sync.fingerprint import absent, unmasked, unpacked

PERIOD: Final = timedelta(days=30)
"""A field that was filled for nobody so long can be missed."""


def empty_fields(ledger: Ledger, keys: Keys, supplier: str, school: str) -> tuple[str, ...]:
    """The ids of the fields, in catalogue order, that had a value in no record that the supplier held of the school in the last `PERIOD`.

    What was presumed delivered tells nothing, and is passed over. Fields of the school itself are in no fingerprint.
    """
    state = ledger.held_within(supplier, school, PERIOD)
    known = [not is_presumed(prints) for prints in state["fingerprint"]]
    filled: dict[str, bool] = {}
    state = state[np.array(known, dtype=np.bool_)]
    for kind, field_set_id in state[["kind", "field_set_id"]].drop_duplicates().itertuples(index=False):
        held = state[(state["kind"] == kind) & (state["field_set_id"] == field_set_id)]
        ids = [f for f in ledger.field_ids(int(field_set_id)) if CATALOGUE[f].record is Record(kind)]
        for field_id, some in zip(ids, _filled(held, ids, keys), strict=True):
            filled[field_id] = filled.get(field_id, False) or some
    return tuple(field_id for field_id in CATALOGUE if filled.get(field_id) is False)


def _filled(held: pd.DataFrame, ids: list[str], keys: Keys) -> list[bool]:
    """Whether some record has a value, for each of the fields; the record's own id stands before them."""
    prints = unmasked(unpacked(held["fingerprint"].tolist(), len(ids) + 1), held["ref"].tolist(), keys)[:, 1:]
    return [bool(some) for some in np.any(prints != absent([CATALOGUE[f].name for f in ids], keys), axis=0)]
