"""From the gateway's buffer to the centre's tables, each reading once."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub import Plugin, Role, hookimpl

from .events import EVENTS
from .settings import SyncSettings

if TYPE_CHECKING:
    import typer

    from hub.kernel.app import Hub


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="sync",
        title="Buffer, uplink, ingest and store",
        runs_on=Role.BOTH,
        settings=SyncSettings,
        events=EVENTS,
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_services(hub: "Hub") -> list[AbstractAsyncContextManager[Any]]:
    services: list[AbstractAsyncContextManager[Any]] = []
    if hub.role & Role.GATEWAY:
        from .gateway import buffered

        services.append(buffered(hub))
    if hub.role & Role.CENTRAL:
        from .central import ingesting

        services.append(ingesting(hub))
    return services


@hookimpl
def hub_cli(app: "typer.Typer") -> None:
    from .cli import buffer_commands

    app.add_typer(buffer_commands(), name="buffer", help="Look into a gateway's buffer.")
