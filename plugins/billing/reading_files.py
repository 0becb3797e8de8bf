"""Readings in CSV: `meter,register,at,value`."""

import csv
import datetime as dt
import io
import re
from decimal import Decimal

from hub import Invalid

from .intake import Given

MOST = 100_000
NEEDED = {"meter", "at", "value"}
_VALUE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")


def read_csv(content: str) -> tuple[list[tuple[int, Given]], list[tuple[int, str]]]:
    """Row number and reading, and row number and why it cannot be read; the header is row 1.

    Raises Invalid for what is no such file.
    """
    table = csv.DictReader(io.StringIO(content.lstrip("\ufeff")))
    if missing := NEEDED - set(table.fieldnames or ()):
        raise Invalid(f"the file has no column {', '.join(sorted(missing))}", field="content")
    good: list[tuple[int, Given]] = []
    wrong: list[tuple[int, str]] = []
    try:
        for number, row in enumerate(table, 2):
            if number > MOST + 1:
                raise Invalid(f"a file has at most {MOST} readings", field="content")
            try:
                good.append((number, _reading(row)))
            except ValueError as error:
                wrong.append((number, str(error)))
    except csv.Error as error:
        raise Invalid(f"not CSV: {error}", field="content") from None
    return good, wrong


def _reading(row: dict[str, str]) -> Given:
    value = (row["value"] or "").strip()
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{value!r} is not what dials show")
    at = dt.datetime.fromisoformat((row["at"] or "").strip())
    if at.tzinfo is None:
        # A local time may come twice in a year; whoever reads the meter knows which it was (R32).
        raise ValueError(f"{row['at']} does not say its offset from UTC")
    return Given(
        meter=(row["meter"] or "").strip(),
        register=(row.get("register") or "import").strip() or "import",
        at=at.astimezone(dt.UTC),
        value=int(Decimal(value).scaleb(3)),
    )
