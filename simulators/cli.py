"""`busbar simulate`: field devices on real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulators.field import Field
    from simulators.network import Network


def add_commands(app: typer.Typer) -> None:
    """Add the group `simulate`."""
    from simulators.acrel_cli import acrel
    from simulators.dnp3_cli import simulate as dnp3
    from simulators.prepaid_cli import prepaid

    group = typer.Typer(help="Field devices that speak the real protocols.")
    group.callback()(_group)
    app.add_typer(group, name="simulate")
    group.command("modbus")(modbus)
    group.command("dnp3")(dnp3)
    group.command("iec61850")(iec61850)
    group.command("acrel")(acrel)
    group.command("prepaid")(prepaid)


def _group() -> None:
    """Field devices that speak the real protocols."""


def modbus(
    profile: Annotated[str | None, typer.Option(help="Profile of the meters.")] = None,
    series: Annotated[Path | None, typer.Option(help="CSV or CSV.GZ to replay.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of the series.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE of the rows to take; one meter each.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of the column: kWh, MWh, kW, MW …")] = "",
    speed: Annotated[float, typer.Option(min=0.001, help="Simulated seconds a second.")] = 1.0,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(help="First port; 0 = the system chooses.")] = 0,
    units: Annotated[int, typer.Option(min=1, max=247, help="How many meters.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the built-in network.")] = 1,
    write_config: Annotated[
        Path | None, typer.Option(help="Write a gateway's configuration that reads all of it.")
    ] = None,
) -> None:
    """Serve Modbus TCP meters: a recorded series in a real meter's registers, or a network.

    Without --series a network of two substations with about forty meters is served.
    """
    import asyncio

    from hub import HubError
    from simulators.run import run

    try:
        if series is not None:
            code = profile or "eastron/sdm630"
            field = _replay(code, series, column, where or [], unit, units, speed, host, port)
            asyncio.run(run(field, write_config))
        elif profile is None:
            asyncio.run(run(*_network(write_config, speed, host, port, seed)))
        else:
            raise typer.BadParameter("--profile needs --series; without both: a network")
    except HubError as error:
        raise _end(str(error)) from None
    except OSError as error:
        raise _end(f"cannot serve on {host}, port {port}: {error.strerror or error}") from None


def _end(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


def iec61850(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="SCL; none: a feeder bay.")
    ] = None,
    ied: Annotated[str, typer.Option(help="Which IED, when the file has several.")] = "",
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 = the system chooses.")] = 0,
) -> None:
    """Serve an IED of an SCL file: values that move, reports, controls."""
    import asyncio

    from hub import HubError
    from simulators.iec61850 import FEEDER_BAY, SimulatedIed, run

    try:
        asyncio.run(run(SimulatedIed(file or FEEDER_BAY, ied), host, port, typer.echo))
    except (HubError, LookupError) as error:
        raise _end(str(error.args[0])) from None
    except OSError as error:
        raise _end(f"cannot serve on {host}, port {port}: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _network(
    write_config: Path | None, speed: float, host: str, port: int, seed: int
) -> tuple[Field, Path | None, Network]:
    import time

    from simulators.field import serve_network
    from simulators.network import DAY, Network

    network = Network(seed, start=time.time() % DAY)
    return serve_network(network, speed=speed, host=host, port=port), write_config, network


def _replay(
    code: str,
    series: Path,
    column: str | None,
    where: list[str],
    unit: str,
    units: int,
    speed: float,
    host: str,
    port: int,
) -> Field:
    from hub.kernel.profiles import Profiles
    from simulators.field import serve_meters
    from simulators.series import Replay, read_series

    profile = Profiles().find(code)
    if bad := [each for each in where if "=" not in each]:
        raise typer.BadParameter(f"--where {bad[0]}: COLUMN=VALUE")
    choices = [dict([each.split("=", 1)]) for each in where] or [{}]
    read = [read_series(series, column, choice, unit) for choice in choices]
    phases = 3 if profile.measuring("voltage.l3") or not profile.measuring("voltage.l1") else 1
    replays = [Replay(read[i % len(read)], phases) for i in range(max(units, len(read)))]
    for each in read:
        typer.echo(
            f"{each.name}: {len(each)} intervals of {each.seconds} s, "
            f"{each.missing} without a value, {each.repeated} repeated and left out"
        )
    return serve_meters(profile, replays, speed=speed, host=host, port=port)
