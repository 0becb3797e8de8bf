"""Sign in, refresh, sign out."""

import datetime as dt
import re
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select, text

from hub import (
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
)

from .accounts import ACCOUNTS, AccountInactive, TenantSuspended, actor_of, usable
from .events import UserLocked, UserLoggedOut, UserLoginFailed
from .models import Attempt, Session, Tenant, User
from .opening import COOKIE, PATH, Delivery, Me, SignedIn, me_of, open_session, revoke, signed_in
from .second import TotpRequired, check_second
from .tokens import digest, new_refresh, session_of

GRACE = dt.timedelta(seconds=10)
FLOOD, FLOOD_TIME = 50, dt.timedelta(minutes=15)
NO_TENANT = UUID(int=0)
_PHONE = re.compile(r"[ ()\-]")


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong."""

    code = "invalid_credentials"


class TenantRequired(Conflict):
    """Several companies know this name: say which."""

    code = "tenant_required"


class Login(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """identifier: e-mail, user name or phone; `email` and `username` are other names of it.

    code: of the authenticator, or one of the recovery codes, where a second factor is set up.
    """

    password: str
    identifier: str = ""
    email: str = ""
    username: str = ""
    code: str = ""
    remember: bool = False
    remember_me: bool = False
    token_delivery: Delivery = Delivery.COOKIE
    tenant: str = ""


class Refresh(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    refresh_token: str = ""


class Validity(msgspec.Struct, kw_only=True):
    user: Me
    permissions: list[str]
    expires_at: int


@action("login", module="auth", public=True)
async def login(ctx: Ctx, body: Login) -> Reply[SignedIn] | None:
    """Sign in."""
    name = (body.identifier or body.email or body.username).strip().lower()
    if not name or len(body.password) > 1024:
        raise Invalid("give an identifier and a password", field="identifier")
    user = await find(ctx, name, body.tenant)
    subject = subject_of(user) if user else digest(name)
    await _one_at_a_time(ctx, subject)
    await _refuse_locked(ctx, subject)
    await _refuse_flood(ctx)
    passwords = ctx.get(ACCOUNTS).passwords
    right = await passwords.verify(user.password_hash if user else None, body.password)
    if user is None or not right:
        await _fail(ctx, subject, user, InvalidCredentials())
        return None
    tenant = await ctx.db.scalar(select(Tenant).where(Tenant.id == user.tenant))
    try:
        usable(user, tenant)  # type: ignore[arg-type]
        second = await check_second(ctx, user, body.code)
    except (AccountInactive, TenantSuspended, TotpRequired) as error:
        note(ctx, subject, user, success=False, reason="inactive")
        ctx.refuse(error)
        return None
    if not second:
        await _fail(ctx, subject, user, InvalidCredentials("the code is wrong"))
        return None
    if user.password_hash and passwords.outdated(user.password_hash):
        user.password_hash = await passwords.hash(body.password)
    note(ctx, subject, user, success=True, reason="ok")
    return await open_session(
        ctx,
        user,
        remember=body.remember or body.remember_me,
        cookie=body.token_delivery is Delivery.COOKIE,
    )


def subject_of(user: User) -> str:
    """What failed attempts of a user are counted by."""
    return digest(str(user.id))


async def find(ctx: Ctx, name: str, tenant: str) -> User | None:
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
    """Too many failures in a row within the time lock the name, whether it exists or not."""
    policy = ctx.get(ACCOUNTS).policy
    tried = (
        await ctx.db.execute(
            select(Attempt.success, Attempt.created_at)
            .where(Attempt.subject_hash == subject, Attempt.reason != "inactive")
            .order_by(Attempt.created_at.desc())
            .limit(policy.attempts)
        )
    ).all()
    if len(tried) < policy.attempts or any(a.success for a in tried):
        return
    ends = tried[0].created_at + policy.lockout
    if tried[0].created_at - tried[-1].created_at <= policy.lockout and ctx.clock() < ends:
        raise Locked(retry_after=(ends - ctx.clock()).total_seconds())


async def _refuse_flood(ctx: Ctx) -> None:
    """One address may fail so often, whatever the names."""
    stmt = select(func.count()).where(
        Attempt.ip_address == ctx.caller.ip,
        Attempt.created_at > ctx.clock() - FLOOD_TIME,
        Attempt.reason == "bad_credentials",
    )
    if (await ctx.db.scalar(stmt) or 0) >= FLOOD:
        raise TooMany(
            "Too many login attempts, please try again later",
            retry_after=FLOOD_TIME.total_seconds(),
        )


def note(ctx: Ctx, subject: str, user: User | None, *, success: bool, reason: str) -> None:
    ctx.db.add(
        Attempt(
            tenant=user.tenant if user else NO_TENANT,
            subject_hash=subject,
            user_id=user.id if user else None,
            ip_address=ctx.caller.ip,
            success=success,
            reason=reason,
        )
    )


async def _fail(ctx: Ctx, subject: str, user: User | None, error: Unauthenticated) -> None:
    note(ctx, subject, user, success=False, reason="bad_credentials")
    await ctx.db.flush()
    if user is not None:
        event = UserLoginFailed(user_id=user.id, ip_address=ctx.caller.ip)
        ctx.emit(event, tenant=user.tenant)
        try:
            await _refuse_locked(ctx, subject)
        except Locked:
            user.locked_until = ctx.clock() + ctx.get(ACCOUNTS).policy.lockout
            ctx.emit(UserLocked(user_id=user.id), tenant=user.tenant)
    ctx.refuse(error)


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
            session.expires_at = now + ctx.get(ACCOUNTS).policy.remembered
    return signed_in(ctx, user, replacement, remember=session.remember, cookie=from_cookie)


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


async def myself(ctx: Ctx) -> User:
    user = await ctx.db.scalar(select(User).where(User.id == UUID(ctx.actor.id)))
    if user is None:
        raise Unauthenticated("only a person has an account")
    return user


@query("me", module="auth")
async def me(ctx: Ctx) -> Me:
    """Return the signed-in user."""
    return me_of(await myself(ctx), ctx.actor)


@query("validate", module="auth")
async def validate(ctx: Ctx) -> Validity:
    """Tell whose token this is and until when it holds."""
    user = await myself(ctx)
    ends = ctx.actor.expires or ctx.clock()
    return Validity(
        user=me_of(user, ctx.actor),
        permissions=sorted(ctx.actor.permissions),
        expires_at=int(ends.timestamp()),
    )
