"""Setting a password: the rules, the last ones, and the sessions that end by it."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import delete, select

from hub import BadRequest, Ctx

from . import rules
from .accounts import ACCOUNTS
from .events import UserPasswordChanged
from .models import OldPassword, OneTime, Purpose, Session, User, UserType
from .opening import revoke
from .tokens import digest, new_secret

Text = Annotated[str, Meta(max_length=1024)]


class WeakPassword(BadRequest):
    """This password cannot be used."""


async def set_password(ctx: Ctx, user: User, password: str, *, reason: str) -> None:
    """Give a user a password that keeps the rules; all sessions but the one that asks end."""
    about = (user.email, user.username, user.full_name)
    found = rules.faults(password, about=about, staff=user.user_type is not UserType.CUSTOMER)
    passwords = ctx.get(ACCOUNTS).passwords
    old = [] if found else await _last(ctx, user)
    if not found:
        for stored in old:
            if await passwords.verify(stored.password_hash, password):
                found = ["was one of your last five"]
                break
    if found:
        raise WeakPassword(
            f"this password {found[0]}",
            errors=[
                {"field": "password", "code": "weak_password", "message": f"this password {fault}"}
                for fault in found
            ],
        )
    user.password_hash = await passwords.hash(password)
    for stored in old[rules.HISTORY - 1 :]:
        await ctx.db.delete(stored)
    ctx.db.add(OldPassword(tenant=user.tenant, user_id=user.id, password_hash=user.password_hash))
    await end_sessions(ctx, user, reason)
    ctx.emit(UserPasswordChanged(user_id=user.id), tenant=user.tenant)


async def _last(ctx: Ctx, user: User) -> list[OldPassword]:
    stmt = (
        select(OldPassword)
        .where(OldPassword.tenant == user.tenant, OldPassword.user_id == user.id)
        .order_by(OldPassword.created_at.desc(), OldPassword.id.desc())
    )
    return list(await ctx.db.scalars(stmt))


async def end_sessions(ctx: Ctx, user: User, reason: str) -> None:
    """End all sessions of a user but the one that asks."""
    stmt = select(Session).where(
        Session.tenant == user.tenant, Session.user_id == user.id, Session.revoked_at.is_(None)
    )
    for session in await ctx.db.scalars(stmt):
        if session.id != ctx.actor.session:
            revoke(ctx, session, reason)


async def one_time(
    ctx: Ctx, user: User, purpose: Purpose, life: dt.timedelta, email: str | None = None
) -> str:
    """A token for one use; those of the same purpose that are still open are spent."""
    await ctx.db.execute(
        delete(OneTime).where(
            OneTime.tenant == user.tenant, OneTime.user_id == user.id, OneTime.purpose == purpose
        ),
        execution_options={"unaudited": True},
    )
    token = new_secret()
    ctx.db.add(
        OneTime(
            tenant=user.tenant,
            user_id=user.id,
            purpose=purpose,
            token_hash=digest(token),
            email=email,
            ip_address=ctx.caller.ip,
            expires_at=ctx.clock() + life,
        )
    )
    return token


async def spend(ctx: Ctx, token: str, *purposes: Purpose) -> tuple[OneTime, User]:
    """What a token was made for; it works once."""
    stmt = (
        select(OneTime, User)
        .join(User, (User.tenant == OneTime.tenant) & (User.id == OneTime.user_id))
        .where(OneTime.token_hash == digest(token), OneTime.purpose.in_(purposes))
        .with_for_update(of=OneTime)
    )
    row = (await ctx.db.execute(stmt)).one_or_none()
    if row is None or row.OneTime.used_at or row.OneTime.expires_at <= ctx.clock():
        raise BadRequest("this token is used up or was never given: ask for another", field="token")
    row.OneTime.used_at = ctx.clock()
    return row.OneTime, row.User


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    token: Text
    new_password: Text
