"""Free settings of a company: a key and a value; secrets are sealed and never shown again."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import VAULT, Ctx, Invalid, NotFound, action, query

from .models import Tenant, TenantSetting

MASK = "********"
SECRETS = ("_secret", "_token", "_password", "_key")
MOST, LARGEST = 200, 16_384
Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.]*$", max_length=100)]


class Settings(msgspec.Struct):
    """settings: a value of `********` is a secret that is set."""

    settings: dict[str, Any]


class Changes(msgspec.Struct, forbid_unknown_fields=True):
    """settings: what is named changes; null takes a setting away; `********` leaves a secret."""

    settings: Annotated[dict[Key, Any], Meta(max_length=MOST)]


async def _tenant(ctx: Ctx, ident: UUID) -> Tenant:
    found: Tenant | None = await ctx.db.scalar(select(Tenant).where(Tenant.id == ident))
    if found is None:
        raise NotFound(f"there is no company {ident}", resource="tenants", identifier=str(ident))
    return found


def is_secret(key: str) -> bool:
    return key.endswith(SECRETS)


def _place(tenant: UUID, key: str) -> str:
    return f"identity.setting/{tenant}/{key}"


async def _all(ctx: Ctx) -> dict[str, TenantSetting]:
    rows = await ctx.db.scalars(select(TenantSetting).order_by(TenantSetting.key))
    return {row.key: row for row in rows}


def _shown(rows: dict[str, TenantSetting]) -> Settings:
    return Settings({k: MASK if is_secret(k) else r.value["value"] for k, r in rows.items()})


@query("tenants/{id}/settings", permission="identity.tenants.read")
async def tenant_settings(ctx: Ctx, id: UUID) -> Settings:  # noqa: A002  -- the name in the path
    """Return the settings of a company, secrets masked."""
    await _tenant(ctx, id)
    return _shown(await _all(ctx))


@action("tenants/{id}/settings", method="PUT", permission="identity.tenants.write")
async def change_tenant_settings(ctx: Ctx, id: UUID, body: Changes) -> Settings:  # noqa: A002
    """Change settings of a company; what is not named stays."""
    tenant = await _tenant(ctx, id)
    rows = await _all(ctx)
    for key, value in body.settings.items():
        row = rows.get(key)
        if value is None:
            if row is not None:
                await ctx.db.delete(rows.pop(key))
            continue
        kept = _kept(ctx, tenant.id, key, value)
        if kept is None:
            continue
        if row is None:
            rows[key] = row = TenantSetting(key=key, value=kept)
            ctx.db.add(row)
        row.value = kept
    if len(rows) > MOST:
        raise Invalid(f"a company has at most {MOST} settings", field="settings")
    return _shown(dict(sorted(rows.items())))


def _kept(ctx: Ctx, tenant: UUID, key: str, value: Any) -> dict[str, Any] | None:
    """What is written for a value; nothing for a secret that is to stay."""
    if len(msgspec.json.encode(value)) > LARGEST:
        raise Invalid(f"{key}: at most {LARGEST} bytes", field=f"settings.{key}")
    if not is_secret(key):
        return {"value": value}
    if value == MASK:
        return None
    if not isinstance(value, str):
        raise Invalid(f"{key}: a secret is a text", field=f"settings.{key}")
    return {"sealed": ctx.get(VAULT).seal(value, _place(tenant, key))}
