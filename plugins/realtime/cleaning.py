"""Forgets sockets that closed long ago, messages that nobody asks for any more, spent tickets."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import delete, update

from hub import Run, Schedule, job

from .board import KEPT
from .models import Connection, Said, Ticket
from .register import DIED, SILENT

_UNAUDITED = {"unaudited": True}


class Ages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that closed connections are kept."""

    connections: Annotated[int, Meta(ge=1, le=3650)] = 30


@job("clean_realtime", priority=9, retries=1, manual=True)
async def clean(run: Run, params: Ages) -> dict[str, int]:
    """Forget closed connections and old messages."""
    gone = {}
    async with run.unit() as ctx:
        now, mine = ctx.clock(), Connection.tenant == run.tenant
        await ctx.db.execute(
            update(Connection)
            .where(mine, Connection.disconnected_at.is_(None), Connection.seen_at < now - SILENT)
            .values(disconnected_at=Connection.seen_at, close_code=DIED),
            execution_options=_UNAUDITED,
        )
        old = now - dt.timedelta(days=params.connections)
        for what, model, where in (
            ("connections", Connection, Connection.disconnected_at < old),
            ("messages", Said, Said.created_at < now - KEPT),
            ("tickets", Ticket, Ticket.expires_at < now),
        ):
            done: Any = await ctx.db.execute(
                delete(model).where(model.tenant == run.tenant, where),
                execution_options=_UNAUDITED,
            )
            gone[what] = done.rowcount
    return gone


HOURLY = Schedule(code="clean_realtime", job="clean_realtime", cron="20 * * * *")
