"""Requests as a server gets them, and its answers (Application Protocol V1.1b3, clause 6). Pure."""

import struct

import numpy as np
from msgspec import Struct

from drivers.modbus.address import Table
from drivers.modbus.pdu import MAX_BITS, MAX_REGISTERS, Code

_TABLES = {1: Table.COILS, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
_MAX_WRITTEN, _MAX_WRITTEN_BITS = 123, 1968
WRITES = frozenset({5, 6, 15, 16, 22})


class Refused(Exception):
    """The request gets an exception response of that code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Read(Struct, frozen=True):
    function: int
    table: Table
    first: int
    count: int


class Write(Struct, frozen=True):
    """data: two bytes a register, one byte a bit."""

    table: Table
    first: int
    data: bytes

    @property
    def count(self) -> int:
        return len(self.data) // (1 if self.table.of_bits else 2)


class Mask(Struct, frozen=True):
    """The bits of `mask` of a holding register become those of `put`."""

    first: int
    mask: int
    put: int


def parse(pdu: bytes) -> Read | Write | Mask:
    """What is asked for; Refused with the exception code of the clause when it makes no sense."""
    try:
        if pdu[0] in _TABLES:
            return _read(pdu)
        if pdu[0] in WRITES:
            return _write(pdu)
    except (struct.error, IndexError):
        raise Refused(Code.ILLEGAL_VALUE) from None
    raise Refused(Code.ILLEGAL_FUNCTION)


def _read(pdu: bytes) -> Read:
    table = _TABLES[pdu[0]]
    first, count = struct.unpack(">HH", pdu[1:])
    if not 1 <= count <= (MAX_BITS if table.of_bits else MAX_REGISTERS):
        raise Refused(Code.ILLEGAL_VALUE)
    return Read(pdu[0], table, first, count)


def _write(pdu: bytes) -> Write | Mask:
    function, first, value = struct.unpack_from(">BHH", pdu)
    if function == 22:
        keep, put = struct.unpack(">HH", pdu[3:])
        return Mask(first, ~keep & 0xFFFF, put & ~keep)
    if function in {15, 16}:
        return _many(pdu, first, value)
    if len(pdu) != 5 or (function == 5 and value not in {0, 0xFF00}):
        raise Refused(Code.ILLEGAL_VALUE)
    if function == 5:
        return Write(Table.COILS, first, bytes((value > 0,)))
    return Write(Table.HOLDING, first, pdu[3:5])


def _many(pdu: bytes, first: int, count: int) -> Write:
    bits, data = pdu[0] == 15, pdu[6:]
    size = (count + 7) // 8 if bits else 2 * count
    most = _MAX_WRITTEN_BITS if bits else _MAX_WRITTEN
    if not 1 <= count <= most or pdu[5] != size or len(data) != size:
        raise Refused(Code.ILLEGAL_VALUE)
    if not bits:
        return Write(Table.HOLDING, first, data)
    single = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
    return Write(Table.COILS, first, single.tobytes())


def answer(request: Read, data: bytes) -> bytes:
    """The response to a read. data: two bytes a register, one byte a bit."""
    if request.table.of_bits:
        data = np.packbits(np.frombuffer(data, np.uint8), bitorder="little").tobytes()
    return bytes((request.function, len(data))) + data


def written(pdu: bytes) -> bytes:
    """The response to a write that was done."""
    return pdu[:5] if pdu[0] in {15, 16} else pdu


def refusal(pdu: bytes, code: int) -> bytes:
    return bytes((pdu[0] | 0x80, code))
