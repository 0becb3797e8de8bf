"""DNP3 (IEEE 1815) over TCP, TLS, UDP and serial lines: master and outstation."""

import typer

from hub import Plugin, Role, hookimpl

DRIVERS = ("dnp3-tcp", "dnp3-listen", "dnp3-udp", "dnp3-serial")


@hookimpl
def hub_plugin() -> Plugin:
    from drivers.dnp3.driver import Dnp3Driver  # noqa: PLC0415 - keeps `busbar --help` fast

    return Plugin(
        name="dnp3",
        title="DNP3",
        runs_on=Role.GATEWAY,
        drivers=dict.fromkeys(DRIVERS, Dnp3Driver),
    )
