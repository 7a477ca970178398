"""Secrets by reference: `env:NAME`, `file:PATH`, `keyring:SERVICE/NAME` (design rule 9).

Errors name the reference, never what it refers to. Whether a settings file holds a reference at all is
`mappings.agreement`'s to check.
"""

import os
import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from connectors.base import PermanentError


def resolve(reference: str, base: Path) -> str:
    """The secret that `reference` refers to; a file's path counts from the instance folder `base`.

    Raises:
        PermanentError: code `geheim_ontbreekt`; it is not there, is empty, is more than one line of what can be seen, or
            others than its owner can read the file.
    """
    kind, _, rest = reference.partition(":")
    if kind not in _RESOLVERS:
        raise _missing("is geen verwijzing (env:NAAM, file:PAD of keyring:DIENST/NAAM)", "Verbeter de instelling.")
    secret = _RESOLVERS[kind](rest, base)
    if not secret:
        raise _missing(f"`{reference}` is leeg", "Vul het geheim in.")
    if not secret.isprintable():
        raise _missing(
            f"`{reference}` heeft meer dan één regel, of een teken dat niet te zien is", "Zet er alleen het geheim in."
        )
    return secret


def resolve_token(reference: str, base: Path) -> str:
    """As `resolve`, for what goes along in a header.

    Raises:
        PermanentError: as `resolve`, or it is not ASCII alone (RFC 6750, 2.1).
    """
    token = resolve(reference, base)
    if not token.isascii():
        raise _missing(
            f"`{reference}` heeft een letter met een accent of een ander bijzonder teken",
            "Neem het geheim over zoals de leverancier het gaf.",
        )
    return token


def private_file(reference: str, base: Path) -> Path:
    """Where the file of `file:PATH` lies, for a certificate with its key; others than its owner may not read it.

    Raises:
        PermanentError: code `geheim_ontbreekt`.
    """
    path = public_file(reference, base)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise _missing(f"`{reference}` is voor anderen te lezen", "Geef het bestand de rechten 600 (chmod 600).")
    return path


def public_file(reference: str, base: Path) -> Path:
    """Where the file of `file:PATH` lies, for a certificate authority, which is no secret.

    Raises:
        PermanentError: code `geheim_ontbreekt`.
    """
    kind, _, rest = reference.partition(":")
    if kind != "file":
        raise _missing("hier kan alleen file:PAD staan", "Verbeter de instelling.")
    path = base / rest
    if not path.is_file():
        raise _missing(f"het bestand van `{reference}` is er niet", f"Zet het op deze plaats: {path}")
    return path


def _from_environment(name: str, _base: Path) -> str:
    if name not in os.environ:
        raise _missing(f"de omgevingsvariabele van `env:{name}` is niet gezet", "Zet de variabele en begin opnieuw.")
    return os.environ[name]


def _from_file(path: str, base: Path) -> str:
    reference = f"file:{path}"
    try:
        return private_file(reference, base).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise _missing(f"het bestand van `{reference}` is niet te lezen", "Controleer het bestand.") from None


def _from_keyring(place: str, _base: Path) -> str:
    service, _, name = place.partition("/")
    try:
        keyring = import_module("keyring")  # an optional package, and slow to import
    except ImportError:
        raise _missing(
            f"voor `keyring:{place}` is het pakket keyring nodig", "Installeer doorgeefluik[keyring]."
        ) from None
    try:
        secret: str | None = keyring.get_password(service, name)
    except keyring.errors.KeyringError:
        raise _missing(f"de sleutelbos van `keyring:{place}` is niet te openen", "Ontgrendel de sleutelbos.") from None
    if secret is None:
        raise _missing(f"`keyring:{place}` staat niet in de sleutelbos", "Zet het geheim in de sleutelbos.")
    return secret


_RESOLVERS: dict[str, Callable[[str, Path], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "keyring": _from_keyring,
}


def _missing(what: str, action: str) -> PermanentError:
    return PermanentError("geheim_ontbreekt", f"Een geheim is niet te gebruiken: {what}.", action)
