"""Who there is: users by id, by role, by what they may do."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import or_, select

from hub import Ctx, permits

from .models import Grant, Role, User, UserRole


async def users_by_id(ctx: Ctx, idents: Collection[UUID]) -> list[User]:
    """Active users of the company among these."""
    if not idents:
        return []
    stmt = select(User).where(User.tenant == ctx.actor.tenant, User.id.in_(idents), User.is_active)
    return list(await ctx.db.scalars(stmt))


async def users_with_role(ctx: Ctx, code: str) -> list[User]:
    """Active users of the company who have a role."""
    stmt = (
        select(User)
        .join(UserRole, (UserRole.tenant == User.tenant) & (UserRole.user_id == User.id))
        .join(Role, (Role.tenant == UserRole.tenant) & (Role.id == UserRole.role_id))
        .where(User.tenant == ctx.actor.tenant, User.is_active, Role.code == code)
    )
    return list(await ctx.db.scalars(stmt))


async def users_who_may(ctx: Ctx, permission: str) -> list[User]:
    """Active users of the company who hold a permission, by their roles or by themselves."""
    tenant = ctx.actor.tenant
    held: dict[UUID, set[str]] = {}
    by_role = await ctx.db.execute(
        select(UserRole.user_id, Role.permissions)
        .join(Role, (Role.tenant == UserRole.tenant) & (Role.id == UserRole.role_id))
        .where(UserRole.tenant == tenant)
    )
    for user, patterns in by_role:
        held.setdefault(user, set()).update(patterns)
    granted = await ctx.db.execute(
        select(Grant.user_id, Grant.pattern).where(
            Grant.tenant == tenant, or_(Grant.expires_at.is_(None), Grant.expires_at > ctx.clock())
        )
    )
    for user, pattern in granted:
        held.setdefault(user, set()).add(pattern)
    may = [user for user, patterns in held.items() if permits(frozenset(patterns), permission)]
    return await users_by_id(ctx, may)
