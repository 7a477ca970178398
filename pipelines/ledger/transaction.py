"""One transaction on the ledger: the connection, and what every query in it needs besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Row

from pipelines.keys import Keys

AnyRow = Row[*tuple[Any, ...]]
"""A row whose columns mypy need not know."""


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

    def execute_many(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute `statement` once for each of `rows`; no rows is no statement."""
        if rows:
            self.connection.execute(statement, rows)

    def insert_many(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of plain numbers, texts and bytes; one that is there already is left as it is."""
        marks = ", ".join(["?"] * len(columns))
        names = ", ".join(columns)
        self.write_many(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING', rows)  # noqa: S608  names of our own

    def write_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute SQL with `?` for each value, once for each of `rows`, past SQLAlchemy's conversions: those cost twice the work."""
        if rows:
            marked = statement if self.dialect == "sqlite" else statement.replace("?", "%s")
            self.connection.exec_driver_sql(marked, list(rows))

    def as_stored(self, column: sa.Column[Any], value: Any) -> Any:
        """`value` as the database keeps it in `column`, for `write_many`."""
        convert = column.type.dialect_impl(self.connection.dialect).bind_processor(self.connection.dialect)
        return convert(value) if convert else value

    def number(self, statement: sa.Executable) -> int:
        """The one number that `statement` gives."""
        return int(self.connection.execute(statement).scalar_one())

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """The dialect's own INSERT, which knows ON CONFLICT."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)
