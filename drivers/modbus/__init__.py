"""Modbus over TCP, serial RTU, serial ASCII and RTU-over-TCP."""

import typer

from hub import Plugin, Role, hookimpl

DRIVERS = ("modbus-tcp", "modbus-rtu", "modbus-ascii", "modbus-rtu-over-tcp")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.modbus.driver import ModbusDriver

    return Plugin(
        name="modbus",
        title="Modbus",
        runs_on=Role.GATEWAY,
        drivers=dict.fromkeys(DRIVERS, ModbusDriver),
    )


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.modbus.cli import modbus

    app.add_typer(modbus, name="modbus")
