"""A load generator for HTTP/1.1: so many connections, each with one request at a time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Load:
    """What a run saw. cpu: seconds of processor that the server used. times: seconds of each
    answer. failed: answers that were not 2xx."""

    seconds: float = 0.0
    cpu: float = 0.0
    times: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def microseconds(self) -> float:
        """Processor time of the server for one answer."""
        return self.cpu / len(self.times) * 1e6

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    def quantile(self, q: float) -> float:
        """Milliseconds under which a share `q` of the answers came."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1e3


class _Client(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, make: Callable[[], bytes], load: Load, until: float) -> None:
        self.make, self.load, self.until = make, load, until
        self.done = asyncio.get_running_loop().create_future()
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.make())

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, gap, body = self.data.partition(b"\r\n\r\n")
        if not gap:
            return
        lower = head.lower()
        at = lower.find(b"content-length: ")
        length = int(lower[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        now = time.perf_counter()
        self.load.times.append(now - self.sent)
        self.load.failed += head[9:10] != b"2"
        self.data = b""
        if now < self.until:
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(error)


async def press(
    host: str, port: int, make: Callable[[], bytes], *, clients: int = 32, seconds: float = 4.0
) -> Load:
    """Ask from `clients` connections for so long; `make` gives the next request's bytes."""
    loop = asyncio.get_running_loop()
    load = Load()
    start = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Client(make, load, start + seconds), host, port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in made))
    load.seconds = time.perf_counter() - start
    return load


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
