"""What the centre does by the clock: ends commands that are too late, looks at stations."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from hub import ORDERS, STORE, UNIT, Ctx

from .commanding import reap
from .gateways import look_for_gateways
from .network import look
from .outside import calm

EVERY = 2.0  # s
NETWORK_TURNS = 5

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def upkeep(hub: Any) -> AsyncIterator[None]:
    """Run until the block ends."""
    task = asyncio.create_task(_run(hub), name="scada upkeep")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _run(hub: Any) -> None:
    await hub.started.wait()
    turn = 0
    while True:
        if ORDERS in hub.services:
            await _try(hub, reap)
        if turn % NETWORK_TURNS == 0 and STORE in hub.services:
            await _try(hub, look)
            await _try(hub, calm)
            await _try(hub, look_for_gateways)
        turn += 1
        await asyncio.sleep(EVERY)


async def _try(hub: Any, work: Callable[[Ctx], Awaitable[int]]) -> None:
    try:
        async with hub.get(UNIT).system() as ctx:
            await work(ctx)
    except Exception:
        log.exception("upkeep of scada failed", extra={"action": "scada.upkeep"})
