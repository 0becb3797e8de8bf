"""What holds for the rows of every Resource there is, made as its table demands."""

import os
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import JSON, Enum, inspect

from hub import UNIT, Base, Op, uuid7
from plugins import identity, scada

PLUGINS = (identity.hub_plugin(), scada.hub_plugin())
RESOURCES = [r for p in PLUGINS for r in p.resources if r.name != "tenants"]
GIVEN = {"tenant", "id", "revision", "created_at", "updated_at", "deleted_at"}


async def made(ctx, model, tenant):
    """A row with only what it must have, after the rows that it refers to."""
    values = {"tenant": tenant, "id": uuid7()}
    for attribute in inspect(model).column_attrs:
        column = attribute.columns[0]
        optional = column.nullable or column.default is not None or column.identity is not None
        if attribute.key in GIVEN or optional:
            continue
        if table := column.info.get("ref"):
            target = next(m.class_ for m in Base.registry.mappers if m.local_table.name == table)
            values[attribute.key] = (await made(ctx, target, tenant)).id
        else:
            values[attribute.key] = _value(column, ctx)
    row = model(**values)
    ctx.db.add(row)
    await ctx.db.flush()
    return row


def _value(column, ctx):
    if isinstance(column.type, Enum):
        return next(iter(column.type.enum_class))
    if isinstance(column.type, JSON):
        return {}
    if column.name == "email":
        return f"{os.urandom(4).hex()}@people.example"
    known = {str: os.urandom(4).hex(), int: 1, float: 1.0, bool: True, dict: {}, list: []}
    kind = column.type.python_type
    return known[kind] if kind in known else ctx.clock()


def audited(dsn, row):
    with psycopg.connect(dsn) as connection:
        query = "SELECT action FROM hub_audit WHERE row = %s ORDER BY id"
        return [action for (action,) in connection.execute(query, (row,)).fetchall()]


@pytest.mark.parametrize("res", RESOURCES, ids=lambda x: x.name)
async def test_rows_have_a_company_a_revision_and_a_history(
    client, central, sign_in, migrated, res
):
    mine, other = await sign_in("*"), await sign_in("*", tenant="other")
    me = await (await client.get("/api/v1/auth/me", headers=mine)).json()
    async with central.get(UNIT).system() as ctx:
        row = await made(ctx, res.model, UUID(me["tenant_id"]))
    one, stale = f"{res.path}/{row.id}", mine | {"If-Match": '"99"'}
    assert audited(migrated, row.id) == ["create"]
    if Op.GET in res.ops:
        found = await client.get(one, headers=mine)
        assert found.status == 200, await found.text()
        assert (await client.get(one, headers=other)).status == 404
    if Op.UPDATE in res.ops:
        assert (await client.patch(one, json={}, headers=other)).status == 404
        assert (await client.patch(one, json={}, headers=stale)).status == 412
    if Op.DELETE in res.ops:
        assert (await client.delete(one, headers=other)).status == 404
        assert (await client.delete(one, headers=stale)).status == 412
        assert audited(migrated, row.id) == ["create"]
        gone = await client.delete(one, headers=mine)
        assert gone.status == 204, await gone.text()
        assert audited(migrated, row.id)[1:] in (["delete"], ["update"])
