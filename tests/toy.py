"""A toy protocol over real TCP, and its device, for tests of everything that stands on drivers.

Line by line: `unit name` → `value` | `!` (refused) | silence; `unit name=value` → `ok` | `no`.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from hub import (
    AuthError,
    Can,
    ChannelConfig,
    Command,
    ConfigError,
    DeviceConfig,
    Driver,
    LinkError,
    NoResponse,
    Outcome,
    Plugin,
    PointSpec,
    ReadingBatch,
    Result,
    Role,
    Session,
    Validity,
    hookimpl,
)


class ToyDevice(DeviceConfig, frozen=True):
    unit: int = 1


class Toy(ChannelConfig, frozen=True, tag="toy"):
    host: str
    port: int
    devices: tuple[ToyDevice, ...] = ()


class ToySession(Session):
    def __init__(self, driver: "ToyDriver", reader: Any, writer: Any) -> None:
        self.driver, self.reader, self.writer = driver, reader, writer

    async def ask(self, device: str, line: str) -> str:
        config, link = self.driver.config, self.driver.link
        data = f"{line}\n".encode()
        link.wire(device, True, data)
        try:
            self.writer.write(data)
            async with asyncio.timeout(config.request_timeout):
                answer = await self.reader.readline()
        except TimeoutError:
            raise NoResponse(f"{device} did not answer {line!r}") from None
        except OSError as e:
            raise LinkError(str(e)) from e
        if not answer.endswith(b"\n"):
            raise LinkError("the peer closed the connection")
        link.wire(device, False, answer)
        return answer.decode().strip()

    async def read(self, points: Any) -> ReadingBatch:
        values, quality = [], []
        for point in points:
            text = await self.ask(point.device, f"{point.address} {point.spec.name}")
            if text == "bug":
                raise RuntimeError("the driver met what it did not expect")
            values.append(math.nan if text == "!" else float(text))
            quality.append(Validity.INVALID if text == "!" else Validity.GOOD)
        return ReadingBatch.of([p.id for p in points], self.driver.link.now(), values, quality)

    async def operate(self, command: Command) -> Result:
        point = command.point
        line = f"{point.address} {point.spec.name}={command.value:g}"
        answer = await self.ask(point.device, line)
        return Result(outcome=Outcome.DONE if answer == "ok" else Outcome.REJECTED, detail=answer)


class ToyDriver(Driver[Toy]):
    config_type, can = Toy, Can.READ | Can.OPERATE

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> int:
        if spec.type not in {"", "float"}:
            raise ConfigError(f"type {spec.type!r} is not known: use float")
        if not spec.address.isdigit():
            raise ConfigError(f"address {spec.address!r} is not a number")
        return int(spec.address)

    @classmethod
    def check(cls, config: Toy, points: Any) -> list[str]:
        seen: dict[Any, str] = {}
        faults = []
        for p in points:
            place = (p.address, p.spec.name)
            if p.spec.writable and place in seen:
                faults.append(f"{p.key} writes what {seen[place]} writes: keep one")
            seen.setdefault(place, p.key)
        return faults

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        config = self.config
        try:
            reader, writer = await asyncio.open_connection(config.host, config.port)
        except OSError as e:
            raise LinkError(f"{config.host}:{config.port}: {e}") from e
        try:
            hello = await reader.readline()
            if hello == b"denied\n":
                raise AuthError("the device refused us")
            if hello == b"alien\n":
                raise ConfigError("the device speaks another protocol")
            yield ToySession(self, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="toy", runs_on=Role.BOTH, drivers={"toy": ToyDriver})


class Peer:
    """The device at the other end. values: (unit, name) → number, "!" or "bug"; a missing unit is
    silent. delay: seconds before each answer. hello: first line. deaf: answers nothing."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, str], Any] = {}
        self.delay, self.hello, self.deaf = 0.0, "hello", False
        self.asked: list[str] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            writer.write(f"{self.hello}\n".encode())
            while line := (await reader.readline()).decode().strip():
                self.asked.append(line)
                await asyncio.sleep(self.delay)
                if (answer := self._answer(line)) is not None:
                    writer.write(f"{answer}\n".encode())
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    def _answer(self, line: str) -> Any:
        unit, _, rest = line.partition(" ")
        name, _, value = rest.partition("=")
        if self.deaf or not any(u == int(unit) for u, _ in self.values):
            return None
        if value:
            self.values[int(unit), name] = float(value)
            return "ok"
        return self.values.get((int(unit), name), "!")


@contextlib.asynccontextmanager
async def peer(**values: Any) -> AsyncIterator[Peer]:
    """A running device; keywords are values of unit 1."""
    device = Peer()
    device.values = {(1, name): value for name, value in values.items()}
    await device.start()
    try:
        yield device
    finally:
        await device.stop()
