"""A receiver of webhooks: counts what arrives on each path and how long it was under way.

Run as a process; prints its port. `/slow` answers after five seconds. `GET /figures` gives, per
path, the delays in seconds since the event, and forgets them.
"""

import asyncio
import json
import time
from collections import defaultdict

from aiohttp import web

SLOW = 5.0
seen: dict[str, list[float]] = defaultdict(list)


async def take(request: web.Request) -> web.Response:
    body = json.loads(await request.read())
    seen[request.path].append(time.time() - body["data"]["sent"])
    if request.path == "/slow":
        await asyncio.sleep(SLOW)
    return web.Response()


async def figures(_: web.Request) -> web.Response:
    answer = web.json_response(dict(seen))
    seen.clear()
    return answer


async def main() -> None:
    app = web.Application()
    app.router.add_get("/figures", figures)
    app.router.add_post("/{any:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
