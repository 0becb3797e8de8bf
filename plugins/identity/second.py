"""The second factor: time-based codes (RFC 6238) and recovery codes."""

import secrets as random
from uuid import UUID

import msgspec
import pyotp
from sqlalchemy import select

from hub import BadRequest, Conflict, Ctx, NotFound, Unauthenticated, action

from .accounts import ACCOUNTS
from .models import Totp, User
from .tokens import digest

RECOVERY_CODES = 10
STEP = 30


class TotpRequired(Unauthenticated):
    """Give the code of your authenticator too."""

    code = "totp_required"


class Enrolment(msgspec.Struct):
    """secret: base32. uri: for a QR code. recovery_codes: shown this once."""

    secret: str
    uri: str
    recovery_codes: list[str]


class Code(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class Leaving(msgspec.Struct, forbid_unknown_fields=True):
    password: str
    code: str


async def check_second(ctx: Ctx, user: User, code: str) -> bool:
    """Whether a second factor is in order; TotpRequired when there is one and no code was given."""
    row = await _of(ctx, user.id)
    if row is None or row.confirmed_at is None:
        return True
    if not code:
        raise TotpRequired
    return _take(ctx, row, code)


def _take(ctx: Ctx, row: Totp, code: str) -> bool:
    """Use a code up: one of the clock (a step to either side), or a recovery code."""
    plain = code.strip().replace(" ", "")
    hashed = digest(plain.lower())
    if hashed in row.recovery_hashes:
        row.recovery_hashes = [h for h in row.recovery_hashes if h != hashed]
        return True
    clock = pyotp.TOTP(ctx.get(ACCOUNTS).unseal(row.secret))
    now = int(ctx.clock().timestamp()) // STEP
    for step in (now, now - 1, now + 1):
        if step > row.last_step and pyotp.utils.strings_equal(clock.at(step * STEP), plain):
            row.last_step = step
            return True
    return False


async def _of(ctx: Ctx, user: UUID) -> Totp | None:
    found: Totp | None = await ctx.db.scalar(
        select(Totp).where(Totp.user_id == user).with_for_update()
    )
    return found


async def _self(ctx: Ctx) -> User:
    user = None
    if ctx.actor.kind == "user":
        user = await ctx.db.scalar(select(User).where(User.id == UUID(ctx.actor.id)))
    if user is None:
        raise Unauthenticated("only a person has a second factor")
    return user


@action("totp/enrol", module="auth")
async def enrol(ctx: Ctx) -> Enrolment:
    """Begin a second factor; it counts once a code was confirmed."""
    user = await _self(ctx)
    row = await _of(ctx, user.id)
    if row is not None and row.confirmed_at is not None:
        raise Conflict("there is a second factor already: disable it first")
    secret = pyotp.random_base32()
    codes = [f"{random.token_hex(4)}-{random.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    row = row or Totp(user_id=user.id)
    row.secret = ctx.get(ACCOUNTS).seal(secret)
    row.recovery_hashes, row.last_step = [digest(c) for c in codes], 0
    ctx.db.add(row)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="Busbar")
    return Enrolment(secret=secret, uri=uri, recovery_codes=codes)


@action("totp/confirm", module="auth", status=204)
async def confirm(ctx: Ctx, body: Code) -> None:
    """Switch the second factor on with a first code."""
    row = await _of(ctx, (await _self(ctx)).id)
    if row is None:
        raise NotFound("begin with /auth/totp/enrol")
    if not _take(ctx, row, body.code):
        raise BadRequest("this code is wrong: check the clock of your phone", field="code")
    row.confirmed_at = row.confirmed_at or ctx.clock()


@action("totp/disable", module="auth", status=204)
async def disable(ctx: Ctx, body: Leaving) -> None:
    """Switch the second factor off, with password and code."""
    user = await _self(ctx)
    row = await _of(ctx, user.id)
    if row is None:
        raise NotFound("there is no second factor")
    if not await ctx.get(ACCOUNTS).passwords.verify(user.password_hash, body.password):
        raise BadRequest("the password is wrong", field="password")
    if row.confirmed_at is not None and not _take(ctx, row, body.code):
        raise BadRequest("this code is wrong", field="code")
    await ctx.db.delete(row)
