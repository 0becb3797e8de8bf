"""What everyone may do about himself: profile, preferences, leaving."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import select

from hub import Conflict, Ctx, Email, Locale, Phone, TooLarge, Zone, action, query

from .accounts import ACCOUNTS
from .credentials import Text
from .models import Preferences, Role, User, UserRole
from .opening import Me, me_of
from .recovery import send_confirmation
from .resources import forget_person
from .signin import InvalidCredentials, myself

_LARGEST = 64 << 10


class Profile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new e-mail address counts once it is confirmed."""

    email: Email | UnsetType = UNSET
    full_name: Annotated[str, Meta(min_length=3, max_length=200)] | UnsetType = UNSET
    phone: Phone | UnsetType | None = UNSET
    locale: Locale | UnsetType = UNSET
    timezone: Zone | UnsetType | None = UNSET


class Leave(msgspec.Struct, forbid_unknown_fields=True):
    password: Text


@query("profile")
async def profile(ctx: Ctx) -> Me:
    """Return one's own profile."""
    return me_of(await myself(ctx), ctx.actor)


@action("profile", method="PUT")
async def change_profile(ctx: Ctx, body: Profile) -> Me:
    """Change one's own profile."""
    user = await myself(ctx)
    for name in ("full_name", "phone", "locale", "timezone"):
        value = getattr(body, name)
        if value is not UNSET:
            setattr(user, name, value)
    if body.email is not UNSET and body.email.lower() != user.email.lower():
        await send_confirmation(ctx, user, body.email)
    return me_of(user, ctx.actor)


@query("preferences")
async def preferences(ctx: Ctx) -> dict[str, Any]:
    """Return what one has arranged for oneself."""
    row = await _preferences(ctx)
    return row.preferences if row else {}


@action("preferences", method="PUT")
async def change_preferences(ctx: Ctx, body: dict[str, Any]) -> dict[str, Any]:
    """Merge into one's preferences (RFC 7396); null takes a key away."""
    row = await _preferences(ctx)
    merged: dict[str, Any] = _merge(row.preferences if row else {}, body)
    if len(msgspec.json.encode(merged)) > _LARGEST:
        raise TooLarge(f"preferences have at most {_LARGEST} bytes")
    if row is None:
        ctx.db.add(Preferences(user_id=(await myself(ctx)).id, preferences=merged))
    else:
        row.preferences = merged
    return merged


async def _preferences(ctx: Ctx) -> Preferences | None:
    user = await myself(ctx)
    found: Preferences | None = await ctx.db.scalar(
        select(Preferences).where(Preferences.user_id == user.id)
    )
    return found


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


@action("account", method="DELETE", module="auth")
async def leave(ctx: Ctx, body: Leave) -> None:
    """Delete one's own account."""
    user = await myself(ctx)
    if not await ctx.get(ACCOUNTS).passwords.verify(user.password_hash, body.password):
        raise InvalidCredentials("the password is wrong")
    await refuse_last(ctx, user)
    await forget_person(ctx, user, "account_deleted")


async def refuse_last(ctx: Ctx, user: User) -> None:
    """A company keeps somebody who can administer it."""
    stmt = (
        select(User.id)
        .join(UserRole, (UserRole.tenant == User.tenant) & (UserRole.user_id == User.id))
        .join(Role, (Role.tenant == UserRole.tenant) & (Role.id == UserRole.role_id))
        .where(Role.code.in_(("superadmin", "tenant_admin")), User.is_active)
    )
    administrators = set(await ctx.db.scalars(stmt))
    if administrators == {user.id}:
        raise Conflict("the last administrator of a company stays")
