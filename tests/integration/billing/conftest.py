"""The fixtures that ship for authors of plugins."""

import datetime as dt
from uuid import UUID

import psycopg
import pytest_asyncio

from api.testing import client, sign_in
from hub.testing.pytest_plugin import busbar_modules, busbar_template, central, clock, migrated
from tests.integration.billing.books import Office
from tests.integration.billing.town import Town

__all__ = [
    "busbar_modules",
    "busbar_template",
    "central",
    "client",
    "clock",
    "migrated",
    "sign_in",
]


@pytest_asyncio.fixture
async def office(central, client, sign_in, migrated, clock):
    """A company of London with open books, and somebody at its counter; it is January 2028."""
    headers = await sign_in("billing.*", "finance.*")
    me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
    tenant = UUID(me["tenant_id"])
    with psycopg.connect(migrated, autocommit=True) as owner:
        owner.execute("UPDATE identity_session SET expires_at = '2040-01-01'")
        owner.execute("UPDATE identity_tenant SET timezone = 'Europe/London'")
    made = Office(central, tenant)
    made.town = Town(client, headers)
    await made.open(2028)
    clock.now = dt.datetime(2028, 1, 1, 9, tzinfo=dt.UTC)
    return made
