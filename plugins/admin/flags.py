"""Feature flags: for whom a feature is on."""

import hashlib
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import select

from hub import Ctx, Invalid, Op, Resource, query

from .models import Flag

flags = Resource(
    name="flags",
    model=Flag,
    title="Feature flags",
    filters=("code", "is_on"),
    sort=("code", "created_at"),
    search=("code", "description"),
)


def share(code: str, user: str) -> float:
    """Where a user stands among all, 0 to below 100; for each flag anew, and always the same."""
    digest = hashlib.sha256(f"{code}\0{user}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100


def decided(flag: Flag, user: str, roles: tuple[str, ...]) -> bool:
    """Whether a flag is on for a user: named users and roles first, then the share."""
    if not flag.is_on:
        return False
    if user in flag.users or set(roles) & set(flag.roles):
        return True
    return share(flag.code, user) < flag.percent


class CompanyFlags:
    """Serves `FLAGS`."""

    async def on(self, ctx: Ctx, code: str, *, default: bool = False) -> bool:
        """See the contract."""
        stmt = select(Flag).where(Flag.tenant == ctx.actor.tenant, Flag.code == code)
        flag = await ctx.db.scalar(stmt)
        return default if flag is None else decided(flag, ctx.actor.id, ctx.actor.roles)


@flags.on(Op.CREATE)
async def make(ctx: Ctx, body: Any) -> Flag:
    """Make a flag; it is off until it is switched on."""
    row = Flag(**_checked(body))
    ctx.db.add(row)
    return row


@flags.on(Op.UPDATE)
async def change(ctx: Ctx, row: Flag, body: Any) -> None:
    """Switch a flag, or change for whom it is on."""
    for name, value in _checked(body).items():
        setattr(row, name, value)


def _checked(body: Any) -> dict[str, Any]:
    given = {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}
    for name in ("users", "roles"):
        if len(given.get(name) or ()) > 1_000:
            raise Invalid(f"{name}: at most 1,000; a role holds more", field=name)
    return given


class Mine(msgspec.Struct):
    """Codes of the features that are on for whoever asks."""

    on: list[str]


@query("flags/mine")
async def mine(ctx: Ctx) -> Mine:
    """Return which features are on for oneself."""
    found = await ctx.db.scalars(select(Flag).where(Flag.is_on).order_by(Flag.code))
    return Mine([f.code for f in found if decided(f, ctx.actor.id, ctx.actor.roles)])
