"""Publishes a GOOSE control block: at once on a change, then slower and slower (8-1 §18.1)."""

import asyncio
import contextlib
from collections.abc import Sequence

from msgspec import structs

from . import goose
from .ether import Ethernet
from .goose import GooseMessage
from .mms.data import UtcTime


class Publisher:
    """first, last: ms between repetitions, doubling. The time allowed to live is twice the next."""

    def __init__(
        self, ethernet: Ethernet, template: GooseMessage, first: int = 4, last: int = 1000
    ) -> None:
        self._ethernet, self._message = ethernet, template
        self._first, self._last = first, last
        self._encoded: Sequence[bytes] = ()
        self._task: asyncio.Task[None] | None = None

    def publish(self, encoded: Sequence[bytes], time: UtcTime) -> None:
        """Send a new state. encoded: members as MMS data."""
        state = self._message.state % 0xFFFFFFFF + 1
        self._encoded = tuple(encoded)
        self._message = structs.replace(self._message, state=state, sequence=0, time=time)
        if self._task is not None:
            self._task.cancel()
        self._send(self._first)
        self._task = asyncio.create_task(self._repeat())

    def _send(self, wait: int) -> None:
        message = structs.replace(self._message, ttl=2 * wait + 10)
        self._ethernet.send(goose.encode(message, list(self._encoded)))

    async def _repeat(self) -> None:
        wait = self._first
        while True:
            await asyncio.sleep(wait / 1000)
            wait = min(wait * 2, self._last)
            sequence = self._message.sequence % 0xFFFFFFFF + 1
            self._message = structs.replace(self._message, sequence=sequence)
            self._send(wait)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
