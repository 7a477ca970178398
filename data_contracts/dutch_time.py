"""The clock and the calendar of a Dutch school."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

HERE = ZoneInfo("Europe/Amsterdam")


def day_in_the_netherlands(moment: datetime) -> date:
    """The day that the calendar shows there at an aware moment."""
    return moment.astimezone(HERE).date()


def today_in_the_netherlands() -> date:
    """The day that the calendar shows there now."""
    return day_in_the_netherlands(datetime.now(HERE))


def day_of(moment: datetime | None) -> str:
    """The day that the calendar shows there at an aware moment, as people write it; "" for no moment."""
    return f"{day_in_the_netherlands(moment):%d-%m-%Y}" if moment else ""
