"""For what a parent is asked a consent of its own, whoever the supplier is. What a supplier may have is in `agreement`."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from data_contracts.fields import CATALOGUE


class Purpose(StrEnum):
    """What a photo of a pupil may be used for; each is a consent apart (AVG art. 7 lid 2)."""

    WEBSITE = "foto_website"
    NEWSLETTER = "foto_nieuwsbrief"
    PARRO = "foto_parro"

    @property
    def words(self) -> str:
        """What it is, as a parent reads it."""
        return _WORDS[self]


_WORDS = {
    Purpose.WEBSITE: "foto op de website van de school",
    Purpose.NEWSLETTER: "foto in de nieuwsbrief",
    Purpose.PARRO: "foto in Parro",
}


def _where_needed(consent: Purpose | None, info: ValidationInfo) -> Purpose | None:
    """A consent stands exactly where the catalogue asks for one; a `field` that is wrong itself was told already."""
    field_id = info.data.get("field")
    needed = field_id is not None and CATALOGUE[field_id].needs_consent
    if needed and consent is None:
        purposes = ", ".join(Purpose)
        raise ValueError(
            f"`{field_id}` mag alleen mee met toestemming van de ouders; zet erbij voor welk doel, met `consent`: {purposes}"
        )
    if consent is not None and field_id and not needed:
        raise ValueError(
            f"`{field_id}` is geen foto en hangt van geen toestemming per doel af; haal `consent` hier weg"
        )
    return consent


ConsentOf = Annotated[Purpose | None, AfterValidator(_where_needed)]
"""The purpose by which the `field` of a profile goes out."""
