"""A central API and its two measures in one process: a bare handler, and the same SQL by psycopg.

`python -m benchmarks.peers.api_server DSN` prints one line of JSON when it is ready.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from uuid import UUID

import msgspec
from aiohttp import web
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import insert

from api.app import build
from api.state import Options
from config import load
from hub import UNIT, Role, uuid7
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.kernel.database import DATABASE
from hub.kernel.registry import load as load_plugins
from plugins.identity import ACCOUNTS
from plugins.identity import __name__ as identity
from plugins.identity.bootstrap import create_tenant
from plugins.identity.models import Role as RoleRow
from plugins.identity.models import Session, User, UserRole
from plugins.identity.tokens import digest, new_refresh
from plugins.scada.models import Station

ROWS = 2_000
FIELDS = ", ".join(c.name for c in Station.__table__.columns if c.name != "tenant")
TENANT = "SELECT set_config('busbar.tenant', %s, true)"
POINT = f"SELECT {FIELDS} FROM scada_station WHERE tenant = %s AND id = %s"
PAGE = f"SELECT {FIELDS} FROM scada_station WHERE tenant = %s ORDER BY code, id LIMIT 51"
COUNT = "SELECT count(*) FROM scada_station WHERE tenant = %s"
WRITE = (
    "INSERT INTO scada_station (tenant, id, code, name, station_type, status, priority, is_active,"
    " revision, created_at, updated_at) VALUES (%s, %s, %s, 'made', 'substation', 'active', 5,"
    " true, 1, now(), now())"
)
AUDIT = (
    'INSERT INTO hub_audit (tenant, at, actor, actor_kind, action, "table", row, change,'
    " request_id, ip) VALUES (%s, now(), 'a', 'user', 'create', 'scada_station', %s, '{}', 'r',"
    " '127.0.0.1')"
)
EVENT = (
    "INSERT INTO hub_event (id, tenant, at, type, actor, request_id, data)"
    " VALUES (%s, %s, now(), 'row.changed', 'a', 'r', '{}')"
)


async def seed(hub: Hub) -> tuple[UUID, str, list[str]]:
    """A company with stations and a user; gives company, access token, ids."""
    async with hub.get(UNIT).system() as ctx:
        tenant = (await create_tenant(ctx, code="bench", name="Bench")).id
        user, role, session = uuid7(), uuid7(), uuid7()
        ctx.db.add(User(id=user, tenant=tenant, email="bench@people.example"))
        ctx.db.add(RoleRow(id=role, tenant=tenant, code="all", name_ar="all", permissions=["*"]))
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
        ids = [uuid7() for _ in range(ROWS)]
        rows = [
            {
                "tenant": tenant,
                "id": ident,
                "code": f"S{i:05}",
                "name": f"Station {i}",
                "station_type": "substation",
                "revision": 1,
            }
            for i, ident in enumerate(ids)
        ]
        await (await ctx.db.connection()).execute(insert(Station), rows)
    token, _ = hub.get(ACCOUNTS).tokens.access(user, session, tenant, 1, now)
    return tenant, token, [str(i) for i in ids]


def measures(pool: AsyncConnectionPool, tenant: UUID) -> web.Application:
    """What the same work costs without us."""

    async def bare(_: web.Request) -> web.Response:
        return web.Response(body=b'{"alive":true}', content_type="application/json")

    async def point(request: web.Request) -> web.Response:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(TENANT, (str(tenant),))
            ident = UUID(request.match_info["id"])
            row = await (await connection.execute(POINT, (tenant, ident))).fetchone()
        return web.Response(body=msgspec.json.encode(row), content_type="application/json")

    async def page(_: web.Request) -> web.Response:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(TENANT, (str(tenant),))
            rows = await (await connection.execute(PAGE, (tenant,))).fetchall()
            total = await (await connection.execute(COUNT, (tenant,))).fetchone()
        return web.Response(body=msgspec.json.encode((rows, total)))

    async def write(request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        ident = uuid7()
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(TENANT, (str(tenant),))
            await connection.execute(WRITE, (tenant, ident, body["code"]))
            await connection.execute(AUDIT, (tenant, ident))
            await connection.execute(EVENT, (uuid7(), tenant))
        return web.Response(body=msgspec.json.encode({"id": ident}), status=201)

    app = web.Application()
    app.router.add_get("/bare", bare)
    app.router.add_get("/point/{id}", point)
    app.router.add_get("/page", page)
    app.router.add_post("/write", write)
    return app


async def listen(stack: contextlib.AsyncExitStack, app: web.Application) -> int:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def serve(dsn: str) -> None:
    plugins, hooks = load_plugins(
        Role.CENTRAL, modules=(identity, "plugins.scada"), installed=False
    )
    env = {"RUNTIME_ROOT": tempfile.mkdtemp(prefix="busbar-")}
    hub = Hub(settings=load(None, env), role=Role.CENTRAL, plugins=plugins, hooks=hooks)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, dsn, size=5))
        for name in plugins:
            begin = getattr(hooks.get_plugin(name), "hub_services", None)
            for service in begin(hub) if begin else ():
                await stack.enter_async_context(service)
        hub.started.set()
        tenant, token, ids = await seed(hub)
        ours = await listen(stack, build(hub, Options(rate_profile="bench")))
        pool = hub.get(DATABASE).pool
        theirs = await listen(stack, measures(pool, tenant))
        ready = {"ours": ours, "theirs": theirs, "token": token, "ids": ids}
        print(json.dumps(ready), flush=True)
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        await over.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
