"""Sockets as administrators see them, tickets, and messages to everybody."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from hub import LIVE, SIGNALS, Conflict, Ctx, Op, Resource, action

from .models import Connection
from .register import ORDERS, issue

connections = Resource(
    name="connections",
    model=Connection,
    title="Connections",
    ops=Op.READ | Op.DELETE,
    filters=("user_id", "room", "client_ip", "connected_at", "disconnected_at"),
    sort=("-connected_at", "last_activity_at", "messages_sent"),
    search=("user_id", "client_ip"),
)


@connections.on(Op.DELETE)
async def close(ctx: Ctx, row: Connection) -> None:
    """Close the socket (4403); its row stays until it is forgotten with the others."""
    if row.disconnected_at is not None:
        raise Conflict("this socket is closed already")
    await ctx.get(SIGNALS).tell(ctx, ORDERS, f"close {row.id}")


class Issued(msgspec.Struct, kw_only=True):
    """ticket: for `?ticket=`, once."""

    ticket: str
    expires_at: dt.datetime


@action("tickets", status=201)
async def ticket(ctx: Ctx) -> Issued:
    """Give a ticket that opens one socket within 30 seconds."""
    made, ends = await issue(ctx)
    return Issued(ticket=made, expires_at=ends)


class Broadcast(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    room: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\-]+$", max_length=100)]
    event_type: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_\-]*$", max_length=64)]
    data: dict[str, Any] = {}


class Sent(msgspec.Struct):
    id: UUID


@action("broadcast", permission="realtime.connections.write", status=202)
async def broadcast(ctx: Ctx, body: Broadcast) -> Sent:
    """Say something to everybody in a room of the company."""
    return Sent(await ctx.get(LIVE).send(ctx, body.room, body.event_type, body.data))
