"""DNP3 (IEEE 1815) over TCP, TLS, UDP and serial lines: master and outstation."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import typer

from hub import SITE, Plugin, Role, hookimpl

DRIVERS = ("dnp3-tcp", "dnp3-listen", "dnp3-udp", "dnp3-serial")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.dnp3.config import Dnp3Settings
    from drivers.dnp3.driver import Dnp3Driver

    return Plugin(
        name="dnp3",
        title="DNP3",
        runs_on=Role.GATEWAY,
        after=("gateway",),
        settings=Dnp3Settings,
        drivers=dict.fromkeys(DRIVERS, Dnp3Driver),
    )


@hookimpl
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    from drivers.dnp3.config import Dnp3Settings
    from drivers.dnp3.slave import all_served

    own = msgspec.convert(hub.settings.plugin.get("dnp3", {}), Dnp3Settings)
    return [all_served(own.outstations, hub.get(SITE))] if own.outstations else []


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.dnp3.cli import dnp3

    app.add_typer(dnp3, name="dnp3")
