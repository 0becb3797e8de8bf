"""Lines of a bank's or gateway's statement, from a CSV file. Pure."""

import csv
import datetime as dt
import io
from typing import NamedTuple

from hub import Invalid

REQUIRED = ("date", "amount")
KNOWN = (*REQUIRED, "reference", "description")
MOST_ROWS = 20_000


class StatementLine(NamedTuple):
    """amount: text, signed, as the account sees it: money that came in is positive."""

    date: dt.date
    amount: str
    reference: str | None
    description: str | None


def read_csv(content: str) -> list[StatementLine]:
    """Columns `date` (ISO), `amount`, `reference`, `description`; a fault names its row."""
    rows = csv.reader(io.StringIO(content.removeprefix("\ufeff")), strict=True)
    found: list[StatementLine] = []
    try:
        names = [n.strip().lower() for n in next(rows, [])]
        if missing := [n for n in REQUIRED if n not in names]:
            raise Invalid(f"row 1: there is no column {' or '.join(missing)}", row=1)
        for row in rows:
            if any(cell.strip() for cell in row):
                found.append(_line(dict(zip(names, row, strict=False)), rows.line_num))
            if len(found) > MOST_ROWS:
                raise Invalid(f"more than {MOST_ROWS:,} rows: split the statement")
    except csv.Error as error:
        raise Invalid(f"row {rows.line_num}: {error}", row=rows.line_num) from None
    return found


def _line(cells: dict[str, str], number: int) -> StatementLine:
    try:
        day = dt.date.fromisoformat(cells.get("date", "").strip())
    except ValueError:
        raise Invalid(f"row {number}: date {cells.get('date')!r} is not YYYY-MM-DD") from None
    amount = cells.get("amount", "").strip()
    sign, _, digits = amount.rpartition("-")
    if sign or not digits.replace(".", "", 1).isascii() or not digits.replace(".", "", 1).isdigit():
        raise Invalid(f"row {number}: amount {amount!r} is not a number like -12.34", row=number)
    reference = cells.get("reference", "").strip()[:200] or None
    return StatementLine(day, amount, reference, cells.get("description", "").strip()[:200] or None)
