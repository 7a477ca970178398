"""Processes by name: to tell later whether the one that began something is still at work. No Dagster here."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Process:
    """A process: on which host, under which number, and when it began (as its host counts; a number is used again)."""

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Self:
        """The process that asks."""
        return cls(_host(), os.getpid(), _started(os.getpid()))

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The process that gave `name` with `str`; None for any other text."""
        host, pid, started = [*name.split("|"), "", ""][:3]
        return cls(host, int(pid), started) if pid.isdigit() else None

    def __str__(self) -> str:
        return f"{self.host}|{self.pid}|{self.started}"

    @property
    def gone(self) -> bool:
        """Whether it ran on this host and runs no more; of another host nothing is known."""
        return self.host == _host() and (not _alive(self.pid) or self.started != _started(self.pid))


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
