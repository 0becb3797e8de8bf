"""`busbar simulate acrel`: a fleet of Acrel meters on an embedded broker."""

from pathlib import Path
from typing import Annotated

import typer


def acrel(
    meters: Annotated[int, typer.Option(min=1, max=100_000, help="How many meters.")] = 500,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between readings.")] = 10.0,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the broker; 0 = the system chooses.")] = 0,
    external: Annotated[bool, typer.Option(help="Use the broker there, start none.")] = False,
    write_config: Annotated[
        Path | None, typer.Option(help="Write a gateway's configuration that reads all of it.")
    ] = None,
) -> None:
    """Serve Acrel meters over MQTT; they publish readings and obey disconnect and reconnect."""
    import asyncio

    from simulators.acrel_run import run

    if external and not port:
        raise typer.BadParameter("--external needs the --port of the broker")
    try:
        asyncio.run(run(meters, every, host, port, external, write_config))
    except ModuleNotFoundError as error:
        typer.echo(f"{error}: pip install 'busbar[simulators]'", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"cannot listen on {host}, port {port}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
