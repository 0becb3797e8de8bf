"""One's own sessions: where one is signed in, and ending that."""

import datetime as dt
from uuid import UUID

import msgspec
from sqlalchemy import select

from hub import Ctx, NotFound, action, query

from .models import Session
from .opening import revoke


class OwnSession(msgspec.Struct, kw_only=True):
    """current: the one that asks."""

    id: UUID
    ip_address: str | None
    user_agent: str | None
    remember: bool
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    current: bool


class OwnSessions(msgspec.Struct):
    items: list[OwnSession]


async def _own(ctx: Ctx) -> list[Session]:
    if ctx.actor.session is None:
        return []
    stmt = (
        select(Session)
        .where(
            Session.user_id == UUID(ctx.actor.id),
            Session.revoked_at.is_(None),
            Session.expires_at > ctx.clock(),
        )
        .order_by(Session.last_used_at.desc())
    )
    return list(await ctx.db.scalars(stmt))


@query("sessions", module="auth")
async def sessions(ctx: Ctx) -> OwnSessions:
    """Return where one is signed in."""
    return OwnSessions(
        [
            OwnSession(
                id=s.id,
                ip_address=s.ip_address,
                user_agent=s.user_agent,
                remember=s.remember,
                created_at=s.created_at,
                last_used_at=s.last_used_at,
                expires_at=s.expires_at,
                current=s.id == ctx.actor.session,
            )
            for s in await _own(ctx)
        ]
    )


@action("sessions/{id}", method="DELETE", module="auth")
async def end_session(ctx: Ctx, id: UUID) -> None:  # noqa: A002  -- the name in the path
    """Sign out one device."""
    for session in await _own(ctx):
        if session.id == id:
            return revoke(ctx, session, "logout")
    raise NotFound(f"there is no session {id}", resource="sessions", identifier=str(id))


@action("sessions", method="DELETE", module="auth")
async def end_other_sessions(ctx: Ctx) -> None:
    """Sign out all devices but this one."""
    for session in await _own(ctx):
        if session.id != ctx.actor.session:
            revoke(ctx, session, "logout")
