"""Rooms that belong to no other plugin, and what closes the sockets of who may no longer."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from hub import SIGNALS, Ctx, Forbidden, Happened, room, subscribe

from .register import ORDERS


class OfUser(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A room that needs no parameters."""


@room("user", key="user_id", default=True)
async def user(ctx: Ctx, params: OfUser) -> str:
    """Follow what is meant for oneself."""
    if params.user_id not in (None, ctx.actor.id):
        raise Forbidden("this is somebody else's room")
    return f"user_{ctx.actor.id}"


@room("notifications")
async def notifications(ctx: Ctx, params: Nothing) -> str:
    """Follow one's own notifications: they come into one's own room."""
    return f"user_{ctx.actor.id}"


@subscribe(
    "user.deactivated",
    "user.deleted",
    "user.logged_out",
    "user.role_changed",
    "user.session_revoked",
    name="realtime.check",
    batch=100,
)
async def check(ctx: Ctx, events: Sequence[Happened]) -> None:
    """Have every process look again whether these people may stay connected."""
    for who in {_user(e.data) for e in events}:
        await ctx.get(SIGNALS).tell(ctx, ORDERS, f"check {ctx.actor.tenant} {who}")


def _user(data: Mapping[str, Any]) -> UUID:
    return UUID(str(data["user_id"]))
