"""What the API adds to the command line."""

import msgspec
import typer


def openapi() -> None:
    """Print the OpenAPI document of the centre with all installed plugins."""
    from api.openapi import document
    from hub.contract.plugin import Role
    from hub.kernel.registry import load

    plugins, _ = load(Role.CENTRAL, modules=("hub.kernel.central",))
    typer.echo(msgspec.json.format(msgspec.json.encode(document(plugins.values()))))
