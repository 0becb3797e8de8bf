"""`busbar simulate prepaid`: virtual prepayment meters over Modbus TCP and MQTT."""

from pathlib import Path
from typing import Annotated

import typer


def prepaid(
    keys: Annotated[
        Path, typer.Option(help="TOML file of test keys; made with a new key when missing.")
    ],
    meters: Annotated[int, typer.Option(min=1, max=247, help="How many; units 1, 2, …")] = 1,
    demand: Annotated[float, typer.Option(min=0, help="W that each customer would use.")] = 1500.0,
    speed: Annotated[float, typer.Option(min=0.001, help="Simulated seconds a second.")] = 1.0,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of Modbus TCP; 0 = the system chooses.")] = 0,
    broker: Annotated[str | None, typer.Option(help="HOST:PORT to publish on as well.")] = None,
) -> None:
    """Serve meters that take 20-digit tokens, count down and open their relay at zero.

    Issue tokens for them with `busbar sts issue … --sgc 201457 --keys FILE`.
    """
    import asyncio

    from hub import HubError
    from simulators.prepaid_run import run

    try:
        asyncio.run(run(keys, meters, demand, speed, host, port, broker))
    except HubError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"cannot listen on {host}, port {port}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
