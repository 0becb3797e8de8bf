"""What drivers keep over a restart: on disk beside the buffer, and never ahead of it."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping

from hub.contract.journal import Journal
from hub.kernel.keep import Keep

log = logging.getLogger(__name__)

PERIOD, CLOSING = 1.0, 2.0
LARGEST = 64 << 10
_KIND = "driver"


class ChannelState(MutableMapping[str, bytes]):
    """`hub.Link.state` of one channel. dirty: keys whose newest value is not on disk."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._facts: dict[str, bytes] = {}
        self._changed = changed
        self.dirty: set[str] = set()

    def load(self, key: str, value: bytes) -> None:
        """Take what the disk has."""
        self._facts.setdefault(key, value)

    def __getitem__(self, key: str) -> bytes:
        return self._facts[key]

    def __setitem__(self, key: str, value: bytes) -> None:
        if not isinstance(value, bytes) or len(value) > LARGEST:
            raise ValueError(f"{key}: a driver keeps up to {LARGEST} bytes under a key")
        if self._facts.get(key) != value:
            self._facts[key] = value
            self._touch(key)

    def __delitem__(self, key: str) -> None:
        del self._facts[key]
        self._touch(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def _touch(self, key: str) -> None:
        self.dirty.add(key)
        self._changed()


class States:
    """The states of all channels, written together.

    What was set is on disk about `period` seconds later, behind the readings that were queued in
    the journal before it: after a kill a driver may know less than is stored, never more.
    """

    def __init__(self, journal: Journal, period: float = PERIOD) -> None:
        self._journal, self._period = journal, period
        self._channels: dict[str, ChannelState] = {}
        self._news = asyncio.Event()
        self._failing = False

    def of(self, channel: str) -> ChannelState:
        """The state of a channel; it is filled when `running` begins."""
        return self._channels.setdefault(channel, ChannelState(self._news.set))

    @contextlib.asynccontextmanager
    async def running(self, keep: Keep) -> AsyncIterator[None]:
        """Load, forget channels that are configured no more, write behind; all of it at the end."""
        await self._load(keep)
        task = asyncio.create_task(self._write_behind(keep), name="states of drivers")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._settle(keep)

    async def _load(self, keep: Keep) -> None:
        foreign: dict[str, bytes | None] = {}
        for name, value in (await keep.load(_KIND)).items():
            channel, _, key = name.partition("\0")
            if channel in self._channels:
                self._channels[channel].load(key, value)
            else:
                foreign[name] = None
        if foreign:
            await self._write(keep, foreign)

    async def _write_behind(self, keep: Keep) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(self._period)
            self._news.clear()
            if not await self._settle(keep):
                self._news.set()

    async def _settle(self, keep: Keep) -> bool:
        """Write what is new; whether there is nothing left of it."""
        facts = {
            (name, key): state.get(key)
            for name, state in self._channels.items()
            for key in state.dirty
        }
        if not facts:
            return True
        await self._journal.flush()
        if not await self._write(keep, {"\0".join(at): value for at, value in facts.items()}):
            return False
        for (name, key), value in facts.items():
            state = self._channels[name]
            if state.get(key) == value:
                state.dirty.discard(key)
        return True

    async def _write(self, keep: Keep, facts: dict[str, bytes | None]) -> bool:
        try:
            await keep.write(_KIND, facts)
        except (sqlite3.Error, OSError) as error:
            if not self._failing:
                message = "what drivers keep is not written: %s"
                log.warning(message, error, extra={"action": "state"})
            self._failing = True
            return False
        if self._failing:
            log.info("what drivers keep is written again", extra={"action": "state"})
        self._failing = False
        return True
