"""The small functions that a profile may name, and what they say they read."""

import inspect

import pandas as pd
import pytest

from data_contracts.fields import CATALOGUE
from mappings.transforms import TRANSFORMS, key_without_eckid, own_year_group, sources, transformed

GROUPS = pd.DataFrame(
    {
        "soort": ["groep", "groep", "groep", "samengestelde_groep"],
        "key": ["a", "b", "c", "a"],
        "jaargroep": ["3", "C", None, None],
    },
    dtype="str",
)


def _pupils(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["jaargroep", "groep"]).astype("str")


@pytest.mark.parametrize(
    ("own", "group", "expected"),
    [
        ("4", "a", "4"),
        (None, "a", "3"),
        (None, "b", None),
        ("4", "b", "4"),
        (None, "c", None),
        (None, None, None),
        (None, "onbekend", None),
    ],
)
def test_a_pupils_own_year_goes_before_that_of_his_group(
    own: str | None, group: str | None, expected: str | None
) -> None:
    """His own year where he has one, else that of his group, never that of a combination group."""
    (found,) = own_year_group(_pupils((own, group)), GROUPS).astype(object)
    assert found == expected or (expected is None and pd.isna(found))


def test_the_key_is_withheld_where_there_is_an_eckid() -> None:
    """UWLR 2.3: the ECK iD takes the place of the key."""
    records = pd.DataFrame({"key": ["1", "2"], "eckid": ["e", None]}, dtype="str")
    assert key_without_eckid(records, GROUPS).isna().tolist() == [True, False]


def test_without_a_transform_a_column_is_what_it_was() -> None:
    """And it is made of the field itself."""
    records = _pupils(("4", "a"))
    assert transformed(None, "groep", records, GROUPS).tolist() == ["a"]
    assert sources("leerling.groep", None) == ("leerling.groep",)


class Watched(pd.DataFrame):
    """A frame that remembers which of its columns were asked for."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __getitem__(self, key: object) -> object:
        """Remember the name."""
        if isinstance(key, str):
            self.attrs.setdefault("seen", set()).add(key)
        return super().__getitem__(key)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_reads_what_it_declares_and_nothing_else(name: str) -> None:
    """Lineage and the reader follow the declared sources, so they must be the truth."""
    declared = TRANSFORMS[name].sources
    assert set(declared) <= set(CATALOGUE)
    columns = {CATALOGUE[f].name for f in declared if CATALOGUE[f].record.table != "groepen"}
    records = Watched({"key": ["1"], "eckid": ["1"], "jaargroep": ["1"], "groep": ["1"]}, dtype="str")
    TRANSFORMS[name].function(records, GROUPS)
    assert records.attrs["seen"] == columns
    assert len(inspect.signature(TRANSFORMS[name].function).parameters) == 2
