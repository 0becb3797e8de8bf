"""Stands for `sync` in a gateway under test: a journal in memory."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from hub import Plugin, Role, hookimpl
from hub.kernel.app import JOURNAL
from hub.testing.journal import MemoryJournal


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="sync", runs_on=Role.BOTH)


@hookimpl
def hub_services(hub: Any) -> list[Any]:
    return [_journal(hub)]


@contextlib.asynccontextmanager
async def _journal(hub: Any) -> AsyncIterator[None]:
    hub.provide(JOURNAL, MemoryJournal())
    yield
