"""IEC 61850: MMS client with reports and controls, SCL import, GOOSE."""

import typer

from hub import Plugin, Role, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    # Loaded here, not with the module, to keep the command line quick.
    from drivers.iec61850.driver import Iec61850Driver
    from drivers.iec61850.goose_driver import GooseDriver

    return Plugin(
        name="iec61850",
        title="IEC 61850",
        runs_on=Role.GATEWAY,
        drivers={"iec61850": Iec61850Driver, "goose": GooseDriver},
    )


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from drivers.iec61850.cli import iec61850

    app.add_typer(iec61850, name="iec61850")
