"""Tables as files."""

import asyncio
import csv
import datetime as dt
import io
import math
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import IO, Any

import xlsxwriter

from hub import TooLarge

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_575
PIECE = 1 << 18

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8 with a byte-order mark, so that spreadsheets read Arabic; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


async def workbook(
    title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> AsyncIterator[bytes]:
    """A workbook of one sheet, in pieces: it lies in a file and is never in memory as a whole."""
    file = tempfile.TemporaryFile(prefix="busbar-sheet-")  # noqa: SIM115 - `_pieces` closes it
    try:
        await asyncio.to_thread(_write, file, title, names, rows)
    except BaseException:
        file.close()
        raise
    return _pieces(file)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def _write(
    file: IO[bytes], title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet(title[:31])
        time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, names, book.add_format({"bold": True}))
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise TooLarge(f"a sheet has {MOST_ROWS} rows: narrow the period, or ask for csv")
            for column, value in enumerate(row):
                if isinstance(value, dt.datetime):
                    at = value.astimezone(dt.UTC).replace(tzinfo=None)
                    sheet.write_datetime(number, column, at, time)
                elif isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None and math.isfinite(value):
                    sheet.write_number(number, column, value)
