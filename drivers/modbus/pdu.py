"""Modbus PDUs as bytes (Application Protocol V1.1b3, clause 6). Pure."""

import enum
import struct

from drivers.modbus.address import Table
from hub import Flag, Validity, quality

MAX_REGISTERS = 125
MAX_BITS = 2000


class Code(enum.IntEnum):
    """Exception codes (clause 7); 7 and 9 are of older revisions and vendors."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7
    MEMORY_PARITY = 8
    UNDEFINED = 9
    GATEWAY_PATH = 10
    GATEWAY_TARGET = 11


REFUSED = frozenset({Code.ILLEGAL_FUNCTION, Code.ILLEGAL_ADDRESS, Code.ILLEGAL_VALUE})
BUSY = frozenset({Code.ACKNOWLEDGE, Code.DEVICE_BUSY})
ABSENT = frozenset({Code.GATEWAY_PATH, Code.GATEWAY_TARGET})

INVALID = quality(Validity.INVALID)
MALFORMED = 256  # stands among exception codes for an answer that does not fit its request

_FLAGS = {
    Code.ACKNOWLEDGE: Flag.OLD,
    Code.DEVICE_BUSY: Flag.OLD,
    Code.MEMORY_PARITY: Flag.INACCURATE,
    Code.GATEWAY_PATH: Flag.COMM_LOST,
    Code.GATEWAY_TARGET: Flag.COMM_LOST,
}


def quality_of(code: int) -> int:
    """The quality of points whose read ended with that exception code."""
    return quality(Validity.INVALID, _FLAGS.get(code, Flag.NONE))  # type: ignore[call-overload]


def name_of(code: int) -> str:
    """`illegal address (exception 2)`."""
    if code == MALFORMED:
        return "an answer that does not fit the request"
    try:
        word = Code(code).name.lower().replace("_", " ")
    except ValueError:
        word = "unknown"
    return f"{word} (exception {code})"


def read(table: Table, start: int, count: int) -> bytes:
    """Functions 1 to 4."""
    return struct.pack(">BHH", table.read_function, start, count)


def read_size(table: Table, count: int) -> int:
    """Length of the data that answers such a read, without function and byte count."""
    return (count + 7) // 8 if table.of_bits else 2 * count


def write_coil(start: int, on: bool) -> bytes:
    return struct.pack(">BHH", 5, start, 0xFF00 if on else 0)


def write_coils(start: int, values: list[bool]) -> bytes:
    packed = sum(value << position for position, value in enumerate(values))
    data = packed.to_bytes((len(values) + 7) // 8, "little")
    return struct.pack(">BHHB", 15, start, len(values), len(data)) + data


def write_register(start: int, data: bytes) -> bytes:
    return struct.pack(">BH", 6, start) + data


def write_registers(start: int, data: bytes) -> bytes:
    return struct.pack(">BHHB", 16, start, len(data) // 2, len(data)) + data


def mask_register(start: int, mask: int, value: int) -> bytes:
    """Function 22: the bits of `mask` become those of `value`, the others stay."""
    return struct.pack(">BHHH", 22, start, ~mask & 0xFFFF, value & mask)


def confirms(request: bytes, answer: bytes) -> bool:
    """Whether a normal answer to a write repeats what the clause wants repeated."""
    echoed = 5 if request[0] in {15, 16} else len(request)
    return answer == request[:echoed]


def exception(answer: bytes) -> int:
    """The exception code of an answer, 0 when it is none."""
    if not answer or answer[0] < 0x80:
        return 0
    return answer[1] if len(answer) > 1 and answer[1] else Code.UNDEFINED
