"""Whose export it is: the school block in its canonical spelling, held against the school and year that were expected."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from connectors.base import SchoolId
from connectors.parnassys.refusals import refusal
from data_contracts.dutch_time import HERE

_BRIN = re.compile(r"\d{2}[A-Z]{2}")
_BRIN_WITH_LOCATION = re.compile(r"(\d{2}[A-Z]{2})(\d{1,2})")
_CENTURY = 20
_YEARS = re.compile(r"(\d{4})\s*[-/]\s*(\d{4})")


class SchoolBlock(NamedTuple):
    """What an export says of its school; 00 is the main location, and what an absent location means.

    `made` is when the export was made (aware); absent where it does not say, or was not asked.
    """

    brincode: str | None
    dependancecode: str
    schooljaar: str | None
    schoolkey: str | None
    made: datetime | None = None

    def is_of(self, school: SchoolId) -> bool:
        """Whether this block names `school`: by BRIN and location, or by the school key where that is all there is."""
        if self.brincode:
            return (self.brincode, self.dependancecode) == (school.brincode, school.dependancecode)
        return self.schoolkey is not None and self.schoolkey == school.schoolkey


def canonical(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """School fields in one spelling: `2026 / 2027` as 2026-2027, a BRIN of six as code and location.

    A BRIN of six that contradicts the location beside it stays as it is, and so is nobody's.
    """
    years = _YEARS.fullmatch(values.get("schooljaar") or "")
    split = _BRIN_WITH_LOCATION.fullmatch(values.get("brincode") or "")
    same = dict(values)
    if years:
        same["schooljaar"] = "-".join(years.groups())
    if split and values.get("dependancecode") in (None, split[2].zfill(2)):
        same |= {"brincode": split[1], "dependancecode": split[2].zfill(2)}
    return same


def school_block(values: Mapping[str, str | None]) -> SchoolBlock:
    """The identifying part of a canonical school block.

    Raises:
        PermanentError: `geen_school` where nothing identifies the school (EDEXML allows that).
    """
    if not any(values.get(name) for name in ("brincode", "instellingsnummer", "schoolkey")):
        raise refusal("geen_school")
    return SchoolBlock(
        values.get("brincode"),
        values.get("dependancecode") or "00",
        values.get("schooljaar"),
        values.get("schoolkey"),
        _moment(values.get("aanmaakdatum")),
    )


def _moment(text: str | None) -> datetime | None:
    """An xs:dateTime, or a day alone; without a time zone it is the clock of the school.

    Nothing, where it is no moment, or none of this century: what is never filled in can be the year 1.
    """
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if moment.year // 100 != _CENTURY:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=HERE)


def refuse_other(block: SchoolBlock, school: SchoolId) -> None:
    """Let only the expected school and school year through.

    Raises:
        PermanentError: `verkeerde_school`, `verkeerd_schooljaar`.
    """
    if not block.is_of(school):
        raise refusal("verkeerde_school", found=shown_school(block), expected=school.key)
    years = _YEARS.fullmatch(block.schooljaar or "")
    if not years or int(years[2]) != int(years[1]) + 1 or block.schooljaar != school.schooljaar:
        found = f"schooljaar {block.schooljaar}" if years else "een onbekend schooljaar"
        raise refusal("verkeerd_schooljaar", found=found, expected=school.schooljaar)


def shown_school(block: SchoolBlock) -> str:
    """The found school's code where it is one; anything else from the file is not repeated."""
    if _BRIN.fullmatch(block.brincode or "") and re.fullmatch(r"\d{2}", block.dependancecode):
        return f"{block.brincode}-{block.dependancecode}"
    return "een andere school"
