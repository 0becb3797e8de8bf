"""The books of a small company on a real PostgreSQL."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from api.testing import client, sign_in
from hub import UNIT, Actor
from hub.testing.pytest_plugin import busbar_template, central, clock, migrated
from plugins.finance import open_books
from plugins.identity.bootstrap import create_tenant

__all__ = ["busbar_template", "central", "client", "clock", "migrated", "sign_in"]


@pytest.fixture(scope="session")
def busbar_modules():
    return ("plugins.identity", "plugins.finance")


class Books:
    """One company. `async with books() as ctx` is a unit of work of its accountant."""

    def __init__(self, unit, tenant, permissions=frozenset({"finance.*"})):
        self.unit, self.tenant = unit, tenant
        self.actor = Actor(id="accountant", tenant=tenant, permissions=permissions)

    def __call__(self):
        return self.unit(self.actor)

    async def sql(self, statement, **arguments):
        async with self() as ctx:
            done = await ctx.db.execute(text(statement), arguments)
            return done.all() if done.returns_rows else []


async def company(central, code="main", year=2026, currency="USD"):
    unit = central.get(UNIT)
    async with unit.system() as ctx:
        tenant = (await create_tenant(ctx, code=code, name=code)).id
    books = Books(unit, tenant)
    async with books() as ctx:
        await open_books(ctx, currency=currency, year=year)
    return books


@pytest_asyncio.fixture
async def books(central, clock) -> AsyncIterator[Books]:
    clock.now = dt.datetime(2026, 6, 15, 9, tzinfo=dt.UTC)
    yield await company(central)
