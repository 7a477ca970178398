"""Leases: one run at a time for each supplier of each school."""

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.ledger.leases import BusyError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import lease

HERE = ("basispoort", "99XX-00")


def rewrite(engine: Engine, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(lease).values(**values))


def test_a_second_run_is_told_that_the_first_is_busy(ledger: Ledger) -> None:
    """The lease is for one supplier of one school, and free again afterwards, whatever happened."""
    with ledger.lease(*HERE):
        with pytest.raises(BusyError, match="basispoort"), ledger.lease(*HERE):
            pytest.fail("two runs at once")
        with ledger.lease("parro", "99XX-00"), ledger.lease("basispoort", "99XX-01"):
            pass
    with pytest.raises(ZeroDivisionError), ledger.lease(*HERE):
        raise ZeroDivisionError
    with ledger.lease(*HERE):
        pass


def test_a_lease_that_ran_out_is_taken_over_and_the_first_learns_of_it(ledger: Ledger, clock: Any) -> None:
    """A run that was silent too long may not go on beside the one that took its place, nor free its lease."""
    with ledger.lease(*HERE, timedelta(minutes=10)) as first:
        clock.forward(minutes=11)
        with ledger.lease(*HERE):
            with pytest.raises(BusyError):
                first.renew()
            with pytest.raises(BusyError), ledger.lease(*HERE):
                pytest.fail("two runs at once")


def test_renewing_keeps_a_lease(ledger: Ledger, clock: Any) -> None:
    """A long delivery that renews in time is not disturbed."""
    with ledger.lease(*HERE, timedelta(minutes=10)) as mine:
        clock.forward(minutes=9)
        mine.renew()
        clock.forward(minutes=9)
        with pytest.raises(BusyError), ledger.lease(*HERE):
            pytest.fail("two runs at once")


def test_the_lease_of_a_dead_process_on_this_host_is_taken_over(ledger: Ledger, engine: Engine) -> None:
    """After a kill the next run need not wait for the term to end."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with ledger.lease(*HERE):
        rewrite(engine, pid=child.pid)
        with ledger.lease(*HERE):
            pass


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only Linux tells when a process began")  # noqa: PTH110  a condition
def test_a_process_number_that_is_used_again_is_another_process(ledger: Ledger, engine: Engine) -> None:
    """A living process with the same number but another beginning is not the one that held the lease."""
    with ledger.lease(*HERE):
        rewrite(engine, started="vroeger")
        with ledger.lease(*HERE):
            pass


def test_of_another_host_nothing_is_assumed(ledger: Ledger, engine: Engine) -> None:
    """A process number on another host says nothing here: only the term counts."""
    with ledger.lease(*HERE):
        rewrite(engine, host="elders", pid=2**22 + 1)
        with pytest.raises(BusyError), ledger.lease(*HERE):
            pytest.fail("two runs at once")
