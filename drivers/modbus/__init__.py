"""Modbus over TCP, serial RTU, serial ASCII and RTU-over-TCP: client and server."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from hub import SITE, Plugin, Role, hookimpl, kept

if TYPE_CHECKING:
    from drivers.modbus.exposed import ModbusServer

DRIVERS = ("modbus-tcp", "modbus-rtu", "modbus-ascii", "modbus-rtu-over-tcp")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.modbus.driver import ModbusDriver
    from drivers.modbus.exposed import ModbusSettings

    return Plugin(
        name="modbus",
        title="Modbus",
        runs_on=Role.GATEWAY,
        after=("gateway",),
        settings=ModbusSettings,
        drivers=dict.fromkeys(DRIVERS, ModbusDriver),
    )


@hookimpl
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    from drivers.modbus.exposed import ModbusSettings

    own = msgspec.convert(hub.settings.plugin.get("modbus", {}), ModbusSettings)
    return [_served(hub, at, server) for at, server in enumerate(own.servers)]


def _served(hub: Any, at: int, server: "ModbusServer") -> AbstractAsyncContextManager[None]:
    from drivers.modbus.server import serve

    path = ("plugin", "modbus", "servers", at, "points")

    async def work(up: Callable[[], None]) -> None:
        place = hub.settings.origin.place
        await serve(server, hub.get(SITE), lambda row: place((*path, row, "point")), up)

    return kept(f"modbus server {server.host}:{server.port}", work)


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.modbus.cli import modbus

    app.add_typer(modbus, name="modbus")
