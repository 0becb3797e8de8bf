"""A centre to be killed. Arguments: DSN, port."""

import asyncio
import sys

from aiohttp import web
from psycopg_pool import AsyncConnectionPool

from sync.endpoint import Endpoint
from sync.ingest import Ingest
from sync.store.timescale import open_store
from tests.integration.sync.parts import Directory


async def main(dsn: str, port: int) -> None:
    async with AsyncConnectionPool(dsn, min_size=1, max_size=4, open=False) as pool:
        store = await open_store(pool, dsn)
        route = Endpoint(pool, Ingest(pool, store, Directory())).route()
        app = web.Application()
        app.router.add_route(route.method, route.path, route.handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
