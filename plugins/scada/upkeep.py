"""What the centre does by the clock: ends commands that are too late."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from hub import ORDERS, UNIT

from .commanding import reap

EVERY = 2.0  # s

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
    while True:
        try:
            if ORDERS in hub.services:
                async with hub.get(UNIT).system() as ctx:
                    await reap(ctx)
        except Exception:
            log.exception("upkeep of scada failed", extra={"action": "scada.upkeep"})
        await asyncio.sleep(EVERY)
