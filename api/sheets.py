"""Rows as files: CSV, NDJSON, XLSX. A row is a tuple in the order of its names."""

import csv
import datetime as dt
import io
import math
import re
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import xlsxwriter

from hub import TooLarge

Row = tuple[Any, ...]
XLSX_ROWS = 1_048_575
_XLSX_TEXT = 32_767
_FORMULA = re.compile(r"[=+\-@\t\r']")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula; `plain` gives it back as it was."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


class Csv:
    """RFC 4180 in UTF-8; the mark in front lets spreadsheets see that it is UTF-8."""

    suffix, content_type = "csv", "text/csv"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def head(self) -> bytes:
        return b"\xef\xbb\xbf" + self._lines([list(self._names)])

    def rows(self, rows: Sequence[Row]) -> bytes:
        return self._lines([[_cell(value) for value in row] for row in rows])

    @staticmethod
    def _lines(rows: Sequence[Sequence[str]]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    made = msgspec.to_builtins(value)
    return msgspec.json.encode(made).decode() if isinstance(made, dict | list) else str(made)


class Ndjson:
    """One JSON object a line, the same as the API answers."""

    suffix, content_type = "ndjson", "application/x-ndjson"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._encoder = msgspec.json.Encoder()

    def head(self) -> bytes:
        return b""

    def rows(self, rows: Sequence[Row]) -> bytes:
        return self._encoder.encode_lines(dict(zip(self._names, row, strict=True)) for row in rows)


class Xlsx:
    """A workbook of one sheet, written to a file row by row. Times are UTC. Blocking."""

    suffix = "xlsx"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def __init__(self, names: Sequence[str], file: Path, title: str) -> None:
        self._names, self._row = names, 0
        options = {"constant_memory": True, "tmpdir": str(file.parent)}
        self._book = xlsxwriter.Workbook(str(file), options)
        self._sheet = self._book.add_worksheet(re.sub(r"[\[\]:*?/\\']", " ", title)[:31])
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        bold = self._book.add_format({"bold": True})
        for column, name in enumerate(names):
            self._sheet.write_string(0, column, name, bold)
        self._sheet.freeze_panes(1, 0)

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._row += 1
            if self._row > XLSX_ROWS:
                raise TooLarge(f"a sheet has {XLSX_ROWS} rows: narrow the list, or ask for csv")
            for column, value in enumerate(row):
                if value is not None:
                    self._write(column, value)

    def _write(self, column: int, value: Any) -> None:
        sheet, row = self._sheet, self._row
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, float | int) and math.isfinite(value) and abs(value) < 2**53:
            sheet.write_number(row, column, value)
        elif isinstance(value, dt.datetime) and value.year >= 1900:
            at = value.astimezone(dt.UTC).replace(tzinfo=None)
            sheet.write_datetime(row, column, at, self._time)
        elif (
            isinstance(value, dt.date) and not isinstance(value, dt.datetime) and value.year >= 1900
        ):
            sheet.write_datetime(row, column, value, self._day)
        else:
            sheet.write_string(row, column, self._text(column, value))

    def _text(self, column: int, value: Any) -> str:
        if not isinstance(value, str | uuid.UUID | Decimal | float | int):
            made = msgspec.to_builtins(value)
            value = msgspec.json.encode(made).decode() if isinstance(made, dict | list) else made
        text = str(value)
        if len(text) > _XLSX_TEXT:
            name = self._names[column]
            raise TooLarge(f"{name}: a cell holds {_XLSX_TEXT} characters: ask for csv", field=name)
        return text

    def close(self) -> None:
        self._sheet.autofilter(0, 0, self._row, len(self._names) - 1)
        self._book.close()


KINDS: dict[str, type[Csv] | type[Ndjson] | type[Xlsx]] = {
    kind.suffix: kind for kind in (Csv, Ndjson, Xlsx)
}
