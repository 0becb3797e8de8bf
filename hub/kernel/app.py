"""One running process: what is loaded, what it offers, how it starts and stops."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, cast

import pluggy

from hub.contract.plugin import Plugin, Role
from hub.contract.services import DIRECTORY, JOURNAL, NEWS, ORDERS, STORE, UNIT, Key

T = TypeVar("T")

__all__ = ["DIRECTORY", "JOURNAL", "NEWS", "ORDERS", "STORE", "UNIT", "Hub", "Key", "Route"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """An HTTP endpoint that is not a Resource's; `handler` is aiohttp's, `path` is absolute."""

    method: str
    path: str
    handler: Callable[..., Any]
    public: bool = False
    permission: str | None = None
    summary: str = ""


@dataclass
class Hub:
    """Everything hangs off one of these; a test can make two.

    facts: what services tell whoever started the process (`address`); shown once it is ready.
    """

    settings: Any
    role: Role
    plugins: dict[str, Plugin]
    hooks: pluggy.PluginManager
    routes: list[Route] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    facts: dict[str, Any] = field(default_factory=dict)
    _services: dict[Key[Any], Any] = field(default_factory=dict)

    def provide(self, key: Key[T], service: T) -> None:
        """Offer a service to whatever starts later."""
        self._services[key] = service

    def get(self, key: Key[T]) -> T:
        """The service of that key, or LookupError that names it."""
        try:
            return cast("T", self._services[key])
        except KeyError:
            raise LookupError(f"no service provides {key.name!r} in this process") from None

    @property
    def services(self) -> Mapping[Key[Any], Any]:
        """All services, as they come."""
        return MappingProxyType(self._services)

    async def run(self) -> None:
        """Enter all services, wait for `stopping`, leave them in reverse order."""
        async with contextlib.AsyncExitStack() as stack:
            for name in self.plugins:
                module = self.hooks.get_plugin(name)
                hook = getattr(module, "hub_services", None)
                for service in hook(self) if hook else ():
                    await stack.enter_async_context(service)
            for start in filter(None, self.hooks.hook.hub_startup(hub=self)):
                await start
            self.started.set()
            await self.stopping.wait()
            for stop in filter(None, self.hooks.hook.hub_shutdown(hub=self)):
                await stop
