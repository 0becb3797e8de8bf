"""The registers of one device: built from its profile, written as values, read as bytes.

The encoder is deliberately not the driver's decoder turned round: it is a second reading of the
same notation, so that one checks the other.
"""

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from hub import ConfigError, Kind, PointSpec
from hub.kernel.profiles import Profile

_FLOATS: Final = {"float32": ">f", "float64": ">d"}
# Powers of ten that a device with scale registers would choose, by unit of what they scale.
_EXPONENTS: Final = {"V": -1, "A": -2, "Hz": -2, "": -2, "°C": -1, "W": 1, "VA": 1, "var": 1}


class Field:
    """Where one point lives and how its value becomes bytes. first, words: registers or bits."""

    def __init__(self, spec: PointSpec, exponent: int = 0) -> None:
        place = re.fullmatch(r"(hr|ir|co|di):(\d+)(?:\.(\d+)(?:-(\d+))?)?", spec.address)
        if place is None:
            raise ConfigError(f"{spec.name}: {spec.address!r} is no Modbus address")
        self.spec = spec
        self.table, self.first = place[1], int(place[2])
        self.bit = int(place[3]) if place[3] else None
        self.mask = (1 << int(place[4] or place[3]) - int(place[3]) + 1) - 1 if place[3] else 0
        self.scale = spec.scale * 10.0**exponent
        self.words, self._encode = self._codec(spec.type)

    def _codec(self, kind: str) -> tuple[int, Callable[[float | str], bytes]]:
        if self.table in {"co", "di"}:
            return 1, lambda value: bytes((bool(value),))
        if self.bit is not None:
            return 1, lambda value: (round(self._raw(value)) & self.mask).to_bytes(2, "big")
        if kind in _FLOATS:
            form = _FLOATS[kind]
            return struct.calcsize(form) // 2, lambda value: struct.pack(form, self._raw(value))
        if text := re.fullmatch(r"string:(\d+)", kind):
            size = (int(text[1]) + 1) // 2 * 2
            return size // 2, lambda value: str(value).encode()[:size].ljust(size, b"\0")
        if number := re.fullmatch(r"(u?int|bcd)(16|32|64)", kind):
            bits = int(number[2])
            return bits // 16, self._integer(number[1], bits)
        raise ConfigError(f"{self.spec.name}: {kind!r} is no type of a register")

    def _raw(self, value: float | str) -> float:
        return (float(value) - self.spec.offset) / self.scale

    def _integer(self, sort: str, bits: int) -> Callable[[float | str], bytes]:
        counts = self.spec.kind is Kind.COUNTER
        if sort == "bcd":
            low, high = 0, 10 ** (bits // 4) - 1
        else:
            low = -(1 << bits - 1) if sort == "int" else 0
            high = (1 << bits - (sort == "int")) - 1

        def encode(value: float | str) -> bytes:
            raw = self._raw(value)
            if not math.isfinite(raw):
                raw = 0.0
            # A counter shows what is complete and rolls over; a gauge rounds and saturates.
            if counts:
                whole = math.floor(raw + 1e-6) % (high + 1)
            else:
                whole = min(max(round(raw), low), high)
            if sort == "bcd":
                return bytes.fromhex(f"{whole:0{bits // 4}d}")
            return int(whole & (1 << bits) - 1).to_bytes(bits // 8, "big")

        return encode

    def encode(self, value: float | str) -> bytes:
        """Bytes as they go over the wire, in the order of registers that the profile states."""
        data = self._encode(value)
        if self.table in {"co", "di"} or self.bit is not None or self.spec.type.startswith("str"):
            return data
        words = [data[i : i + 2] for i in range(0, len(data), 2)]
        if self.spec.word_order == "little":
            words.reverse()
        if self.spec.byte_order == "little":
            words = [word[::-1] for word in words]
        return b"".join(words)


class Image:
    """All four tables of one device, dense from 0 to its highest address.

    gap: registers between two points that a read may run over (they read 0); what lies outside is
    an illegal data address, as on a real meter.
    """

    def __init__(self, points: Iterable[PointSpec], gap: int = 16) -> None:
        specs = tuple(points)
        self.exponents = _exponents(specs)
        self.fields = {
            spec.name: Field(spec, self.exponents.get(spec.scale_from, 0)) for spec in specs
        }
        self._data: dict[str, bytearray] = {}
        self._known: dict[str, bytearray] = {}
        self._writable: dict[tuple[str, int], Field] = {}
        self._measured: dict[str, list[Field]] = {}
        for table in ("hr", "ir", "co", "di"):
            self._lay_out(table, gap)
        for field in self.fields.values():
            if field.spec.measurement:
                self._measured.setdefault(field.spec.measurement, []).append(field)
            if field.spec.writable:
                for index in range(field.first, field.first + field.words):
                    self._writable[field.table, index] = field
        for name, exponent in self.exponents.items():
            self.set(name, exponent)
        for name, field in self.fields.items():
            if field.spec.absent is not None:
                self.set(name, field.spec.absent * field.scale + field.spec.offset)

    def _lay_out(self, table: str, gap: int) -> None:
        spans = sorted(
            (f.first, f.first + f.words) for f in self.fields.values() if f.table == table
        )
        size = max((last for _, last in spans), default=0)
        self._data[table] = bytearray(size * (2 if table in {"hr", "ir"} else 1))
        known = self._known[table] = bytearray(size)
        end = spans[0][0] if spans else 0
        for first, last in spans:
            start = end if first - end <= gap else first
            known[start:last] = b"\1" * (last - start)
            end = max(end, last)

    def set(self, name: str, value: float | str) -> None:
        """Show an engineering value at the point of that name."""
        self._put(self.fields[name], value)

    def _put(self, field: Field, value: float | str) -> None:
        data = field.encode(value)
        store = self._data[field.table]
        if field.table in {"co", "di"}:
            store[field.first] = data[0]
        elif field.bit is not None:
            word = int.from_bytes(store[field.first * 2 : field.first * 2 + 2], "big")
            word &= ~(field.mask << field.bit)
            word |= int.from_bytes(data, "big") << field.bit
            store[field.first * 2 : field.first * 2 + 2] = word.to_bytes(2, "big")
        else:
            store[field.first * 2 : field.first * 2 + len(data)] = data

    def show(self, values: Mapping[str, float]) -> None:
        """Show values by canonical measurement; those that the device does not have are ignored."""
        for name, fields in self._measured.items():
            value = values.get(name)
            if value is not None:
                for field in fields:
                    self._put(field, value)

    def read(self, table: str, first: int, count: int) -> bytes | None:
        """Registers as 2 bytes each, bits as 1 byte each; None when one of them does not exist."""
        known = self._known[table]
        if first + count > len(known) or known.find(0, first, first + count) >= 0:
            return None
        width = 2 if table in {"hr", "ir"} else 1
        return bytes(self._data[table][first * width : (first + count) * width])

    def write(self, table: str, first: int, data: bytes) -> list[Field] | None:
        """Store what a client wrote; the points it touched, or None when one is not writable."""
        width = 2 if table in {"hr", "ir"} else 1
        indexes = range(first, first + len(data) // width)
        if any((table, index) not in self._writable for index in indexes):
            return None
        self._data[table][first * width : first * width + len(data)] = data
        return list({id(f): f for i in indexes if (f := self._writable[table, i])}.values())


def _exponents(specs: tuple[PointSpec, ...]) -> dict[str, int]:
    return {
        spec.scale_from: _EXPONENTS.get(spec.unit, 0) for spec in reversed(specs) if spec.scale_from
    }


def image(profile: Profile) -> Image:
    """A device that answers the profile's identification and shows 0 everywhere else."""
    marks = tuple(
        PointSpec(name=f"identify-{i}", address=row.address, type=row.type)
        for i, row in enumerate(profile.header.identify)
    )
    made = Image((*profile.points, *marks))
    for mark, row in zip(marks, profile.header.identify, strict=True):
        made.set(mark.name, row.equals)
    return made
