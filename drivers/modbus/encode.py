"""From a raw value to the registers that hold it. Pure."""

import math
import struct

from drivers.modbus.address import Address
from hub import Invalid, PointSpec

_FORMATS = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
_DIGITS = {"bcd16": 4, "bcd32": 8, "bcd64": 16}


def encode(spec: PointSpec, address: Address, value: float | str) -> bytes:
    """Register bytes in wire order; one byte 0 or 1 for a coil.

    value: raw; where the type is whole it is rounded. A bit field gives the whole register with the
    other bits 0. Raises Invalid, naming the point, for what the type cannot hold.
    """
    try:
        data = _string(address, value) if address.chars else _number(address, value)
    except (ValueError, OverflowError, struct.error) as fault:
        raise Invalid(f"{spec.name}: {fault}") from None
    if address.table.of_bits:
        return data[-1:]
    return arrange(address, data)


def arrange(address: Address, data: bytes) -> bytes:
    """Reorder words and bytes from big-endian to the device's order, or back."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if address.swap_words:
        words.reverse()
    if address.swap_bytes:
        words = [word[::-1] for word in words]
    return b"".join(words)


def _string(address: Address, value: float | str) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004 - becomes Invalid
    data = value.encode()
    if len(data) > address.chars:
        raise ValueError(f"{value!r} is longer than {address.chars} bytes")
    return data.ljust(2 * address.count, b"\0")


def _number(address: Address, value: float | str) -> bytes:
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 - becomes Invalid
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if address.type in {"float32", "float64"}:
        return struct.pack(_FORMATS[address.type], value)
    number = round(value)
    if address.type == "bool":
        if number not in {0, 1}:
            raise ValueError(f"{value} is neither 0 nor 1")
        return (number << max(address.bit, 0)).to_bytes(2, "big")
    if address.bits:
        if not 0 <= number < 1 << address.bits:
            raise ValueError(f"{value} does not fit {address.bits} bits")
        return (number << address.bit).to_bytes(2, "big")
    return _integer(address.type, number)


def _integer(kind: str, number: int) -> bytes:
    if digits := _DIGITS.get(kind):
        if not 0 <= number < 10**digits:
            raise ValueError(f"raw {number} does not fit {kind}")
        return bytes.fromhex(f"{number:0{digits}d}")
    try:
        return struct.pack(_FORMATS[kind], number)
    except struct.error:
        raise ValueError(f"raw {number} does not fit {kind}") from None
