"""A line with one or many outstations on it: whose turn it is, and whom a fragment is for."""

import asyncio
import contextlib
import enum
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from drivers.dnp3.codec.link import BROADCASTS, Frame, FrameParser, Primary, Secondary
from drivers.dnp3.codec.station import Station
from drivers.dnp3.lines import Line, lost
from hub import NoResponse

Trace = Callable[[bool, bytes], None]


class Member(Protocol):
    """Who deals with one outstation of the line."""

    address: int

    def heard(self) -> None:
        """A frame of the outstation came."""

    def received(self, data: bytes) -> None:
        """A fragment of the outstation came."""


class Priority(enum.IntEnum):
    """Who goes first when several wait for the line."""

    COMMAND = 0
    STARTUP = 1
    CLOCK = 2
    POLL = 3
    BACKGROUND = 4


class Turns:
    """Lets one at a time through, the most urgent of those that wait first."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @contextlib.asynccontextmanager
    async def take(self, priority: Priority) -> AsyncIterator[None]:
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: Priority) -> None:
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False


class MasterChannel:
    """The master's side of one line. address: the master's own.

    confirmed: send confirmed user data (serial lines only); retries: of a frame without ACK.
    """

    def __init__(
        self,
        line: Line,
        address: int = 1,
        *,
        confirmed: bool = False,
        link_timeout: float = 1.0,
        link_retries: int = 2,
        max_fragment: int = 65535,
        on_wire: Trace | None = None,
        on_fault: Callable[[str], None] | None = None,
    ) -> None:
        self.line, self.address = line, address
        self.turns = Turns()
        self._wire = on_wire or (lambda sent, data: None)
        self._fault = on_fault or (lambda text: None)
        self._members: dict[int, Member] = {}
        self._parser = FrameParser(self._fault)
        self._confirmed, self._timeout, self._retries = confirmed, link_timeout, link_retries
        self._status: tuple[int, asyncio.Future[int]] | None = None
        self._station = Station(
            address,
            master=True,
            accepts=lambda source: source in self._members,
            limit=max_fragment,
            on_status=self._answered,
            on_fault=self._fault,
        )
        line.on_data = self._received
        line.on_fault = self._fault

    def add(self, member: Member) -> None:
        """Hand it what comes of its address from now on."""
        if member.address in self._members:
            raise ValueError(f"two outstations with address {member.address} on one line")
        self._members[member.address] = member

    def fault(self, text: str) -> None:
        self._fault(text)

    def _received(self, data: bytes) -> None:
        self._wire(False, data)
        for frame in self._parser.feed(data):
            self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        delivery, reply = self._station.take(frame)
        if frame.source in self._members and frame.dest == self.address:
            self._members[frame.source].heard()
        if reply:
            self._write(reply)
        if delivery is not None and delivery.source in self._members:
            self._members[delivery.source].received(delivery.data)

    def _write(self, data: bytes) -> None:
        self._wire(True, data)
        self.line.write(data)

    def _answered(self, source: int, function: int) -> None:
        asked = self._status
        if asked is not None and asked[0] == source and not asked[1].done():
            asked[1].set_result(function)

    async def send(self, fragment: bytes, dest: int) -> None:
        """Send a fragment; with confirmed user data, once every frame was acknowledged."""
        if not self._confirmed or dest in BROADCASTS:
            self._write(self._station.send(fragment, dest))
            return
        for frame in self._station.confirmed(fragment, dest):
            await self._acknowledged(frame, dest)

    def send_now(self, fragment: bytes, dest: int) -> None:
        """Send a fragment that waits for nothing (an application confirmation)."""
        self._write(self._station.send(fragment, dest))

    async def _acknowledged(self, frame: bytes, dest: int) -> None:
        for _ in range(self._retries + 1):
            function = await self._ask(frame, dest, self._timeout)
            if function == Secondary.ACK:
                return
        self._station.unlink(dest)
        raise NoResponse(f"outstation {dest} does not acknowledge link frames")

    async def _ask(self, frame: bytes, dest: int, within: float) -> int | None:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._status = dest, answer
        self._write(frame)
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._status = None

    async def link_status(self, dest: int, within: float = 2.0) -> bool:
        """Ask an outstation's link layer whether it is there."""
        async with self.turns.take(Priority.BACKGROUND):
            frame = self._station.primary(Primary.REQUEST_LINK_STATUS, dest)
            return await self._ask(frame, dest, within) is not None

    async def wait_closed(self) -> None:
        """Return never but by LinkError, when the line is gone."""
        reason = await asyncio.shield(self.line.closed)
        raise lost(self.line.name, reason)
