"""Points of a gateway as registers: newest values out, commands in."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from drivers.modbus.address import Address, Table, parse
from drivers.modbus.decode import Decoder
from drivers.modbus.encode import encode
from drivers.modbus.exposed import Entry, Layout, ModbusServer, ShownRegister, replacement
from drivers.modbus.pdu import Code
from drivers.modbus.plan import Block, Item
from drivers.modbus.requests import Mask, Read, Refused, Write
from hub import Command, Invalid, Outcome, Point, Site, Validity

NEVER = 0xFFFF  # in a quality register: the point has no reading yet
_DONE = {Outcome.DONE, Outcome.ACCEPTED}
_CODES = {
    Outcome.NOT_SUPPORTED: Code.ILLEGAL_FUNCTION,
    Outcome.TIMEOUT: Code.GATEWAY_TARGET,
    Outcome.UNKNOWN: Code.GATEWAY_TARGET,
}


class Newest(NamedTuple):
    value: float | str
    quality: int


_NOTHING = Newest(float("nan"), NEVER)


class Registers:
    """points: what is shown, in the order of the settings."""

    def __init__(self, server: ModbusServer, points: Sequence[Point], site: Site) -> None:
        self._server, self._points, self._site = server, tuple(points), site
        self._instead = [replacement(shown, parse(shown.spec)) for shown in server.points]
        self._layout = Layout(server.points)
        self._entries = lru_cache(1024)(self._layout.entries)

    def read(self, wanted: Read) -> bytes:
        """Two bytes a register, one a bit. Refused: not there, or a bad value without stand-in."""
        server, bits = self._server, wanted.table.of_bits
        entries = self._entries(wanted.table, wanted.first, wanted.count, fill=server.fill)
        if entries is None:
            raise Refused(Code.ILLEGAL_ADDRESS)
        width = 1 if bits else 2
        data = bytearray(width * wanted.count)
        newest = self._newest(sorted({entry.row for entry in entries}))
        for entry in entries:
            found = self._bytes(entry, newest.get(entry.row, _NOTHING))
            skip = width * (entry.address.start - wanted.first)
            if entry.address.bits:
                data[skip] |= found[0]
                data[skip + 1] |= found[1]
                continue
            begin, end = max(skip, 0), min(skip + len(found), len(data))
            data[begin:end] = found[begin - skip : end - skip]
        return bytes(data)

    def _newest(self, rows: list[int]) -> dict[int, Newest]:
        points = [self._points[row] for row in rows]
        batch = self._site.latest(points)
        columns = zip(batch.value.tolist(), batch.quality.tolist(), strict=True)
        texts = batch.text
        held = {
            point: Newest(texts.get(at, value), quality)
            for at, (point, (value, quality)) in enumerate(
                zip(batch.point.tolist(), columns, strict=True)
            )
        }
        return {
            row: held[point.id] for row, point in zip(rows, points, strict=True) if point.id in held
        }

    def _bytes(self, entry: Entry, newest: Newest) -> bytes:
        if entry.of_quality:
            return newest.quality.to_bytes(2, "big")
        shown, instead = self._server.points[entry.row], self._instead[entry.row]
        if newest.quality & 3 != Validity.INVALID and newest.quality != NEVER:
            try:
                return encode(shown.spec, entry.address, _raw(shown, entry.address, newest.value))
            except Invalid:  # beyond what the registers can hold: as good as no value
                pass
        if instead is None:
            raise Refused(Code.GATEWAY_TARGET)
        return instead

    async def write(self, wanted: Write | Mask, actor: str) -> None:
        """One command after the other, up to the first that is not done; Refused tells that one."""
        orders = self._masked(wanted) if isinstance(wanted, Mask) else self._whole(wanted)
        for row, value in orders:
            command = Command(
                point=self._points[row],
                value=value,
                actor=actor,
                expires=self._site.now() + round(self._server.command_expires * 1_000_000),
            )
            result = await self._site.operate(command)
            if result.outcome not in _DONE:
                raise Refused(_CODES.get(result.outcome, Code.DEVICE_FAILURE))

    def _whole(self, wanted: Write) -> list[tuple[int, float | str]]:
        """The points that lie in what is written: all of it writable, none of them in part."""
        entries = self._entries(wanted.table, wanted.first, wanted.count, fill=False)
        width = 1 if wanted.table.of_bits else 2
        if entries is None or any(
            not self._server.points[e.row].writable
            or e.of_quality
            or e.address.bits
            or e.address.start < wanted.first
            or e.address.end > wanted.first + wanted.count
            for e in entries
        ):
            raise Refused(Code.ILLEGAL_ADDRESS)
        return [
            (e.row, self._value(e, wanted.data[width * (e.address.start - wanted.first) :]))
            for e in entries
        ]

    def _masked(self, wanted: Mask) -> list[tuple[int, float | str]]:
        """The bit fields that a mask covers: exactly them."""
        entries = self._entries(Table.HOLDING, wanted.first, 1, fill=False) or []
        covered = [e for e in entries if e.address.bits and e.address.mask & wanted.mask]
        bits = 0
        for entry in covered:
            bits |= entry.address.mask
            if not self._server.points[entry.row].writable:
                raise Refused(Code.ILLEGAL_ADDRESS)
        if not bits or bits != wanted.mask:
            raise Refused(Code.ILLEGAL_ADDRESS)
        return [(e.row, self._value(e, wanted.put.to_bytes(2, "big"))) for e in covered]

    def _value(self, entry: Entry, data: bytes) -> float | str:
        """The engineering value of what begins with these bytes."""
        address, shown = entry.address, self._server.points[entry.row]
        block = Block((Item(address.table, address.start, address.end, (0,)),))
        size = 1 if address.table.of_bits else 2 * address.count
        values, _, texts = Decoder([address], [block]).decode([data[:size]])
        if address.chars:
            return texts[0]
        raw = float(values[0])
        if not np.isfinite(raw):
            raise Refused(Code.ILLEGAL_VALUE)
        return raw * shown.scale + shown.offset


def _raw(shown: ShownRegister, address: Address, value: float | str) -> float | str:
    if isinstance(value, str):
        return value.encode()[: address.chars].decode(errors="ignore") if address.chars else value
    return (value - shown.offset) / shown.scale
