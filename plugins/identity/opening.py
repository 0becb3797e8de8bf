"""Opening and ending a session of a user whose identity is proved."""

import enum
from uuid import UUID

import msgspec

from hub import Actor, Cookie, Ctx, Reply, uuid7

from .accounts import ACCOUNTS, actor_of
from .events import UserLoggedIn, UserSessionRevoked
from .models import Session, User
from .tokens import digest, new_refresh

COOKIE = "busbar_refresh"
PATH = "/api/v1/auth"


class Delivery(enum.StrEnum):
    """Where the refresh token goes; machines take it in the body."""

    COOKIE = "cookie"
    BODY = "body"


class Me(msgspec.Struct, kw_only=True):
    """The signed-in user."""

    id: UUID
    tenant_id: UUID
    email: str
    username: str | None
    full_name: str | None
    locale: str
    timezone: str | None
    user_type: str
    is_verified: bool
    roles: list[str]
    permissions: list[str]


class SignedIn(msgspec.Struct, kw_only=True, omit_defaults=True):
    """expires_at: epoch seconds."""

    user: Me
    access_token: str
    token: str
    expires_at: int
    expires_in: int
    permissions: list[str]
    must_change_password: bool
    token_type: str = "Bearer"  # noqa: S105
    refresh_token: str | None = None


def me_of(user: User, actor: Actor) -> Me:
    return Me(
        id=user.id,
        tenant_id=user.tenant,
        email=user.email,
        username=user.username,
        full_name=user.full_name,
        locale=user.locale,
        timezone=user.timezone,
        user_type=user.user_type,
        is_verified=user.is_verified,
        roles=list(actor.roles),
        permissions=sorted(actor.permissions),
    )


async def open_session(ctx: Ctx, user: User, *, remember: bool, cookie: bool) -> Reply[SignedIn]:
    """A new session of a user whose identity is proved."""
    now, policy = ctx.clock(), ctx.get(ACCOUNTS).policy
    ident = uuid7()
    refresh = new_refresh(ident)
    ctx.act_as(await actor_of(ctx, user, ident))
    user.last_login_at, user.locked_until = now, None
    ctx.db.add(
        Session(
            id=ident,
            tenant=user.tenant,
            user_id=user.id,
            refresh_hash=digest(refresh),
            remember=remember,
            ip_address=ctx.caller.ip,
            user_agent=ctx.caller.user_agent,
            last_used_at=now,
            expires_at=now + policy.life(remember=remember),
        )
    )
    ctx.emit(UserLoggedIn(user_id=user.id, ip_address=ctx.caller.ip), tenant=user.tenant)
    return signed_in(ctx, user, refresh, remember=remember, cookie=cookie)


def signed_in(
    ctx: Ctx, user: User, refresh: str | None, *, remember: bool, cookie: bool
) -> Reply[SignedIn]:
    tokens, actor = ctx.get(ACCOUNTS).tokens, ctx.actor
    assert actor.session is not None  # noqa: S101  -- `actor_of` sets it
    token, ends = tokens.access(user.id, actor.session, user.tenant, user.perm_version, ctx.clock())
    body = SignedIn(
        user=me_of(user, actor),
        access_token=token,
        token=token,
        expires_at=int(ends.timestamp()),
        expires_in=int(tokens.life.total_seconds()),
        permissions=sorted(actor.permissions),
        must_change_password=user.must_change_password,
        refresh_token=None if cookie else refresh,
    )
    life = int(ctx.get(ACCOUNTS).policy.remembered.total_seconds()) if remember else None
    cookies = (
        (Cookie(name=COOKIE, value=refresh, path=PATH, max_age=life),) if cookie and refresh else ()
    )
    return Reply(body=body, cookies=cookies)


def revoke(ctx: Ctx, session: Session, reason: str) -> None:
    """End a session; its tokens are dead."""
    session.revoked_at, session.revoke_reason = ctx.clock(), reason
    ctx.get(ACCOUNTS).forget(session.id)
    ctx.emit(
        UserSessionRevoked(user_id=session.user_id, session_id=session.id, reason=reason),
        tenant=session.tenant,
    )
