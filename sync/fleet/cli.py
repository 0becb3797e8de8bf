"""`busbar enrol`: let a gateway join, from the centre's own machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def enrol(
    name: Annotated[str, typer.Argument(help="The gateway's name, as its own file says it.")],
    config: Annotated[
        list[Path] | None, typer.Option("-c", "--config", help="The centre's files.")
    ] = None,
    company: Annotated[str, typer.Option(help="Code of its company, where there are many.")] = "",
    renew: Annotated[bool, typer.Option(help="Replace the key of a known gateway.")] = False,
    url: Annotated[str, typer.Option(help="Where gateways reach the centre.")] = "",
) -> None:
    """Let a gateway join; prints the table for its file. The key is shown this once."""
    from hub import HubError
    from hub.cli import unit_of_work

    from .registry import join, owner_of

    async def run() -> str:
        async with unit_of_work(config or []) as unit, unit.system() as ctx:
            owner = await owner_of(ctx, company)
            return (await join(ctx, owner, name, renew=renew)).key

    try:
        key = asyncio.run(run())
    except HubError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f'[gateway]\nname = "{name}"\n\n[central]\nurl = "{url}"\nkey = "{key}"')
