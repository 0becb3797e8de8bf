"""One-off reading, writing and searching, as a technician at a device needs it."""

import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import msgspec

from drivers.modbus import pdu
from drivers.modbus.address import Address, Table, parse
from drivers.modbus.client import connect
from drivers.modbus.config import ModbusConfig
from drivers.modbus.driver import ModbusDriver
from hub import (
    Command,
    ConfigError,
    Flag,
    NoResponse,
    Point,
    PointSpec,
    Result,
    Session,
    Validity,
)

MINUTE = 60_000_000


class Quiet:
    """A `hub.Link` that has no log and forgets what it keeps."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        pass

    def warn(self, device: str, message: str) -> None:
        pass

    def clear(self, device: str) -> None:
        pass


def channel(settings: dict[str, Any]) -> ModbusConfig:
    """Settings as of a configuration file. Raises ConfigError."""
    try:
        config: ModbusConfig = msgspec.convert(settings, ModbusConfig)
    except msgspec.ValidationError as fault:
        raise ConfigError(str(fault)) from None
    return config


def specs(
    addresses: Iterable[str],
    default: str,
    count: int,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    word_order: str = "big",
    byte_order: str = "big",
) -> list[PointSpec]:
    """Points of `hr:40=float32` notations, each followed by its `count` - 1 successors."""
    made: list[PointSpec] = []
    for notation in addresses:
        where, _, kind = notation.partition("=")
        plain = where.startswith(("co", "di")) or "." in where
        first = PointSpec(
            name="value",
            address=where,
            type=kind or ("" if plain else default),
            scale=scale,
            offset=offset,
            word_order=_order(word_order),
            byte_order=_order(byte_order),
        )
        address = parse(first)
        for step in range(count):
            at = f"{address.table}:{address.start + step * address.count}"
            made.append(msgspec.structs.replace(first, address=at if count > 1 else where))
    return made


def _order(name: str) -> Literal["big", "little"]:
    if name not in {"big", "little"}:
        raise ConfigError(f"order {name!r} is neither big nor little")
    return "big" if name == "big" else "little"


def numbers(text: str, most: int) -> list[int]:
    """`1-3,7` → [1, 2, 3, 7]."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        if not low.isdecimal() or (high and not high.isdecimal()):
            raise ConfigError(f"{text!r} is no list of numbers such as 1-3,7")
        found += range(int(low), int(high or low) + 1)
    if not found or max(found) > most:
        raise ConfigError(f"{text!r} is empty or exceeds {most}")
    return found


def quality_words(word: int) -> str:
    """`good`, `invalid comm_lost`."""
    flags = [str(flag.name).lower() for flag in Flag if flag and word & flag]
    return " ".join([Validity(word & 3).name.lower(), *flags])


def _points(config: ModbusConfig, wanted: Iterable[PointSpec]) -> tuple[Point, ...]:
    device = config.devices[0]
    return tuple(
        Point(id=i, key=f"{device.name}.{i}", device=device.name, spec=spec, address=parse(spec))
        for i, spec in enumerate(wanted)
    )


def _open(config: ModbusConfig, points: tuple[Point, ...]) -> AbstractAsyncContextManager[Session]:
    return ModbusDriver(config, points, Quiet()).open()


async def read(config: ModbusConfig, wanted: Iterable[PointSpec]) -> list[dict[str, Any]]:
    """address, value, quality and time (µs since 1970 UTC) of each point."""
    points = _points(config, wanted)
    async with _open(config, points) as session:
        batch = await session.read(points)
    rows = []
    for row, point in enumerate(points):
        raw = float(batch.value[row])
        value: float | str | None = (
            None if math.isnan(raw) else raw * point.spec.scale + point.spec.offset
        )
        rows.append(
            {
                "address": point.spec.address,
                "value": batch.text.get(row, value),
                "quality": quality_words(int(batch.quality[row])),
                "time": int(batch.time[row]),
            }
        )
    return rows


async def write(config: ModbusConfig, spec: PointSpec, value: str) -> Result:
    """Write a value given as text."""
    points = _points(config, [msgspec.structs.replace(spec, writable=True)])
    address: Address = points[0].address
    if not address.table.writable:
        raise ConfigError(f"{spec.address} cannot be written: Modbus writes co and hr only")
    async with _open(config, points) as session:
        command = Command(
            point=points[0],
            value=value if address.chars else _raw(spec, value),
            actor="cli",
            expires=time.time_ns() // 1000 + MINUTE,
        )
        return await session.operate(command)


def _raw(spec: PointSpec, text: str) -> float:
    """What to write for an engineering value; a plain int stays one, so that 64 bits survive."""
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a number") from None
    if spec.scale != 1 or spec.offset:
        return (value - spec.offset) / spec.scale
    return int(text) if text.lstrip("+-").isdecimal() else value


async def scan_units(config: ModbusConfig, units: Iterable[int]) -> AsyncIterator[tuple[int, str]]:
    """(unit, what it said to a read of its first holding register) of every unit that answers."""
    async with connect(config, Quiet()) as client:
        for unit in units:
            request = pdu.read(Table.HOLDING, 0, 1)
            try:
                answer, _ = await client.transact(
                    unit, request, timeout=config.request_timeout, size=2
                )
            except NoResponse:
                continue
            code = pdu.exception(answer)
            if code in pdu.ABSENT:
                continue
            yield unit, pdu.name_of(code) if code else f"hr:0 is 0x{answer[2:].hex()}"


async def scan_registers(config: ModbusConfig, registers: str) -> list[tuple[str, str]]:
    """First and last address of every stretch that the unit can read. registers: `hr:0-199`."""
    table, _, wanted = registers.partition(":")
    where = numbers(wanted, 65535)
    kind = "bool" if table in {"co", "di"} else "uint16"
    points = _points(
        config, [PointSpec(name="r", address=f"{table}:{at}", type=kind) for at in where]
    )
    async with _open(config, points) as session:
        batch = await session.read(points)
    stretches: list[list[int]] = []
    for row, at in enumerate(where):
        if batch.quality[row]:
            continue
        if stretches and stretches[-1][1] == at - 1:
            stretches[-1][1] = at
        else:
            stretches.append([at, at])
    return [(f"{table}:{first}", f"{table}:{last}") for first, last in stretches]
