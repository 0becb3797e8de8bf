"""Users and sessions of a company, as an administrator sees and manages them."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import func, select, text

from hub import Ctx, Forbidden, Op, Resource, query
from plugins.identity import (
    Deed,
    User,
    account,
    clean_sessions,
    end_session,
    manage,
    reset_token,
    set_role,
)

from .models import Account, LoginSession, ResetRequest

users = Resource(
    name="users",
    model=Account,
    title="Users",
    ops=Op.READ | Op.UPDATE,
    filters=(
        "email",
        "username",
        "user_type",
        "is_active",
        "is_verified",
        "locked_until",
        "last_login_at",
        "created_at",
    ),
    sort=("email", "created_at", "last_login_at"),
    search=("email", "username", "full_name"),
)
sessions = Resource(
    name="sessions",
    model=LoginSession,
    title="Sessions",
    ops=Op.READ | Op.DELETE,
    filters=("user_id", "email", "ip_address", "remember", "last_used_at", "created_at"),
    sort=("-last_used_at", "created_at", "email"),
    search=("email", "ip_address", "user_agent"),
)
reset_requests = Resource(
    name="reset-requests",
    model=ResetRequest,
    subject="users",
    title="Reset requests",
    ops=Op.LIST,
    filters=("user_id", "purpose", "created_at", "used_at"),
    sort=("-created_at",),
    verbs={Op.LIST: "reset"},
)


@users.on(Op.UPDATE)
async def change_user(ctx: Ctx, row: Account, body: Any) -> None:
    """Change the name or address of a user."""
    user = await account(ctx, row.id)
    for name in body.__struct_fields__:
        if (value := getattr(body, name)) is not UNSET:
            setattr(user, name, value)
    await _again(ctx, row)


async def _again(ctx: Ctx, row: Account) -> Account:
    """The row as it is now."""
    await ctx.db.flush()
    await ctx.db.refresh(row)
    return row


class Manage(msgspec.Struct, forbid_unknown_fields=True):
    action: Deed


class Managed(msgspec.Struct):
    """user: as it is now, absent when it was deleted."""

    action: Deed
    user: Any = None


@users.action("manage", verb="write")
async def manage_user(ctx: Ctx, row: Account, body: Manage) -> Managed:
    """Activate, deactivate, lock, unlock, verify, end the sessions of a user, or delete him."""
    await manage(ctx, await account(ctx, row.id), body.action)
    if body.action is Deed.DELETE:
        return Managed(body.action)
    return Managed(body.action, shown(await _again(ctx, row)))


def shown(row: Account) -> msgspec.Struct:
    return users.read(*(getattr(row, name) for name in users.read_fields))


@users.action("unlock", verb="write")
async def unlock_user(ctx: Ctx, row: Account) -> Account:
    """End a lockout, and count wrong passwords anew."""
    await manage(ctx, await account(ctx, row.id), Deed.UNLOCK)
    return await _again(ctx, row)


class SetRole(msgspec.Struct, forbid_unknown_fields=True):
    """role: code of the only role that he then has; `admin` and `user` stand for two of them."""

    role: Annotated[str, Meta(min_length=1, max_length=50)]


OLD_NAMES = {"admin": "tenant_admin", "user": "staff"}


@users.action("role", method="PUT", verb="write")
async def change_role(ctx: Ctx, row: Account, body: SetRole) -> Account:
    """Give a user one role in place of all others; nobody changes his own."""
    ctx.require("identity.users.assign_roles")
    await set_role(ctx, await account(ctx, row.id), OLD_NAMES.get(body.role, body.role))
    return await _again(ctx, row)


class NewToken(msgspec.Struct):
    """token: shown this once."""

    token: str
    expires_at: dt.datetime


@users.action("reset-token", verb="reset")
async def new_token(ctx: Ctx, row: Account) -> NewToken:
    """Make a token by which the user sets a new password; he is told of it."""
    token, until = await reset_token(ctx, await account(ctx, row.id))
    return NewToken(token, until)


@sessions.on(Op.DELETE)
async def end(ctx: Ctx, row: LoginSession) -> None:
    """Sign out one device of a user."""
    await end_session(ctx, row.id, "admin")


class Cleanup(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """include_remembered: those too that their users wanted to be remembered."""

    older_than_hours: Annotated[int, Meta(ge=1, le=8760)] = 24
    include_remembered: bool = False


class Deleted(msgspec.Struct):
    deleted: int


@sessions.action("cleanup", item=False, verb="write")
async def cleanup(ctx: Ctx, body: Cleanup) -> Deleted:
    """Delete sessions that ended, and those that nobody used for so long."""
    idle = dt.timedelta(hours=body.older_than_hours)
    return Deleted(await clean_sessions(ctx, idle, remembered=body.include_remembered))


class UserFigures(msgspec.Struct, kw_only=True):
    """admins: who have the role `tenant_admin` or `superadmin`."""

    total_users: int
    admins: int
    regular: int


class Figures(UserFigures, kw_only=True):
    active_sessions: int
    total_jobs: int


_ADMINS = Account.roles.op("?|")(text("ARRAY['tenant_admin', 'superadmin']"))


async def count_users(ctx: Ctx) -> UserFigures:
    stmt = select(func.count(), func.count().filter(_ADMINS)).select_from(Account)
    total, admins = (await ctx.db.execute(stmt)).one()
    return UserFigures(total_users=total, admins=admins, regular=total - admins)


@query("stats", permission="admin.dashboard.read")
async def stats(ctx: Ctx) -> Figures:
    """Return how many users, sessions and jobs there are."""
    people = await count_users(ctx)
    active = await ctx.db.scalar(select(func.count()).select_from(LoginSession))
    jobs = await ctx.db.scalar(
        text("SELECT count(*) FROM jobs_job WHERE tenant = :tenant"), {"tenant": ctx.actor.tenant}
    )
    return Figures(
        **msgspec.structs.asdict(people), active_sessions=active or 0, total_jobs=jobs or 0
    )


@query("stats/users")
async def user_stats(ctx: Ctx) -> UserFigures:
    """Return how many users there are; for everybody who works here."""
    kind = None
    if ctx.actor.kind == "user":
        kind = await ctx.db.scalar(select(User.user_type).where(User.id == UUID(ctx.actor.id)))
    if kind != "staff":
        raise Forbidden("this is for staff")
    return await count_users(ctx)
