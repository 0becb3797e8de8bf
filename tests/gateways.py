"""A whole gateway in the test's own process, by its configuration file."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import api
from config import load
from hub import Role
from hub.kernel.app import Hub
from hub.kernel.run import make_hub
from tests import memory_sync


def free_port() -> int:
    """One that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def made(file: str, folder: Path, *modules: ModuleType) -> Hub:
    """The gateway of a file in which {folder} is where it keeps its data; nothing runs yet."""
    path = folder / "gateway.toml"
    path.write_text(file.replace("{folder}", str(folder)))
    return make_hub(load(path), Role.GATEWAY, modules=(api, memory_sync, *modules), installed=False)


@contextlib.asynccontextmanager
async def running(file: str, folder: Path, *modules: ModuleType) -> AsyncIterator[Hub]:
    """The same with its own API, at work."""
    hub = made(file, folder, *modules)
    task = asyncio.create_task(hub.run())
    await asyncio.wait_for(hub.started.wait(), 20)
    try:
        yield hub
    finally:
        hub.stopping.set()
        await asyncio.wait_for(task, 20)  # a broker may be slow to say goodbye
