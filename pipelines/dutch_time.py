"""The clock and the calendar of a Dutch school."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

HERE = ZoneInfo("Europe/Amsterdam")


def today_in_the_netherlands() -> date:
    """The day that the calendar shows there now."""
    return datetime.now(HERE).date()
