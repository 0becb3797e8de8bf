"""Columns of readings ⇄ PostgreSQL's binary COPY, without an object per row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub import ProtocolError, ReadingBatch

EPOCH_2000 = 946_684_800_000_000  # µs; PostgreSQL counts from there
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROW = np.dtype(
    [
        ("fields", ">i2"), ("point_size", ">i4"), ("point", ">i4"), ("time_size", ">i4"),
        ("time", ">i8"), ("value_size", ">i4"), ("value", ">f8"), ("quality_size", ">i4"),
        ("quality", ">i2"),
    ]
)  # fmt: skip


def pack(batch: ReadingBatch) -> bytes:
    """Rows (point int4, time timestamptz, value float8, quality int2) with header and trailer."""
    rows: NDArray[Any] = np.empty(len(batch), ROW)
    rows["fields"], rows["point_size"], rows["time_size"] = 4, 4, 8
    rows["value_size"], rows["quality_size"] = 8, 2
    rows["point"], rows["value"], rows["quality"] = batch.point, batch.value, batch.quality
    rows["time"] = batch.time - EPOCH_2000
    return b"".join((HEADER, rows.data, TRAILER))


def unpack(data: bytes) -> ReadingBatch:
    """What `COPY … TO STDOUT (FORMAT binary)` gave for the same four columns, none of them null."""
    size = len(data) - len(HEADER) - len(TRAILER)
    if size < 0 or size % ROW.itemsize or not data.endswith(TRAILER):
        raise ProtocolError("PostgreSQL's binary COPY is not four fixed columns")
    rows = np.frombuffer(data, ROW, size // ROW.itemsize, len(HEADER))
    return ReadingBatch(
        rows["point"].astype(np.uint32),
        rows["time"].astype(np.int64) + EPOCH_2000,
        rows["value"].astype(np.float64),
        rows["quality"].astype(np.uint16),
    )


def newest(batch: ReadingBatch) -> NDArray[np.int64]:
    """Row numbers of the newest reading of each point, by point."""
    order = np.lexsort((batch.time, batch.point))
    point = batch.point[order]
    is_last = np.append(point[1:] != point[:-1], True)
    rows: NDArray[np.int64] = order[is_last]
    return rows
