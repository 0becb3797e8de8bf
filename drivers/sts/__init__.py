"""STS prepayment tokens (IEC 62055-41): issuing, reading, the meter's side, security modules."""

import typer

from hub import Plugin, Role, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="sts", title="STS prepayment tokens", runs_on=Role.BOTH)


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from .cli import app as commands

    app.add_typer(commands, name="sts")
