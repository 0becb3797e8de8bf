"""Tariffs, and what a use of electricity costs by them."""

from pathlib import Path

import typer

from hub import Plugin, hookimpl


@hookimpl
def hub_plugin() -> Plugin:
    from .resources import tariffs, versions

    return Plugin(
        name="billing",
        title="Tariffs",
        requires=("identity",),
        resources=(tariffs, versions),
        locale=Path(__file__).parent / "locale",
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_cli(app: typer.Typer) -> None:
    from .cli import app as commands

    app.add_typer(commands, name="billing")
