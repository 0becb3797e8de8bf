"""The database itself keeps companies apart, whatever a program forgets."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from hub import UNIT, Base, Entity
from hub.kernel.database import DATABASE


def tabular(item):
    """Views have no walls of their own: they are read with the rights of whoever asks."""
    return not (item.info.get("view") or getattr(item, "name", "").startswith("procrastinate_"))


async def test_whoever_does_not_say_for_whom_gets_an_error(central, sign_in):
    await sign_in("scada.*")
    async with central.get(DATABASE).pool.connection() as connection:
        with pytest.raises(psycopg.errors.DatabaseError):
            await connection.execute("SELECT * FROM identity_user")


async def test_plain_sql_sees_one_company(central, sign_in):
    await sign_in("a.b.c")
    await sign_in("a.b.c", tenant="other")
    async with central.get(UNIT).system() as ctx:
        tenants = (
            await (await ctx.db.connection()).exec_driver_sql("SELECT id FROM identity_tenant")
        ).all()
    assert len(tenants) == 2
    async with central.get(DATABASE).pool.connection() as connection:
        mine = str(tenants[0][0])
        await connection.execute("SELECT set_config('busbar.tenant', %s, true)", (mine,))
        rows = await (
            await connection.execute("SELECT DISTINCT tenant FROM identity_user")
        ).fetchall()
        assert [str(r[0]) for r in rows] == [mine]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(
                'INSERT INTO hub_audit (tenant, at, actor, actor_kind, action, "table", row,'
                " change, request_id, ip) SELECT %s, now(), '', '', '', '', %s, '{}', '', ''",
                (str(tenants[1][0]), mine),
            )


@pytest.mark.parametrize("verb", ["UPDATE hub_audit SET actor = 'x'", "DELETE FROM hub_audit"])
async def test_the_audit_cannot_be_rewritten(central, verb):
    async with central.get(DATABASE).pool.connection() as connection:
        await connection.execute(
            "SELECT set_config('busbar.tenant', gen_random_uuid()::text, true)"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(verb)


def test_every_table_with_a_tenant_is_walled(migrated):
    walled = {t.name for t in Base.metadata.tables.values() if "tenant" in t.c and tabular(t)}
    with psycopg.connect(migrated) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relrowsecurity"
        ).fetchall()
    assert {name for (name,) in found} == walled
    assert {
        m.class_.__tablename__
        for m in Base.registry.mappers
        if issubclass(m.class_, Entity) and tabular(m.local_table)
    } <= walled


def test_migrations_make_what_the_models_say(migrated):
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(migrated))
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": lambda item, *_: tabular(item)}
        context = MigrationContext.configure(connection, opts=options)
        difference = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert difference == []
