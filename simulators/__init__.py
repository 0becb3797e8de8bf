"""Field devices for demonstrations and tests; they speak the real protocols."""

import typer

from hub import Plugin, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="simulators", title="Simulated field devices")


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from simulators.cli import add_commands

    add_commands(app)
