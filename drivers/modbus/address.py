"""The notation of Modbus points: `hr:40`, `ir:7`, `co:3`, `di:5`, `hr:40.3`, `hr:40.4-7`."""

import enum
import re
from functools import lru_cache

from msgspec import Struct

from hub import ConfigError, DeviceConfig, PointSpec

LAST = 65535


class Table(enum.StrEnum):
    """The four tables of the Modbus data model (Application Protocol V1.1b3, 4.3)."""

    COILS = "co"
    DISCRETE = "di"
    HOLDING = "hr"
    INPUT = "ir"

    @property
    def read_function(self) -> int:
        return _READ[self]

    @property
    def of_bits(self) -> bool:
        return self in {Table.COILS, Table.DISCRETE}

    @property
    def writable(self) -> bool:
        return self in {Table.COILS, Table.HOLDING}


_READ = {Table.COILS: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}

REGISTERS = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "bcd16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "bcd32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
    "bcd64": 4,
}


class Address(Struct, frozen=True, kw_only=True):
    """Where a point lies and how it is encoded.

    start: zero-based, as sent on the wire. count: registers, or 1 for a bit table. type: a key of
    `REGISTERS`, or `string`. bit, bits: lowest bit and width of a bit field, -1 and 0 without one.
    chars: length of a string.
    """

    table: Table
    start: int
    count: int
    type: str
    bit: int = -1
    bits: int = 0
    chars: int = 0
    swap_bytes: bool = False
    swap_words: bool = False

    @property
    def end(self) -> int:
        """One past the last register or bit."""
        return self.start + self.count

    @property
    def mask(self) -> int:
        """The bits of the register that the point owns."""
        return ((1 << self.bits) - 1) << self.bit if self.bits else 0xFFFF

    def overlaps(self, other: "Address") -> bool:
        """Whether both own a bit that is the same."""
        if self.table is not other.table or self.end <= other.start or other.end <= self.start:
            return False
        return bool(self.mask & other.mask) if self.bits and other.bits else True

    def __str__(self) -> str:
        if not self.bits:
            return f"{self.table}:{self.start}"
        last = f"-{self.bit + self.bits - 1}" if self.bits > 1 else ""
        return f"{self.table}:{self.start}.{self.bit}{last}"


_one = lru_cache(maxsize=16_384)(Address)  # meters of a make share theirs
_NOTATION = re.compile(
    r"(?P<table>co|di|hr|ir):(?P<start>\d{1,5})(?:\.(?P<low>\d+)(?:-(?P<high>\d+))?)?"
)
_STRING = re.compile(r"string:(\d{1,3})")


def parse(spec: PointSpec, device: DeviceConfig | None = None) -> Address:
    """The address of a point. Raises ConfigError that names the point and what to write instead."""
    try:
        address = _parse(spec, int(getattr(device, "one_based", False)))
    except ValueError as fault:
        raise ConfigError(f"point {spec.name!r}: {fault}") from None
    return address


def _parse(spec: PointSpec, base: int) -> Address:
    match = _NOTATION.fullmatch(spec.address)
    if not match:
        raise ValueError(
            f"address {spec.address!r} is none of hr:40, ir:7, co:3, di:5, hr:40.3, hr:40.4-7"
        )
    table, start = Table(match["table"]), int(match["start"]) - base
    bit, bits = _bits(table, match["low"], match["high"])
    kind, count, chars = _type(spec.type, table, bits)
    if not 0 <= start <= LAST - count + 1:
        raise ValueError(f"address {spec.address!r} does not lie within 0 to {LAST}")
    if spec.writable and not table.writable:
        raise ValueError(f"{spec.address!r} cannot be written: Modbus writes co and hr only")
    if spec.scale == 0:
        raise ValueError("scale is 0")
    if spec.word_order == "little" and chars:
        raise ValueError("a string has no word_order")
    return _one(
        table=table,
        start=start,
        count=count,
        type=kind,
        bit=bit,
        bits=bits,
        chars=chars,
        swap_bytes=spec.byte_order == "little" and not table.of_bits,
        swap_words=spec.word_order == "little" and count > 1,
    )


def _bits(table: Table, low: str | None, high: str | None) -> tuple[int, int]:
    if low is None:
        return -1, 0
    if table.of_bits:
        raise ValueError(f"{table} holds single bits and has no bit number")
    first, last = int(low), int(high if high is not None else low)
    if not first <= last <= 15:
        raise ValueError(f"bits {low} to {last} are not within 0 to 15 of a register, lowest first")
    return first, last - first + 1


def _type(name: str, table: Table, bits: int) -> tuple[str, int, int]:
    """(type, registers, characters)."""
    if table.of_bits or bits == 1:
        name = name or "bool"
        if name != "bool":
            raise ValueError(f"type {name!r} does not fit one bit; write bool or leave it out")
        return name, 1, 0
    if bits:
        if (name or "uint16") != "uint16":
            raise ValueError(
                f"type {name!r} does not fit a bit range; write uint16 or leave it out"
            )
        return "uint16", 1, 0
    if match := _STRING.fullmatch(name):
        chars = int(match[1])
        if not 1 <= chars <= 250:
            raise ValueError(f"a string has 1 to 250 characters, not {chars}")
        return "string", (chars + 1) // 2, chars
    if name not in REGISTERS:
        raise ValueError(f"type {name!r} is none of {', '.join(REGISTERS)}, string:N")
    return name, REGISTERS[name], 0
