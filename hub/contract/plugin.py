"""How a package tells the hub what it brings: one manifest and few hooks.

A plugin is a package with `hub_plugin()` marked `@hookimpl`, found through the entry-point group
`busbar.plugins`, or `busbar.plugins.central` when a gateway need not even import it. Static things
are fields of `Plugin`; hooks are for behaviour.
"""
# mypy: disable-error-code=empty-body

import enum
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from .context import Actor, Credentials, Event
from .driver import Command, Driver
from .endpoint import Endpoint, Room
from .events import Subscriber
from .jobs import Job, Schedule
from .notices import Notice
from .services import Key

if TYPE_CHECKING:
    import typer

    from .resource import Resource

PROJECT = "busbar"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Role(enum.Flag):
    """The kinds of process that a plugin runs in."""

    GATEWAY = enum.auto()
    CENTRAL = enum.auto()
    BOTH = GATEWAY | CENTRAL


Authenticator = Callable[[Credentials], Awaitable[Actor]]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Everything a package brings, by value.

    name: also the prefix of its tables, URLs, permissions and Alembic branch. settings: a msgspec
    struct, read from the table `[plugin.<name>]`. options: one that a company may change while the
    system runs, read through `OPTIONS`. after: plugins that start before this one where
    they are loaded, though it can do without them (`*`: all that do not say so too). permissions:
    code → description. urls: further URL modules it owns beside its name. actions: endpoints that
    are not rows. providers: services that it offers, by key.
    """

    name: str
    version: str = "0.1.0"
    title: str = ""
    requires: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    runs_on: Role = Role.CENTRAL
    urls: tuple[str, ...] = ()
    resources: "tuple[Resource[Any], ...]" = ()
    actions: tuple[Endpoint, ...] = ()
    events: tuple[type[Event], ...] = ()
    subscribers: tuple[Subscriber, ...] = ()
    notices: tuple[Notice, ...] = ()
    jobs: tuple[Job, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: type | None = None
    options: type | None = None
    drivers: Mapping[str, type[Driver[Any]]] = field(default_factory=dict)
    providers: Mapping[Key[Any], Any] = field(default_factory=dict)
    rooms: tuple[Room, ...] = ()
    reports: tuple[Any, ...] = ()
    health: tuple[Any, ...] = ()
    migrations: Path | None = None
    locale: Path | None = None


@hookspec
def hub_plugin() -> Plugin:
    """Return what this plugin brings. Called once, before anything is opened."""


@hookspec
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    """Return what runs for as long as the process does; entered in order, left in reverse."""


@hookspec
def hub_startup(hub: Any) -> Any:
    """Return a coroutine to await once all services are up, or None."""


@hookspec
def hub_shutdown(hub: Any) -> Any:
    """Return a coroutine to await before the services go down, or None."""


@hookspec(firstresult=True)
def hub_authenticate(hub: Any, scheme: str) -> Authenticator | None:
    """Return what turns credentials of this scheme into an Actor. Asked once, at start."""


@hookspec
def hub_row_scope(actor: Any, model: type) -> Any:
    """Return a SQL condition that narrows what this actor sees of `model`, or None."""


@hookspec
def hub_command_guard(command: Command) -> str | None:
    """Return why this command must not be executed (interlock), or None. Any refusal wins."""


@hookspec
def hub_search(ctx: Any, query: str, limit: int) -> Any:
    """Return a coroutine that yields search hits, or None."""


@hookspec
def hub_cli(app: "typer.Typer") -> None:
    """Add commands to `busbar`."""
