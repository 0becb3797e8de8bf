"""Users, roles and companies as rows, and what may be done to them."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import Conflict, Ctx, Forbidden, Invalid, Op, Resource, action, grants

from .accounts import ACCOUNTS, permissions
from .events import (
    UserActivated,
    UserDeactivated,
    UserPasswordChanged,
    UserRoleChanged,
    UserUnlocked,
)
from .models import Attempt, Role, Session, Tenant, User, UserRole
from .signin import InvalidCredentials, revoke
from .tokens import digest

tenants = Resource(
    name="tenants",
    model=Tenant,
    ops=Op.READ | Op.UPDATE,
    filters=("code", "status"),
    sort=("code",),
)
users = Resource(
    name="users",
    model=User,
    filters=("email", "username", "user_type", "is_active", "created_at"),
    sort=("email", "created_at", "last_login_at"),
    search=("email", "username", "full_name"),
    verbs={Op.DELETE: "delete"},
)
roles = Resource(
    name="roles", model=Role, filters=("code", "is_system"), sort=("code",), search=("code",)
)

Password = Annotated[str, Meta(min_length=8, max_length=72)]


class SetPassword(msgspec.Struct, forbid_unknown_fields=True):
    password: Password


class AssignRoles(msgspec.Struct, forbid_unknown_fields=True):
    roles: list[UUID]


class ChangePassword(msgspec.Struct, forbid_unknown_fields=True):
    current_password: str
    new_password: Password


@users.on(Op.DELETE)
async def delete_user(ctx: Ctx, row: User) -> None:
    """Keep the row, forget the person."""
    row.deleted_at, row.is_active = ctx.clock(), False
    row.email, row.username = f"deleted-{row.id}@invalid.example", None
    row.phone = row.full_name = row.password_hash = None
    await _end_sessions(ctx, row, "user_deleted")


@users.action("activate")
async def activate(ctx: Ctx, row: User) -> User:
    """Let a user sign in again."""
    row.is_active = True
    ctx.emit(UserActivated(user_id=row.id))
    return row


@users.action("deactivate", verb="activate")
async def deactivate(ctx: Ctx, row: User) -> User:
    """Keep a user out, at once."""
    row.is_active = False
    await _end_sessions(ctx, row, "admin")
    ctx.emit(UserDeactivated(user_id=row.id))
    return row


@users.action("unlock", verb="activate")
async def unlock(ctx: Ctx, row: User) -> User:
    """End a lockout."""
    row.locked_until = None
    ctx.db.add(
        Attempt(
            subject_hash=digest(str(row.id)),
            user_id=row.id,
            ip_address=ctx.caller.ip,
            success=True,
            reason="unlocked",
        )
    )
    ctx.emit(UserUnlocked(user_id=row.id))
    return row


@users.action("password", method="PUT")
async def set_password(ctx: Ctx, row: User, body: SetPassword) -> User:
    """Give a user a password, which he must change; not to one who may do more than oneself."""
    _, patterns = await permissions(ctx, row)
    check_grant(ctx, sorted(patterns))
    row.password_hash = await ctx.get(ACCOUNTS).passwords.hash(body.password)
    row.must_change_password = ctx.actor.id != str(row.id)
    await _end_sessions(ctx, row, "password_change")
    ctx.emit(UserPasswordChanged(user_id=row.id))
    return row


@users.action("roles", verb="assign_roles")
async def assign_roles(ctx: Ctx, row: User, body: AssignRoles) -> User:
    """Replace the roles of a user; nobody changes his own, or grants what he lacks."""
    if ctx.actor.id == str(row.id):
        raise Forbidden("nobody changes his own roles")
    wanted = (await ctx.db.scalars(select(Role).where(Role.id.in_(body.roles)))).all()
    if missing := set(body.roles) - {r.id for r in wanted}:
        raise Invalid(f"there is no role {missing.pop()}", field="roles")
    for role in wanted:
        check_grant(ctx, role.permissions)
    held = (await ctx.db.scalars(select(UserRole).where(UserRole.user_id == row.id))).all()
    for link in held:
        if link.role_id not in body.roles:
            await ctx.db.delete(link)
    for role in wanted:
        if role.id not in {link.role_id for link in held}:
            ctx.db.add(UserRole(user_id=row.id, role_id=role.id, granted_by=ctx.actor.id))
    row.perm_version += 1
    ctx.get(ACCOUNTS).forget()
    ctx.emit(UserRoleChanged(user_id=row.id, roles=sorted(r.code for r in wanted)))
    return row


def check_grant(ctx: Ctx, patterns: list[str]) -> None:
    """Refuse to give what one does not have."""
    lacking = grants(ctx.actor.permissions, patterns)
    if lacking is not None:
        raise Forbidden(f"you cannot grant {lacking}, which you lack", required_action=lacking)


@roles.on(Op.CREATE)
async def create_role(ctx: Ctx, body: msgspec.Struct) -> Role:
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    check_grant(ctx, given.get("permissions", []))
    role = Role(**given)
    ctx.db.add(role)
    return role


@roles.on(Op.UPDATE)
async def update_role(ctx: Ctx, row: Role, body: msgspec.Struct) -> None:
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    check_grant(ctx, given.get("permissions", []))
    for name, value in given.items():
        setattr(row, name, value)
    ctx.get(ACCOUNTS).forget()


@roles.on(Op.DELETE)
async def delete_role(ctx: Ctx, row: Role) -> None:
    if row.is_system:
        raise Conflict("a system role stays")
    await ctx.db.delete(row)


@action("password/change", module="auth", status=204)
async def change_password(ctx: Ctx, body: ChangePassword) -> None:
    """Change one's own password; all other sessions end."""
    row = await ctx.db.scalar(select(User).where(User.id == UUID(ctx.actor.id)))
    passwords = ctx.get(ACCOUNTS).passwords
    if row is None or not await passwords.verify(row.password_hash, body.current_password):
        raise InvalidCredentials("the current password is wrong")
    row.password_hash = await passwords.hash(body.new_password)
    row.must_change_password = False
    await _end_sessions(ctx, row, "password_change")
    ctx.emit(UserPasswordChanged(user_id=row.id))


async def _end_sessions(ctx: Ctx, user: User, reason: str) -> None:
    """End all sessions of a user but the one that asks."""
    stmt = select(Session).where(Session.user_id == user.id, Session.revoked_at.is_(None))
    for session in await ctx.db.scalars(stmt):
        if session.id != ctx.actor.session:
            revoke(ctx, session, reason)
