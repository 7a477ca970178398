"""The first door: an EDEXML file that a school exported by hand, at a path of its own or among others in an inbox.

Choosing and opening the file happens here; reading it, in `reader.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from os import fstat, stat_result
from pathlib import Path
from typing import BinaryIO

from connectors.base import Export, PermanentError, SchoolId
from connectors.parnassys.reader import read_school_block
from connectors.parnassys.refusals import refusal, size
from connectors.parnassys.school import SchoolBlock, shown_school
from connectors.parnassys.stream import MAX_BYTES, chunks_from
from data_contracts.dutch_time import HERE


@dataclass(frozen=True, slots=True)
class EdexmlFile:
    """A source that reads the file at `path`, or, where that is a folder, the school's newest file in it.

    `pattern` chooses among the names in a folder, whatever their case (ParnasSys writes `EDEX.XML`).
    """

    path: Path
    pattern: str = "*.xml"
    max_bytes: int = MAX_BYTES

    def pull(self, school: SchoolId, _since: datetime | None, /) -> Export:
        """The bytes of the file, with the moment that it tells of: see `moment_of`.

        It is always read: that a file is the one of last time, its name, its size and its dates do not prove.

        Raises:
            PermanentError: what `chosen` refuses, `onleesbaar_bestand`, `te_groot`.
        """
        try:
            path = self.chosen(school)
            with path.open("rb") as file:
                if fstat(file.fileno()).st_size > self.max_bytes:
                    raise refusal("te_groot", limit=size(self.max_bytes))
                moment = moment_of(file)
                file.seek(0)
                return Export(school, file.read(self.max_bytes), f"edexml {path.name}", moment)
        except FileNotFoundError:
            raise refusal("geen_bestand", school=school.key) from None
        except OSError:
            raise refusal("onleesbaar_bestand", school=school.key) from None

    def chosen(self, school: SchoolId) -> Path:
        """The file that is read for this school; a path of its own is not looked at.

        Of more than one, the export that was made last, as they say themselves: a copy is written later than what it is of.
        Where one does not say it, or says what cannot be, the file that was written last.

        Raises:
            PermanentError: `geen_plek`, `geen_bestand`, `geen_bestand_van_deze_school`, `geen_edexml_bestand`.
            OSError: the folder may not be read.
        """
        if not self.path.exists():
            raise refusal("geen_plek", school=school.key, place=self.path.name)
        if not self.path.is_dir():
            return self.path
        candidates = _newest_first(self.path, self.pattern)
        ours = {each: block for each in candidates if (block := _block_of(each, school))}
        made = {each: moment for each, block in ours.items() if (moment := _made(block, _written(each.stat())))}
        if ours:
            return max(made, key=lambda each: made[each]) if len(made) == len(ours) else next(iter(ours))
        if candidates:
            found = {each.name: _whose(each) for each in candidates[:_TOLD]}
            code = "geen_edexml_bestand" if {*found.values()} <= _NO_EDEXML else "geen_bestand_van_deze_school"
            told = "; ".join(f"{name}: {what}" for name, what in found.items())
            raise refusal(code, school=school.key, found=told)
        raise refusal("geen_bestand", school=school.key)


def moment_of(file: BinaryIO) -> datetime:
    """When the export in this open file was made, as it says itself; where it does not, when the file was written (aware).

    Reads from where the file stands, and no further than the school block.
    """
    written = _written(fstat(file.fileno()))
    try:
        return _made(read_school_block(chunks_from(file)), written) or written
    except PermanentError:
        return written


def _made(block: SchoolBlock, written: datetime) -> datetime | None:
    """When an export was made, as it says itself, where that can be true: clocks differ, but by no more than a day."""
    return block.made if block.made and block.made <= written + timedelta(days=1) else None


def _written(file: stat_result) -> datetime:
    return datetime.fromtimestamp(file.st_mtime, HERE)


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


_EMPTY, _STRANGE = "een leeg bestand", "geen EDEXML"
_NO_EDEXML = {_EMPTY, _STRANGE}


def _whose(path: Path) -> str:
    """What a file is that is not the one that is looked for."""
    try:
        return f"van {shown_school(school_of(path))}" if path.stat().st_size else _EMPTY
    except PermanentError as error:
        return _STRANGE if error.code in {"geen_edexml", "afgebroken"} else error.message.rstrip(".")
    except OSError:
        return "niet te openen"
