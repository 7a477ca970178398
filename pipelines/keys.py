"""The instance's secrets, and what is done with them: encrypting, and making keyed fingerprints.

Where the files lie is decided by the settings; what is encrypted, by the vault and the ledger; which of the keys in the
files are in use, by the ledger.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from pipelines.files import write_whole

ENCRYPTION_FILE: Final = "versleuteling.sleutel"
FINGERPRINT_FILE: Final = "vingerafdruk.sleutel"

_VERSION: Final = b"\x01"
_ID_SIZE: Final = 4
_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16
_SECRET_SIZE: Final = 32
_WORTH_KEEPING, _KEPT = 1000, 16
"""From how many texts on an answer of `macs` is kept, and how many answers: those about one large school."""
HEAD_SIZE: Final = len(_VERSION) + _ID_SIZE
"""How many bytes at the beginning tell with which key something was encrypted."""


class KeyMissingError(Exception):
    """A key that is needed is not there; the text says which, in Dutch."""


class DamagedError(Exception):
    """Bytes or a key file are not what they were when written; the text never quotes them."""


class KeysBusyError(Exception):
    """Another process is renewing the keys or taking old ones away."""


class Keys:
    """Encryption keys and fingerprint keys, each of 32 bytes, each with an id of 8 hexadecimal digits; the newest last.

    The newest encryption key encrypts, all of them decrypt: the id of the key stands before every ciphertext. Fingerprint keys
    lie on each other in layers: what the first gives goes through the second, and so on. Who knows all but the newest
    can make no fingerprint and test no guess; and what was made with fewer layers gets the missing ones without the text that
    it was made from.
    """

    def __init__(self, encryption: bytes | Sequence[bytes], fingerprint: bytes | Sequence[bytes]) -> None:
        self._encryption = [encryption] if isinstance(encryption, bytes) else list(encryption)
        self._layers = [fingerprint] if isinstance(fingerprint, bytes) else list(fingerprint)
        if any(len(secret) != _SECRET_SIZE for secret in (*self._encryption, *self._layers)):
            raise DamagedError("Een sleutel heeft niet de juiste lengte (32 bytes).")
        self.encryption_ids = tuple(_key_id(secret).hex() for secret in self._encryption)
        self.fingerprint_ids = tuple(_key_id(secret).hex() for secret in self._layers)
        self.encryption_id, self.fingerprint_id = self.encryption_ids[-1], self.fingerprint_ids[-1]
        self._header = _VERSION + _key_id(self._encryption[-1])
        self._ciphers = {_VERSION + _key_id(secret): AESGCM(secret) for secret in self._encryption}
        self._cipher = self._ciphers[self._header]
        self._answered: dict[tuple[bytes, int, bytes], tuple[bytes, ...]] = {}
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
        return cls._of(folder)

    @classmethod
    def _of(cls, folder: Path) -> Self:
        return cls(_read(folder / ENCRYPTION_FILE), _read(folder / FINGERPRINT_FILE))

    @classmethod
    def create(cls, folder: Path) -> Self:
        """New keys in `folder`, readable by the owner alone; of two processes at once, the first one's keys stay."""
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".sleutels-"))  # mode 0700
        try:
            for name in (ENCRYPTION_FILE, FINGERPRINT_FILE):
                write_whole(new / name, [_line(secrets.token_bytes(_SECRET_SIZE))])
            with contextlib.suppress(OSError):  # the folder has something in it: nothing is overwritten
                new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return cls._of(folder)

    def as_of(self, encryption_id: str, fingerprint_id: str) -> Self:
        """These keys where those with the given ids are the newest in use; newer encryption keys only decrypt.

        Raises:
            KeyMissingError: one of the two is not among these.
        """
        if encryption_id not in self.encryption_ids or fingerprint_id not in self.fingerprint_ids:
            raise KeyMissingError(
                "Het grootboek is geschreven met andere sleutels. Zet de map met sleutels terug uit de reservekopie."
            )
        first = self.encryption_ids.index(encryption_id)
        encryption = [*self._encryption[:first], *self._encryption[first + 1 :], self._encryption[first]]
        return type(self)(encryption, self._layers[: self.fingerprint_ids.index(fingerprint_id) + 1])

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
        cipher = self._ciphers.get(content[:start])
        if cipher is None:
            raise _unreadable(content)
        nonce, sealed = content[start : start + _NONCE_SIZE], content[start + _NONCE_SIZE :]
        if len(sealed) < _TAG_SIZE:
            raise DamagedError("Versleutelde gegevens zijn afgekapt.")
        try:
            return cipher.decrypt(nonce, sealed, bound_to)
        except InvalidTag:
            raise DamagedError("Versleutelde gegevens zijn beschadigd, of staan niet op hun eigen plaats.") from None

    def macs(self, prefix: bytes, texts: Iterable[str], size: int = 16) -> tuple[bytes, ...]:
        """`mac` of `prefix` and each of `texts`, in half the time.

        The last long answers are kept, for one supplier after another asks about the same pupils.
        """
        wanted = list(texts)
        if len(wanted) < _WORTH_KEEPING:
            return tuple(self._macs(prefix, wanted, size))
        question = prefix, size, hashlib.blake2b(orjson.dumps(wanted), digest_size=16).digest()
        found = self._answered.pop(question, None) or tuple(self._macs(prefix, wanted, size))
        self._answered[question] = found  # the newest stands last
        if len(self._answered) > _KEPT:
            del self._answered[next(iter(self._answered))]
        return found

    def _macs(self, prefix: bytes, texts: Iterable[str], size: int) -> list[bytes]:
        begun = hashlib.blake2b(prefix, digest_size=size, key=self._layers[0])
        found = []
        for text in texts:
            one = begun.copy()
            one.update(text.encode())
            found.append(one.digest())
        return self._layered(found, 1)

    def mac(self, data: bytes, size: int = 16, *, purpose: bytes = b"") -> bytes:
        """Keyed BLAKE2b of `data`, `size` bytes (1-64); another `purpose` (at most 16 bytes) gives another result."""
        first = hashlib.blake2b(data, digest_size=size, key=self._layers[0], person=purpose).digest()
        return self._layered([first], 1)[0]

    def renewed(self, digests: Iterable[bytes], before: Self) -> list[bytes]:
        """What `mac` gives under these keys for the same data as it gave `digests` under those of `before`, the first of these."""
        return self._layered(list(digests), len(before._layers))

    def _layered(self, digests: list[bytes], begin: int) -> list[bytes]:
        for secret in self._layers[begin:]:
            begun = hashlib.blake2b(digest_size=len(digests[0]) if digests else 1, key=secret, person=b"laag")
            digests = [_continued(begun, digest) for digest in digests]
        return digests

    def masks(self, places: bytes) -> bytes:
        """Keyed pseudo-random bytes, as many as `places`: 16 for each block of 16, which must all differ.

        The key stream of counter mode (NIST SP 800-38A 6.5) for many counters at once; nothing is encrypted with ECB.
        """
        return self._mask.encryptor().update(places)


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[None]:
    """The right to change the key files in `folder`, for the time of a `with`; the system takes it back from a dead process.

    Raises:
        KeysBusyError: another process has it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise KeysBusyError("Er wordt op dit moment al aan de sleutels gewerkt. Probeer het straks opnieuw.") from None
    else:
        yield
    finally:
        os.close(handle)


def add_new(folder: Path, used: Keys) -> Keys:
    """Put a new key in each file, unless one that is newer than those `used` is there already; only inside `changing`."""
    for name, id_in_use in ((ENCRYPTION_FILE, used.encryption_id), (FINGERPRINT_FILE, used.fingerprint_id)):
        known = _read(folder / name)
        if _key_id(known[-1]).hex() == id_in_use:
            write_whole(folder / name, map(_line, [*known, secrets.token_bytes(_SECRET_SIZE)]))
    return Keys.open(folder)


def drop(folder: Path, unneeded: Collection[str]) -> None:
    """Take the encryption keys with these ids out of their file, for good; only inside `changing`."""
    kept = [secret for secret in _read(folder / ENCRYPTION_FILE) if _key_id(secret).hex() not in unneeded]
    write_whole(folder / ENCRYPTION_FILE, map(_line, kept))


def encrypted_with(head: bytes) -> str | None:
    """The id of the key with which something was encrypted that begins with `head`, None if it was not."""
    return head[len(_VERSION) : HEAD_SIZE].hex() if head[:1] == _VERSION and len(head) >= HEAD_SIZE else None


def _continued(begun: "hashlib.blake2b", data: bytes) -> bytes:
    whole = begun.copy()
    whole.update(data)
    return whole.digest()


def _key_id(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=_ID_SIZE, person=b"sleutelnummer").digest()


def _unreadable(content: bytes) -> KeyMissingError | DamagedError:
    """Why a ciphertext that does not begin with our header cannot be read."""
    key_id = encrypted_with(content)
    if key_id is None:
        return DamagedError("Dit zijn geen versleutelde gegevens van Doorgeefluik, of ze zijn beschadigd.")
    return KeyMissingError(
        f"De gegevens zijn versleuteld met sleutel {key_id}, en die is er niet."
        " Zet de map met sleutels terug uit de reservekopie."
    )


def _read(file: Path) -> list[bytes]:
    """The keys in a file, one a line, the oldest first; there is at least one."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise KeyMissingError(
            f"Sleutelbestand {file.name} ontbreekt. Zet de map met sleutels terug uit de reservekopie."
        ) from None
    except UnicodeDecodeError:
        lines = []
    found = [_secret(line.split()) for line in lines]
    if not found or not all(found):
        raise DamagedError(f"Sleutelbestand {file.name} is beschadigd. Zet het terug uit de reservekopie.")
    return found


def _secret(words: list[str]) -> bytes:
    """The key on a line of a file; empty where the line is not one."""
    secret = _from_hex(words[2]) if len(words) == 3 and words[0] == "doorgeefluik-1" else b""
    return secret if len(secret) == _SECRET_SIZE and _key_id(secret).hex() == words[1] else b""


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _line(secret: bytes) -> bytes:
    return f"doorgeefluik-1 {_key_id(secret).hex()} {secret.hex()}\n".encode("ascii")
