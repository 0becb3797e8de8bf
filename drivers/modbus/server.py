"""A gateway as a Modbus/TCP server: clients read its points as registers and may command some."""

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from functools import partial

from drivers.modbus import requests
from drivers.modbus.exposed import ModbusServer, inside, networks
from drivers.modbus.listening import Connection
from drivers.modbus.pdu import Code
from drivers.modbus.registers import Registers
from drivers.modbus.requests import Refused
from hub import ConfigError, LinkError, Site, shown

log = logging.getLogger(__name__)

WRITES_UNDER_WAY = 8  # of one client; more are answered as busy


class Service:
    """What all connections of one port share."""

    def __init__(self, server: ModbusServer, registers: Registers) -> None:
        self.server, self.registers = server, registers
        self._clients, self._writers = networks(server.clients), networks(server.writers)
        self._connections: list[_Client] = []
        self.writes: set[asyncio.Task[None]] = set()

    def may_connect(self, address: str) -> bool:
        return not self._clients or inside(address, self._clients)

    def may_write(self, address: str) -> bool:
        return inside(address, self._writers)

    def joined(self, client: "_Client") -> None:
        """Keep it; the one that has been idle longest makes room."""
        if len(self._connections) >= self.server.connections:
            idle = min(self._connections, key=lambda each: each.active)
            log.warning("%s: makes room for %s", idle.peer, client.peer, extra=_EXTRA)
            idle.abort()
            self.left(idle)
        self._connections.append(client)

    def left(self, client: "_Client") -> None:
        if client in self._connections:
            self._connections.remove(client)

    async def close(self) -> None:
        """End all connections, and wait for what has been commanded."""
        for client in list(self._connections):
            client.abort()
        await asyncio.gather(*self.writes, return_exceptions=True)


class _Client(Connection):
    """peer: its address. active: when it last asked, in seconds of the monotonic clock."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service, self.peer, self.active = service, "", time.monotonic()
        self._under_way = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = str(transport.get_extra_info("peername")[0])
        if not self._service.may_connect(self.peer):
            log.warning("%s is none of the clients: refused", self.peer, extra=_EXTRA)
            self.abort()
            return
        self._service.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.left(self)
        super().connection_lost(exc)

    def asked(self, transaction: int, unit: int, pdu: bytes) -> None:
        self.active = time.monotonic()
        reply = partial(self.send, transaction, unit)
        code = self._unwelcome(pdu)
        if code:
            reply(requests.refusal(pdu, code))
            return
        try:
            wanted = requests.parse(pdu)
            if isinstance(wanted, requests.Read):
                reply(requests.answer(wanted, self._service.registers.read(wanted)))
                return
        except Refused as refused:
            reply(requests.refusal(pdu, refused.code))
            return
        self._under_way += 1
        task = asyncio.get_running_loop().create_task(self._written(wanted, pdu, reply))
        self._service.writes.add(task)
        task.add_done_callback(self._service.writes.discard)

    def _unwelcome(self, pdu: bytes) -> int:
        """The exception code of a write that is not even looked at, 0 for everything else."""
        if pdu[0] not in requests.WRITES:
            return 0
        if not self._service.may_write(self.peer):
            return Code.ILLEGAL_FUNCTION
        return Code.DEVICE_BUSY if self._under_way >= WRITES_UNDER_WAY else 0

    async def _written(
        self,
        wanted: requests.Write | requests.Mask,
        pdu: bytes,
        reply: Callable[[bytes], None],
    ) -> None:
        try:
            await self._service.registers.write(wanted, f"modbus client {self.peer}")
            reply(requests.written(pdu))
        except Refused as refused:
            reply(requests.refusal(pdu, refused.code))
        except Exception:
            log.exception("a write of %s failed", self.peer, extra=_EXTRA)
            reply(requests.refusal(pdu, Code.DEVICE_FAILURE))
        finally:
            self._under_way -= 1


async def serve(
    server: ModbusServer, site: Site, place: Callable[[int], str], up: Callable[[], None]
) -> None:
    """Show the points until cancelled.

    place: where the configuration names a point. ConfigError for what is not there, LinkError when
    the port cannot be had.
    """
    points = shown(site, [item.point for item in server.points], place)
    for row, (item, point) in enumerate(zip(server.points, points, strict=True)):
        if item.writable and not point.spec.writable:
            raise ConfigError(
                f"{place(row)}: {item.point!r} cannot be commanded: show it read-only"
            )
    service = Service(server, Registers(server, points, site))
    loop = asyncio.get_running_loop()
    try:
        port = await loop.create_server(lambda: _Client(service), server.host, server.port)
    except OSError as e:
        why = "address in use" if e.errno == errno.EADDRINUSE else str(e)
        raise LinkError(f"cannot listen on {server.host}:{server.port}: {why}") from e
    up()
    try:
        await loop.create_future()
    finally:
        port.close()
        await service.close()


_EXTRA = {"action": "modbus.server"}
