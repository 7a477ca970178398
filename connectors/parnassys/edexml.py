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

        Of more than one, the export of the school year that is expected, and of those the one that was made last: as in
        `moment_of`, for a copy is written later than what it is of.

        Raises:
            PermanentError: `geen_plek`, `geen_bestand`, `geen_bestand_van_deze_school`, `geen_edexml_bestand`.
            OSError: the folder may not be read.
        """
        if not self.path.exists():
            raise refusal("geen_plek", school=school.key, place=self.path.name)
        if not self.path.is_dir():
            return self.path
        found = {path: looked_at(path) for path in _newest_first(self.path, self.pattern)}
        blocks = {path: block for path, block in found.items() if isinstance(block, SchoolBlock)}
        if ours := {path: block for path, block in blocks.items() if block.is_of(school)}:
            return max(
                ours, key=lambda each: (ours[each].schooljaar == school.schooljaar, _moment(ours[each], each.stat()))
            )
        lies = blocks | found | {path: what for path in self.path.iterdir() if (what := unlike_an_export(path))}
        if not lies:
            raise refusal("geen_bestand", school=school.key)
        strange = {*lies.values()} <= _NO_EDEXML
        code = "geen_edexml_bestand" if strange else "geen_bestand_van_deze_school"
        told = [f"{path.name}: {_whose(what)}" for path, what in lies.items()][:_TOLD]
        raise refusal(code, school=school.key, found="; ".join(told))


def moment_of(file: BinaryIO) -> datetime:
    """When the export in this open file was made, as it says itself; where it does not, or says what cannot be, when the file
    was written (aware).

    Reads from where the file stands, and no further than the school block.
    """
    try:
        block = read_school_block(chunks_from(file))
    except PermanentError:
        block = None
    return _moment(block, fstat(file.fileno()))


def _moment(block: SchoolBlock | None, file: stat_result) -> datetime:
    """No export was made after its file was written, but for clocks that differ; a file without a date of its own limits nothing."""
    written = datetime.fromtimestamp(file.st_mtime, HERE)
    at_most = written if written.year >= _FIRST_YEAR else datetime.now(HERE)
    return block.made if block and block.made and block.made <= at_most + timedelta(days=1) else written


_FIRST_YEAR = 2000
"""Unpacking can leave a file of 1980."""


def school_of(path: Path) -> SchoolBlock:
    """Whose export lies at `path`, reading no further than its school block; the inbox sensor asks this too.

    Raises:
        PermanentError: the file cannot be read as EDEXML; its code says why.
        OSError: the file is not there, or may not be opened.
    """
    with path.open("rb") as file:
        return read_school_block(chunks_from(file))


def looked_at(path: Path) -> SchoolBlock | str:
    """Whose export lies at `path`, or what it is, in Dutch, where it says nothing readable of that."""
    try:
        return school_of(path) if path.stat().st_size else _EMPTY
    except PermanentError as error:
        return _STRANGE if error.code in {"geen_edexml", "afgebroken", "doctype"} else error.message.rstrip(".")
    except OSError:
        return "niet te openen"


def unlike_an_export(path: Path) -> str:
    """What lies here, in Dutch, where it is a usual mistake in putting an export down; else ""."""
    if path.suffix.lower() == ".zip" and path.is_file():
        return _ZIPPED
    return _FOLDER if path.is_dir() and not path.name.startswith(".") else ""


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and _matches(path, pattern)]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _matches(path: Path, pattern: str) -> bool:
    return Path(path.name.lower()).match(pattern.lower())


def _whose(what: SchoolBlock | str) -> str:
    return what if isinstance(what, str) else f"van {shown_school(what)}"


_TOLD = 3
"""Of how many files it is said what they are, where none is the one that is looked for."""


_EMPTY, _STRANGE = "een leeg bestand", "geen EDEXML, of niet heel"
_ZIPPED, _FOLDER = "een zip-bestand, pak het eerst uit", "een map, en daar wordt niet in gekeken"
_NO_EDEXML = {_EMPTY, _STRANGE, _ZIPPED, _FOLDER}
