"""The instance's two secrets, and what is done with them: encrypting, and making keyed fingerprints.

Where the files lie is decided by the settings; what is encrypted, by the vault and the ledger.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

ENCRYPTION_FILE: Final = "versleuteling.sleutel"
FINGERPRINT_FILE: Final = "vingerafdruk.sleutel"

_VERSION: Final = b"\x01"
_ID_SIZE: Final = 4
_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16
_SECRET_SIZE: Final = 32


class KeyMissingError(Exception):
    """A key that is needed is not there; the text says which, in Dutch."""


class DamagedError(Exception):
    """Bytes or a key file are not what they were when written; the text never quotes them."""


class Keys:
    """An encryption key and a fingerprint key, each of 32 bytes, each with an id of 8 hexadecimal digits.

    The id stands before every ciphertext, so that a new key can stand beside an old one later.
    """

    def __init__(self, encryption: bytes, fingerprint: bytes) -> None:
        if len(encryption) != _SECRET_SIZE or len(fingerprint) != _SECRET_SIZE:
            raise DamagedError("Een sleutel heeft niet de juiste lengte (32 bytes).")
        self.encryption_id = _key_id(encryption).hex()
        self.fingerprint_id = _key_id(fingerprint).hex()
        self._header = _VERSION + _key_id(encryption)
        self._cipher = AESGCM(encryption)
        self._fingerprint = fingerprint
        self._answered: dict[tuple[bytes, int], tuple[Sequence[str], Sequence[bytes]]] = {}
        self._mask = Cipher(AES256(self.mac(b"", _SECRET_SIZE, purpose=b"masker")), ECB())  # noqa: S305  see `masks`

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The keys in `folder`; at first use, when neither file is there, they are made.

        Raises:
            KeyMissingError: one of the two files is gone. Without it, what was written cannot be read any more.
            DamagedError: a file is not a key file.
        """
        if not (folder / ENCRYPTION_FILE).exists() and not (folder / FINGERPRINT_FILE).exists():
            return cls.create(folder)
        return cls(_read(folder / ENCRYPTION_FILE), _read(folder / FINGERPRINT_FILE))

    @classmethod
    def create(cls, folder: Path) -> Self:
        """New keys in `folder`, readable by the owner alone; of two processes at once, the first one's keys stay."""
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".sleutels-"))  # mode 0700
        try:
            for name in (ENCRYPTION_FILE, FINGERPRINT_FILE):
                _write(new / name, secrets.token_bytes(_SECRET_SIZE))
            with contextlib.suppress(OSError):  # the folder has something in it: nothing is overwritten
                new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return cls(_read(folder / ENCRYPTION_FILE), _read(folder / FINGERPRINT_FILE))

    def encrypt(self, content: bytes, bound_to: bytes | None = None) -> bytes:
        """`content` under AES-256-GCM: version byte, key id (4), nonce (12), ciphertext with tag.

        `bound_to` must be given again to `decrypt`; it ties the ciphertext to its place.
        """
        return b"".join(self.sealed(content, bound_to))

    def sealed(self, content: bytes, bound_to: bytes | None = None) -> tuple[bytes, bytes]:
        """What `encrypt` gives in two parts, for content so large that one copy more would count."""
        nonce = os.urandom(_NONCE_SIZE)
        return self._header + nonce, self._cipher.encrypt(nonce, content, bound_to)

    def decrypt(self, content: bytes, bound_to: bytes | None = None) -> bytes:
        """The bytes that `encrypt` was given.

        Raises:
            KeyMissingError: encrypted with another key.
            DamagedError: changed since, cut off, or bound to another place.
        """
        start = len(self._header)
        if content[:start] != self._header:
            raise _unreadable(content)
        nonce, sealed = content[start : start + _NONCE_SIZE], content[start + _NONCE_SIZE :]
        if len(sealed) < _TAG_SIZE:
            raise DamagedError("Versleutelde gegevens zijn afgekapt.")
        try:
            return self._cipher.decrypt(nonce, sealed, bound_to)
        except InvalidTag:
            raise DamagedError("Versleutelde gegevens zijn beschadigd, of staan niet op hun eigen plaats.") from None

    def macs(self, prefix: bytes, texts: Sequence[str], size: int = 16) -> Sequence[bytes]:
        """`mac` of `prefix` and each of `texts`, in half the time.

        The last answer for each prefix is kept, for one supplier after another asks about the same pupils.
        """
        asked, found = self._answered.get((prefix, size), ((), ()))
        if asked != texts:
            found = self._macs(prefix, texts, size)
            self._answered[prefix, size] = texts, found
        return found

    def _macs(self, prefix: bytes, texts: Iterable[str], size: int) -> list[bytes]:
        begun = hashlib.blake2b(prefix, digest_size=size, key=self._fingerprint)
        found = []
        for text in texts:
            one = begun.copy()
            one.update(text.encode())
            found.append(one.digest())
        return found

    def mac(self, data: bytes, size: int = 16, *, purpose: bytes = b"") -> bytes:
        """Keyed BLAKE2b of `data`, `size` bytes (1-64); another `purpose` (at most 16 bytes) gives another result."""
        return hashlib.blake2b(data, digest_size=size, key=self._fingerprint, person=purpose).digest()

    def masks(self, places: bytes) -> bytes:
        """Keyed pseudo-random bytes, as many as `places`: 16 for each block of 16, which must all differ.

        The key stream of counter mode (NIST SP 800-38A 6.5) for many counters at once; nothing is encrypted with ECB.
        """
        return self._mask.encryptor().update(places)


def _key_id(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=_ID_SIZE, person=b"sleutelnummer").digest()


def _unreadable(content: bytes) -> KeyMissingError | DamagedError:
    """Why a ciphertext that does not begin with our header cannot be read."""
    size = len(_VERSION) + _ID_SIZE
    if len(content) < size or content[:1] != _VERSION:
        return DamagedError("Dit zijn geen versleutelde gegevens van Doorgeefluik, of ze zijn beschadigd.")
    return KeyMissingError(
        f"De gegevens zijn versleuteld met sleutel {content[1:size].hex()}, en die is er niet."
        " Zet de map met sleutels terug uit de reservekopie."
    )


def _read(file: Path) -> bytes:
    try:
        words = file.read_text(encoding="ascii").split()
    except FileNotFoundError:
        raise KeyMissingError(
            f"Sleutelbestand {file.name} ontbreekt. Zet de map met sleutels terug uit de reservekopie."
        ) from None
    except UnicodeDecodeError:
        words = []
    secret = _from_hex(words[2]) if len(words) == 3 and words[0] == "doorgeefluik-1" else b""
    if len(secret) != _SECRET_SIZE or _key_id(secret).hex() != words[1]:
        raise DamagedError(f"Sleutelbestand {file.name} is beschadigd. Zet het terug uit de reservekopie.")
    return secret


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _write(file: Path, secret: bytes) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(f"doorgeefluik-1 {_key_id(secret).hex()} {secret.hex()}\n")
        out.flush()
        os.fsync(out.fileno())
