"""One's own notifications as they come, over a WebSocket."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from hub import SIGNALS, UNIT, Ctx, room

from .inbox import shown
from .making import TOPIC
from .models import Notification


class Follow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to choose: everybody follows his own."""


class Lagged(msgspec.Struct, kw_only=True):
    """Some may have been lost on the way: read the list again."""

    lagged: bool = True


@room("notification")
async def follow(ctx: Ctx, params: Follow) -> AsyncIterator[Any]:
    """One's own notifications from here on."""
    return _stream(ctx)


async def _stream(ctx: Ctx) -> AsyncIterator[Any]:
    mine = f"{ctx.actor.tenant} "
    async with ctx.get(SIGNALS).listen(TOPIC) as news:
        async for _, text in news:
            if not text:
                yield Lagged()
            elif text.startswith(mine):
                for row in await _read(ctx, [UUID(i) for i in text[len(mine) :].split(",")]):
                    yield shown(row)


async def _read(ctx: Ctx, idents: list[UUID]) -> list[Notification]:
    """Those of them that are the caller's own; the table shows him no others."""
    async with ctx.get(UNIT)(ctx.actor) as own:
        stmt = (
            select(Notification)
            .where(Notification.id.in_(idents))
            .order_by(Notification.created_at, Notification.id)
        )
        return list(await own.db.scalars(stmt))
