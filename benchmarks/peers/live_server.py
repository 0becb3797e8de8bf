"""A central API with many people signed in, for sockets.

`python -m benchmarks.peers.live_server DSN PEOPLE` prints one line of JSON when it is ready; each
line that it reads says something to everybody.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from uuid import UUID

import msgspec

from api.app import build
from api.state import Options
from benchmarks.peers.api_server import listen
from config import load
from hub import LIVE, UNIT, Ctx, Plugin, Role, room, uuid7
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.kernel.registry import load as load_plugins
from plugins.identity import ACCOUNTS
from plugins.identity.bootstrap import create_tenant
from plugins.identity.models import Session, User
from plugins.identity.tokens import digest, new_refresh

ROOM = "everybody"
MODULES = ("plugins.identity", "plugins.realtime")


class Nothing(msgspec.Struct):
    """The room needs no parameters."""


@room(ROOM)
async def everybody(ctx: Ctx, params: Nothing) -> None:
    """Hear what is said to everybody."""


async def seed(hub: Hub, people: int) -> tuple[UUID, list[str]]:
    """A company and the access tokens of its people."""
    tokens = []
    async with hub.get(UNIT).system() as ctx:
        tenant = (await create_tenant(ctx, code="bench", name="Bench")).id
        now = ctx.clock()
        for _ in range(people):
            user, session = uuid7(), uuid7()
            ctx.db.add(User(id=user, tenant=tenant, email=f"{user}@people.example"))
            await ctx.db.flush()
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
            token, _ = hub.get(ACCOUNTS).tokens.access(user, session, tenant, 1, now)
            tokens.append(token)
    return tenant, tokens


async def serve(dsn: str, people: int) -> None:
    plugins, hooks = load_plugins(Role.CENTRAL, modules=MODULES, installed=False)
    env = {"RUNTIME_ROOT": tempfile.mkdtemp(prefix="busbar-")}
    hub = Hub(settings=load(None, env), role=Role.CENTRAL, plugins=plugins, hooks=hooks)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, dsn, size=5))
        for name in plugins:
            begin = getattr(hooks.get_plugin(name), "hub_services", None)
            for service in begin(hub) if begin else ():
                await stack.enter_async_context(service)
        hub.started.set()
        hub.plugins["bench"] = Plugin(name="bench", rooms=(everybody,))
        tenant, tokens = await seed(hub, people)
        port = await listen(stack, build(hub, Options(rate_profile="bench")))
        print(json.dumps({"port": port, "tokens": tokens}), flush=True)
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, over.set)

        async def say() -> None:
            async with hub.get(UNIT).system() as ctx:
                said = {"sent": time.time()}
                await hub.get(LIVE).send(ctx, ROOM, "tick", said, tenant=tenant)

        asked: set[asyncio.Task[None]] = set()

        def told() -> None:
            if sys.stdin.readline():
                task = asyncio.create_task(say())
                asked.add(task)
                task.add_done_callback(asked.discard)

        loop.add_reader(sys.stdin, told)
        await over.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
