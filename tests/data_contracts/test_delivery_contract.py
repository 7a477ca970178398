"""The strict contract of a delivery set: exactly what was agreed, or nothing."""

from collections.abc import Callable

import pandas as pd
import pytest

from data_contracts.delivery import ContractBroken, assert_delivery, delivery_schema
from data_contracts.fields import CATALOGUE

AGREED = [CATALOGUE["leerling.key"], CATALOGUE["leerling.roepnaam"], CATALOGUE["leerling.voorvoegsel"]]
MARKER = "MERKTEKEN"


def delivery() -> pd.DataFrame:
    """A frame that is exactly what was agreed."""
    return pd.DataFrame(
        {
            "id": ["1", "2"],
            "key": ["1", "2"],
            "roepnaam": [MARKER + "1", MARKER + "2"],
            "voorvoegsel": [None, MARKER],
        }
    ).astype("str")


@pytest.mark.parametrize("rows", [0, 2])
def test_exactly_what_was_agreed_passes(rows: int) -> None:
    """The agreed columns in their order pass, also without any record."""
    assert_delivery(delivery().head(rows), AGREED)


def test_the_index_of_a_delivery_does_not_matter() -> None:
    """Frames that are indexed by record key are judged all the same."""
    assert_delivery(delivery().set_index("key", drop=False), AGREED)


Change = Callable[[pd.DataFrame], pd.DataFrame]
DEVIATIONS: dict[str, tuple[Change, str]] = {
    "one column more": (lambda f: f.assign(bsn=f["key"]), r"te veel: bsn\."),
    "one column fewer": (lambda f: f.drop(columns="roepnaam"), r"ontbreekt: roepnaam\."),
    "one column for another": (lambda f: f.rename(columns={"roepnaam": "bsn"}), "te veel: bsn; ontbreekt: roepnaam"),
    "a column twice": (lambda f: pd.concat([f, f[["key"]]], axis=1), r"te veel: key\."),
    "another order": (lambda f: f[["id", "roepnaam", "key", "voorvoegsel"]], "andere volgorde"),
    "numbers": (lambda f: f.assign(key=[1, 2]), r": key:tekst\."),
    "objects": (lambda f: f.assign(key=f["key"].astype(object)), r": key:tekst\."),
    "absent as a number": (lambda f: f.assign(voorvoegsel=float("nan")), r": voorvoegsel:tekst\."),
    "no id": (lambda f: f.assign(id=pd.Series(["1", None], dtype="str")), r"id:verplicht \(1 records\)"),
    "one id twice": (lambda f: f.assign(id=pd.Series(["1", "1"], dtype="str")), r"id:uniek \(2 records\)"),
}


@pytest.mark.parametrize(("change", "told"), DEVIATIONS.values(), ids=DEVIATIONS.keys())
def test_any_deviation_fails(change: Change, told: str) -> None:
    """One column more or fewer, another order, another type or a bad id stops the delivery, and names no value."""
    with pytest.raises(ContractBroken, match=told) as broken:
        assert_delivery(change(delivery()), AGREED)
    assert MARKER not in f"{broken.value!s} {broken.value!r} {vars(broken.value)}"
    assert broken.value.__cause__ is None
    assert broken.value.__context__ is None


def test_the_contract_never_drops_a_column() -> None:
    """A surplus column is refused, not filtered out in silence."""
    schema = delivery_schema(AGREED)
    assert schema.strict is True
    assert schema.ordered
    assert list(schema.columns) == ["id", "key", "roepnaam", "voorvoegsel"]
