"""The roster: the typed tables out of one export. Which values are right is in `contracts.py`; how they are read is in `connectors.parnassys`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

UNSTEADY = ["aanmaakdatum", "auteur", "commentaar", "peildatum"]
"""School fields that differ in every export of the same content."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Four frames of text columns (pandas `str`, absent is NaN), named and ordered as in the field catalogue.

    `school` has one row. `groepen` begins with `soort` (`groep` or `samengestelde_groep`). A field that was not asked
    for is not a column; a field that was asked for always is one.
    """

    school: pd.DataFrame
    groepen: pd.DataFrame
    leerlingen: pd.DataFrame
    leerkrachten: pd.DataFrame

    def tables(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The four tables with their names."""
        for name in ("school", "groepen", "leerlingen", "leerkrachten"):
            yield name, getattr(self, name)

    def school_value(self, name: str) -> str | None:
        """One value of the school block, None where it is absent."""
        if name not in self.school or self.school[name].isna().any():
            return None
        return str(self.school[name].iloc[0])

    def digest(self) -> str:
        """Names the content: equal for two exports of the same content, whatever their bytes, moment or maker."""
        whole = hashlib.blake2b(digest_size=16)
        for name, table in self.tables():
            for column in table.columns.difference(UNSTEADY if name == "school" else []):
                # XML knows neither of these characters, so that no value can look like two, or like an absent one.
                text = "\x1f".join(table[column].fillna("\x1e").tolist())
                whole.update(f"{name} {column} {len(table)}\n{text}\n".encode())
        return whole.hexdigest()
