"""Events as they happen, over a WebSocket; whoever was away asks for what he missed."""

import datetime as dt
from collections.abc import AsyncIterator, Collection
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import SIGNALS, UNIT, Ctx, Invalid, NotFound, room

from .expressions import Test, compile_
from .fanout import LIVE, matches
from .models import LoggedEvent

OVERLAP = dt.timedelta(seconds=10)  # a transaction may commit after one that began later
PAGE = 500
MOST = 10_000


class Watch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """after: the last event that the client has; some from just before it may come again."""

    types: Annotated[list[str], Meta(min_length=1, max_length=50)] = msgspec.field(
        default_factory=lambda: ["*"]
    )
    filter: dict[str, Any] | None = None
    after: UUID | None = None


class Told(msgspec.Struct, kw_only=True):
    """One event; lagged: some were lost, subscribe again with `after`."""

    id: UUID | None = None
    type: str = ""
    timestamp: dt.datetime | None = None
    actor: str = ""
    data: dict[str, Any] = {}
    lagged: bool = False


@room("events", permission="events.log.read")
async def watch(ctx: Ctx, params: Watch) -> AsyncIterator[Told]:
    """Events of the company that match, the missed ones first."""
    test = compile_(params.filter) if params.filter is not None else lambda _: True
    since = None
    if params.after is not None:
        since = await ctx.db.scalar(
            select(LoggedEvent.created_at).where(LoggedEvent.id == params.after)
        )
        if since is None:
            raise NotFound(f"there is no event {params.after}", resource="events")
        if ctx.clock() - since > dt.timedelta(days=1):
            raise Invalid("after: older than a day; read the log instead", field="after")
    return _stream(ctx, params, test, since)


async def _stream(
    ctx: Ctx, params: Watch, test: Test, since: dt.datetime | None
) -> AsyncIterator[Told]:
    mine = f"{ctx.actor.tenant} "
    async with ctx.get(SIGNALS).listen(LIVE) as news:
        if since is not None:
            async for told in _missed(ctx, params, since - OVERLAP):
                if _wanted(told, params, test):
                    yield told
        async for _, text in news:
            if not text:
                yield Told(lagged=True)
            elif text.startswith(mine):
                for told in await _read(ctx, [UUID(i) for i in text[len(mine) :].split(",")]):
                    if _wanted(told, params, test):
                        yield told


async def _missed(ctx: Ctx, params: Watch, since: dt.datetime) -> AsyncIterator[Told]:
    """What was written from `since` on, oldest first; a signal for it may follow too."""
    last: tuple[dt.datetime, UUID] = (since, UUID(int=0))
    for _ in range(MOST // PAGE):
        async with ctx.get(UNIT)(ctx.actor) as own:
            rows = (
                await own.db.scalars(
                    select(LoggedEvent)
                    .where(
                        (LoggedEvent.created_at > last[0])
                        | ((LoggedEvent.created_at == last[0]) & (LoggedEvent.id > last[1]))
                    )
                    .order_by(LoggedEvent.created_at, LoggedEvent.id)
                    .limit(PAGE)
                )
            ).all()
        for row in rows:
            if row.id != params.after:
                yield _told(row)
        if len(rows) < PAGE:
            return
        last = (rows[-1].created_at, rows[-1].id)
    yield Told(lagged=True)


async def _read(ctx: Ctx, idents: Collection[UUID]) -> list[Told]:
    async with ctx.get(UNIT)(ctx.actor) as own:
        rows = await own.db.scalars(
            select(LoggedEvent)
            .where(LoggedEvent.id.in_(idents))
            .order_by(LoggedEvent.created_at, LoggedEvent.id)
        )
        return [_told(row) for row in rows]


def _told(row: LoggedEvent) -> Told:
    return Told(id=row.id, type=row.type, timestamp=row.created_at, actor=row.actor, data=row.data)


def _wanted(told: Told, params: Watch, test: Test) -> bool:
    if told.lagged:
        return True
    envelope = {"type": told.type, "id": str(told.id), "actor": told.actor, "data": told.data}
    return matches(params.types, told.type) and test(envelope)
