"""Objects as columns: whole blocks are decoded and encoded at once, no Python object per point."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hub import ProtocolError

from .app import Block, ranged
from .objects import Form, PointType, Variation, record

ONLINE, RESTART, COMM_LOST, REMOTE_FORCED, LOCAL_FORCED = 0x01, 0x02, 0x04, 0x08, 0x10
CHATTER, STATE = 0x20, 0x80  # binary and double-bit
ROLLOVER, DISCONTINUITY = 0x20, 0x40  # counters
OVER_RANGE, REFERENCE_ERR = 0x20, 0x40  # analogs

_BINARY = frozenset({PointType.BI, PointType.BO, PointType.BOC})
_LIMITS = {
    "i2": (-(2**15), 2**15 - 1),
    "u2": (0, 2**16 - 1),
    "i4": (-(2**31), 2**31 - 1),
    "u4": (0, 2**32 - 1),
    "f4": (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)),
}

Index = NDArray[np.uint32]


class Columns(Struct, frozen=True):
    """Objects of one block. time: ms since 1970 UTC, or after the common time when `relative`.

    value: None when the objects have none; flags: None for variations without.
    """

    index: Index
    value: NDArray[np.float64] | None = None
    flags: NDArray[np.uint8] | None = None
    time: NDArray[np.int64] | None = None
    relative: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def values(self) -> NDArray[np.float64]:
        """The values; ProtocolError for objects that have none."""
        if self.value is None:
            raise ProtocolError("objects without a value")
        return self.value

    def times(self) -> NDArray[np.int64]:
        """The times; ProtocolError for objects that have none."""
        if self.time is None:
            raise ProtocolError("objects without a time")
        return self.time


def rows(block: Block) -> NDArray[Any]:
    """Fixed-size objects as numpy records, with `index` among the fields when they carry one.

    ProtocolError for a header that only names objects.
    """
    layout, count = record(block.variation, block.prefix), block.count or 0
    if len(block.data) != layout.itemsize * count:
        raise ProtocolError(f"{block} names {count} objects without carrying them")
    return np.frombuffer(block.data, layout, count)


def indexes(block: Block) -> Index:
    """Indexes of a block's objects, be they a range or written before each."""
    if block.prefix:
        if block.data and block.variation.form in {Form.FIXED, Form.STRING}:
            width = block.prefix + block.variation.size
            if len(block.data) == width * (block.count or 0):
                return rows(block)["index"].astype(np.uint32)
        return np.frombuffer(block.data, f"<u{block.prefix}", block.count or 0).astype(np.uint32)
    return np.arange(block.start, block.start + (block.count or 0), dtype=np.uint32)


def _bits(block: Block) -> NDArray[np.uint8]:
    raw = np.frombuffer(block.data, np.uint8)
    count, width = block.count or 0, block.variation.bits
    bits = np.unpackbits(raw, count=count * width, bitorder="little")
    return bits if width == 1 else bits[::2] | bits[1::2] * np.uint8(2)


def columns(block: Block) -> Columns:
    """Decode a block of packed or fixed-size objects."""
    if block.variation.form is Form.PACKED:
        return Columns(indexes(block), _bits(block).astype(np.float64))
    table = rows(block)
    names = table.dtype.names or ()
    index = table["index"].astype(np.uint32) if block.prefix else indexes(block)
    octet = "flags" if "flags" in names else "status" if "status" in names else None
    flags = table[octet] if octet else None
    value: NDArray[np.float64] | None = None
    if "value" in names:
        value = table["value"].astype(np.float64)
    elif flags is not None:
        value = _state(block.variation, flags)
    if "time_low" in names:
        time = table["time_low"] | table["time_high"].astype(np.int64) << 32
        return Columns(index, value, flags, time)
    if "relative" in names:
        return Columns(index, value, flags, table["relative"].astype(np.int64), relative=True)
    return Columns(index, value, flags)


def _state(entry: Variation, flags: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The state that sits in the top bits of an octet of flags (or of a command's status)."""
    return (flags >> (6 if entry.group.point is PointType.DBI else 7)).astype(np.float64)


def octets(block: Block) -> list[bytes]:
    """The objects of a block of strings, or of objects that carry their own size."""
    if block.variation.form is Form.STRING:
        width, skip = block.prefix + block.variation.size, block.prefix
        return [block.data[at + skip : at + width] for at in range(0, len(block.data), width)]
    width = {4: 1, 5: 2, 6: 4}[block.qualifier >> 4]
    out, at = [], 0
    for _ in range(block.count or 0):
        size = int.from_bytes(block.data[at : at + width], "little")
        out.append(block.data[at + width : at + width + size])
        at += width + size
    return out


def encode_rows(entry: Variation, cols: Columns, prefix: int = 0) -> bytes:
    """Objects of one variation, each behind its index when `prefix` says so.

    Values beyond the variation are clamped and flagged OVER_RANGE (analog); counters wrap.
    """
    if entry.form is Form.PACKED:
        return _packed(entry, cols)
    table = np.zeros(len(cols), record(entry, prefix))
    names = table.dtype.names or ()
    flags = np.full(len(cols), ONLINE, np.uint8) if cols.flags is None else cols.flags
    if prefix:
        table["index"] = cols.index
    if "value" in names and cols.value is not None:
        table["value"], flags = _fit(entry, table.dtype["value"], cols.value, flags)
    elif entry.group.point is PointType.DBI and cols.value is not None:
        flags = flags & np.uint8(0x3F) | cols.value.astype(np.uint8) * np.uint8(0x40)
    elif entry.group.point in _BINARY and cols.value is not None:
        flags = flags & np.uint8(0x7F) | (cols.value != 0).astype(np.uint8) * np.uint8(STATE)
    if "flags" in names:
        table["flags"] = flags
    elif "status" in names:
        table["status"] = flags
    if cols.time is not None:
        if "time_low" in names:
            table["time_low"] = cols.time & 0xFFFFFFFF
            table["time_high"] = cols.time >> 32
        elif "relative" in names:
            table["relative"] = cols.time
    return table.tobytes()


def _packed(entry: Variation, cols: Columns) -> bytes:
    value = cols.values().astype(np.uint8)
    if entry.bits == 2:
        value = np.stack((value & 1, value >> 1), axis=1).ravel()
    return np.packbits(value, bitorder="little").tobytes()


def _fit(
    entry: Variation, dtype: np.dtype[Any], value: NDArray[np.float64], flags: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    kind = dtype.str[1:]
    if kind == "f8":
        return value, flags
    if kind[0] == "u":
        return np.nan_to_num(value).astype(np.int64).astype(dtype), flags
    low, high = _LIMITS[kind]
    lost = np.isnan(value) if kind[0] != "f" else np.zeros(len(value), bool)
    over = (value < low) | (value > high) | lost
    if over.any():
        value = np.clip(np.where(lost, 0.0, value), low, high)
        if entry.has("flags"):
            flags = np.where(over, flags | OVER_RANGE, flags).astype(np.uint8)
    return value.astype(dtype), flags


def static_block(entry: Variation, cols: Columns) -> bytes:
    """Neighbouring points under a start-stop header."""
    start = int(cols.index[0])
    head = ranged(entry.group.number, entry.number, start, start + len(cols) - 1)
    return head + encode_rows(entry, cols)


def event_block(entry: Variation, cols: Columns) -> bytes:
    """Events under a count, each with a two-octet index (0x28)."""
    head = bytes((entry.group.number, entry.number, 0x28)) + len(cols).to_bytes(2, "little")
    return head + encode_rows(entry, cols, prefix=2)


def one(index: int, value: float, flags: int = ONLINE, time: int | None = None) -> Columns:
    """Columns of a single object."""
    return Columns(
        np.array([index], np.uint32),
        np.array([value], np.float64),
        np.array([flags], np.uint8),
        None if time is None else np.array([time], np.int64),
    )
