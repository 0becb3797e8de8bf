"""Sends webhooks: one lane per receiver, so that a dead or slow one delays nobody else.

Any number of processes share the work. A delivery is claimed for a while (`lease`), sent, and its
result is written; a process that dies lets its claims run out, and another sends them again under
the same `webhook-id`. Results are written many at a time.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

from hub import HttpClient, HubError, Signals, TimedOut, UnitOfWork

from .fanout import TOPIC
from .rules import Breaker, Outcome
from .signing import headers
from .store import KEEP, Job, Result, Target, claim, record, release, targets

log = logging.getLogger(__name__)

AT_ONCE = 8  # requests to one receiver
AHEAD = 2.0  # seconds of work to have claimed per receiver
MOST, FIRST = 400, 20
POLL = 1.0
GATHER = 0.01


async def attempt(http: HttpClient, target: Target, job: Job, timestamp: int) -> Outcome:
    """One request; never raises for what the receiver does."""
    start = asyncio.get_running_loop().time()
    signed = headers(target.secrets, str(job.event), timestamp, job.body, target.headers)
    seen: dict[str, Any] = {}
    try:
        answer = await http.request(
            "POST", target.url, headers=signed, body=job.body, timeout=target.timeout, limit=KEEP
        )
        seen = {
            "status": answer.status,
            "body": answer.body.decode("utf-8", "replace").replace("\0", "\ufffd"),
            "retry_after": _seconds(answer.headers.get("retry-after")),
        }
        if not 200 <= answer.status < 300:
            seen["error"] = f"answered {answer.status}"
    except TimedOut as error:
        seen = {"error": str(error), "timed_out": True}
    except HubError as error:
        seen = {"error": str(error)[:1000]}
    took = round((asyncio.get_running_loop().time() - start) * 1000)
    return Outcome(duration_ms=took, **seen)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None


class Lane:
    """What one receiver is to be sent, and how it does."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.queue: deque[Job] = deque()
        self.running = 0
        self.breaker = Breaker()
        self.pace = 0.05  # seconds a request takes, smoothed
        self.more = False  # whether the last claim left something behind

    def room(self, now: float) -> int:
        """How many more to claim: about `AHEAD` seconds of work."""
        if self.breaker.state(now) is not Breaker.State.CLOSED:
            return 1 if not (self.queue or self.running) else 0
        wanted = min(MOST, max(AT_ONCE, math.ceil(AHEAD / self.pace * AT_ONCE)))
        free = wanted - len(self.queue) - self.running
        return free if free * 2 >= wanted else 0

    def next(self, now: float) -> Job | None:
        """What to send now, if anything."""
        at_once = 1 if self.breaker.state(now) is Breaker.State.HALF_OPEN else AT_ONCE
        if self.queue and self.running < at_once:
            return self.queue.popleft()
        return None

    def done(self, outcome: Outcome, now: float) -> bool:
        """Note the end of a request; whether it opened the breaker."""
        self.running -= 1
        self.pace += 0.1 * (outcome.duration_ms / 1000 - self.pace)
        self.pace = max(self.pace, 0.001)
        return self.breaker.note(outcome.ok, now)


class Sender:
    """Sends what is due for as long as it runs. lease: seconds that a claim may wait to be sent."""

    def __init__(
        self, unit: UnitOfWork, http: HttpClient, signals: Signals, *, lease: float = 30.0
    ) -> None:
        self._unit, self._http, self._signals, self._lease = unit, http, signals, lease
        self._lanes: dict[UUID, Lane] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._wake, self._finished = asyncio.Event(), asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, after: asyncio.Event) -> AsyncIterator[None]:
        """Send in the background from `after` on; what is under way at the end is finished."""
        claims = [asyncio.create_task(w) for w in (self._claims(after), self._listen())]
        writes = asyncio.create_task(self._writes())
        try:
            yield
        finally:
            await _end(claims)
            left = [j.id for lane in self._lanes.values() for j in lane.queue]
            for lane in self._lanes.values():
                lane.queue.clear()
            if self._requests:
                await asyncio.wait(self._requests, timeout=2.0)
            await _end(self._requests)
            await _end([writes])
            with contextlib.suppress(Exception):  # the claims run out by themselves
                await self._write()
                async with self._unit.system() as ctx:
                    await release(ctx, left)

    async def _listen(self) -> None:
        async with self._signals.listen(TOPIC) as news:
            async for _ in news:
                self._wake.set()

    async def _claims(self, after: asyncio.Event) -> None:
        await after.wait()
        while True:
            self._wake.clear()
            try:
                found = await self.claim()
            except Exception:
                log.exception("webhooks wait", extra={"action": "webhooks.failed"})
                found = 0
            if not found or not self._hungry():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()

    async def claim(self) -> int:
        """Claim what is due and start sending it; how many."""
        now = asyncio.get_running_loop().time()
        self._forget(now)
        room = {ident: lane.room(now) for ident, lane in self._lanes.items()}
        async with self._unit.system() as ctx:
            taken = await claim(ctx, room, FIRST, self._lease)
            stale = {
                job.endpoint
                for job, revision in taken
                if (lane := self._lanes.get(job.endpoint)) is None
                or lane.target.revision != revision
                or (lane.target.until is not None and lane.target.until <= ctx.clock())
            }
            fresh = await targets(ctx, stale) if stale else []
        for target in fresh:
            lane = self._lanes.setdefault(target.id, Lane(target))
            lane.target = target
        for job, _ in taken:
            if lane := self._lanes.get(job.endpoint):
                job.until = now + self._lease
                lane.queue.append(job)
        counts = Counter(job.endpoint for job, _ in taken)
        for ident, lane in self._lanes.items():
            if offered := room.get(ident, FIRST):
                lane.more = counts[ident] >= offered
        for ident in counts:
            self._feed(ident)
        return len(taken)

    def _hungry(self) -> bool:
        """Whether some lane should be given more at once."""
        now = asyncio.get_running_loop().time()
        return any(lane.more and lane.room(now) for lane in self._lanes.values())

    def _forget(self, now: float) -> None:
        """Drop lanes that have nothing to do and nothing to remember."""
        idle = [
            ident
            for ident, lane in self._lanes.items()
            if not lane.queue and not lane.running and lane.breaker.quiet(now)
        ]
        for ident in idle:
            del self._lanes[ident]

    def _feed(self, ident: UUID) -> None:
        """Start as many requests of a lane as may run at once."""
        lane, now = self._lanes[ident], asyncio.get_running_loop().time()
        while job := lane.next(now):
            if now > job.until:
                continue  # too late: it may soon be somebody else's
            lane.running += 1
            task = asyncio.create_task(self._send(lane, job))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _send(self, lane: Lane, job: Job) -> None:
        outcome = await attempt(self._http, lane.target, job, int(time.time()))
        now = asyncio.get_running_loop().time()
        opened = lane.done(outcome, now)
        if opened:
            lane.queue.clear()  # these claims run out, and nobody claims while it is paused
            about = {"action": "webhooks.breaker", "endpoint": str(lane.target.id)}
            log.warning("receiver %s mostly fails: paused", lane.target.id, extra=about)
        self._results.append(
            Result(
                job=job,
                outcome=outcome,
                draw=random.random(),  # noqa: S311  -- no secret
                opened=Breaker.COOL if opened else None,
            )
        )
        self._finished.set()
        self._feed(lane.target.id)
        if lane.more and lane.room(now):
            self._wake.set()

    async def _writes(self) -> None:
        while True:
            await self._finished.wait()
            await asyncio.sleep(GATHER)
            self._finished.clear()
            try:
                await self._write()
            except Exception:
                log.exception("results of webhooks wait", extra={"action": "webhooks.failed"})
                await asyncio.sleep(POLL)
                self._finished.set()

    async def _write(self) -> None:
        results = self._results[:1000]
        if not results:
            return
        async with self._unit.system() as ctx:
            await record(ctx, results)
        del self._results[: len(results)]
        if self._results:
            self._finished.set()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
