"""The gateways of a company, at the centre: who they are, how they do, who may join."""

from typing import TYPE_CHECKING

from hub import Plugin, Role, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def hub_plugin() -> Plugin:
    from .endpoints import ACTIONS

    return Plugin(
        name="fleet",
        title="Gateways",
        runs_on=Role.CENTRAL,
        requires=("identity", "sync"),
        urls=("sync",),
        actions=ACTIONS,
        permissions={
            "sync.gateways.read": "See gateways and how far behind they are",
            "sync.gateways.write": "Let gateways join, renew their keys, switch them off",
        },
    )


@hookimpl
def hub_cli(app: "typer.Typer") -> None:
    from .cli import enrol

    app.command()(enrol)
