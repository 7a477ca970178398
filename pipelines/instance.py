"""One opened instance: its settings, keys, ledger and vault, and the doors to ParnasSys and to the suppliers. No Dagster here."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
from sqlalchemy.exc import DatabaseError, OperationalError

from connectors.base import Source, Supplier
from connectors.http import HttpSettings
from connectors.parnassys import EdexmlFile, UwlrCredentials, UwlrService, open_uwlr_session
from connectors.secrets import private_file, resolve
from connectors.suppliers import make_supplier
from pipelines.keys import KeyMissingError, Keys
from pipelines.ledger.ledger import Ledger
from pipelines.settings import EdexmlSource, Settings, UwlrSource, load_settings
from pipelines.vault import Vault


@dataclass(frozen=True, slots=True)
class Instance:
    """An installation that is ready for use."""

    settings: Settings
    keys: Keys
    ledger: Ledger
    vault: Vault

    def source(self, school: str) -> Source:
        """The door through which this school's pupils come in."""
        chosen = self.settings.school(school).source
        return (
            _uwlr(chosen, self.settings.home) if isinstance(chosen, UwlrSource) else _edexml(chosen, self.settings.home)
        )

    def supplier(self, supplier: str, school: str) -> Supplier:
        """The door to a supplier, as the agreement of this school says.

        Raises:
            LookupError: the school has no agreement with it.
        """
        agreement = self.settings.agreement(supplier, school)
        if agreement is None:
            raise LookupError(f"school {school} heeft geen overeenkomst met {supplier}")
        return make_supplier(self.settings.profiles[supplier], agreement.connection, self.settings.home)


class LedgerUnreadableError(Exception):
    """The ledger is no database any more, or not the one that it was; the message is a Dutch sentence."""


_UNREADABLE = "Het grootboek is beschadigd en niet te lezen. Zet het terug uit de reservekopie; zie de handleiding, ‘Reservekopie’."

_LOST = (
    "Het grootboek is leeg, terwijl er een rapport van een eerdere levering is. Daarmee zijn ook bezwaren, toestemmingen en "
    "wisverzoeken weg. Zet het terug uit de reservekopie; zie de handleiding, ‘Reservekopie’. Begin je bewust opnieuw, haal dan "
    "eerst de rapporten ({}) weg."
)


def open_instance(home: Path, day: date | None = None) -> Instance:
    """Read the settings in `home` as they count on `day` (else today), and open what they name; the ledger is made or renewed where needed.

    Raises:
        SettingsError: the settings are wrong.
        PermanentError: a secret is missing.
        KeyMissingError: the keys of this ledger are gone.
        LedgerUnreadableError: it is damaged, or gone.
    """
    # Arrow's own pool keeps what a large export once took, some 45 MiB for 25,000 pupils; the system's gives it back.
    pa.set_memory_pool(pa.system_memory_pool())
    settings = load_settings(home, day)
    used = settings.vault.exists() or (settings.home / "ledger.db").exists()
    if used and not any(
        settings.sleutels.glob("*.sleutel")
    ):  # new keys would stand in the place of those in the backup
        raise KeyMissingError(f"De sleutels in {settings.sleutels} ontbreken. Zet die map terug uit de reservekopie.")
    keys = Keys.open(settings.sleutels)
    try:
        ledger = _ledger(settings.ledger_url, keys.encryption_ids, settings.sleutels)
    except OperationalError:
        raise  # in use, or out of reach
    except DatabaseError:
        raise LedgerUnreadableError(_UNREADABLE) from None
    if ledger.is_outdated():
        _ledger.cache_clear()
        ledger = _ledger(settings.ledger_url, keys.encryption_ids, settings.sleutels)
    reports = [file.name for key in settings.school_keys if (file := settings.reports / f"{key}.html").exists()]
    if reports and ledger.is_blank():
        raise LedgerUnreadableError(_LOST.format(", ".join(reports)))
    return Instance(settings, ledger.keys, ledger, Vault(settings.vault, ledger.keys))


@cache
def _ledger(url: str, key_ids: tuple[str, ...], folder: Path) -> Ledger:  # noqa: ARG001  other keys are another ledger
    """One engine a process for each ledger: opening looks at every migration."""
    return Ledger.open(url, Keys.open(folder))


def _edexml(source: EdexmlSource, home: Path) -> Source:
    return EdexmlFile(home / source.path)


def _uwlr(source: UwlrSource, home: Path) -> Source:
    certificate = private_file(source.client_certificate, home) if source.client_certificate else None
    session = open_uwlr_session(HttpSettings(client_certificate=certificate))
    credentials = UwlrCredentials(
        resolve(source.autorisatiesleutel, home), resolve(source.klantcode, home), source.klantnaam
    )
    return UwlrService(session, source.url, credentials, source.version, source.gegevenssetid)
