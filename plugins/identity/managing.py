"""What an administrator does to accounts and sessions of others."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import delete, or_, select

from hub import Conflict, Ctx, Invalid, NotFound

from . import credentials
from .events import UserPasswordResetRequested
from .models import Purpose, Role, Session, User
from .opening import revoke
from .profile import refuse_last
from .recovery import RESET
from .resources import (
    AssignRoles,
    activate,
    assign_roles,
    check_power,
    deactivate,
    delete_user,
    unlock,
)

FOREVER = dt.timedelta(days=36_500)


class Deed(enum.StrEnum):
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    LOCK = "lock"
    UNLOCK = "unlock"
    VERIFY = "verify"
    REQUIRE_PASSWORD_CHANGE = "require_password_change"  # noqa: S105  -- a deed, no password
    END_SESSIONS = "end_sessions"
    DELETE = "delete"


_HARMFUL = frozenset({Deed.DEACTIVATE, Deed.LOCK, Deed.DELETE})


async def account(ctx: Ctx, ident: UUID) -> User:
    """A user of the company who is not deleted."""
    user: User | None = await ctx.db.scalar(select(User).where(User.id == ident))
    if user is None:
        raise NotFound(f"there is no user {ident}", resource="users", identifier=str(ident))
    return user


async def manage(ctx: Ctx, user: User, deed: Deed) -> None:
    """Do it, unless the account may do more than one's own, or is the last administrator's."""
    await check_power(ctx, user)
    if deed in _HARMFUL:
        if str(user.id) == ctx.actor.id:
            raise Conflict(f"nobody can {deed} himself here")
        await refuse_last(ctx, user)
    if deed is Deed.ACTIVATE:
        await activate(ctx, user)
    elif deed is Deed.DEACTIVATE:
        await deactivate(ctx, user)
    elif deed is Deed.LOCK:
        user.locked_until = ctx.clock() + FOREVER
        await credentials.end_sessions(ctx, user, "admin")
    elif deed is Deed.UNLOCK:
        await unlock(ctx, user)
    elif deed is Deed.VERIFY:
        user.is_verified = True
    elif deed is Deed.REQUIRE_PASSWORD_CHANGE:
        user.must_change_password = True
    elif deed is Deed.END_SESSIONS:
        await credentials.end_sessions(ctx, user, "admin")
    else:
        await delete_user(ctx, user)


async def set_role(ctx: Ctx, user: User, code: str) -> None:
    """Give a user this role in place of all he has."""
    role = await ctx.db.scalar(select(Role).where(Role.code == code))
    if role is None:
        raise Invalid(f"there is no role {code[:80]!r}", field="role")
    if code not in {"superadmin", "tenant_admin"}:
        await refuse_last(ctx, user)
    await check_power(ctx, user)
    await assign_roles(ctx, user, AssignRoles([role.id]))


async def reset_token(ctx: Ctx, user: User) -> tuple[str, dt.datetime]:
    """A token that sets a new password, and when it ends; the user is told of it too."""
    await check_power(ctx, user)
    token = await credentials.one_time(ctx, user, Purpose.RESET, RESET)
    # The link is the administrator's to hand over: the notice says that there is one.
    ctx.emit(
        UserPasswordResetRequested(user_id=user.id, purpose="by_administrator", sealed_token="")
    )
    return token, ctx.clock() + RESET


async def end_session(ctx: Ctx, ident: UUID, reason: str) -> None:
    """End a session of the company, or NotFound."""
    session = await ctx.db.scalar(
        select(Session).where(Session.id == ident, Session.revoked_at.is_(None))
    )
    if session is None:
        raise NotFound(f"there is no session {ident}", resource="sessions", identifier=str(ident))
    revoke(ctx, session, reason)


async def clean_sessions(ctx: Ctx, idle: dt.timedelta, *, remembered: bool) -> int:
    """Delete sessions that ended or were not used for so long; how many.

    remembered: those too that their users wanted to be remembered.
    """
    now = ctx.clock()
    unused = Session.last_used_at < now - idle
    if not remembered:
        unused &= ~Session.remember
    found = await ctx.db.execute(
        delete(Session)
        .where(
            Session.tenant == ctx.actor.tenant,
            or_(Session.revoked_at.is_not(None), Session.expires_at <= now, unused),
            Session.id != (ctx.actor.session or UUID(int=0)),
        )
        .returning(Session.id),
        execution_options={"unaudited": True},
    )
    return len(found.all())
