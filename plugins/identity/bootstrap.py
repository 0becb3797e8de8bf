"""The first company and its administrator, on an empty database."""

import secrets
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select, text

from hub import Ctx, UnitOfWork, uuid7

from .accounts import Accounts
from .models import Role, Tenant, User, UserRole
from .roles import SYSTEM_ROLES


class Bootstrap(Struct, frozen=True):
    """The first sign-in; the password is kept nowhere."""

    tenant: UUID
    username: str
    password: str


async def bootstrap(
    unit: UnitOfWork, accounts: Accounts, *, code: str = "main", name: str = "Busbar"
) -> Bootstrap | None:
    """Make a company with its roles and an administrator, unless there is one already."""
    password = secrets.token_urlsafe(12)
    hashed = await accounts.passwords.hash(password)
    async with unit.system() as ctx:
        await ctx.db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('bootstrap', 0))"))
        if await ctx.db.scalar(select(Tenant.id).limit(1)):
            return None
        tenant = await create_tenant(ctx, code=code, name=name)
        admin = User(
            id=uuid7(),
            tenant=tenant.id,
            email="admin@busbar.example",
            username="admin",
            full_name="Administrator",
            password_hash=hashed,
            is_verified=True,
        )
        ctx.db.add(admin)
        await ctx.db.flush()
        role = await ctx.db.scalar(
            select(Role.id).where(Role.tenant == tenant.id, Role.code == "superadmin")
        )
        ctx.db.add(UserRole(tenant=tenant.id, user_id=admin.id, role_id=role))
    return Bootstrap(tenant.id, "admin", password)


async def create_tenant(ctx: Ctx, *, code: str, name: str) -> Tenant:
    """A company with the roles that every company begins with."""
    ident = uuid7()
    tenant = Tenant(id=ident, tenant=ident, code=code, name_ar=name, name_en=name)
    ctx.db.add(tenant)
    for role, name_ar, name_en, patterns in SYSTEM_ROLES:
        ctx.db.add(
            Role(
                tenant=ident,
                code=role,
                name_ar=name_ar,
                name_en=name_en,
                is_system=True,
                permissions=list(patterns),
            )
        )
    await ctx.db.flush()
    return tenant
