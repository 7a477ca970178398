"""The strict contract of a delivery set, built from the fields that go out: exactly these columns, in this order.

Which fields those are is decided in `mappings`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd
import pandera.pandas as pa

from data_contracts.contracts import key_checks, text_column
from data_contracts.fields import Field
from data_contracts.findings import breaks

ID = "id"
"""The column with the key that the supplier knows a record by."""


class ContractBroken(Exception):  # noqa: N818  says what happened, like BrokenTable
    """A delivery set that is not exactly what was agreed: nothing of it may go out. Names columns and counts, never values.

    `surplus` and `missing` are column names; `broken` counts the rows that break a rule, by `column:rule` (0: the column as
    a whole).
    """

    code = "gegevensset_wijkt_af"
    action = "Er is niets verstuurd. Geef deze melding door aan wie Doorgeefluik beheert."

    def __init__(self, surplus: Sequence[str], missing: Sequence[str], broken: Mapping[str, int]) -> None:
        self.surplus = tuple(surplus)
        self.missing = tuple(missing)
        self.broken = dict(broken)
        self.message = f"De gegevensset wijkt af van wat is afgesproken: {self._deviation()}."
        super().__init__(f"{self.message} {self.action}")

    def _deviation(self) -> str:
        parts = [f"te veel: {', '.join(self.surplus)}"] if self.surplus else []
        parts += [f"ontbreekt: {', '.join(self.missing)}"] if self.missing else []
        parts += [f"{name} ({count} records)" if count else name for name, count in self.broken.items()]
        return "; ".join(parts) or "de kolommen staan in een andere volgorde"


def delivery_schema(columns: Sequence[Field]) -> pa.DataFrameSchema:
    """The contract of a frame with `id` (present, unique) and then `columns` by their EDEXML names; all text."""
    names = [column.name for column in columns]
    return pa.DataFrameSchema(
        {ID: text_column(ID, key_checks(ID)), **{name: text_column(name) for name in names}},
        strict=True,
        ordered=True,
        unique_column_names=True,
    )


def assert_delivery(frame: pd.DataFrame, columns: Sequence[Field]) -> None:
    """Let a delivery set pass only if it is exactly what was agreed (design rule 1); its index does not matter.

    Raises:
        ContractBroken: a column too many or too few, out of order or not of text, an `id` that is absent or not unique.
    """
    schema = delivery_schema(columns)
    found = breaks(frame.reset_index(drop=True), schema)
    if found:
        there, agreed = Counter(map(str, frame.columns)), Counter(list(schema.columns))
        broken = {f"{b.column}:{b.rule}": len(b.rows) for b in found if b.column}
        raise ContractBroken([*(there - agreed)], [*(agreed - there)], broken)
