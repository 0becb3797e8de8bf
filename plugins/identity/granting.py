"""Permissions of one user beside his roles, where each comes from, and who may give what."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import or_, select

from hub import Ctx, Forbidden, Invalid, NotFound, action, grants, query, uuid7

from .accounts import ACCOUNTS
from .events import UserRoleChanged
from .models import Grant, Role, User, UserRole


class NewGrant(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """permission: a code or a pattern. resource_id: the one row that it counts for."""

    permission: Annotated[str, Meta(min_length=1, max_length=200)]
    resource_id: UUID | None = None
    expires_at: Annotated[dt.datetime, Meta(tz=True)] | None = None


class Held(msgspec.Struct, kw_only=True):
    """origin: code of a role, or `grant`, whose id is then given."""

    permission: str
    origin: str
    grant_id: UUID | None = None
    resource_id: UUID | None = None
    expires_at: dt.datetime | None = None


class AllHeld(msgspec.Struct):
    items: list[Held]


def check_grant(ctx: Ctx, patterns: list[str]) -> None:
    """Refuse to give what one does not have."""
    lacking = grants(ctx.actor.permissions, patterns)
    if lacking is not None:
        raise Forbidden(f"you cannot grant {lacking}, which you lack", required_action=lacking)


async def _user(ctx: Ctx, ident: UUID) -> User:
    user: User | None = await ctx.db.scalar(select(User).where(User.id == ident))
    if user is None:
        raise NotFound(f"there is no user {ident}", resource="users", identifier=str(ident))
    return user


@query("users/{id}/permissions", permission="identity.users.read")
async def held_permissions(ctx: Ctx, id: UUID) -> AllHeld:  # noqa: A002  -- the name in the path
    """Return what a user may do, and by what."""
    user = await _user(ctx, id)
    found = await ctx.db.execute(
        select(Role.code, Role.permissions)
        .join(UserRole, (UserRole.tenant == Role.tenant) & (UserRole.role_id == Role.id))
        .where(UserRole.user_id == user.id)
        .order_by(Role.code)
    )
    held = [Held(permission=p, origin=code) for code, patterns in found for p in patterns]
    live = or_(Grant.expires_at.is_(None), Grant.expires_at > ctx.clock())
    granted = await ctx.db.scalars(select(Grant).where(Grant.user_id == user.id, live))
    held += [_held(g) for g in granted]
    return AllHeld(held)


@action("users/{id}/permissions", permission="identity.permissions.grant", status=201)
async def grant_permission(ctx: Ctx, id: UUID, body: NewGrant) -> Held:  # noqa: A002
    """Give one user one permission, for good or for a time; nobody gives himself any."""
    user = await _user(ctx, id)
    if ctx.actor.id == str(user.id):
        raise Forbidden("nobody changes his own permissions")
    check_grant(ctx, [body.permission])
    if body.resource_id is not None and body.permission.startswith("!"):
        raise Invalid("what is taken away is taken away for all rows", field="resource_id")
    row = Grant(
        id=uuid7(),
        user_id=user.id,
        pattern=body.permission,
        resource_id=body.resource_id,
        granted_by=ctx.actor.id,
        expires_at=body.expires_at,
    )
    ctx.db.add(row)
    _changed(ctx, user)
    return _held(row)


def _held(row: Grant) -> Held:
    return Held(
        permission=row.pattern,
        origin="grant",
        grant_id=row.id,
        resource_id=row.resource_id,
        expires_at=row.expires_at,
    )


@action(
    "users/{id}/permissions/{grant_id}", method="DELETE", permission="identity.permissions.grant"
)
async def withdraw_permission(ctx: Ctx, id: UUID, grant_id: UUID) -> None:  # noqa: A002
    """Take back what was given to one user."""
    user = await _user(ctx, id)
    if ctx.actor.id == str(user.id):
        raise Forbidden("nobody changes his own permissions")
    row = await ctx.db.scalar(select(Grant).where(Grant.id == grant_id, Grant.user_id == user.id))
    if row is None:
        raise NotFound(f"there is no grant {grant_id}", identifier=str(grant_id))
    await ctx.db.delete(row)
    _changed(ctx, user)


def _changed(ctx: Ctx, user: User) -> None:
    user.perm_version += 1
    ctx.get(ACCOUNTS).forget()
    ctx.emit(UserRoleChanged(user_id=user.id, roles=[]))
