"""The web API of the centre and the local API of a gateway."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from hub import Plugin, Role, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="api", title="Web API", runs_on=Role.BOTH, after=("*",))


@hookimpl
def hub_services(hub: Any) -> list[AbstractAsyncContextManager[Any]]:
    """The API that fits this process's role."""
    if Role.GATEWAY in hub.role:
        from api.local import served

        return [served(hub)]
    from api.central import served as central

    return [central(hub)]


@hookimpl
def hub_cli(app: "typer.Typer") -> None:
    from api.cli import openapi

    app.command()(openapi)
