"""Reading back a workbook (.xlsx) as ECMA-376 says it is written; it knows nothing of what wrote it."""

import zipfile
from datetime import datetime, timedelta
from pathlib import Path

from lxml import etree

Cell = str | float | datetime | None
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  a workbook's moments have no zone


def sheets(file: Path) -> dict[str, list[dict[str, Cell]]]:
    """By name of the sheet its rows: heading -> text, number or moment. A cell with a formula is refused."""
    with zipfile.ZipFile(file) as parts:
        tree = {
            name: etree.fromstring(parts.read(name)) for name in parts.namelist() if name.endswith((".xml", ".rels"))
        }
    texts = ["".join(one.itertext()) for one in tree["xl/sharedStrings.xml"]]
    styles = tree["xl/styles.xml"]
    formats = {one.get("numFmtId"): one.get("formatCode", "") for one in styles.iter(f"{_MAIN}numFmt")}
    dates = ["yy" in formats.get(one.get("numFmtId"), "") for one in styles.find(f"{_MAIN}cellXfs")]
    targets = {one.get("Id"): one.get("Target") for one in tree["xl/_rels/workbook.xml.rels"]}
    found = {}
    for sheet in tree["xl/workbook.xml"].iter(f"{_MAIN}sheet"):
        page = tree[f"xl/{targets[sheet.get(_RELATED)]}"]
        assert page.find(f".//{_MAIN}f") is None
        rows = [{_column(c): _value(c, texts, dates) for c in row} for row in page.iter(f"{_MAIN}row")]
        heads = {column: str(name) for column, name in rows[0].items()}
        found[sheet.get("name", "")] = [{heads[column]: cell for column, cell in row.items()} for row in rows[1:]]
    return found


def _column(cell: etree._Element) -> str:
    return cell.get("r", "").rstrip("0123456789")


def _value(cell: etree._Element, texts: list[str], dates: list[bool]) -> Cell:
    value = cell.findtext(f"{_MAIN}v")
    if value is None:
        return None
    if cell.get("t") == "s":
        return texts[int(value)]
    number = float(value)
    return _DAY_ZERO + timedelta(days=number) if dates[int(cell.get("s", "0"))] else number
