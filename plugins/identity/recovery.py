"""A forgotten password, an invitation, an address to be confirmed. Nobody learns who exists."""

import datetime as dt

import msgspec
from sqlalchemy import func, select

from hub import Conflict, Ctx, Invalid, TooMany, action

from .accounts import ACCOUNTS
from .credentials import NewPassword, Text, one_time, set_password, spend
from .events import UserEmailVerified, UserPasswordResetRequested, VerificationRequested
from .models import Attempt, Purpose, User
from .signin import NO_TENANT, find, myself, note, subject_of
from .tokens import digest

RESET = dt.timedelta(minutes=60)
INVITATION = dt.timedelta(hours=72)
CONFIRMATION = dt.timedelta(hours=24)
_HOUR = dt.timedelta(hours=1)
PER_NAME, PER_ADDRESS = 3, 20
_SAID = "If there is such an account, a message is on its way."


class Forgotten(msgspec.Struct, forbid_unknown_fields=True):
    identifier: Text
    tenant: str = ""


class Said(msgspec.Struct):
    message: str


class Token(msgspec.Struct, forbid_unknown_fields=True):
    token: Text


@action("password/request-reset", module="auth", public=True, status=202)
async def request_reset(ctx: Ctx, body: Forgotten) -> Said:
    """Send a message by which a new password can be set; the answer is always the same."""
    name = body.identifier.strip().lower()
    await _few(ctx, "reset", digest(f"reset:{name}"))
    try:
        user = await find(ctx, name, body.tenant)
    except Conflict:
        user = None
    if user is not None and user.is_active:
        await send_reset(ctx, user, Purpose.RESET, RESET)
    return Said(_SAID)


async def send_reset(ctx: Ctx, user: User, purpose: Purpose, life: dt.timedelta) -> None:
    """Make a token and tell whoever delivers messages; it travels sealed."""
    token = await one_time(ctx, user, purpose, life)
    sealed = ctx.get(ACCOUNTS).seal(token)
    event = UserPasswordResetRequested(user_id=user.id, purpose=purpose, sealed_token=sealed)
    ctx.emit(event, tenant=user.tenant)


async def _few(ctx: Ctx, reason: str, subject: str) -> None:
    """At most so many in an hour for one name and from one address, whether it exists or not."""
    since = ctx.clock() - _HOUR
    recent = (Attempt.reason == reason, Attempt.created_at > since)
    mine = func.count().filter(Attempt.subject_hash == subject)
    counted = select(mine, func.count().filter(Attempt.ip_address == ctx.caller.ip)).where(*recent)
    per_name, per_address = (await ctx.db.execute(counted)).one()
    if per_name >= PER_NAME or per_address >= PER_ADDRESS:
        raise TooMany(retry_after=_HOUR.total_seconds())
    ctx.db.add(
        Attempt(
            tenant=NO_TENANT,
            subject_hash=subject,
            ip_address=ctx.caller.ip,
            success=False,
            reason=reason,
        )
    )


@action("password/reset", module="auth", public=True, status=204)
async def reset(ctx: Ctx, body: NewPassword) -> None:
    """Set a new password with a token that was sent; all sessions and the lock end."""
    _, user = await spend(ctx, body.token, Purpose.RESET, Purpose.INVITE)
    await set_password(ctx, user, body.new_password, reason="password_reset")
    user.must_change_password, user.locked_until, user.is_verified = False, None, True
    note(ctx, subject_of(user), user, success=True, reason="reset")


@action("email/verify", module="auth", public=True, status=204)
async def verify_email(ctx: Ctx, body: Token) -> None:
    """Confirm an address with a token that was sent to it."""
    token, user = await spend(ctx, body.token, Purpose.EMAIL)
    if token.email is None:
        raise Invalid("this token names no address", field="token")
    user.email, user.is_verified = token.email, True
    ctx.emit(UserEmailVerified(user_id=user.id), tenant=user.tenant)


@action("email/resend", module="auth", status=202)
async def resend(ctx: Ctx) -> Said:
    """Send the message again that confirms one's address."""
    user = await myself(ctx)
    await _few(ctx, "resend", digest(f"resend:{user.id}"))
    await send_confirmation(ctx, user, user.email)
    return Said("A message is on its way.")


async def send_confirmation(ctx: Ctx, user: User, email: str) -> None:
    token = await one_time(ctx, user, Purpose.EMAIL, CONFIRMATION, email)
    sealed = ctx.get(ACCOUNTS).seal(token)
    ctx.emit(
        VerificationRequested(user_id=user.id, email=email, sealed_token=sealed),
        tenant=user.tenant,
    )
