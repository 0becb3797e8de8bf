"""Sign in, refresh, sign out."""

import datetime as dt
import enum
import re
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select, text

from hub import (
    Actor,
    Conflict,
    Cookie,
    Ctx,
    Invalid,
    Locked,
    Reply,
    TooMany,
    Unauthenticated,
    action,
    query,
    uuid7,
)

from .accounts import ACCOUNTS, AccountInactive, TenantSuspended, actor_of, usable
from .events import (
    UserLocked,
    UserLoggedIn,
    UserLoggedOut,
    UserLoginFailed,
    UserSessionRevoked,
)
from .models import Attempt, Session, Tenant, User
from .tokens import digest, new_refresh, session_of

COOKIE = "busbar_refresh"
PATH = "/api/v1/auth"
MOST_FAILURES = 5
LOCKOUT = dt.timedelta(minutes=15)
GRACE = dt.timedelta(seconds=10)
REMEMBERED = dt.timedelta(days=7)
SESSION = dt.timedelta(days=1)
_NO_TENANT = UUID(int=0)
_PHONE = re.compile(r"[ ()\-]")


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong."""

    code = "invalid_credentials"


class TenantRequired(Conflict):
    """Several companies know this name: say which."""

    code = "tenant_required"


class Delivery(enum.StrEnum):
    """Where the refresh token goes; machines take it in the body."""

    COOKIE = "cookie"
    BODY = "body"


class Login(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """identifier: e-mail, user name or phone; `email` and `username` are other names of it."""

    password: str
    identifier: str = ""
    email: str = ""
    username: str = ""
    remember: bool = False
    remember_me: bool = False
    token_delivery: Delivery = Delivery.COOKIE
    tenant: str = ""


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


class Refresh(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    refresh_token: str = ""


class Validity(msgspec.Struct, kw_only=True):
    user: Me
    permissions: list[str]
    expires_at: int


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


@action("login", module="auth", public=True, rate="auth")
async def login(ctx: Ctx, body: Login) -> Reply[SignedIn] | None:
    """Sign in."""
    name = (body.identifier or body.email or body.username).strip().lower()
    if not name or len(body.password) > 1024:
        raise Invalid("give an identifier and a password", field="identifier")
    user = await _find(ctx, name, body.tenant)
    subject = digest(str(user.id) if user else name)
    await _one_at_a_time(ctx, subject)
    await _refuse_locked(ctx, subject)
    accounts = ctx.get(ACCOUNTS)
    right = await accounts.passwords.verify(user.password_hash if user else None, body.password)
    if user is None or not right:
        await _fail(ctx, subject, user)
        return None
    tenant = await ctx.db.scalar(select(Tenant).where(Tenant.id == user.tenant))
    try:
        usable(user, tenant)  # type: ignore[arg-type]
    except (AccountInactive, TenantSuspended) as error:
        _note(ctx, subject, user, success=False, reason="inactive")
        ctx.refuse(error)
        return None
    _note(ctx, subject, user, success=True, reason="ok")
    return await open_session(
        ctx,
        user,
        remember=body.remember or body.remember_me,
        cookie=body.token_delivery is Delivery.COOKIE,
    )


async def _find(ctx: Ctx, name: str, tenant: str) -> User | None:
    phone = _PHONE.sub("", name)
    stmt = select(User).where(
        or_(func.lower(User.email) == name, func.lower(User.username) == name, User.phone == phone)
    )
    if tenant:
        stmt = stmt.join(Tenant, Tenant.id == User.tenant).where(Tenant.code == tenant)
    found = (await ctx.db.scalars(stmt.limit(2))).all()
    if len(found) > 1:
        raise TenantRequired
    return found[0] if found else None


async def _one_at_a_time(ctx: Ctx, subject: str) -> None:
    free = await ctx.db.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:s, 11))"), {"s": subject}
    )
    if not free:
        raise TooMany("Too many login attempts, please try again later", retry_after=1)


async def _refuse_locked(ctx: Ctx, subject: str) -> None:
    """Five failures in a row within the time lock the name, whether it exists or not."""
    tried = (
        await ctx.db.execute(
            select(Attempt.success, Attempt.created_at)
            .where(Attempt.subject_hash == subject, Attempt.reason != "inactive")
            .order_by(Attempt.created_at.desc())
            .limit(MOST_FAILURES)
        )
    ).all()
    if len(tried) < MOST_FAILURES or any(a.success for a in tried):
        return
    ends = tried[0].created_at + LOCKOUT
    if tried[0].created_at - tried[-1].created_at <= LOCKOUT and ctx.clock() < ends:
        raise Locked(retry_after=(ends - ctx.clock()).total_seconds())


def _note(ctx: Ctx, subject: str, user: User | None, *, success: bool, reason: str) -> None:
    ctx.db.add(
        Attempt(
            tenant=user.tenant if user else _NO_TENANT,
            subject_hash=subject,
            user_id=user.id if user else None,
            ip_address=ctx.caller.ip,
            success=success,
            reason=reason,
        )
    )


async def _fail(ctx: Ctx, subject: str, user: User | None) -> None:
    _note(ctx, subject, user, success=False, reason="bad_credentials")
    await ctx.db.flush()
    if user is not None:
        event = UserLoginFailed(user_id=user.id, ip_address=ctx.caller.ip)
        ctx.emit(event, tenant=user.tenant)
        try:
            await _refuse_locked(ctx, subject)
        except Locked:
            user.locked_until = ctx.clock() + LOCKOUT
            ctx.emit(UserLocked(user_id=user.id), tenant=user.tenant)
    ctx.refuse(InvalidCredentials())


async def open_session(ctx: Ctx, user: User, *, remember: bool, cookie: bool) -> Reply[SignedIn]:
    """A new session of a user whose identity is proved."""
    now = ctx.clock()
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
            expires_at=now + (REMEMBERED if remember else SESSION),
        )
    )
    ctx.emit(UserLoggedIn(user_id=user.id, ip_address=ctx.caller.ip), tenant=user.tenant)
    return _signed_in(ctx, user, refresh, remember=remember, cookie=cookie)


def _signed_in(
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
    life = int(REMEMBERED.total_seconds()) if remember else None
    cookies = (
        (Cookie(name=COOKIE, value=refresh, path=PATH, max_age=life),) if cookie and refresh else ()
    )
    return Reply(body=body, cookies=cookies)


@action("refresh", module="auth", public=True, cookie=COOKIE)
async def refresh(ctx: Ctx, body: Refresh) -> Reply[SignedIn] | None:
    """Give a new access token for a refresh token, which is spent by it."""
    from_cookie = not body.refresh_token
    shown = body.refresh_token or ctx.caller.cookies.get(COOKIE, "")
    ident = session_of(shown)
    row = await _session(ctx, ident) if ident else None
    now = ctx.clock()
    if row is None or row.Session.revoked_at or row.Session.expires_at <= now:
        raise Unauthenticated("this session has ended: sign in again")
    user, session, tenant = row
    usable(user, tenant)
    current = digest(shown) == session.refresh_hash
    if not current and not _just_rotated(session, digest(shown), now):
        revoke(ctx, session, "reuse_detected")
        ctx.refuse(Unauthenticated("this session has ended: sign in again"))
        return None
    ctx.act_as(await actor_of(ctx, user, session.id))
    session.last_used_at = now
    replacement = None
    if current:
        replacement = new_refresh(session.id)
        session.previous_hash, session.rotated_at = session.refresh_hash, now
        session.refresh_hash = digest(replacement)
        if session.remember:
            session.expires_at = now + REMEMBERED
    return _signed_in(ctx, user, replacement, remember=session.remember, cookie=from_cookie)


async def _session(ctx: Ctx, ident: UUID) -> Any:
    stmt = (
        select(User, Session, Tenant)
        .join(Session, (Session.tenant == User.tenant) & (Session.user_id == User.id))
        .join(Tenant, Tenant.id == User.tenant)
        .where(Session.id == ident)
        .with_for_update(of=Session)
    )
    return (await ctx.db.execute(stmt)).one_or_none()


def _just_rotated(session: Session, shown: str, now: dt.datetime) -> bool:
    """Two windows of one browser may refresh at once; the later one brings the spent token."""
    return (
        shown == session.previous_hash
        and session.rotated_at is not None
        and now - session.rotated_at <= GRACE
    )


def revoke(ctx: Ctx, session: Session, reason: str) -> None:
    """End a session; its tokens are dead."""
    session.revoked_at, session.revoke_reason = ctx.clock(), reason
    ctx.get(ACCOUNTS).forget(session.id)
    ctx.emit(
        UserSessionRevoked(user_id=session.user_id, session_id=session.id, reason=reason),
        tenant=session.tenant,
    )


@action("logout", module="auth", public=True, cookie=COOKIE)
async def logout(ctx: Ctx, body: Refresh) -> Reply[None]:
    """End this session and clear its cookie; also when it has already ended."""
    shown = body.refresh_token or ctx.caller.cookies.get(COOKIE, "")
    ident = session_of(shown)
    row = await _session(ctx, ident) if ident else None
    if row and digest(shown) == row.Session.refresh_hash and not row.Session.revoked_at:
        revoke(ctx, row.Session, "logout")
        ctx.emit(UserLoggedOut(user_id=row.User.id), tenant=row.User.tenant)
    return Reply(body=None, status=204, cookies=(Cookie(name=COOKIE, path=PATH),))


async def _myself(ctx: Ctx) -> User:
    user = await ctx.db.scalar(select(User).where(User.id == UUID(ctx.actor.id)))
    if user is None:
        raise Unauthenticated("only a person has an account")
    return user


@query("me", module="auth")
async def me(ctx: Ctx) -> Me:
    """Return the signed-in user."""
    return me_of(await _myself(ctx), ctx.actor)


@query("validate", module="auth")
async def validate(ctx: Ctx) -> Validity:
    """Tell whose token this is and until when it holds."""
    user = await _myself(ctx)
    ends = ctx.actor.expires or ctx.clock()
    return Validity(
        user=me_of(user, ctx.actor),
        permissions=sorted(ctx.actor.permissions),
        expires_at=int(ends.timestamp()),
    )
