"""Forgetting what is old, a few thousand rows a transaction so that nobody waits."""

import datetime as dt
from typing import Annotated, Any

from msgspec import Meta

from .jobs import Run

PART = 5_000
Days = Annotated[int, Meta(ge=1, le=3650)]


async def forget(run: Run, statement: str, days: int) -> int:
    """Repeat a DELETE of at most `:part` rows from before `:until` until none is left; how many."""
    from sqlalchemy import text  # noqa: PLC0415 - a gateway forgets nothing and has no database

    gone = 0
    while True:
        async with run.unit() as ctx:
            values = {"until": ctx.clock() - dt.timedelta(days=days), "part": PART}
            done: Any = await ctx.db.execute(text(statement), values)
        rows: int = done.rowcount
        gone += rows
        if rows < PART:
            return gone
