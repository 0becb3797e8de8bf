"""Peers that we did not write (pymodbus' servers), and one that misbehaves on order."""

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.config import ModbusConfig
from drivers.modbus.driver import ModbusDriver
from hub import Point, PointSpec

Peer = Callable[..., Awaitable[int]]


@dataclass
class Recorder:
    """A `hub.Link` that remembers."""

    warnings: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        (self.sent if sent else self.received).append(data)

    def warn(self, device: str, message: str) -> None:
        self.warnings.append(f"{device}: {message}")

    def clear(self, device: str) -> None:
        self.cleared.append(device)


@pytest.fixture
def link() -> Recorder:
    return Recorder()


def channel(driver: str = "modbus-tcp", devices: Iterable[dict] = ({"name": "m"},), **more: Any):
    """A channel as a configuration file makes it."""
    settings = {"name": "c", "driver": driver, "devices": list(devices), **more}
    if "port" in more and driver in {"modbus-tcp", "modbus-rtu-over-tcp"}:
        settings.setdefault("host", "127.0.0.1")
    return msgspec.convert(settings, ModbusConfig)


def points(config: ModbusConfig, *specs: PointSpec, device: str = "m", first: int = 100):
    owner = next(d for d in config.devices if d.name == device)
    return tuple(
        Point(
            id=first + i,
            key=f"{device}.{spec.name}",
            device=device,
            spec=spec,
            every=spec.every,
            address=ModbusDriver.address(spec, owner),
        )
        for i, spec in enumerate(specs)
    )


def words(*wanted: int, table: str = "hr") -> list[PointSpec]:
    """uint16 points at those addresses."""
    return [PointSpec(name=f"r{at}", address=f"{table}:{at}", type="uint16") for at in wanted]


def meter(unit: int, *blocks: SimData) -> SimDevice:
    """A device whose holding and input registers hold what is given; register n holds n else."""
    return SimDevice(unit, simdata=list(blocks) or [registers(0, list(range(1000)))])


def registers(start: int, values: list[int]) -> SimData:
    return SimData(start, values=values, datatype=DataType.REGISTERS)


@pytest.fixture
async def serve() -> AsyncIterator[Peer]:
    """Start pymodbus' TCP server; gives its port."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*devices: SimDevice, framer: FramerType = FramerType.SOCKET) -> int:
            server = ModbusTcpServer(list(devices), framer=framer, address=("127.0.0.1", 0))
            await server.serve_forever(background=True)
            stack.push_async_callback(server.shutdown)
            port: int = server.transport.sockets[0].getsockname()[1]
            return port

        yield start
    await asyncio.sleep(0)


@pytest.fixture
async def line() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start pymodbus' serial server on one end of a pty pair; gives the path of the other.

    A pty has one master, so bytes are carried between the masters of two of them. deaf: a unit
    whose requests get lost.
    """
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:

        async def start(*devices: SimDevice, framer: FramerType, deaf: int = 0) -> str:
            def carry() -> None:
                data = os.read(near, 1024)
                if not deaf or not data.startswith((bytes([deaf]), b":%02X" % deaf)):
                    os.write(far, data)

            (near, near_end), (far, far_end) = os.openpty(), os.openpty()
            for end in (near, near_end, far, far_end):
                tty.setraw(end)
                os.set_blocking(end, False)
                stack.callback(os.close, end)
            loop.add_reader(near, carry)
            loop.add_reader(far, lambda: os.write(near, os.read(far, 1024)))
            stack.callback(loop.remove_reader, near)
            stack.callback(loop.remove_reader, far)
            server = ModbusSerialServer(list(devices), framer=framer, port=os.ttyname(far_end))
            await server.serve_forever(background=True)
            stack.push_async_callback(server.shutdown)
            return os.ttyname(near_end)

        yield start


Reply = Callable[[bytes], bytes | tuple[float, bytes] | None]


@dataclass
class Rogue:
    """A TCP server that answers each request as told: at once, after so many seconds, never (None)
    or by hanging up (no bytes).
    """

    port: int = 0
    reply: Reply = lambda request: None
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    _serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError):
            while request := await reader.read(1024):
                self.requests.append(request)
                answer = self.reply(request)
                if answer == b"":
                    break
                if isinstance(answer, tuple):
                    asyncio.get_running_loop().call_later(answer[0], writer.write, answer[1])
                elif answer:
                    writer.write(answer)
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen; on the way out end what is still connected."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for writer in self._serving.values():
                writer.transport.abort()
            await asyncio.gather(*self._serving)
            await asyncio.sleep(0)


@pytest.fixture
async def rogue() -> AsyncIterator[Rogue]:
    peer = Rogue()
    async with peer.running():
        yield peer


def answer(request: bytes, pdu: bytes, **header: int) -> bytes:
    """An MBAP frame that answers `request`, with fields of the header replaced."""
    transaction = header.get("transaction", int.from_bytes(request[:2], "big"))
    unit = header.get("unit", request[6])
    length = header.get("length", len(pdu) + 1)
    protocol = header.get("protocol", 0)
    fields = (transaction, protocol, length)
    return b"".join(n.to_bytes(2, "big") for n in fields) + bytes([unit]) + pdu


def holding(request: bytes) -> bytes:
    """A right answer to a read of registers: register n holds n."""
    start, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    data = b"".join((n & 0xFFFF).to_bytes(2, "big") for n in range(start, start + count))
    return answer(request, bytes([request[7], len(data)]) + data)
