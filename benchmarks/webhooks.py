"""Webhooks through outbox, fan-out and sender on PostgreSQL, against a bare signed POST.

Then what a dead and a slow receiver do to the delay of four others, against two more healthy ones.
"""

import asyncio
import contextlib
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import aiohttp
import pluggy
from sqlalchemy import text

from benchmarks.figures import Figure, console, report
from hub import HTTP, SIGNALS, UNIT, VAULT, Actor, Event, uuid7
from hub.contract import plugin as hooks
from hub.contract.plugin import PROJECT, Role
from hub.kernel.app import Hub
from hub.kernel.bus import BUS
from hub.kernel.central import foundation
from plugins.events.models import Endpoint
from plugins.events.sender import Sender
from plugins.events.signing import headers, new_secret
from plugins.events.store import place

ENDPOINTS, EVENTS, AT_ONCE = 4, 3_000, 32
PACE, SECONDS, ROUNDS = 25, 6.0, 3
ACTOR = Actor(id="benchmark", tenant=UUID(int=7))
MODULES = ("plugins.identity", "plugins.events")


class Sent(Event, frozen=True, tag="bench.sent"):
    """sent: seconds since 1970."""

    sent: float


@contextlib.asynccontextmanager
async def centre() -> AsyncIterator[Hub]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    plugins = {}
    for name in MODULES:
        module = importlib.import_module(name)
        plugins[module.hub_plugin().name] = module.hub_plugin()
        manager.register(module, name)
    with tempfile.TemporaryDirectory(prefix="busbar-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  -- once, before anything runs
        settings = SimpleNamespace(
            site=SimpleNamespace(runtime_root=folder),
            auth=SimpleNamespace(encryption_key="k" * 32),
            http=SimpleNamespace(allow=("127.0.0.0/8",)),
            plugin={},
        )
        hub = Hub(settings, Role.CENTRAL, plugins, manager)
        async with foundation(hub, folder=Path(folder) / "postgres", size=10):
            yield hub


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.peers.receiver", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def endpoint(hub: Hub, url: str, types: str = "bench.*") -> UUID:
    ident = uuid7()
    async with hub.get(UNIT)(ACTOR) as ctx:
        sealed = hub.get(VAULT).seal(new_secret(), place(ident))
        ctx.db.add(Endpoint(id=ident, name=url, url=url, event_types=[types], secret=sealed))
    return ident


async def emit(hub: Hub, count: int) -> None:
    async with hub.get(UNIT)(ACTOR) as ctx:
        for _ in range(count):
            ctx.emit(Sent(sent=time.time()))


async def figures(base: str) -> dict[str, list[float]]:
    async with aiohttp.ClientSession() as session, session.get(f"{base}/figures") as answer:
        found: dict[str, list[float]] = await answer.json()
        return found


async def bare(base: str, count: int) -> float:
    """Signed POSTs a second of aiohttp's client alone."""
    secret, body = new_secret(), b'{"type":"bench.sent","data":{"sent":1.0}}'
    left = iter(range(count))

    async def one(session: aiohttp.ClientSession) -> None:
        for n in left:
            signed = headers((secret,), str(n), 1, body, {})
            async with session.post(f"{base}/bare", data=body, headers=signed) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        await asyncio.gather(*(one(session) for _ in range(AT_ONCE)))
        return count / (time.perf_counter() - start)


def sender(hub: Hub) -> Sender:
    return Sender(hub.get(UNIT), hub.get(HTTP), hub.get(SIGNALS))


async def throughput(hub: Hub, base: str) -> tuple[float, float]:
    """Deliveries a second from a full table to the last written result, and fan-outs a second."""
    for n in range(ENDPOINTS):
        await endpoint(hub, f"{base}/fast{n}")
    await emit(hub, EVENTS)
    bus = hub.get(BUS)
    start = time.perf_counter()
    while await bus.spread() or await bus.deliver():
        pass
    spread = EVENTS * ENDPOINTS / (time.perf_counter() - start)
    go = asyncio.Event()
    go.set()
    made = sender(hub)
    start = time.perf_counter()
    async with made.running(go):
        while await _pending(hub):  # noqa: ASYNC110  -- the sender writes it
            await asyncio.sleep(0.05)
        took = time.perf_counter() - start
    arrived = sum(len(some) for some in (await figures(base)).values())
    if arrived != EVENTS * ENDPOINTS + 4_000:
        raise RuntimeError(f"{arrived} deliveries arrived")
    return EVENTS * ENDPOINTS / took, spread


async def _pending(hub: Hub) -> bool:
    async with hub.get(UNIT).system() as ctx:
        return bool(
            await ctx.db.scalar(
                text("SELECT EXISTS (SELECT FROM events_delivery WHERE status = 'pending')")
            )
        )


async def delays(hub: Hub, base: str) -> list[float]:
    """Delays of the fast receivers while events come at a steady pace."""
    go = asyncio.Event()
    go.set()
    hub.started.set()
    async with sender(hub).running(go):
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            await emit(hub, 1)
            await asyncio.sleep(1 / PACE)
        await asyncio.sleep(1.0)
    found = await figures(base)
    return sorted(d for path, some in found.items() if path.startswith("/fast") for d in some)


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] * 1000


async def run() -> tuple[list[Figure], list[tuple[float, float]]]:
    async with centre() as hub, receiver() as base:
        ceiling = await bare(base, 4_000)
        rate, spread = await throughput(hub, base)
        rounds = []
        well = [await endpoint(hub, f"{base}/other{n}", "none") for n in range(2)]
        ill = [
            await endpoint(hub, "http://127.0.0.1:9/dead", "none"),
            await endpoint(hub, f"{base}/slow", "none"),
        ]
        for _ in range(ROUNDS):
            pair = []
            for some, others in ((well, ill), (ill, well)):
                await _listen(hub, others, ["none"])
                await _listen(hub, some, ["bench.*"])
                pair.append(p99(await delays(hub, base)))
            rounds.append((pair[0], pair[1]))
    return [
        Figure(
            name="webhook deliveries", ours=rate, ceiling=ceiling, unit="/s",
            against="bare signed POST",
        ),
        Figure(
            name="fan-out into deliveries", ours=spread, ceiling=ceiling, unit="/s",
            against="bare signed POST",
        ),
    ], rounds  # fmt: skip


async def _listen(hub: Hub, idents: list[UUID], types: list[str]) -> None:
    async with hub.get(UNIT)(ACTOR) as ctx:
        for ident in idents:
            row: Any = await ctx.db.get(Endpoint, (ACTOR.tenant, ident))
            row.event_types = types


def main() -> None:
    found, rounds = asyncio.run(run())
    report("Webhooks, one process", found)
    ratio = statistics.median(among / alone for alone, among in rounds)
    console.print(f"delay of others beside a dead and a slow receiver: {ratio:.2f} (goal ≤ 1.1)")
    for alone, among in rounds:
        console.print(
            f"p99 of {ENDPOINTS} receivers at {PACE * ENDPOINTS} deliveries/s: beside two healthy"
            f" {alone:.0f} ms, beside a dead and a slow one {among:.0f} ms ({among / alone:.2f})"
        )


if __name__ == "__main__":
    main()
