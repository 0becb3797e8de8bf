"""Waiting for what has no event."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], seconds: float = 8.0, pause: float = 0.005) -> Any:
    """The first true answer of `condition` (which may be a coroutine function), or TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(pause)
