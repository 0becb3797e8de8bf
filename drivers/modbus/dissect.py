"""What a PDU says, for a person (Application Protocol V1.1b3, clause 6). Pure."""

import struct
from collections.abc import Callable

from msgspec import Struct, structs

from drivers.modbus.pdu import name_of

NAMES = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    7: "read exception status",
    8: "diagnostics",
    11: "get comm event counter",
    12: "get comm event log",
    15: "write multiple coils",
    16: "write multiple registers",
    17: "report server id",
    20: "read file record",
    21: "write file record",
    22: "mask write register",
    23: "read/write multiple registers",
    24: "read FIFO queue",
    43: "encapsulated interface transport",
}


class Meaning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that the function has. data: hexadecimal, of what is not decoded further.

    fault: why the PDU cannot be what its function code says.
    """

    address: int | None = None
    count: int | None = None
    bytes: int | None = None
    registers: list[int] | None = None
    bits: list[int] | None = None
    and_mask: int | None = None
    or_mask: int | None = None
    sub_function: int | None = None
    exception: int | None = None
    reason: str = ""
    data: str = ""
    fault: str = ""


def request(pdu: bytes) -> Meaning:
    return _apply(_REQUESTS, pdu)


def response(pdu: bytes, asked: Meaning | None = None) -> Meaning:
    """asked: what the request said; it bounds the number of bits and gives the address."""
    if pdu and pdu[0] >= 0x80:
        if len(pdu) < 2:
            return Meaning(fault="an exception without its code")
        return Meaning(exception=pdu[1], reason=name_of(pdu[1]), data=pdu[2:].hex())
    meaning = _apply(_RESPONSES, pdu)
    if meaning.bytes is None or asked is None or asked.count is None:
        return meaning
    due = (asked.count + 7) // 8 if meaning.bits is not None else 2 * asked.count
    if meaning.bytes != due:
        return Meaning(bytes=meaning.bytes, data=pdu[1:].hex(), fault="not as many as asked for")
    bits = None if meaning.bits is None else meaning.bits[: asked.count]
    return structs.replace(meaning, address=asked.address, bits=bits)


def _apply(table: dict[int, Callable[[bytes], Meaning]], pdu: bytes) -> Meaning:
    body = pdu[1:]
    step = table.get(pdu[0], _plain) if pdu else _plain
    try:
        return step(body)
    except (ValueError, struct.error) as fault:
        return Meaning(data=body.hex(), fault=str(fault))


def _plain(body: bytes) -> Meaning:
    return Meaning(data=body.hex())


def _exactly(body: bytes, size: int) -> bytes:
    if len(body) != size:
        raise ValueError(f"{len(body)} bytes where the function has {size}")
    return body


def _range(body: bytes) -> Meaning:
    address, count = struct.unpack(">HH", _exactly(body, 4))
    return Meaning(address=address, count=count)


def _coil(body: bytes) -> Meaning:
    address, value = struct.unpack(">HH", _exactly(body, 4))
    if value not in {0, 0xFF00}:
        return Meaning(address=address, data=body[2:].hex(), fault="a coil is 0000 or ff00")
    return Meaning(address=address, bits=[int(value == 0xFF00)], data=body[2:].hex())


def _register(body: bytes) -> Meaning:
    address, value = struct.unpack(">HH", _exactly(body, 4))
    return Meaning(address=address, registers=[value], data=body[2:].hex())


def _counted(body: bytes) -> bytes:
    if not body or len(body) != 1 + body[0]:
        raise ValueError("the byte count does not fit the length")
    return body[1:]


def _registers(data: bytes) -> list[int]:
    if len(data) % 2:
        raise ValueError("half a register")
    return list(struct.unpack(f">{len(data) // 2}H", data))


def _bits(data: bytes) -> list[int]:
    return [byte >> shift & 1 for byte in data for shift in range(8)]


def _read_bits(body: bytes) -> Meaning:
    data = _counted(body)
    return Meaning(bytes=len(data), bits=_bits(data))


def _read_registers(body: bytes) -> Meaning:
    data = _counted(body)
    return Meaning(bytes=len(data), registers=_registers(data))


def _write_bits(body: bytes) -> Meaning:
    address, count = struct.unpack_from(">HH", body)
    data = _counted(body[4:])
    if len(data) != (count + 7) // 8:
        raise ValueError(f"{len(data)} bytes for {count} coils")
    return Meaning(
        address=address, count=count, bytes=len(data), bits=_bits(data)[:count], data=data.hex()
    )


def _write_registers(body: bytes) -> Meaning:
    address, count = struct.unpack_from(">HH", body)
    values = _registers(_counted(body[4:]))
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} registers")
    return Meaning(address=address, count=count, bytes=2 * count, registers=values)


def _mask(body: bytes) -> Meaning:
    address, keep, put = struct.unpack(">HHH", _exactly(body, 6))
    return Meaning(address=address, and_mask=keep, or_mask=put)


def _exchange(body: bytes) -> Meaning:
    address, count, *_ = struct.unpack_from(">HHHH", body)
    values = _registers(_counted(body[8:]))
    return Meaning(address=address, count=count, bytes=2 * len(values), registers=values)


def _diagnostics(body: bytes) -> Meaning:
    return Meaning(sub_function=struct.unpack_from(">H", body)[0], data=body[2:].hex())


_REQUESTS: dict[int, Callable[[bytes], Meaning]] = {
    **dict.fromkeys((1, 2, 3, 4), _range),
    5: _coil,
    6: _register,
    8: _diagnostics,
    15: _write_bits,
    16: _write_registers,
    22: _mask,
    23: _exchange,
}
_RESPONSES: dict[int, Callable[[bytes], Meaning]] = {
    **dict.fromkeys((1, 2), _read_bits),
    **dict.fromkeys((3, 4, 23), _read_registers),
    5: _coil,
    6: _register,
    8: _diagnostics,
    15: _range,
    16: _range,
    22: _mask,
}
