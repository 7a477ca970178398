"""The vault: an encrypted folder for data at rest between two steps, with a short life.

Bytes in, bytes out. What is kept in it, and for how long, is decided by the assets.
"""

import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.files import write_whole
from pipelines.keys import HEAD_SIZE, DamagedError, KeyMissingError, Keys, encrypted_with

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,7}")
_SUFFIX: Final = ".kluis"


class NotInVaultError(Exception):
    """The vault has nothing under this name: never put, removed, or swept."""


class BadNameError(ValueError):
    """A name that is no plain path inside the vault."""


class Vault:
    """Encrypted files under `folder`, by names such as `momentopname/basispoort/99XX-00`.

    A name is bound to its content: a file that was moved to another name cannot be read.
    """

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder
        self._keys = keys

    def put(self, name: str, content: bytes) -> None:
        """Keep `content` under `name`, in the place of what was there; after a power cut it is whole, old or new."""
        file = self._file(name)
        self._make_folder(file.parent)
        write_whole(file, self._keys.sealed(content, name.encode()))

    def get(self, name: str) -> bytes:
        """What was put under `name`.

        Raises:
            NotInVaultError: there is nothing.
            DamagedError: the file was changed, cut off, or moved here from another name.
            KeyMissingError: it was encrypted with another key.
        """
        try:
            content = self._file(name).read_bytes()
        except FileNotFoundError:
            raise _not_there(name) from None
        try:
            return self._keys.decrypt(content, name.encode())
        except DamagedError:
            raise DamagedError(
                f"Wat in de kluis staat als {name} is beschadigd. Draai de vorige stap opnieuw."
            ) from None

    def remove(self, name: str) -> None:
        """Forget `name`; nothing happens if it is not there."""
        self._file(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Everything that is in the vault, in order."""
        files = self._folder.rglob(f"*{_SUFFIX}")
        return sorted(file.relative_to(self._folder).as_posix().removesuffix(_SUFFIX) for file in files)

    def sweep(self, older_than: timedelta, now: datetime, spared: Collection[str] = ()) -> list[str]:
        """Remove what was put more than `older_than` before `now` (aware); their names, in order.

        What has a name of `spared`, or one below it, stays. Half-written files of a killed process go as well, but are not
        named.
        """
        limit = now - older_than
        kept = {self._file(name) for name in spared} | {self._folder / name for name in spared}
        swept = []
        for file in [file for file in self._folder.rglob("*") if _stale(file, limit)]:
            if file.suffix != _SUFFIX:
                file.unlink(missing_ok=True)
            elif kept.isdisjoint([file, *file.parents]):
                file.unlink(missing_ok=True)
                swept.append(file.relative_to(self._folder).as_posix().removesuffix(_SUFFIX))
        return sorted(swept)

    def key_ids(self) -> Iterator[str]:
        """Of each file, the id of the key with which it was encrypted."""
        for file in self._folder.rglob(f"*{_SUFFIX}"):
            if key_id := _key_id(file):
                yield key_id

    def encrypt_again(self) -> int:
        """Encrypt anew what is under another key than the one in use; how many files.

        Their age stays. What cannot be read stays as it is.
        """
        number = 0
        for file in list(self._folder.rglob(f"*{_SUFFIX}")):
            name = file.relative_to(self._folder).as_posix().removesuffix(_SUFFIX)
            if _key_id(file) == self._keys.encryption_id:
                continue
            try:
                written, content = file.stat(), self.get(name)
            except (NotInVaultError, FileNotFoundError, DamagedError, KeyMissingError):
                continue
            again = self._keys.sealed(content, name.encode())
            if _key_id(file) in {None, self._keys.encryption_id}:
                continue  # a run has put something newer there, or taken it away
            write_whole(file, again)
            os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
            number += 1
        return number

    def _file(self, name: str) -> Path:
        """The suffix keeps `a` and `a/b` apart: a file and a folder."""
        if not _NAME.fullmatch(name):
            raise BadNameError("Een naam in de kluis bestaat uit letters, cijfers en . _ - tussen schuine strepen.")
        return self._folder / f"{name}{_SUFFIX}"

    def _make_folder(self, folder: Path) -> None:
        """`mkdir(parents=True)` would give the folders in between the mode of the umask."""
        for part in [*reversed(folder.relative_to(self._folder).parents), folder.relative_to(self._folder)]:
            (self._folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)


def _not_there(name: str) -> NotInVaultError:
    return NotInVaultError(f"In de kluis staat niets als {name}. Draai de vorige stap opnieuw.")


def _key_id(file: Path) -> str | None:
    """The id of the key with which a file was encrypted; None where there is none, or the file is gone."""
    try:
        with file.open("rb") as content:
            return encrypted_with(content.read(HEAD_SIZE))
    except FileNotFoundError:
        return None


def _stale(file: Path, limit: datetime) -> bool:
    """Whether `file` is a file, was written before `limit`, and was not taken away by another process meanwhile."""
    try:
        return file.is_file() and datetime.fromtimestamp(file.stat().st_mtime, UTC) < limit
    except FileNotFoundError:
        return False
