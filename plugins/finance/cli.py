"""`busbar finance …`."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

Files = Annotated[
    list[Path] | None,
    typer.Option("-c", "--config", help="TOML file; may be repeated, the later wins."),
]


def add_commands(app: typer.Typer) -> None:
    """Add the group `finance`."""
    group = typer.Typer(help="The books.", no_args_is_help=True)
    group.callback()(_group)
    group.command()(verify)
    app.add_typer(group, name="finance")


def _group() -> None:
    """The books."""


def verify(config: Files = None) -> None:
    """Read all sealed entries again, prove the books, tell every place that differs.

    Exit code 1 when anything does.
    """
    sound = True
    for tenant, (proof, verdict) in asyncio.run(_prove(config or [])).items():
        sound = sound and proof.sound
        typer.echo(
            f"company {tenant}: {verdict.entries} entries sealed, {verdict.waiting} waiting, "
            f"{'sound' if proof.sound else 'NOT SOUND'}"
        )
        for check, places in proof.faults.items():
            for place, what in places.items():
                typer.echo(f"  {check}: {place}: {what}")
    if not sound:
        raise typer.Exit(1)


async def _prove(files: list[Path]) -> dict[Any, Any]:
    from hub.cli import unit_of_work

    from .jobs import prove_all

    async with unit_of_work(files) as unit:
        return await prove_all(unit)
