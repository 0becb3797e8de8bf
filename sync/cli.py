"""`busbar buffer …`: look into a gateway's log without disturbing it."""

import csv
import enum
import json
import math
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import ReadingBatch, Stream

from . import frames

File = Annotated[Path, typer.Option("--file", "-f", help="the buffer's file")]
DEFAULT = Path("data/buffer.db")
COLUMNS = ("time", "point", "value", "quality", "text")


class Format(enum.StrEnum):
    """How readings are written."""

    NDJSON = "ndjson"
    CSV = "csv"


def buffer_commands() -> typer.Typer:
    """The commands as one group."""
    group = typer.Typer(no_args_is_help=True)
    group.command()(status)
    group.command()(export)
    return group


def status(file: File = DEFAULT) -> None:
    """How much is in the buffer, and how much of it the centre has."""
    with closing(_open(file)) as database:
        (epoch, created) = database.execute("SELECT hex(epoch), created FROM buffer").fetchone()
        typer.echo(f"file      {file}, {file.stat().st_size:,} bytes")
        typer.echo(f"epoch     {epoch.lower()} since {_iso(created)}")
        for row in database.execute(
            "SELECT name, seq, acknowledged, readings, sent, dropped, bytes FROM stream"
        ):
            name, seq, acknowledged, readings, sent, dropped, size = row
            waiting = readings - sent - dropped
            typer.echo(
                f"{name:<9} frames {seq:,}, acknowledged {acknowledged:,}; readings {readings:,},"
                f" waiting {waiting:,}, dropped {dropped:,}; {size:,} bytes"
            )


def export(
    file: File = DEFAULT,
    form: Annotated[Format, typer.Option("--format")] = Format.NDJSON,
    point: Annotated[str, typer.Option(help="only this `device.point`")] = "",
    since: Annotated[datetime | None, typer.Option(help="UTC")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC")] = None,
) -> None:
    """Write the readings in the log to standard output."""
    span = (_us(since, 0), _us(until, frames.MAX_TIME + 1))
    with closing(_open(file)) as database:
        keys = dict(database.execute("SELECT id, key FROM point").fetchall())
        rows = (
            row
            for batch in _batches(database, span)
            for row in _rows(batch, keys, span)
            if not point or row["point"] == point
        )
        if form is Format.CSV:
            writer = csv.DictWriter(sys.stdout, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        else:
            for row in rows:
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def _open(file: Path) -> sqlite3.Connection:
    if not file.is_file():
        raise typer.BadParameter(f"no buffer at {file}: name it with --file")
    database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        database.execute("SELECT 1 FROM stream").fetchone()
    except sqlite3.DatabaseError as error:
        database.close()
        raise typer.BadParameter(f"{file} is no buffer that can be read: {error}") from None
    return database


def _batches(database: sqlite3.Connection, span: tuple[int, int]) -> Iterator[ReadingBatch]:
    for stream, seq, data in database.execute(
        "SELECT stream, seq, bytes FROM frame WHERE kind = ? AND last >= ? AND first < ?"
        " ORDER BY stream DESC, seq",
        (frames.FrameKind.READINGS, *span),
    ):
        try:
            yield frames.readings(frames.decode(data))
        except frames.FrameError as error:
            typer.echo(f"{Stream(stream)} frame {seq} left out: {error}", err=True)


def _rows(
    batch: ReadingBatch, keys: dict[int, str], span: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    columns = (batch.point, batch.time, batch.value, batch.quality)
    lists = (column.tolist() for column in columns)
    for row, (point, time, value, quality) in enumerate(zip(*lists, strict=True)):
        if span[0] <= time < span[1]:
            yield {
                "time": _iso(time),
                "point": keys.get(point, str(point)),
                "value": None if math.isnan(value) else value,
                "quality": quality,
                "text": batch.text.get(row),
            }


def _us(time: datetime | None, default: int) -> int:
    if time is None:
        return default
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1_000_000)


def _iso(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
