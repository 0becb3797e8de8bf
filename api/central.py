"""Serves the centre: the web application on its address, and the first administrator."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from api.app import build
from api.patience import Patience
from api.state import Options
from hub import UNIT
from hub.kernel.app import Hub
from plugins.identity import ACCOUNTS, bootstrap

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def served(hub: Hub) -> AsyncIterator[None]:
    """Listen as `settings.api` says; `hub.facts` gets the address.

    On an empty database it also gets `administrator`: the first sign-in, told nowhere else.
    """
    settings = hub.settings
    options = Options(
        production=settings.site.env == "production",
        origins=frozenset(settings.api.cors_origins),
        proxies=frozenset(settings.api.trusted_proxies),
        rate_profile=settings.api.rate_limit_profile,
        open_docs=settings.site.env in {"development", "test"},
        secret=hub.get(ACCOUNTS).tokens.derived(b"csrf"),
        access_log=Path(settings.site.runtime_root, "logs", "access.log")
        if settings.api.access_log
        else None,
    )
    runner = web.AppRunner(build(hub, options), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - set up above
    server: asyncio.Server | None = None
    try:
        listening = runner.server
        assert listening is not None  # noqa: S101  -- `setup` has made it
        server = await asyncio.get_running_loop().create_server(
            Patience(listening), settings.api.host, settings.api.port, backlog=1024
        )
        host, port = server.sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        hub.facts["address"] = f"http://{shown}:{port}"
        first = await bootstrap(hub.get(UNIT), hub.get(ACCOUNTS))
        if first is not None:
            hub.facts["administrator"] = {"username": first.username, "password": first.password}
        yield
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()
