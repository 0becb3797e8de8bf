"""The gateway as a plugin of its own role: it needs the buffer, and others need it."""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from hub.contract.driver import Command
from hub.contract.plugin import Plugin, Role, hookimpl
from hub.contract.services import SITE
from hub.kernel.alarms import ALARMS
from hub.kernel.app import JOURNAL, Hub, Key
from hub.kernel.channels import Plan, Profiles
from hub.kernel.commands import COMMANDS
from hub.kernel.gateway import GATEWAY, Gateway
from hub.kernel.gateway_metrics import GatewayCollector
from hub.kernel.log import TAIL, Tail
from hub.kernel.metrics import METRICS
from hub.kernel.operator import OPERATOR
from hub.kernel.points import POINTS
from hub.kernel.probe import PROBE, Prober
from hub.kernel.site import GatewaySite

PROFILES = Key[Profiles]("firmware profiles")
PLANS = Key[Sequence[Plan]]("channel plans")


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="gateway", title="Gateway", runs_on=Role.GATEWAY, requires=("sync",))


@hookimpl
def hub_services(hub: Hub) -> list[AbstractAsyncContextManager[Any]]:
    return [_remembered(hub), _running(hub)]


@contextlib.asynccontextmanager
async def _remembered(hub: Hub) -> AsyncIterator[Tail]:
    """Keep the last log entries for the gateway's own page."""
    tail, root = Tail(), logging.getLogger()
    root.addHandler(tail)
    hub.provide(TAIL, tail)
    try:
        yield tail
    finally:
        root.removeHandler(tail)


@contextlib.asynccontextmanager
async def _running(hub: Hub) -> AsyncIterator[Gateway]:
    def guard(command: Command) -> list[str | None]:
        found: list[str | None] = hub.hooks.hook.hub_command_guard(command=command)
        return found

    folder = Path(hub.settings.gateway.data_dir)
    gateway = Gateway(hub.get(PLANS), hub.get(JOURNAL), folder, guard=guard)
    hub.provide(GATEWAY, gateway)
    hub.provide(POINTS, gateway.points)
    hub.provide(COMMANDS, gateway.commands)
    hub.provide(PROBE, Prober(hub.plugins, hub.get(PROFILES), gateway.clock))
    hub.get(METRICS).register(GatewayCollector(gateway))
    async with gateway.running():
        hub.provide(ALARMS, gateway.alarms)
        hub.provide(OPERATOR, gateway.operator)
        hub.provide(SITE, GatewaySite(gateway))
        yield gateway
