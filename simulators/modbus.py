"""A Modbus TCP server of many units, on bytes (MODBUS Application Protocol 1.1b3, TCP guide 1.0b).

It answers as a careful device would, and on request as a careless one: `Faults` makes it silent,
slow, wrong or half dead, so that drivers can be tested against all of it.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from drivers.modbus import requests
from drivers.modbus.address import Table
from drivers.modbus.listening import Connection
from drivers.modbus.pdu import Code
from drivers.modbus.requests import Refused
from hub.kernel.profiles import Profile
from simulators.registers import Field, Image, image


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
        try:
            if request[0] == 43:
                return self._identify(request), None
            wanted = requests.parse(request)
            if isinstance(wanted, requests.Read):
                return self._read(wanted)
            self._store(self._merged(wanted) if isinstance(wanted, requests.Mask) else wanted)
            return requests.written(request), None
        except Refused as refused:
            return requests.refusal(request, refused.code), None

    def _check(self, table: str, first: int, count: int) -> None:
        for where, low, high, code in self.faults.illegal:
            if where == table and first <= high and low < first + count:
                raise Refused(code)

    def _read(self, wanted: requests.Read) -> tuple[bytes, tuple[str, int, bytes]]:
        self._check(wanted.table, wanted.first, wanted.count)
        data = self.image.read(wanted.table, wanted.first, wanted.count)
        if data is None:
            raise Refused(Code.ILLEGAL_ADDRESS)
        return requests.answer(wanted, data), (str(wanted.table), wanted.first, data)

    def _merged(self, wanted: requests.Mask) -> requests.Write:
        old = self.image.read("hr", wanted.first, 1)
        if old is None:
            raise Refused(Code.ILLEGAL_ADDRESS)
        word = int.from_bytes(old, "big") & ~wanted.mask | wanted.put
        return requests.Write(Table.HOLDING, wanted.first, word.to_bytes(2, "big"))

    def _store(self, wanted: requests.Write) -> None:
        if self.faults.refuse_writes:
            raise Refused(self.faults.refuse_writes)
        self._check(wanted.table, wanted.first, wanted.count)
        touched = self.image.write(wanted.table, wanted.first, wanted.data)
        if touched is None:
            raise Refused(Code.ILLEGAL_ADDRESS)
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
            raise Refused(Code.ILLEGAL_VALUE)
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
    unknown: int = Code.GATEWAY_TARGET
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


class _Connection(Connection):
    """One client; its requests are answered in order of delay."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._noise = random.Random(0)  # noqa: S311 - reproducible noise, not a secret

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._server.half_open:
            super().data_received(data)

    def asked(self, transaction: int, unit: int, pdu: bytes) -> None:
        found = self._server.units.get(unit)
        if found is None:
            if self._server.unknown:
                self.send(transaction, unit, requests.refusal(pdu, self._server.unknown))
            return
        faults = found.faults
        if faults.silent:
            return
        if faults.drop:
            self.abort()
            return
        if faults.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(faults.delay, self._answer, transaction, unit, found, pdu)
        else:
            self._answer(transaction, unit, found, pdu)

    def _answer(self, transaction: int, number: int, unit: Unit, pdu: bytes) -> None:
        response, block = unit.answer(pdu)
        if unit.faults.garbage:
            self.write(self._noise.randbytes(len(response) + 7))
            return
        if block is not None and self._server.log is not None:
            self._server.log.append(Served(time.time_ns() // 1000, number, *block))
        self.send(transaction, number ^ 0x55 if unit.faults.wrong_unit else number, response)
