"""A Modbus TCP server of many units, on bytes (MODBUS Application Protocol 1.1b3, TCP guide 1.0b).

It answers as a careful device would, and on request as a careless one: `Faults` makes it silent,
slow, wrong or half dead, so that drivers can be tested against all of it.
"""

import asyncio
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from hub.kernel.profiles import Profile
from simulators.registers import Field, Image, image

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
SERVER_FAILURE, TARGET_SILENT = 4, 0x0B
_READS = {1: ("co", 2000), 2: ("di", 2000), 3: ("hr", 125), 4: ("ir", 125)}


@dataclass
class Faults:
    """What is wrong with a unit; change it at any time.

    delay: seconds before each answer. illegal: (table, first, last, exception code) ranges.
    wrong_unit, garbage, drop: each answer carries another unit id, is noise, or ends the
    connection. refuse_writes: the exception code that every write gets; 0 lets them pass.
    """

    silent: bool = False
    delay: float = 0.0
    illegal: tuple[tuple[str, int, int, int], ...] = ()
    wrong_unit: bool = False
    garbage: bool = False
    drop: bool = False
    refuse_writes: int = 0


@dataclass
class Served:
    """One block that a client was given. at: µs since 1970 UTC; data as on the wire."""

    at: int
    unit: int
    table: str
    first: int
    data: bytes


class Refused(Exception):
    """The request gets an exception response of that code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Unit:
    """One device: its registers, its faults, and what happens when somebody writes.

    on_write: called with the name and the raw value of each control that a client wrote.
    """

    def __init__(self, profile: Profile, registers: Image | None = None) -> None:
        self.profile = profile
        self.image = registers or image(profile)
        self.faults = Faults()
        self.on_write: list[Callable[[str, int], None]] = []
        self._feedback = {c.name: c.feedback for c in profile.commands if c.feedback}

    def answer(self, request: bytes) -> tuple[bytes, tuple[str, int, bytes] | None]:
        """Response PDU to a request PDU, and the block that was read."""
        code = request[0]
        try:
            if code in _READS:
                return self._read(code, request)
            if code in {5, 6, 15, 16, 22}:
                return self._write(code, request), None
            if code == 43:
                return self._identify(request), None
            return bytes((code & 0x7F | 0x80, ILLEGAL_FUNCTION)), None
        except Refused as refused:
            return bytes((code | 0x80, refused.code)), None
        except (struct.error, IndexError):
            return bytes((code | 0x80, ILLEGAL_VALUE)), None

    def _check(self, table: str, first: int, count: int) -> None:
        for where, low, high, code in self.faults.illegal:
            if where == table and first <= high and low < first + count:
                raise Refused(code)

    def _read(self, code: int, request: bytes) -> tuple[bytes, tuple[str, int, bytes]]:
        table, limit = _READS[code]
        first, count = struct.unpack(">HH", request[1:])
        if not 1 <= count <= limit:
            raise Refused(ILLEGAL_VALUE)
        self._check(table, first, count)
        data = self.image.read(table, first, count)
        if data is None:
            raise Refused(ILLEGAL_ADDRESS)
        block = (table, first, data)
        if table in {"co", "di"}:
            data = np.packbits(np.frombuffer(data, np.uint8), bitorder="little").tobytes()
        return bytes((code, len(data))) + data, block

    def _write(self, code: int, request: bytes) -> bytes:
        if self.faults.refuse_writes:
            raise Refused(self.faults.refuse_writes)
        first, value = struct.unpack_from(">HH", request, 1)
        table = "co" if code in {5, 15} else "hr"
        if code == 5:
            if value not in {0, 0xFF00}:
                raise Refused(ILLEGAL_VALUE)
            data = bytes((value > 0,))
        elif code == 6:
            data = request[3:5]
        elif code == 22:
            data = self._masked(first, request)
        else:
            data = self._many(code, value, request)
        self._store(table, first, data)
        return request if code in {5, 6, 22} else request[:5]

    def _masked(self, first: int, request: bytes) -> bytes:
        keep, put = struct.unpack(">HH", request[3:7])
        old = self.image.read("hr", first, 1)
        if old is None:
            raise Refused(ILLEGAL_ADDRESS)
        word = int.from_bytes(old, "big")
        return int(word & keep | put & ~keep & 0xFFFF).to_bytes(2, "big")

    @staticmethod
    def _many(code: int, count: int, request: bytes) -> bytes:
        data = request[6:]
        size = count * 2 if code == 16 else (count + 7) // 8
        if not 1 <= count <= (123 if code == 16 else 1968) or request[5] != size:
            raise Refused(ILLEGAL_VALUE)
        if len(data) != size:
            raise Refused(ILLEGAL_VALUE)
        if code == 16:
            return data
        return np.unpackbits(
            np.frombuffer(data, np.uint8), count=count, bitorder="little"
        ).tobytes()

    def _store(self, table: str, first: int, data: bytes) -> None:
        self._check(table, first, len(data) // (2 if table == "hr" else 1))
        touched = self.image.write(table, first, data)
        if touched is None:
            raise Refused(ILLEGAL_ADDRESS)
        for each in touched:
            self._moved(each)

    def _moved(self, control: Field) -> None:
        name = control.spec.name
        data = self.image.read(control.table, control.first, control.words) or b""
        value = int.from_bytes(data, "big")
        if name in self._feedback:
            self.image.set(self._feedback[name], value)
        for listener in self.on_write:
            listener(name, value)

    def _identify(self, request: bytes) -> bytes:
        """Read Device Identification (43/14), basic objects."""
        if len(request) != 4 or request[1] != 14:
            raise Refused(ILLEGAL_VALUE)
        header = self.profile.header
        words = (header.manufacturer, header.model, header.firmware or "1.0")
        objects = b"".join(
            bytes((i, len(word.encode()))) + word.encode() for i, word in enumerate(words)
        )
        return bytes((43, 14, 1, 1, 0, 0, len(words))) + objects


@dataclass
class Server:
    """One TCP port with units behind it, as a meter or a serial gateway would offer them.

    half_open: connections stay up and nothing is answered any more. log: give it a list to have
    every served block noted. unknown: exception code for a unit that is not there; 0 = silence.
    """

    units: dict[int, Unit]
    host: str = "127.0.0.1"
    port: int = 0
    half_open: bool = False
    unknown: int = TARGET_SILENT
    log: list[Served] | None = None
    connections: set["_Connection"] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> Self:
        """Listen; `port` is then the real one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """End all connections at once; new ones are accepted."""
        for connection in list(self.connections):
            connection.abort()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class _Connection(asyncio.Protocol):
    """One client: cuts the stream into MBAP frames and answers them in order of delay."""

    def __init__(self, server: Server) -> None:
        self._server, self._buffer = server, bytearray()
        self._transport: asyncio.Transport | None = None
        self._noise = random.Random(0)  # noqa: S311 - reproducible noise, not a secret

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._server.half_open:
            return
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 8:
            transaction, protocol, length = struct.unpack_from(">HHH", buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self.abort()
                return
            if len(buffer) < 6 + length:
                return
            unit, pdu = buffer[6], bytes(buffer[7 : 6 + length])
            del buffer[: 6 + length]
            self._request(transaction, unit, pdu)

    def _request(self, transaction: int, number: int, pdu: bytes) -> None:
        unit = self._server.units.get(number)
        if unit is None:
            if self._server.unknown:
                self._send(transaction, number, bytes((pdu[0] | 0x80, self._server.unknown)))
            return
        faults = unit.faults
        if faults.silent:
            return
        if faults.drop:
            self.abort()
            return
        if faults.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(faults.delay, self._answer, transaction, number, unit, pdu)
        else:
            self._answer(transaction, number, unit, pdu)

    def _answer(self, transaction: int, number: int, unit: Unit, pdu: bytes) -> None:
        response, block = unit.answer(pdu)
        if unit.faults.garbage:
            self._write(self._noise.randbytes(len(response) + 7))
            return
        if block is not None and self._server.log is not None:
            self._server.log.append(Served(time.time_ns() // 1000, number, *block))
        self._send(transaction, number ^ 0x55 if unit.faults.wrong_unit else number, response)

    def _send(self, transaction: int, number: int, pdu: bytes) -> None:
        self._write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, number) + pdu)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
