"""The small named functions that a profile may name: each makes one column of a delivery set out of the records that go out.

A transform may look at the fields it declares in `sources`, and at nothing else: lineage and the reader follow that list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd


@dataclass(frozen=True, slots=True)
class Transform:
    """A function of the pupils (or other records) that go out and of all groups, and the field ids it reads."""

    function: Callable[[pd.DataFrame, pd.DataFrame], pd.Series]
    sources: tuple[str, ...]


def own_year_group(pupils: pd.DataFrame, groups: pd.DataFrame) -> pd.Series:
    """A pupil's own year group: his own where he has one, else that of his group unless it is a combination (EDEXML 2.1)."""
    own = pupils["jaargroep"]
    plain = groups[(groups["soort"] == "groep") & ~groups["jaargroep"].isin(["C"])]
    of_group = plain.drop_duplicates("key").set_index("key")["jaargroep"]
    return own.where(own.notna(), pupils["groep"].map(of_group)).astype("str")


def key_without_eckid(records: pd.DataFrame, groups: pd.DataFrame) -> pd.Series:  # noqa: ARG001  every transform has one shape
    """The key of ParnasSys, only where there is no ECK iD (UWLR 2.3: the ECK iD takes the place of the key)."""
    return records["key"].where(records["eckid"].isna())


TRANSFORMS = MappingProxyType(
    {
        "own_year_group": Transform(
            own_year_group, ("leerling.jaargroep", "leerling.groep", "groep.key", "groep.jaargroep")
        ),
        "key_without_eckid": Transform(key_without_eckid, ("leerling.key", "leerling.eckid")),
        "teacher_key_without_eckid": Transform(key_without_eckid, ("leerkracht.key", "leerkracht.eckid")),
    }
)


def sources(field_id: str, transform: str | None) -> tuple[str, ...]:
    """The export fields that a delivered field is made of."""
    return TRANSFORMS[transform].sources if transform else (field_id,)


def transformed(name: str | None, column: str, records: pd.DataFrame, groups: pd.DataFrame) -> pd.Series:
    """One column of the delivery set, for the records that go out."""
    return TRANSFORMS[name].function(records, groups) if name else records[column]
