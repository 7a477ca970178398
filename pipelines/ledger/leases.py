"""Leases: one per supplier and school, so that two runs never deliver the same at once.

A lease ends when it is given back, when it is not renewed in time, or when its process is seen to be dead.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from pipelines.ledger.tables import lease as table
from pipelines.processes import Process


class BusyError(Exception):
    """Another run holds the lease of this supplier and school, or took it over."""


@dataclass(slots=True)
class Lease:
    """The right to deliver to one supplier for one school, until it is given back or `expires_at`."""

    supplier: str
    school: str
    token: str
    duration: timedelta
    engine: Engine
    clock: Callable[[], datetime]
    expires_at: datetime

    def renew(self) -> None:
        """Begin the term anew once a third of it has gone: until then nobody can take over. To be done before each request.

        Raises:
            BusyError: the lease had run out, and another run has taken it over.
        """
        now = self.clock()
        if now < self.expires_at - 2 * self.duration / 3:
            return
        mine = sa.update(table).where(table.c.token == self.token)
        with self.engine.begin() as connection:
            renewed = connection.execute(mine.values(expires_at=now + self.duration)).rowcount
        if not renewed:
            raise _busy(self.supplier, self.school)
        self.expires_at = now + self.duration


@contextmanager
def leased(
    engine: Engine, clock: Callable[[], datetime], supplier: str, school: str, duration: timedelta
) -> Iterator[Lease]:
    """Hold the lease of a supplier and school for the time of a `with`.

    Raises:
        BusyError: another run holds it, is alive as far as can be seen, and has renewed it in time.
    """
    now = clock()
    mine = Lease(supplier, school, secrets.token_hex(16), duration, engine, clock, now + duration)
    _take(mine, now)
    try:
        yield mine
    finally:
        with engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.token == mine.token))


def _take(mine: Lease, now: datetime) -> None:
    here = (table.c.supplier == mine.supplier) & (table.c.school == mine.school)
    me = Process.current()
    row = {"supplier": mine.supplier, "school": mine.school, "token": mine.token, "expires_at": mine.expires_at}
    row |= {"host": me.host, "pid": me.pid, "started": me.started}
    try:
        with mine.engine.begin() as connection:
            held = connection.execute(sa.select(table).where(here).with_for_update()).one_or_none()
            if held and held.expires_at > now and not Process(held.host, held.pid, held.started).gone:
                raise _busy(mine.supplier, mine.school)
            connection.execute(sa.delete(table).where(here))
            connection.execute(sa.insert(table).values(**row))
    except IntegrityError:  # on PostgreSQL another run was quicker
        raise _busy(mine.supplier, mine.school) from None


def _busy(supplier: str, school: str) -> BusyError:
    return BusyError(f"Een andere run levert nu aan {supplier} voor {school}. Wacht tot die klaar is.")
