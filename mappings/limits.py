"""The limits of an agreement: how much may change before a person must have seen it.

What is counted, and what happens at a limit, is the guard's matter.
"""

from typing import Literal

from pydantic import Field

from mappings.written import Strict


class Limit(Strict):
    """Reached when `count` OR `percent` is reached (>=); a part that is absent does not count."""

    count: int | None = Field(default=None, ge=1)
    percent: float | None = Field(default=None, gt=0, le=100)

    def reached(self, number: int, total: int) -> bool:
        """Whether `number` out of `total` reaches this limit; nothing never does."""
        if number == 0:
            return False
        by_count = self.count is not None and number >= self.count
        by_percent = self.percent is not None and 100 * number >= self.percent * total
        return by_count or by_percent


class ExportSize(Strict):
    """How large an export may be, in percent of the last good one."""

    minimum_percent: float = Field(default=95, ge=0, le=100)
    maximum_percent: float = Field(default=115, ge=100)


class Limits(Strict):
    """When a change plan waits for a person; every number can be set in an agreement."""

    first_delivery: Literal["hold", "allow"] = "hold"
    unexplained_deletes: Limit = Limit(count=3, percent=2)
    all_deletes: Limit = Limit(percent=10)  # not between 15 July and 15 September, the change of school year
    field_changes: Limit = Limit(percent=30)
    creates: Limit = Limit(percent=25)
    export_size: ExportSize = ExportSize()
    older_export: Literal["hold", "allow"] = "hold"
