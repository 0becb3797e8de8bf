"""Users, roles and companies as rows, and what may be done to them."""

from uuid import UUID

import msgspec
from sqlalchemy import select

from hub import Conflict, Ctx, Forbidden, Invalid, Op, Resource, action, uuid7

from . import credentials
from .accounts import ACCOUNTS, permissions
from .events import (
    UserActivated,
    UserCreated,
    UserDeactivated,
    UserDeleted,
    UserRoleChanged,
    UserUnlocked,
)
from .granting import check_grant
from .models import (
    Attempt,
    Grant,
    Identity,
    OldPassword,
    OneTime,
    Preferences,
    Purpose,
    Role,
    Tenant,
    Totp,
    User,
    UserRole,
)
from .recovery import INVITATION, send_reset
from .signin import InvalidCredentials, myself, subject_of

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


class SetPassword(msgspec.Struct, forbid_unknown_fields=True):
    password: credentials.Text


class AssignRoles(msgspec.Struct, forbid_unknown_fields=True):
    roles: list[UUID]


class ChangePassword(msgspec.Struct, forbid_unknown_fields=True):
    current_password: credentials.Text
    new_password: credentials.Text


@users.on(Op.CREATE)
async def create_user(ctx: Ctx, body: msgspec.Struct) -> User:
    """Make a user and send him an invitation to choose a password."""
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    user = User(**given, id=uuid7())
    ctx.db.add(user)
    await ctx.db.flush()
    await send_reset(ctx, user, Purpose.INVITE, INVITATION)
    ctx.emit(UserCreated(user_id=user.id))
    return user


@users.on(Op.DELETE)
async def delete_user(ctx: Ctx, row: User) -> None:
    await check_power(ctx, row)
    await forget_person(ctx, row, "user_deleted")


async def forget_person(ctx: Ctx, row: User, reason: str) -> None:
    """Keep the row, forget the person."""
    row.deleted_at, row.is_active = ctx.clock(), False
    row.email, row.username = f"deleted-{row.id}@invalid.example", None
    row.phone = row.full_name = row.password_hash = None
    for table in (Totp, Identity, OldPassword, OneTime, Preferences, Grant):
        for own in await ctx.db.scalars(select(table).where(table.user_id == row.id)):
            await ctx.db.delete(own)
    await credentials.end_sessions(ctx, row, reason)
    ctx.emit(UserDeleted(user_id=row.id))


async def check_power(ctx: Ctx, row: User) -> None:
    """Nobody disposes of an account that may do more than his own."""
    _, patterns, _ = await permissions(ctx, row)
    check_grant(ctx, sorted(patterns))


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
    await credentials.end_sessions(ctx, row, "admin")
    ctx.emit(UserDeactivated(user_id=row.id))
    return row


@users.action("unlock", verb="activate")
async def unlock(ctx: Ctx, row: User) -> User:
    """End a lockout."""
    row.locked_until = None
    ctx.db.add(
        Attempt(
            subject_hash=subject_of(row),
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
    await check_power(ctx, row)
    await credentials.set_password(ctx, row, body.password, reason="password_change")
    row.must_change_password = ctx.actor.id != str(row.id)
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
    row = await myself(ctx)
    if not await ctx.get(ACCOUNTS).passwords.verify(row.password_hash, body.current_password):
        raise InvalidCredentials("the current password is wrong")
    await credentials.set_password(ctx, row, body.new_password, reason="password_change")
    row.must_change_password = False
