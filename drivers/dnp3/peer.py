"""One outstation of a channel at work: start-up, its polls, and what its indications ask for."""

import asyncio
from collections.abc import Callable

from hub import Link, NoResponse, ProtocolError

from .codec.app import EVENT_CLASSES, Iin
from .config import Dnp3Device, TimeSync
from .master import Association, Priority, Refused, Report, operations
from .master.operations import CLASSES

_CLASS_BITS = {1: Iin.CLASS_1, 2: Iin.CLASS_2, 3: Iin.CLASS_3}
# Seconds until the same indication is acted upon again: one that a device never takes back must not
# keep the line busy.
_LEAST = {
    Iin.DEVICE_RESTART: 5.0,
    Iin.NEED_TIME: 30.0,
    Iin.EVENT_BUFFER_OVERFLOW: 30.0,
    Iin.CLASS_1: 0.1,
    Iin.CLASS_2: 0.1,
    Iin.CLASS_3: 0.1,
}
_HEEDED = Iin.DEVICE_RESTART | Iin.NEED_TIME | Iin.EVENT_BUFFER_OVERFLOW | EVENT_CLASSES
_RETRY = 5.0  # seconds until a silent outstation is tried again


class Peer:
    """Keeps one outstation's image up to date until it is cancelled.

    publish: takes every report as it comes.
    """

    def __init__(
        self,
        device: Dnp3Device,
        association: Association,
        link: Link,
        publish: Callable[["Peer", list[Report]], None],
    ) -> None:
        self.device, self.association, self._link = device, association, link
        self._publish = publish
        self.started = False
        self._wanted = asyncio.Event()
        self._asked = Iin.NONE
        self._due: dict[str, float] = {}
        self._again: dict[Iin, float] = {}
        association.on_reports = self._told
        association.on_iin = self._indicated

    async def startup(self) -> None:
        """Disable unsolicited, clear restart, integrity, time, enable unsolicited."""
        self._asked = Iin.NONE
        self.started = False
        try:
            await operations.startup(
                self.association,
                unsolicited=self.device.unsolicited,
                clock=self._clock(),
                lan=self.device.time_sync is TimeSync.LAN,
            )
        except Refused as error:
            self._link.warn(self.device.name, str(error))
        self.started = True
        self._asked &= ~(Iin.DEVICE_RESTART | Iin.EVENT_BUFFER_OVERFLOW | Iin.NEED_TIME)
        now = asyncio.get_running_loop().time()
        self._due = {name: now + every for name, every in self._periods().items()}

    async def run(self) -> None:
        """Poll and react. LinkError ends it; a silent outstation is tried again and again."""
        while True:
            try:
                if not self.started:
                    await self.startup()
                    self._link.clear(self.device.name)
                await self._rest()
                await self._step()
            except NoResponse as error:
                self.started = False
                self._link.warn(self.device.name, str(error))
                await asyncio.sleep(_RETRY)
            except ProtocolError as error:
                self._link.warn(self.device.name, str(error))
                await asyncio.sleep(_RETRY)

    def _clock(self) -> Callable[[], int] | None:
        if self.device.time_sync is TimeSync.NEVER:
            return None
        return lambda: self._link.now() // 1000

    def _periods(self) -> dict[str, float]:
        periods: dict[str, float | None] = {
            "1": self.device.class_1,
            "2": self.device.class_2,
            "3": self.device.class_3,
            "integrity": self.device.integrity,
        }
        return {name: every for name, every in periods.items() if every is not None}

    def _told(self, reports: list[Report]) -> None:
        self._publish(self, reports)

    def _indicated(self, iin: Iin) -> None:
        """Remember what the outstation asks for; the loop does it when it is its turn."""
        wanted = iin & _HEEDED
        if self.device.time_sync is TimeSync.NEVER:
            wanted &= ~Iin.NEED_TIME
        # Of events the newest response tells the truth; the others stand until they are dealt with.
        self._asked = self._asked & ~EVENT_CLASSES | wanted
        if wanted and self.started:
            self._wanted.set()

    async def _rest(self) -> None:
        """Until something is due, or asked for and not just done."""
        loop = asyncio.get_running_loop()
        self._wanted.clear()
        while not self._ready(loop.time()):
            times = [*self._due.values(), *(self._again.get(b, 0.0) for b in _bits(self._asked))]
            try:
                async with asyncio.timeout_at(min(times, default=None)):
                    await self._wanted.wait()
            except TimeoutError:
                return
            self._wanted.clear()

    def _ready(self, now: float) -> Iin:
        """What is asked for and was not done a moment ago."""
        ready = Iin.NONE
        for bit in _bits(self._asked):
            if now >= self._again.get(bit, 0.0):
                ready |= bit
        return ready

    async def _step(self) -> None:
        now = asyncio.get_running_loop().time()
        asked = self._ready(now)
        self._asked &= ~asked
        self._again |= {bit: now + _LEAST[bit] for bit in _bits(asked)}
        if asked & Iin.DEVICE_RESTART:
            self._link.warn(self.device.name, "the outstation has restarted")
            await self.startup()
            self._link.clear(self.device.name)
            return
        clock = self._clock()
        if asked & Iin.NEED_TIME and clock is not None:
            await operations.synchronise(
                self.association, clock, lan=self.device.time_sync is TimeSync.LAN
            )
        if asked & Iin.EVENT_BUFFER_OVERFLOW:
            self._link.warn(self.device.name, "the outstation lost events: its buffer was full")
            await self._integrity()
            # The indication stands until the confirmation has been seen: do not ask twice.
            self._asked &= ~Iin.EVENT_BUFFER_OVERFLOW
            return
        await self._polls(asked)

    async def _polls(self, asked: Iin) -> None:
        now = asyncio.get_running_loop().time()
        due = {name for name, when in self._due.items() if when <= now}
        periods = self._periods()
        for name in due:
            self._due[name] = now + periods[name]
        if "integrity" in due:
            await self._integrity()
            return
        classes = [
            klass
            for klass in CLASSES
            if klass and (str(klass) in due or asked & _CLASS_BITS[klass])
        ]
        if classes:
            await operations.poll(self.association, classes, priority=Priority.BACKGROUND)

    async def _integrity(self) -> None:
        await operations.integrity(self.association, priority=Priority.BACKGROUND)

    async def synchronise(self) -> None:
        """Set its clock now."""
        await operations.synchronise(
            self.association,
            lambda: self._link.now() // 1000,
            lan=self.device.time_sync is TimeSync.LAN,
        )


def _bits(iin: Iin) -> list[Iin]:
    return [bit for bit in _LEAST if bit & iin]
