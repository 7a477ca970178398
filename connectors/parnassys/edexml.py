"""The first door: an EDEXML file that a school exported by hand, at a path of its own or among others in an inbox.

Choosing and opening the file happens here; reading it, in `reader.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from os import fstat
from pathlib import Path
from typing import BinaryIO

from connectors.base import Export, NothingChanged, PermanentError, SchoolId
from connectors.parnassys.reader import read_school_block
from connectors.parnassys.refusals import refusal, size
from connectors.parnassys.school import SchoolBlock, shown_school
from connectors.parnassys.stream import MAX_BYTES, chunks_from


@dataclass(frozen=True, slots=True)
class EdexmlFile:
    """A source that reads the file at `path`, or, where that is a folder, the school's newest file in it.

    `pattern` chooses among the names in a folder, whatever their case (ParnasSys writes `EDEX.XML`).
    """

    path: Path
    pattern: str = "*.xml"
    max_bytes: int = MAX_BYTES

    def pull(self, school: SchoolId, since: datetime | None) -> Export | NothingChanged:
        """The bytes of the file, with the moment it was written, or nothing if that is `since`: then it is the file of last time.

        One that is older is another: the one of last time was taken away, because it was wrong.

        Raises:
            PermanentError: `geen_bestand`, `geen_bestand_van_deze_school`, `onleesbaar_bestand`, `te_groot`.
        """
        try:
            with self.chosen(school).open("rb") as file:
                return self._export(file, school, since)
        except FileNotFoundError:
            raise refusal("geen_bestand", school=school.key) from None
        except OSError:
            raise refusal("onleesbaar_bestand", school=school.key) from None

    def chosen(self, school: SchoolId) -> Path:
        """The file that is read for this school; a path of its own is not looked at.

        Of more than one, the export that was made last, as they say themselves: a copy is written later than what it is of.
        Where one does not say it, the file that was written last.

        Raises:
            PermanentError: `geen_bestand`, `geen_bestand_van_deze_school`.
            OSError: the folder may not be read.
        """
        if not self.path.is_dir():
            return self.path
        candidates = _newest_first(self.path, self.pattern)
        ours = [(candidate, block) for candidate in candidates if (block := _block_of(candidate, school))]
        if ours and all(block.made for _, block in ours):
            return max(ours, key=lambda each: each[1].made or "")[0]
        if ours:
            return ours[0][0]
        if candidates:
            found = "; ".join(f"{each.name}: {_whose(each)}" for each in candidates[:_TOLD])
            raise refusal("geen_bestand_van_deze_school", school=school.key, found=found)
        raise refusal("geen_bestand", school=school.key)

    def _export(self, file: BinaryIO, school: SchoolId, since: datetime | None) -> Export | NothingChanged:
        facts = fstat(file.fileno())
        written = datetime.fromtimestamp(facts.st_mtime, UTC)
        if written == since:
            return NothingChanged(school, written)
        if facts.st_size > self.max_bytes:
            raise refusal("te_groot", limit=size(self.max_bytes))
        return Export(school, file.read(self.max_bytes), f"edexml {Path(file.name).name}", written)


def school_of(path: Path) -> SchoolBlock:
    """Whose export lies at `path`, reading no further than its school block; the inbox sensor asks this too.

    Raises:
        PermanentError: the file cannot be read as EDEXML; its code says why.
        OSError: the file is not there, or may not be opened.
    """
    with path.open("rb") as file:
        return read_school_block(chunks_from(file))


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and _matches(path, pattern)]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _matches(path: Path, pattern: str) -> bool:
    return Path(path.name.lower()).match(pattern.lower())


def _block_of(path: Path, school: SchoolId) -> SchoolBlock | None:
    """What a file in the inbox says of its school, if it is this one; a file that says nothing readable of that is nobody's."""
    try:
        block = school_of(path)
    except (PermanentError, OSError):
        return None
    return block if block.is_of(school) else None


_TOLD = 3
"""Of how many files it is said what they are, where none is the one that is looked for."""


def _whose(path: Path) -> str:
    """What a file is that is not the one that is looked for."""
    try:
        if path.stat().st_size == 0:
            return "een leeg bestand"
        return f"van {shown_school(school_of(path))}"
    except PermanentError as error:
        return "geen EDEXML" if error.code in {"geen_edexml", "afgebroken"} else error.message.rstrip(".")
    except OSError:
        return "niet te openen"
