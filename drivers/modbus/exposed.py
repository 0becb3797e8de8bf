"""What a gateway shows as a Modbus server: the settings, and the map that they make. Pure."""

import ipaddress
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from drivers.modbus.address import Address, Table, parse
from drivers.modbus.encode import arrange, encode
from hub import HubError, PointSpec

Order = Literal["big", "little"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ShownRegister(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """point: `device.point` of this gateway. address, type, orders, scale, offset: as in a channel,
    so that raw * scale + offset is the engineering value.

    writable: clients among the `writers` may command it. invalid: the raw value that stands for a
    bad one; without it, reading a bad one is answered with exception 0x0B. quality: the register
    that shows the quality word.
    """

    point: str
    address: str
    type: str = ""
    byte_order: Order = "big"
    word_order: Order = "big"
    scale: float = 1.0
    offset: float = 0.0
    writable: bool = False
    invalid: float | None = None
    quality: str = ""

    def __post_init__(self) -> None:
        try:
            address = parse(self.spec)
            replacement(self, address)
            quality_address(self)
        except HubError as e:
            raise ValueError(str(e)) from None
        if address.bits and address.swap_bytes:
            raise ValueError(f"point {self.point!r}: bits are counted in big byte order only")

    @property
    def spec(self) -> PointSpec:
        return PointSpec(
            name=self.point,
            address=self.address,
            type=self.type,
            byte_order=self.byte_order,
            word_order=self.word_order,
            scale=self.scale,
            offset=self.offset,
            writable=self.writable,
        )


class ModbusServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One TCP port and the registers behind it, the same for every unit number.

    clients: addresses or networks that may connect; none named: everybody whom the network lets
    through. writers: those of them that may write; none named: nobody. fill: registers between
    mapped ones read 0 instead of an illegal address. connections: at a time, the one that has been
    idle longest makes room. command_expires: seconds after which a write is not executed any more.
    """

    points: Annotated[tuple[ShownRegister, ...], Meta(min_length=1)]
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 502
    clients: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    fill: bool = False
    connections: Annotated[int, Meta(ge=1, le=1000)] = 16
    command_expires: Annotated[float, Meta(gt=0)] = 10.0

    def __post_init__(self) -> None:
        networks(self.clients)
        networks(self.writers)
        Layout(self.points)


class ModbusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """servers: which points of this gateway others read as registers, and where they connect."""

    servers: tuple[ModbusServer, ...] = ()


class Entry(Struct, frozen=True):
    """Registers that show something of a point. row: of the point among those shown."""

    row: int
    address: Address
    of_quality: bool = False


class Layout:
    """Which registers show what; ValueError when two points want the same."""

    def __init__(self, shown: Sequence[ShownRegister]) -> None:
        self._at: dict[tuple[Table, int], list[Entry]] = {}
        for row, entry in _entries(shown):
            for register in range(entry.address.start, entry.address.end):
                there = self._at.setdefault((entry.address.table, register), [])
                for other in there:
                    if other.address.overlaps(entry.address):
                        raise ValueError(
                            f"{shown[row].point!r} ({entry.address}) and "
                            f"{shown[other.row].point!r} ({other.address}) share registers"
                        )
                there.append(entry)
        self._last = {
            table: max((r for t, r in self._at if t is table), default=-1) for table in Table
        }

    def entries(self, table: Table, first: int, count: int, *, fill: bool) -> list[Entry] | None:
        """What lies in a range, once each; None when part of it is not there."""
        found: dict[int, Entry] = {}
        if first + count - 1 > self._last[table]:
            return None
        for register in range(first, first + count):
            there = self._at.get((table, register), ())
            if not there and not fill:
                return None
            found.update((id(entry), entry) for entry in there)
        return list(found.values())


def _entries(shown: Sequence[ShownRegister]) -> Iterator[tuple[int, Entry]]:
    for row, item in enumerate(shown):
        yield row, Entry(row, parse(item.spec))
        if (address := quality_address(item)) is not None:
            yield row, Entry(row, address, of_quality=True)


def quality_address(shown: ShownRegister) -> Address | None:
    """The register of the quality word, if one is wanted; ConfigError when it cannot be one."""
    if not shown.quality:
        return None
    return parse(PointSpec(name=f"{shown.point} quality", address=shown.quality, type="uint16"))


def replacement(shown: ShownRegister, address: Address) -> bytes | None:
    """What a client reads in place of a bad value; Invalid when the type cannot hold it."""
    if shown.invalid is None:
        return None
    if math.isnan(shown.invalid) and address.type in {"float32", "float64"}:
        form = ">f" if address.type == "float32" else ">d"
        return arrange(address, struct.pack(form, math.nan))
    return encode(shown.spec, address, shown.invalid)


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks; ValueError for what is none."""
    return tuple(ipaddress.ip_network(name) for name in names)


def inside(address: str, allowed: Iterable[Network]) -> bool:
    """Whether an address belongs to one of the networks."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in allowed)
