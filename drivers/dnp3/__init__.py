"""DNP3 (IEEE 1815) over TCP, TLS, UDP and serial lines: master and outstation."""

import typer

from hub import Plugin, Role, hookimpl

DRIVERS = ("dnp3-tcp", "dnp3-listen", "dnp3-udp", "dnp3-serial")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.dnp3.driver import Dnp3Driver

    return Plugin(
        name="dnp3",
        title="DNP3",
        runs_on=Role.GATEWAY,
        drivers=dict.fromkeys(DRIVERS, Dnp3Driver),
    )


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.dnp3.cli import dnp3

    app.add_typer(dnp3, name="dnp3")
