"""`doctor`: everything that a delivery needs, looked at one by one. Sends nothing about anyone."""

import errno
import os
import re
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from connectors.base import ConnectorError, SchoolId
from connectors.parnassys import EdexmlFile, SchoolBlock, looked_at, moment_of, read_roster, unlike_an_export
from connectors.secrets import private_file, public_file, resolve, resolve_token
from data_contracts.dutch_time import today_in_the_netherlands
from mappings.agreement import SCHOOL_KEY
from pipelines.agreements import every_agreed
from pipelines.commands.init import FILES
from pipelines.commands.telling import FAILED, OK, out
from pipelines.dagster_home import prepare
from pipelines.instance import Instance, open_instance
from pipelines.settings import EdexmlSource, Settings, home_folder, load_settings
from pipelines.standing import grown_old, left_behind

Mark = Literal["ok", "let op", "fout"]
SPACE = 1 << 30
"""Bytes that should be free on the disk."""


NAME_IN_EXAMPLE = "Naam van de school"
"""What `init` fills in for a person to replace."""


class _Remark(Exception):  # noqa: N818  not an error
    """What a person should know of something that was tried, though nothing is broken."""


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
    yield from _settings_files(settings)
    yield from _agreements(settings)
    yield from _secrets(settings)
    yield from _storage(settings)
    yield from _exports(settings)
    yield from _addresses(settings)
    yield _tried("webpagina (Dagster)", partial(_dagster, settings))
    free = shutil.disk_usage(settings.home).free
    enough: Mark = "ok" if free >= SPACE else "let op"
    yield Finding("schijf", enough, f"{free / 10**9:.0f} GB vrij")


def _agreements(settings: Settings) -> Iterator[Finding]:
    """What an agreement asks of a person: it ends soon, or has ended, or another version of its leaflet is there."""
    for one in every_agreed(settings, today_in_the_netherlands()):
        schools = ", ".join(one.agreement.schools)
        for told in filter(None, (one.warning, one.leaflet)):
            yield Finding(f"overeenkomst {one.agreement.supplier} voor {schools}", "let op", told)


def _settings_files(settings: Settings) -> Iterator[Finding]:
    yield _settings(settings)
    yield from _skipped(settings)
    yield from _named(settings)


def _settings(settings: Settings) -> Finding:
    counts = f"scholen: {len(settings.schools)}, overeenkomsten: {len(settings.agreements) + len(settings.others)}"
    if settings.agreements:
        return Finding("instellingen", "ok", counts)
    return Finding("instellingen", "let op", f"{counts}; zonder overeenkomst in de map agreements gaat er niets uit")


def _secrets(settings: Settings) -> Iterator[Finding]:
    today = today_in_the_netherlands()
    coming = (other for other in settings.others if today < other.signed)
    connections = [agreement.connection for agreement in (*settings.agreements, *coming)]
    services = [school.source for school in settings.schools if not isinstance(school.source, EdexmlSource)]
    tokens = {connection.token for connection in connections}
    words = {word for service in services for word in (service.autorisatiesleutel, service.klantcode)}
    certificates = [c.client_certificate for c in connections] + [s.client_certificate for s in services]
    for reference in sorted(tokens | words):
        find = resolve_token if reference in tokens else resolve
        yield _tried(f"geheim {reference}", partial(_present, find, settings, reference))
    for reference in sorted({certificate for certificate in certificates if certificate}):
        yield _tried(f"certificaat {reference}", partial(_present, private_file, settings, reference))


def _present(find: Callable[[str, Path], object], settings: Settings, reference: str) -> str:
    find(reference, settings.home)
    return "aanwezig"


def _storage(settings: Settings) -> Iterator[Finding]:
    ledger = _tried("sleutels en grootboek", lambda: _ledger(open_instance(settings.home)))
    yield ledger
    if ledger.mark == "ok":
        for left in left_behind(open_instance(settings.home)):
            yield Finding(f"{left.supplier} voor {left.school}", "let op", left.reason)
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


def _skipped(settings: Settings) -> Iterator[Finding]:
    """Files that look like settings and are not read; the example that `init` wrote only where there is no agreement yet."""
    for name in ("agreements", "profiles"):
        for file in sorted((settings.home / name).glob("[!.]*")):
            where = f"{name}/{file.name}"
            if file.suffix in {".yaml", ".yml"} or not file.is_file() or (where in FILES and settings.agreements):
                continue
            yield Finding(
                where, "let op", "wordt niet gelezen: de naam moet eindigen op .yaml of .yml, in kleine letters"
            )


def _named(settings: Settings) -> Iterator[Finding]:
    for school in settings.schools:
        if school.name == NAME_IN_EXAMPLE:
            yield Finding(
                f"schools.yaml, {school.school}", "let op", f"de naam is nog die van het voorbeeld: {school.name}"
            )


def _exports(settings: Settings) -> Iterator[Finding]:
    """What the next delivery would read of each school, and what else lies where exports are put."""
    chosen: dict[SchoolId, Path | None] = {}
    folders = {settings.inbox: frozenset[SchoolId]()}
    for school in settings.schools:
        if isinstance(school.source, EdexmlSource):
            place, mine = settings.home / school.source.path, school.id_on(today_in_the_netherlands())
            folders[place] = folders.get(place, frozenset()) | {mine}
            finding, chosen[mine] = _export(place, mine, needed=school.school in settings.delivering)
            yield finding
    for folder, schools in folders.items() if chosen else ():
        read = {school: file if school in schools else None for school, file in chosen.items()}
        for file in sorted(set(folder.glob("*")) - {*chosen.values()}):
            if file.suffix.lower() == ".xml" and file.is_file():
                yield _lying(f"{folder.name}/{file.name}", looked_at(file), read)
            elif folder == settings.inbox and not file.name.startswith("."):
                why = unlike_an_export(file) or "de naam moet eindigen op .xml"
                yield Finding(f"inbox/{file.name}", "let op", f"wordt niet gelezen: {why}")


def _export(place: Path, school: SchoolId, *, needed: bool) -> tuple[Finding, Path | None]:
    """What is found of a school's export, and the file that a delivery would choose, if there is one to choose.

    That there is none is wrong where a delivery is to have one; that there is no place for it always is.
    """
    chosen = _tried(f"export van {school.key}", partial(_chosen, place, school, needed=needed))
    if chosen.mark != "ok":
        return chosen, None
    file = place / chosen.told if place.is_dir() else place
    return _tried(f"{chosen.what} ({chosen.told})", partial(_whole, file, school, needed=needed)), file


def _chosen(place: Path, school: SchoolId, *, needed: bool) -> str:
    try:
        return EdexmlFile(place).chosen(school).name
    except ConnectorError as error:
        if needed or error.code == "geen_plek":
            raise
        raise _Remark(str(error)) from None


def _whole(file: Path, school: SchoolId, *, needed: bool) -> str:
    """What a delivery would read, from beginning to end; a file that was forgotten is the likeliest thing to be wrong."""
    with file.open("rb") as opened:
        moment = moment_of(opened)
        opened.seek(0)
        pupils = len(read_roster(opened.read(), frozenset(), school).leerlingen)
    told = f"schooljaar {school.schooljaar}, leerlingen: {pupils}"
    if needed and (old := grown_old(moment, today_in_the_netherlands())):
        raise _Remark(f"{told}. {old}")
    return told


def _lying(name: str, what: SchoolBlock | str, read: Mapping[SchoolId, Path | None]) -> Finding:
    """Of a file that is not read; `read` says of each school which file of the same folder is."""
    if isinstance(what, str):
        return Finding(name, "fout", f"{what}; dit wordt niet gelezen. Haal het weg, of zet er een goede export neer")
    return Finding(name, "let op", _not_read(what, read))


def _not_read(block: SchoolBlock, read: Mapping[SchoolId, Path | None]) -> str:
    """Whose an export is, and why it is not read; what is not the code of a school or a school year is not repeated."""
    mine = next((school for school in read if block.is_of(school)), None)
    if mine is None:
        found = f"{block.brincode}-{block.dependancecode}"
        name = found if re.fullmatch(SCHOOL_KEY, found) else "een onbekende school"
        return f"van {name}, en die staat niet in schools.yaml met een bestand: dit wordt niet gelezen"
    if block.schooljaar != mine.schooljaar:
        year = block.schooljaar if re.fullmatch(r"\d{4}-\d{4}", block.schooljaar or "") else "onbekend"
        return f"school {mine.key}, maar schooljaar {year}; verwacht wordt {mine.schooljaar}"
    file = read[mine]
    why = f"{file.name} gaat voor, die is later gemaakt" if file else "`path` van deze school wijst naar iets anders"
    return f"school {mine.key}: wordt niet gelezen, want {why}; haal weg wat niet meer nodig is"


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Whether each address answers the telephone; nothing is said to it."""
    for agreement in settings.agreements:
        url, authority = agreement.connection.base_url, agreement.connection.certificate_authority
        yield _tried(f"{agreement.supplier} op {url}", partial(_reached, settings, url, authority))
    for school in settings.schools:
        if not isinstance(school.source, EdexmlSource):
            url = school.source.url
            yield _tried(f"ParnasSys voor {school.school} op {url}", partial(_reached, settings, url, None))


def _reached(settings: Settings, url: str, authority: str | None) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    trusted = public_file(authority, settings.home) if authority else None
    with socket.create_connection((parts.hostname or "", parts.port or (443 if secure else 80)), timeout=5) as line:
        if secure:
            with ssl.create_default_context(cafile=trusted).wrap_socket(line, server_hostname=parts.hostname):
                pass
    return "bereikbaar"


def _dagster(settings: Settings) -> str:
    home = prepare(settings, {})
    if not os.access(home, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "")
    return "haar map is er, en te beschrijven"


def _tried(what: str, trial: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", trial())
    except _Remark as remark:
        return Finding(what, "let op", str(remark))
    except ConnectorError as error:
        return Finding(what, "fout", str(error))
    except OSError as error:
        return Finding(what, "fout", _trouble(error))
    except Exception as error:  # noqa: BLE001  a doctor tells what is wrong, and goes on to the next thing
        return Finding(what, "fout", str(error))


def _trouble(error: OSError) -> str:
    """What is the matter with an address or a file, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "het certificaat van dit adres is niet te vertrouwen; vraag de leverancier ernaar"
    if isinstance(error, socket.gaierror):
        return "dit adres bestaat niet; controleer het"
    if isinstance(error, PermissionError):
        return "geen rechten; controleer van wie deze map of dit bestand is"
    if isinstance(error, TimeoutError | ConnectionError | ssl.SSLError):
        return "niet bereikbaar; controleer het adres, of probeer het later"
    return f"lukt niet ({type(error).__name__}); controleer de map van de installatie"
