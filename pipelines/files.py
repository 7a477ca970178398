"""Writing a file in one go: whoever reads it meanwhile, or after a power cut, finds it whole, old or new."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_whole(file: Path, parts: Iterable[bytes]) -> None:
    """Put `parts`, one after another, in the place of what was in `file`; only its owner may read it."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".nieuw-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as out:
            out.writelines(parts)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """A rename outlives a power cut only when the folder itself is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
