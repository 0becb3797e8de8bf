"""Who is connected: a row for each socket, tickets that open one, and orders to close one."""

import datetime as dt
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, func, select, update

from hub import Actor, Caller, Ctx, Signals, TooMany, Unauthenticated, UnitOfWork, uuid7
from plugins.identity import ACCOUNTS

from .models import Connection, Ticket

ORDERS = "realtime.orders"
PER_USER = 10
LIFE = dt.timedelta(seconds=30)
SILENT = dt.timedelta(seconds=90)  # a process that has not been heard of for so long has died
DIED = 1006
_UNAUDITED = {"unaudited": True}


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a socket has done so far."""

    id: UUID
    tenant: UUID
    rooms: list[str]
    active_at: dt.datetime
    sent: int
    received: int


class Register:
    """Keeps the table of sockets for the process that holds them."""

    def __init__(self, unit: UnitOfWork, signals: Signals) -> None:
        self._unit, self._signals = unit, signals

    async def opened(self, actor: Actor, caller: Caller) -> UUID:
        """Note a new socket. TooMany when this person has as many as one may have."""
        async with self._unit(actor, caller) as ctx:
            now, ident = ctx.clock(), uuid7()
            count = await ctx.db.scalar(
                select(func.count())
                .select_from(Connection)
                .where(
                    Connection.user_id == actor.id,
                    Connection.disconnected_at.is_(None),
                    Connection.seen_at > now - SILENT,
                )
            )
            if (count or 0) >= PER_USER:
                raise TooMany(f"one person has at most {PER_USER} sockets", retry_after=60)
            ctx.db.add(
                Connection(
                    id=ident,
                    user_id=actor.id,
                    client_ip=caller.ip,
                    user_agent=caller.user_agent,
                    connected_at=now,
                    last_activity_at=now,
                    seen_at=now,
                )
            )
        return ident

    async def note(self, figures: Iterable[Figures], closed: dict[UUID, int]) -> None:
        """Write figures of sockets; those in `closed` have ended with that code."""
        async with self._unit.system() as ctx:
            now = ctx.clock()
            rows = [
                {
                    "of": f.tenant,
                    "key": f.id,
                    "room": f.rooms[0][:100] if f.rooms else None,
                    "rooms": f.rooms,
                    "last_activity_at": f.active_at,
                    "messages_sent": f.sent,
                    "messages_received": f.received,
                    "seen_at": now,
                    "disconnected_at": now if f.id in closed else None,
                    "close_code": closed.get(f.id),
                }
                for f in figures
            ]
            if rows:
                table: Any = Connection.__table__
                await (await ctx.db.connection()).execute(
                    update(table).where(
                        table.c.tenant == bindparam("of"), table.c.id == bindparam("key")
                    ),
                    rows,
                )

    def orders(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, str]]]:
        """Texts `close <connection>` and `check <tenant> <user>`; empty: check everybody."""
        return self._signals.listen(ORDERS)

    async def redeem(self, ticket: str) -> str:
        """The access token that a ticket stands for; it is spent by this."""
        async with self._unit.system() as ctx:
            found = await ctx.db.execute(
                delete(Ticket)
                .where(Ticket.digest == _digest(ticket))
                .returning(Ticket.tenant, Ticket.user_id, Ticket.session_id, Ticket.expires_at),
                execution_options=_UNAUDITED,
            )
            row = found.one_or_none()
            if row is None or row.expires_at <= ctx.clock():
                raise Unauthenticated("this ticket was used, or is too old: ask for another")
            tokens = ctx.get(ACCOUNTS).tokens
            token, _ = tokens.access(row.user_id, row.session_id, row.tenant, 1, _now())
            return token


async def issue(ctx: Ctx) -> tuple[str, dt.datetime]:
    """A new ticket of whoever asks, and when it ends."""
    if ctx.actor.session is None:
        raise Unauthenticated("only who is signed in gets a ticket; a key goes into its header")
    made, ends = secrets.token_urlsafe(32), ctx.clock() + LIFE
    ctx.db.add(
        Ticket(
            digest=_digest(made),
            session_id=ctx.actor.session,
            user_id=UUID(ctx.actor.id),
            expires_at=ends,
        )
    )
    return made, ends


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
