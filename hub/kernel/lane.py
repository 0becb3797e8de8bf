"""What waits to be sent on one connection, before any poll."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from hub.contract.driver import Session

Job = Callable[[Session], Awaitable[Any]]


class NotSent(Exception):
    """It never reached the wire. The message says why."""


class Full(NotSent):
    """Too much waits already."""


class Request:
    """still_wanted: asked just before sending; a text is the reason not to send any more."""

    __slots__ = ("done", "job", "still_wanted")

    def __init__(self, job: Job, still_wanted: Callable[[], str | None] | None) -> None:
        self.job, self.still_wanted = job, still_wanted
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()


class Lane:
    """First come, first served. `close` refuses all that waits and all that comes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._waiting = limit, deque[Request]()
        self._open = False
        self._wake: asyncio.Future[None] | None = None

    def open(self) -> None:
        self._open = True

    def close(self, reason: str) -> None:
        self._open = False
        while self._waiting:
            self._waiting.popleft().fail(NotSent(reason))

    async def ask(self, job: Job, still_wanted: Callable[[], str | None] | None = None) -> Any:
        """What the job returns. NotSent when it never ran; else its own error."""
        if not self._open:
            raise NotSent("the channel is not online")
        if len(self._waiting) >= self._limit:
            raise Full(f"{self._limit} requests wait already: try again later")
        request = Request(job, still_wanted)
        self._waiting.append(request)
        self.wake()
        return await request.done

    def take(self) -> Request | None:
        """The next request that is still wanted."""
        while self._waiting:
            request = self._waiting.popleft()
            if request.done.done():
                continue
            refusal = request.still_wanted() if request.still_wanted else None
            if refusal is None:
                return request
            request.fail(NotSent(refusal))
        return None

    def wake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def rest(self, until: float | None) -> None:
        """Sleep to the loop time `until` (for ever when None), or until a request comes."""
        if self._waiting:
            return
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_at(until, self.wake) if until is not None else None
        try:
            await self._wake
        finally:
            if timer is not None:
                timer.cancel()
