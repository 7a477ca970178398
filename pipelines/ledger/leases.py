"""Leases: one per supplier and school, so that two runs never deliver the same at once.

A lease ends when it is given back, when it is not renewed in time, or when its process is seen to be dead.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from pipelines.ledger.tables import lease as table
from pipelines.ledger.transaction import AnyRow


class BusyError(Exception):
    """Another run holds the lease of this supplier and school, or took it over."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to deliver to one supplier for one school, until it is given back or runs out."""

    supplier: str
    school: str
    token: str
    duration: timedelta
    engine: Engine
    clock: Callable[[], datetime]

    def renew(self) -> None:
        """Begin the term anew; to be done before each request.

        Raises:
            BusyError: the lease had run out, and another run has taken it over.
        """
        mine = sa.update(table).where(table.c.token == self.token)
        with self.engine.begin() as connection:
            renewed = connection.execute(mine.values(expires_at=self.clock() + self.duration)).rowcount
        if not renewed:
            raise _busy(self.supplier, self.school)


@contextmanager
def leased(
    engine: Engine, clock: Callable[[], datetime], supplier: str, school: str, duration: timedelta
) -> Iterator[Lease]:
    """Hold the lease of a supplier and school for the time of a `with`.

    Raises:
        BusyError: another run holds it, is alive as far as can be seen, and has renewed it in time.
    """
    mine = Lease(supplier, school, secrets.token_hex(16), duration, engine, clock)
    _take(mine)
    try:
        yield mine
    finally:
        with engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.token == mine.token))


def _take(mine: Lease) -> None:
    here = (table.c.supplier == mine.supplier) & (table.c.school == mine.school)
    now = mine.clock()
    row = {"supplier": mine.supplier, "school": mine.school, "token": mine.token, "host": _host(), "pid": os.getpid()}
    row |= {"started": _started(os.getpid()), "expires_at": now + mine.duration}
    try:
        with mine.engine.begin() as connection:
            held = connection.execute(sa.select(table).where(here).with_for_update()).one_or_none()
            if held and held.expires_at > now and not _dead(held):
                raise _busy(mine.supplier, mine.school)
            connection.execute(sa.delete(table).where(here))
            connection.execute(sa.insert(table).values(**row))
    except IntegrityError:  # on PostgreSQL another run was quicker
        raise _busy(mine.supplier, mine.school) from None


def _busy(supplier: str, school: str) -> BusyError:
    return BusyError(f"Een andere run levert nu aan {supplier} voor {school}. Wacht tot die klaar is.")


def _dead(held: AnyRow) -> bool:
    """Whether the process that holds a lease ran on this host and runs no more; of another host nothing is known."""
    return bool(held.host == _host() and (not _alive(held.pid) or held.started != _started(held.pid)))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    """The host, and on Linux the container in it: elsewhere a process number means another process."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"[:300]


def _started(pid: int) -> str:
    """When a process began, on Linux: the boot, and the clock ticks since (field 22 of proc_pid_stat(5)); else ""."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return ""
    return f"{boot} {after_name.split()[19]}"
