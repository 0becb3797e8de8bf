"""The gateway's side as a service: buffer, and uplink when a centre is named."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec

from hub import AnyOrder, Probe
from hub.kernel.app import JOURNAL, Hub, Key
from hub.kernel.centre import CENTRE, CentreStatus
from hub.kernel.gateway import GATEWAY
from hub.kernel.operator import OPERATOR
from hub.kernel.probe import PROBE
from hub.kernel.run import plugin_settings

from .buffer import Buffer
from .link import Link, Take
from .settings import SyncSettings
from .uplink import HttpCarrier, Uplink
from .wire_link import Status
from .writer import Limits

UPLINK = Key[Uplink]("uplink")
LINK = Key[Link]("live link")
FILE = "buffer.db"
DAY = 86_400_000_000  # µs


@contextlib.asynccontextmanager
async def buffered(hub: Hub) -> AsyncIterator[Buffer]:
    """Offer the journal; send what it holds for as long as the process runs."""
    settings, own = hub.settings, plugin_settings(hub, "sync")
    folder = Path(settings.gateway.data_dir)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with Buffer.opened(folder / FILE, limits(settings, own), max_queue=own.queue) as buffer:
        hub.provide(JOURNAL, buffer)
        async with contextlib.AsyncExitStack() as stack:
            if settings.central.url:
                uplink = await stack.enter_async_context(sending(hub, buffer))
                hub.provide(UPLINK, uplink)
                hub.provide(CENTRE, lambda: status(hub, uplink))
            yield buffer


def status(hub: Hub, uplink: Uplink) -> CentreStatus:
    """Whether the centre is there, for people on site."""
    link = hub.get(LINK) if LINK in hub.services else None
    return CentreStatus(
        url=hub.settings.central.url,
        reached=uplink.online,
        linked=link is not None and link.online,
        last_contact=uplink.last_contact,
        trouble=uplink.trouble or (link.trouble if link else ""),
    )


def limits(settings: Any, own: SyncSettings) -> Limits:
    """The table `[buffer]` in the units of the writer."""
    buffer = settings.buffer
    return Limits(
        period=buffer.commit_ms / 1_000,
        keep=int(buffer.history_days * DAY),
        history_bytes=own.history_bytes,
        max_bytes=buffer.max_bytes,
    )


@contextlib.asynccontextmanager
async def sending(hub: Hub, buffer: Buffer) -> AsyncIterator[Uplink]:
    """Run the uplink over HTTPS."""
    central = hub.settings.central
    context: ssl.SSLContext | bool = True
    if central.ca_file:
        context = ssl.create_default_context(cafile=central.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        uplink = Uplink(buffer, HttpCarrier(session, central.url, central.key, central.timeout))
        tasks = [
            asyncio.create_task(uplink.run(), name="uplink"),
            asyncio.create_task(_obey(hub, session), name="live link"),
        ]
        try:
            yield uplink
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _taker(hub: Hub) -> Take:
    """What carries out orders of the centre."""
    operator, probe = hub.get(OPERATOR), hub.get(PROBE)

    async def take(ident: UUID, order: AnyOrder) -> bytes:
        if isinstance(order, Probe):
            return msgspec.msgpack.encode(await probe(order))
        await operator.take(ident, order)
        return b""

    return take


def _told(hub: Hub) -> Status:
    """How this gateway does, for the centre."""
    gateway, buffer = hub.get(GATEWAY), hub.get(JOURNAL).status()
    states = [c.state for c in gateway.channels.values()]
    return Status(
        version=version("busbar"),
        healthy=buffer.healthy,
        message=buffer.message,
        depth=buffer.depth,
        bytes=buffer.bytes,
        max_bytes=hub.settings.buffer.max_bytes,
        dropped=buffer.dropped,
        oldest_unsent=buffer.oldest_unsent,
        channels=len(states),
        channels_online=states.count("online"),
        points=len(gateway.points.by_key),
        local=hub.get(OPERATOR).local,
        clock=gateway.clock.now(),
    )


async def _obey(hub: Hub, session: aiohttp.ClientSession) -> None:
    """Take orders once there is somebody to carry them out."""
    await hub.started.wait()
    central = hub.settings.central
    link = Link(session, central.url, central.key, _taker(hub), lambda: _told(hub))
    hub.provide(LINK, link)
    await link.run()
