"""How often something happened lately, counted together by all processes.

Each process counts on its own and adds what it counted to one table several times a second, so a
limit costs no round trip; processes can together pass it by what they count between two additions.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.contract.model import Base
from hub.contract.services import Key

log = logging.getLogger(__name__)

EVERY = 0.25
GATEWAY = 600, 60  # requests of one gateway in so many seconds
_KEPT = 100_000
_ADD = """
INSERT INTO hub_rate (key, span, ends, count)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::int[])
ON CONFLICT (key, span) DO UPDATE SET count = hub_rate.count + excluded.count
RETURNING key, span, count
"""


class Rate(Base):
    """What all processes counted of a key in one span of time. ends: epoch seconds."""

    __tablename__ = "hub_rate"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012  -- SQLAlchemy wants a plain dict
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    span: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ends: Mapped[int] = mapped_column(BigInteger, index=True)
    count: Mapped[int] = mapped_column(Integer)


@dataclass(frozen=True, slots=True)
class Verdict:
    """reset: seconds until the window is over."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Count:
    """shared: as all processes know it. own: not yet added to that. before: the last span's."""

    span: int
    window: int
    shared: int = 0
    own: int = 0
    before: int = 0


class Rates:
    """Sliding windows, each the weighted sum of two fixed ones."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], clock: Callable[[], float] = time.time
    ) -> None:
        self._pool, self._clock = pool, clock
        self._counts: dict[tuple[str, int], _Count] = {}
        self._failing = False

    def spend(self, key: str, limit: int, window: int) -> Verdict:
        """Count one more of `key`, unless `limit` in `window` seconds are reached."""
        now = self._clock()
        span, gone = divmod(now, window)
        count = self._count(key, int(span), window)
        used = count.before * (1 - gone / window) + count.shared + count.own
        allowed = used + 1 <= limit
        if allowed:
            count.own += 1
            used += 1
        reset = max(1, round(window - gone))
        return Verdict(allowed, limit, max(0, int(limit - used)), reset)

    def _count(self, key: str, span: int, window: int) -> _Count:
        count = self._counts.get((key, window))
        if count is None:
            if len(self._counts) >= _KEPT:
                self._forget(span * window)
            count = self._counts[key, window] = _Count(span, window)
        elif count.span != span:
            before = count.shared + count.own if count.span == span - 1 else 0
            count.span, count.shared, count.own, count.before = span, 0, 0, before
        return count

    def _forget(self, now: int) -> None:
        self._counts = {k: c for k, c in self._counts.items() if (c.span + 2) * c.window > now}
        if len(self._counts) >= _KEPT:
            self._counts.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Share counts for as long as the block lasts."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work(self) -> None:
        cleaned = self._clock()
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.share()
                if self._clock() - cleaned > 60:
                    cleaned = self._clock()
                    async with self._pool.connection() as connection:
                        await connection.execute("DELETE FROM hub_rate WHERE ends < %s", (cleaned,))
                self._failing = False
            except psycopg.Error as error:
                if not self._failing:
                    log.warning(
                        "limits hold for each process alone: %s",
                        error,
                        extra={"action": "rates.failed"},
                    )
                self._failing = True

    async def share(self) -> None:
        """Add what was counted here to what all know, and learn that."""
        told = [(k, c, c.span, c.own) for (k, _), c in self._counts.items() if c.own]
        if not told:
            return
        told.sort(key=lambda t: (t[0], t[2]))  # one order in all processes, so none waits in a ring
        columns = [
            [f"{key}/{count.window}" for key, count, _, _ in told],
            [span for _, _, span, _ in told],
            [(span + 2) * count.window for _, count, span, _ in told],
            [own for *_, own in told],
        ]
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_ADD, columns)).fetchall()
        totals = {(key, span): total for key, span, total in rows}
        for key, count, span, own in told:
            total = totals[f"{key}/{count.window}", span]
            if count.span == span:
                count.shared, count.own = total, count.own - own
            elif count.span == span + 1:
                count.before = total


RATES = Key[Rates]("rates")
