"""`doctor`: everything that a delivery needs, looked at one by one. Sends nothing about anyone."""

import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from connectors.base import ConnectorError
from connectors.parnassys import school_of
from connectors.secrets import resolve
from pipelines.commands.telling import FAILED, OK, out
from pipelines.instance import Instance, open_instance
from pipelines.settings import EdexmlSource, Settings, home_folder, load_settings

Mark = Literal["ok", "let op", "fout"]
SPACE = 1 << 30
"""Bytes that should be free on the disk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    mark: Mark
    told: str


def examine(option: Path | None) -> int:
    """Look at everything, tell each thing in a line, and say whether a delivery can work."""
    home = home_folder(option)
    settings = load_settings(home)
    out.print(f"Installatie: {home}", markup=False, soft_wrap=True)
    found = list(_findings(settings))
    for finding in found:
        out.print(f"{finding.mark:<7} {finding.what}: {finding.told}", markup=False, soft_wrap=True)
    return FAILED if any(finding.mark == "fout" for finding in found) else OK


def _findings(settings: Settings) -> Iterator[Finding]:
    number = len(settings.schools)
    yield Finding("instellingen", "ok", f"{number} scholen, {len(settings.agreements)} overeenkomsten")
    yield from _secrets(settings)
    yield from _storage(settings)
    yield from _inbox(settings)
    yield from _addresses(settings)
    free = shutil.disk_usage(settings.home).free
    enough: Mark = "ok" if free >= SPACE else "let op"
    yield Finding("schijf", enough, f"{free / SPACE:.1f} GiB vrij")


def _secrets(settings: Settings) -> Iterator[Finding]:
    references = {agreement.connection.token for agreement in settings.agreements}
    for school in settings.schools:
        if not isinstance(school.source, EdexmlSource):
            references |= {school.source.autorisatiesleutel, school.source.klantcode}
    for reference in sorted(references):
        yield _tried(f"geheim {reference}", partial(_resolved, settings, reference))


def _resolved(settings: Settings, reference: str) -> str:
    resolve(reference, settings.home)
    return "aanwezig"


def _storage(settings: Settings) -> Iterator[Finding]:
    yield _tried("sleutels en grootboek", lambda: _ledger(open_instance(settings.home)))
    yield _tried("kluis", lambda: _vault(open_instance(settings.home)))


def _ledger(instance: Instance) -> str:
    broken = instance.ledger.verify()
    if broken:
        raise RuntimeError(broken.reason)
    return "leesbaar, en alle zegels kloppen"


def _vault(instance: Instance) -> str:
    instance.vault.put("proef/doctor", b"proef")
    instance.vault.get("proef/doctor")
    instance.vault.remove("proef/doctor")
    return "schrijven en lezen lukt"


def _inbox(settings: Settings) -> Iterator[Finding]:
    if not any(isinstance(school.source, EdexmlSource) for school in settings.schools):
        return
    files = [file for file in sorted(settings.inbox.glob("*")) if file.suffix.lower() == ".xml"]
    if not files:
        yield Finding("inbox", "let op", "er staat nog geen export (EDEX.XML) in de map inbox")
    for file in files:
        yield _tried(f"inbox/{file.name}", partial(_school_of, file))


def _school_of(file: Path) -> str:
    block = school_of(file)
    return f"school {block.brincode}-{block.dependancecode}, schooljaar {block.schooljaar}"


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Whether each address answers the telephone; nothing is said to it."""
    for agreement in settings.agreements:
        url = agreement.connection.base_url
        yield _tried(f"{agreement.supplier} op {url}", partial(_reached, url))
    for school in settings.schools:
        if not isinstance(school.source, EdexmlSource):
            url = school.source.url
            yield _tried(f"ParnasSys voor {school.school} op {url}", partial(_reached, url))


def _reached(url: str) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    with socket.create_connection((parts.hostname or "", parts.port or (443 if secure else 80)), timeout=5) as line:
        if secure:
            with ssl.create_default_context().wrap_socket(line, server_hostname=parts.hostname):
                pass
    return "bereikbaar"


def _tried(what: str, trial: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", trial())
    except ConnectorError as error:
        return Finding(what, "fout", str(error))
    except OSError as error:
        return Finding(
            what, "fout", f"niet bereikbaar ({os.strerror(error.errno) if error.errno else type(error).__name__})"
        )
    except Exception as error:  # noqa: BLE001  a doctor tells what is wrong, and goes on to the next thing
        return Finding(what, "fout", str(error))
