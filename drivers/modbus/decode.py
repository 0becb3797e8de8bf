"""From the bytes of all blocks of one poll to columns, without a Python object per point. Pure."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.modbus.address import Address
from drivers.modbus.pdu import INVALID, read_size
from drivers.modbus.plan import Block
from hub import GOOD, Flag, Validity, quality

Bytes = NDArray[np.uint8]
Values = NDArray[np.float64]
Qualities = NDArray[np.uint16]
_Apply = Callable[[Bytes, Values, Qualities], None]

EXACT = 2.0**53
INEXACT = quality(flags=Flag.INACCURATE)
BEYOND = quality(Validity.QUESTIONABLE, Flag.OVERRANGE)

_VIEWS = {
    "int16": ">i2",
    "uint16": ">u2",
    "int32": ">i4",
    "uint32": ">u4",
    "int64": ">i8",
    "uint64": ">u8",
    "float32": ">f4",
    "float64": ">f8",
}


class Decoder:
    """Made once for a layout of blocks; `decode` runs at every poll.

    The orders of bytes and words are worked into the indices by which bytes are gathered, so that
    all points of a type are decoded by one numpy view, whatever their orders.
    """

    def __init__(self, addresses: Sequence[Address], blocks: Sequence[Block]) -> None:
        self.points = len(addresses)
        self.sizes = [read_size(block.table, block.count) for block in blocks]
        self.rows = [np.array(block.rows, np.intp) for block in blocks]
        self._values = np.full(self.points, np.nan)
        self._qualities = np.full(self.points, INVALID, np.uint16)
        for rows in self.rows:
            self._qualities[rows] = GOOD
        self._texts: list[tuple[int, Address, NDArray[np.intp]]] = []
        groups: defaultdict[str, list[tuple[int, Address, list[int]]]] = defaultdict(list)
        for block, base in zip(blocks, itertools.accumulate(self.sizes, initial=0), strict=False):
            for row in block.rows:
                address = addresses[row]
                where = _indices(address, address.start - block.start, base)
                groups[_group(address)].append((row, address, where))
        for row, address, where in groups.pop("string", []):
            self._texts.append((row, address, np.array(where, np.intp)))
        self._steps = [_step(name, members) for name, members in groups.items()]

    def decode(self, parts: Sequence[bytes]) -> tuple[Values, Qualities, dict[int, str]]:
        """Values, qualities and texts by row, from the data of each block in order.

        A part whose block failed must be zeros of its size; the caller marks its rows. Rows of no
        block are NaN and INVALID.
        """
        data = np.frombuffer(b"".join(parts), np.uint8)
        values = self._values.copy()
        qualities = self._qualities.copy()
        for step in self._steps:
            step(data, values, qualities)
        return (
            values,
            qualities,
            {row: _text(address, data[where]) for row, address, where in self._texts},
        )


def _indices(address: Address, distance: int, base: int) -> list[int]:
    """Positions of the point's bytes in the joined data, most significant first."""
    if address.table.of_bits:
        return [base + distance // 8, distance % 8]
    words = [base + 2 * (distance + word) for word in range(address.count)]
    if address.swap_words:
        words.reverse()
    pair = (1, 0) if address.swap_bytes else (0, 1)
    return [word + byte for word in words for byte in pair]


def _group(address: Address) -> str:
    if address.table.of_bits:
        return "coil"
    if address.bits:
        return "field"
    return address.type


def _step(name: str, members: list[tuple[int, Address, list[int]]]) -> _Apply:
    rows = np.array([row for row, _, _ in members], np.intp)
    index = np.array([where for _, _, where in members], np.intp)
    if name == "coil":
        return _coils(rows, index)
    if name == "field":
        return _fields(rows, index, [address for _, address, _ in members])
    if name == "bool":
        return _flags(rows, index)
    if name.startswith("bcd"):
        return _decimals(rows, index)
    return _numbers(rows, index, np.dtype(_VIEWS[name]))


def _numbers(rows: NDArray[np.intp], index: NDArray[np.intp], view: np.dtype[np.generic]) -> _Apply:
    def narrow(data: Bytes, values: Values, qualities: Qualities) -> None:
        values[rows] = data.take(index).view(view)[:, 0]

    def wide(data: Bytes, values: Values, qualities: Qualities) -> None:
        values[rows] = found = data[index].view(view)[:, 0].astype(np.float64)
        qualities[rows[np.abs(found) >= EXACT]] = INEXACT

    def real(data: Bytes, values: Values, qualities: Qualities) -> None:
        # A signalling NaN raises the processor's invalid flag when it is widened.
        with np.errstate(invalid="ignore"):
            values[rows] = found = data[index].view(view)[:, 0].astype(np.float64)
        if not np.isfinite(found).all():
            qualities[rows[np.isinf(found)]] = BEYOND
            qualities[rows[np.isnan(found)]] = INVALID

    if view.kind == "f":
        return real
    return wide if view.itemsize == 8 else narrow


def _coils(rows: NDArray[np.intp], index: NDArray[np.intp]) -> _Apply:
    byte, shift = index[:, 0].copy(), index[:, 1].astype(np.uint8)

    def step(data: Bytes, values: Values, qualities: Qualities) -> None:
        values[rows] = (data[byte] >> shift) & 1

    return step


def _fields(rows: NDArray[np.intp], index: NDArray[np.intp], members: list[Address]) -> _Apply:
    shift = np.array([address.bit for address in members], np.uint16)
    mask = np.array([(1 << address.bits) - 1 for address in members], np.uint16)

    def step(data: Bytes, values: Values, qualities: Qualities) -> None:
        values[rows] = (data[index].view(">u2")[:, 0] >> shift) & mask

    return step


def _flags(rows: NDArray[np.intp], index: NDArray[np.intp]) -> _Apply:
    def step(data: Bytes, values: Values, qualities: Qualities) -> None:
        values[rows] = data[index].any(axis=1)

    return step


def _decimals(rows: NDArray[np.intp], index: NDArray[np.intp]) -> _Apply:
    weights = 100.0 ** np.arange(index.shape[1] - 1, -1, -1)

    def step(data: Bytes, values: Values, qualities: Qualities) -> None:
        found = data[index]
        high, low = found >> 4, found & 15
        wrong = ((high > 9) | (low > 9)).any(axis=1)
        number = (high * 10.0 + low) @ weights
        values[rows] = np.where(wrong, np.nan, number)
        qualities[rows[number >= EXACT]] = INEXACT
        qualities[rows[wrong]] = INVALID

    return step


def _text(address: Address, data: Bytes) -> str:
    raw = data.tobytes()[: address.chars]
    return raw.split(b"\0", 1)[0].decode(errors="replace").rstrip()
