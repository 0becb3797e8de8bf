"""DNP3 (IEEE 1815) over TCP, TLS, UDP and serial lines: master and outstation."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from hub import SITE, Plugin, Role, hookimpl, kept

if TYPE_CHECKING:
    from drivers.dnp3.config import Slave

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

    own = msgspec.convert(hub.settings.plugin.get("dnp3", {}), Dnp3Settings)
    return [_served(hub, slave) for slave in own.outstations]


def _served(hub: Any, slave: "Slave") -> AbstractAsyncContextManager[None]:
    from drivers.dnp3.slave import serve

    return kept(f"dnp3 outstation {slave.address}", partial(serve, slave, hub.get(SITE)))


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.dnp3.cli import dnp3

    app.add_typer(dnp3, name="dnp3")
