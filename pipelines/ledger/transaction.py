"""One transaction on the ledger: the connection, and what every query in it needs besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Row

from pipelines.keys import Keys

Insert = sqlite.Insert | postgresql.Insert
"""An INSERT that knows ON CONFLICT."""

AnyRow = Row[*tuple[Any, ...]]
"""A row whose columns mypy need not know."""


_ROWS_AT_ONCE: Final = 200
"""In one INSERT, which then takes two thirds of the time that one for each row does."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A connection in a transaction, the keys, and the moment (aware, UTC) that counts for all that is written in it."""

    connection: Connection = field(repr=False)
    keys: Keys = field(repr=False)
    now: datetime

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.connection.dialect.name

    def execute(self, statement: sa.Executable) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement."""
        return self.connection.execute(statement)

    def raw(self, query: sa.Select[Any]) -> list[Any]:
        """The rows of `query` as the driver gives them, past SQLAlchemy's own rows: for many numbers, texts and bytes."""
        with self.connection.execute(query) as result:
            return list(result.cursor.fetchall())

    def execute_many(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute `statement` once for each of `rows`; no rows is no statement."""
        if rows:
            self.connection.execute(statement, rows)

    def insert_many(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of plain numbers, texts and bytes, past SQLAlchemy's conversions; one that is there already stays as it is."""
        mark = "?" if self.dialect == "sqlite" else "%s"
        names, marks = ", ".join(columns), f"({', '.join([mark] * len(columns))})"
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            every = ", ".join([marks] * len(part))
            insert = f'INSERT INTO "{table.name}" ({names}) VALUES {every} ON CONFLICT DO NOTHING'  # noqa: S608  names of our own
            self.connection.exec_driver_sql(insert, tuple(chain.from_iterable(part)))

    def number(self, statement: sa.Executable) -> int:
        """The one number that `statement` gives."""
        return int(self.connection.execute(statement).scalar_one())

    def insert(self, table: sa.Table) -> Insert:
        """The dialect's own INSERT, which knows ON CONFLICT."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)
