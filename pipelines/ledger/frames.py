"""Between rows and frames: what every query of the ledger needs, and nothing that belongs to one of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd
import sqlalchemy as sa

_CHUNK = 5_000


def framed(rows: Sequence[Sequence[Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The rows as a frame with these columns and dtypes, also when there are none."""
    columns = list(zip(*rows, strict=True)) or [()] * len(dtypes)
    return pd.DataFrame(
        {name: pd.Series(column, dtype=dtype) for (name, dtype), column in zip(dtypes.items(), columns, strict=True)}
    )


def values(column: pd.Series) -> list[Any]:
    """The values of a column of texts, bytes or whole numbers as plain Python objects, absent as None."""
    found: list[Any] = column.array.to_numpy(dtype=object, na_value=None).tolist()
    return found


def among(column: sa.ColumnElement[int], ids: Iterable[int]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that together find `ids`, however many: numbers written out, since databases bind a limited number."""
    rest = iter(sorted(map(int, ids)))
    while chunk := list(islice(rest, _CHUNK)):
        yield column.in_(sa.bindparam(None, chunk, expanding=True, literal_execute=True))
