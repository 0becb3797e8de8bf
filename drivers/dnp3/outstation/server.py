"""An outstation on real lines: listens or connects, keeps the timers, answers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from ssl import SSLContext

from drivers.dnp3.codec.link import Primary
from drivers.dnp3.codec.station import Station
from drivers.dnp3.lines import Line, StreamLine, connect_tcp, listen_tcp, open_serial, open_udp
from hub import LinkError

from .core import Outstation
from .database import Database
from .handler import Handler
from .pending import Errand
from .settings import OutstationSettings

_LOOK = 60.0  # seconds after which the clock is looked at again: it may have been set


def utc_milliseconds() -> int:
    return time.time_ns() // 1_000_000


class OutstationServer:
    """Serves one master at a time; a new connection replaces the old one (clause 13.2.3).

    clock: ms since 1970 UTC, for the times of events. on_wire: shown all octets (sent, data).
    """

    def __init__(
        self,
        settings: OutstationSettings,
        database: Database,
        handler: Handler | None = None,
        *,
        clock: Callable[[], int] = utc_milliseconds,
        on_wire: Callable[[bool, bytes], None] | None = None,
    ) -> None:
        self.settings, self.database = settings, database
        self.outstation = Outstation(settings, database, handler or Handler(), clock)
        self.outstation.events.added = self._wake
        self._station = Station(
            settings.address,
            master=False,
            accepts=lambda source: settings.master in {None, source},
            limit=settings.max_fragment,
            self_address=settings.self_address,
            on_fault=self._note,
        )
        self._wire = on_wire or (lambda sent, data: None)
        self._line: Line | None = None
        self._peer = settings.master  # None: whoever speaks first
        self._timer: asyncio.TimerHandle | None = None
        self._freezing: asyncio.TimerHandle | None = None
        self._errand: Errand | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._store = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._woken = False
        self.faults: list[str] = self.outstation.faults

    def _note(self, text: str) -> None:
        if len(self.faults) < 100:
            self.faults.append(text)

    @property
    def connected(self) -> bool:
        return self._line is not None and self._line.is_open

    @contextlib.asynccontextmanager
    async def listen(
        self, host: str, port: int, tls: SSLContext | None = None
    ) -> AsyncIterator[int]:
        """Accept a master over TCP or TLS; yields the port."""
        server = await listen_tcp(host, port, self._opened, tls)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            self.close()
            await server.wait_closed()

    @contextlib.asynccontextmanager
    async def udp(self, host: str, port: int) -> AsyncIterator[int]:
        """Answer over UDP; yields the port."""
        line = await open_udp((host, port))
        self.attach(line)
        try:
            yield line.port
        finally:
            self.close()

    @contextlib.asynccontextmanager
    async def serial(self, device: str, baudrate: int = 9600) -> AsyncIterator[None]:
        """Answer on a serial line."""
        self.attach(open_serial(device, baudrate=baudrate))
        try:
            yield
        finally:
            self.close()

    async def dial(self, host: str, port: int, *, within: float = 10.0) -> None:
        """Connect to a master that listens; returns when the connection has ended."""
        line = await connect_tcp(host, port, within=within)
        self.attach(line)
        await asyncio.shield(line.closed)

    def _opened(self, line: StreamLine) -> None:
        self.attach(line)

    def attach(self, line: Line) -> None:
        """Serve this line from now on."""
        self._drop_line()
        self._line = line
        self._station.reset()
        line.on_data = self._received
        line.closed.add_done_callback(lambda _: self._lost(line))
        self._after()

    def close(self) -> None:
        """Leave the line; the database and its events stay."""
        self._drop_line()
        if self._freezing is not None:
            self._freezing.cancel()
            self._freezing = None

    def _drop_line(self) -> None:
        line, self._line = self._line, None
        for timer in (self._timer, self._idle):
            if timer is not None:
                timer.cancel()
        self._timer = self._idle = None
        if line is not None:
            line.close()
            self.outstation.disconnected()

    def _lost(self, line: Line) -> None:
        if line is self._line:
            self._drop_line()

    def _received(self, data: bytes) -> None:
        self._wire(False, data)
        deliveries, out = self._station.receive(data)
        for delivery in deliveries:
            if delivery.broadcast is None:
                self._peer = delivery.source
            answers = self.outstation.receive(delivery.data, time.monotonic(), delivery.broadcast)
            for fragment in answers:
                out += self._station.send(fragment, delivery.source)
            self._run(delivery.source)
        self._write(out)
        self._after()

    def _run(self, source: int) -> None:
        """Begin what a file request wants of the store, if it is not under way."""
        errand = self.outstation.errand
        if errand is None or errand is self._errand:
            return
        self._errand = errand
        task = asyncio.get_running_loop().create_task(self._fetch(errand, source))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _fetch(self, errand: Errand, source: int) -> None:
        async with self._store:
            found = await asyncio.to_thread(errand.work)
        answers = self.outstation.finish(errand, found, time.monotonic())
        self._write(b"".join(self._station.send(data, source) for data in answers))
        if self._line is not None:
            self._after()

    def _write(self, data: bytes) -> None:
        if data and self._line is not None:
            self._wire(True, data)
            with contextlib.suppress(LinkError):
                self._line.write(data)

    def _wake(self) -> None:
        """An event was added: look after it once the caller is done."""
        if not self._woken and self._line is not None:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self._woken = False
        peer = self._peer
        if self._line is None or not self._line.has_peer or peer is None:
            return
        fragments = self.outstation.tick(time.monotonic())
        self._write(b"".join(self._station.send(data, peer) for data in fragments))
        self._after()

    def _freeze(self) -> None:
        """A scheduled freeze is due, whether or not a master is connected."""
        self.outstation.freeze()
        self._tick()
        self._after()

    def _after(self) -> None:
        """Set the timers for what comes next."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.outstation.deadline()
        ready = self._line is not None and self._line.has_peer and self._peer is not None
        if deadline is not None and ready:
            wait = max(0.0, deadline - time.monotonic())
            self._timer = loop.call_later(wait, self._tick)
        if self._freezing is not None:
            self._freezing.cancel()
            self._freezing = None
        if (freeze := self.outstation.until_freeze()) is not None:
            self._freezing = loop.call_later(min(freeze, _LOOK), self._freeze)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self.settings.keep_alive is not None and isinstance(self._line, StreamLine):
            self._idle = loop.call_later(self.settings.keep_alive, self._ask)

    def _ask(self) -> None:
        """Nothing was heard for long: ask for the link's state, give up when none comes."""
        if self._peer is not None:
            self._write(self._station.primary(Primary.REQUEST_LINK_STATUS, self._peer))
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self.settings.link_timeout, self._drop_line)
