"""Fixtures that need the web application: a client, and people who are signed in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from api.app import build
from api.state import Options
from hub import UNIT, uuid7
from plugins.identity import ACCOUNTS
from plugins.identity.bootstrap import create_tenant
from plugins.identity.models import Role, Session, Tenant, User, UserRole
from plugins.identity.tokens import digest, new_refresh

SignIn = Callable[..., Awaitable[dict[str, str]]]


@pytest_asyncio.fixture
async def client(central: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """An HTTP client of the application, over a real socket."""
    async with TestClient(
        TestServer(build(central, Options(rate_profile="bench", secret=b"x" * 32)))
    ) as made:
        yield made


@pytest.fixture
def sign_in(central: Any) -> SignIn:
    """`headers = await sign_in("scada.*", tenant="other")`: a new user who may do just that."""

    async def make(*patterns: str, tenant: str = "main") -> dict[str, str]:
        accounts = central.get(ACCOUNTS)
        async with central.get(UNIT).system() as ctx:
            owner = await ctx.db.scalar(select(Tenant).where(Tenant.code == tenant))
            owner = owner or await create_tenant(ctx, code=tenant, name=tenant)
            user, session = await _person(ctx, owner.id, patterns)
            now = ctx.clock()
        token, _ = accounts.tokens.access(user, session, owner.id, 1, now)
        return {"Authorization": f"Bearer {token}"}

    return make


async def _person(ctx: Any, tenant: UUID, patterns: tuple[str, ...]) -> tuple[UUID, UUID]:
    user, role, session = uuid7(), uuid7(), uuid7()
    ctx.db.add(User(id=user, tenant=tenant, email=f"{user}@people.example"))
    ctx.db.add(
        Role(id=role, tenant=tenant, code=str(role), name_ar="role", permissions=list(patterns))
    )
    await ctx.db.flush()
    ctx.db.add(UserRole(tenant=tenant, user_id=user, role_id=role))
    now = ctx.clock()
    ctx.db.add(
        Session(
            id=session,
            tenant=tenant,
            user_id=user,
            refresh_hash=digest(new_refresh(session)),
            last_used_at=now,
            expires_at=now.replace(year=now.year + 1),
        )
    )
    await ctx.db.flush()
    return user, session
