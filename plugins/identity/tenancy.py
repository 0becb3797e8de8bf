"""Making companies."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import Code, Conflict, Ctx, Currency, Forbidden, Scope, Zone, action

from .bootstrap import create_tenant
from .events import TenantCreated
from .models import Tenant


class NewCompany(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    code: Code
    name_ar: Annotated[str, Meta(min_length=1, max_length=200)]
    name_en: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    timezone: Zone = "UTC"
    currency: Currency = "USD"


class Company(msgspec.Struct):
    id: UUID
    code: str
    name_ar: str


@action(
    "tenants",
    module="identity",
    permission="identity.tenants.write",
    scope=Scope.SYSTEM,
    status=201,
)
async def create_company(ctx: Ctx, body: NewCompany) -> Company:
    """Make a company with the roles that every company begins with."""
    if "superadmin" not in ctx.actor.roles:
        raise Forbidden("only a superadmin makes companies")
    if await ctx.db.scalar(select(Tenant.id).where(Tenant.code == body.code)):
        raise Conflict("code is already in use", field="code")
    tenant = await create_tenant(ctx, code=body.code, name=body.name_ar)
    tenant.name_en, tenant.timezone = body.name_en, body.timezone
    tenant.currency = body.currency
    ctx.emit(TenantCreated(tenant_id=tenant.id), tenant=tenant.id)
    return Company(tenant.id, tenant.code, tenant.name_ar)
