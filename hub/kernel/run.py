"""One process from settings to its end."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from config import Fault, Faults, Settings, explain
from hub.contract.plugin import Plugin, Role
from hub.kernel import registry, service
from hub.kernel.app import Hub
from hub.kernel.channels import Profiles, decode
from hub.kernel.metrics import METRICS
from hub.kernel.metrics import registry as metrics_registry
from hub.kernel.notify import notify
from hub.kernel.profiles import SHIPPED
from hub.kernel.profiles import Profiles as Folders

log = logging.getLogger(__name__)


def make_hub(
    settings: Settings,
    role: Role,
    *,
    modules: Iterable[str | ModuleType] = (),
    installed: bool = True,
    profiles: Profiles | None = None,
) -> Hub:
    """Load and check everything, open nothing. Raises Faults or PluginError with all that is wrong.

    modules: plugin packages beside the installed ones and those of the settings.
    """
    own = service if role is Role.GATEWAY else "hub.kernel.central"  # a gateway has no database
    plugins, hooks = registry.load(
        role,
        modules=(own, *settings.plugins.modules, *modules),
        blocked=settings.plugins.blocked,
        installed=installed,
        trace=os.environ.get("BUSBAR_TRACE_HOOKS") == "1",
    )
    lines = settings.origin.tell(list(_plugin_faults(settings.plugin, plugins)))
    hub = Hub(settings=settings, role=role, plugins=plugins, hooks=hooks)
    hub.provide(METRICS, metrics_registry())
    try:
        if role is Role.GATEWAY:
            known = profiles or shipped_profiles(settings)
            plans = decode(settings.channels, plugins, known, settings.origin)
            hub.provide(service.PLANS, plans)
            hub.provide(service.PROFILES, known)
    except Faults as e:
        raise Faults([*lines, *e.lines]) from None
    if lines:
        raise Faults(lines)
    return hub


def plugin_settings(hub: Hub, name: str) -> Any:
    """The table `[plugin.<name>]` as the plugin's own struct."""
    kind = hub.plugins[name].settings
    if kind is None:
        raise LookupError(f"plugin {name} declares no settings")
    return msgspec.convert(hub.settings.plugin.get(name, {}), kind)


def shipped_profiles(settings: Settings) -> Profiles:
    """Firmware profiles: ours, and those of the site, which replace their namesakes."""
    return Folders((SHIPPED, *(Path(f) for f in settings.gateway.profiles)))


async def run_role(
    role: Role,
    settings: Settings,
    *,
    modules: Iterable[str | ModuleType] = (),
    ready: Callable[[Hub], None] | None = None,
) -> None:
    """Run until SIGINT or SIGTERM; then stop everything in order."""
    hub = make_hub(settings, role, modules=modules)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hub.stopping.set)
    running = asyncio.create_task(hub.run())
    starting = asyncio.create_task(hub.started.wait())
    await asyncio.wait((running, starting), return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    if hub.started.is_set():
        log.info(
            "ready", extra={"action": "hub.ready", "role": str(role.name).lower(), **hub.facts}
        )
        notify("ready", hub.facts)
        if ready is not None:
            ready(hub)
    await running


def _plugin_faults(tables: Mapping[str, Any], plugins: Mapping[str, Plugin]) -> list[Fault]:
    found: list[Fault] = []
    for name, plugin in plugins.items():
        if plugin.settings is not None:
            found += explain(plugin.settings, tables.get(name, {}), ("plugin", name))
    return found
