"""`busbar simulate dnp3`."""

from typing import Annotated

import typer


def simulate(
    profile: Annotated[str, typer.Option(help="Profile of the RTU.")] = "generic/dnp3_rtu",
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = the system chooses.")] = 20000,
    address: Annotated[int, typer.Option(min=0, max=65519, help="Link address.")] = 10,
    master: Annotated[int, typer.Option(min=-1, max=65519, help="Of the master; -1: any.")] = -1,
    speed: Annotated[float, typer.Option(min=0.001, help="Simulated seconds a second.")] = 1.0,
    seed: int = 1,
    local: Annotated[bool, typer.Option(help="In local control: refuse every output.")] = False,
) -> None:
    """Serve a DNP3 outstation over TCP: moving values, events, controls that answer."""
    import asyncio

    from drivers.dnp3.outstation import OutstationSettings
    from hub import HubError
    from hub.kernel.profiles import Profiles
    from simulators.dnp3 import Rtu, serve

    try:
        rtu = Rtu(Profiles().find(profile), seed=seed, speed=speed)
        rtu.local = local
        settings = OutstationSettings(
            address=address, master=None if master < 0 else master, need_time=True
        )
        asyncio.run(serve(rtu, settings, host, port))
    except HubError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
