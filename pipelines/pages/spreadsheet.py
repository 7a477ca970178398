"""A workbook that a person reads: sheets with a frozen header, a filter, wrapped text and real dates. What stands in it, the page that makes it knows."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from data_contracts.dutch_time import HERE

Cell = str | int | date | datetime | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: of each column its heading and its width in characters, and the rows below."""

    name: str
    columns: Sequence[tuple[str, int]]
    rows: Sequence[Sequence[Cell]]


def workbook(title: str, sheets: Sequence[Sheet]) -> bytes:
    """The sheets as an .xlsx. A text is always a text, also one that begins with `=`; a moment stands there in Dutch time."""
    from xlsxwriter import Workbook  # noqa: PLC0415  only who publishes needs it

    file = io.BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        book.set_properties({"title": title})
        text, head = {"text_wrap": True, "valign": "top"}, {"bold": True, "bg_color": "#E8E8E8", "bottom": 1}
        plain, heading = book.add_format(text), book.add_format(text | head)
        day, moment = (book.add_format(text | {"num_format": f}) for f in ("dd-mm-yyyy", "dd-mm-yyyy hh:mm"))
        for sheet in sheets:
            page = book.add_worksheet(sheet.name)
            for column, (name, width) in enumerate(sheet.columns):
                page.set_column(column, column, width)
                page.write_string(0, column, name, heading)
            for number, row in enumerate(sheet.rows, 1):
                for column, cell in enumerate(row):
                    match cell:
                        case datetime():
                            here = cell.astimezone(HERE).replace(tzinfo=None)
                            page.write_datetime(number, column, here, moment)
                        case date():
                            page.write_datetime(number, column, cell, day)
                        case int():
                            page.write_number(number, column, cell, plain)
                        case str():
                            page.write_string(number, column, cell, plain)
            page.freeze_panes(1, 0)
            page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)
            page.repeat_rows(0)
            page.set_landscape()
            page.set_paper(9)  # A4
            page.fit_to_pages(1, 0)
    return file.getvalue()
