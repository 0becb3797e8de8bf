"""A simulated field as a process of its own: says where it listens, remembers what it counted."""

import asyncio
import contextlib
import signal
import socket
import tomllib
from pathlib import Path
from typing import Final

import msgspec
import typer

from hub.kernel.notify import notify
from simulators.field import Field, config
from simulators.network import Network, State

SAVE_EVERY: Final = 10.0


async def run(field: Field, write_config: Path | None, network: Network | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    write_config: the gateway's configuration is written there; ports that it names already are
    taken again, and a network goes on from the registers saved beside it.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    saved = write_config.with_suffix(".state") if write_config and network else None
    if write_config:
        _same_ports(field, write_config)
    if saved and network:
        _resume(network, saved)
    async with field:
        if write_config:
            await asyncio.to_thread(_replace, write_config, config(field.channels()).encode())
        _announce(field)
        notify("ready", {"devices": sum(len(outlet.names) for outlet in field.outlets)})
        ended = asyncio.create_task(field.wait())
        while not stop.is_set() and not ended.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_EVERY):
                    await stop.wait()
            if saved and network:
                await asyncio.to_thread(_replace, saved, msgspec.json.encode(network.state()))
        ended.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ended


def _announce(field: Field) -> None:
    for outlet in field.outlets:
        typer.echo(f"{outlet.server.host}:{outlet.server.port}  {outlet.name}")
        for name, (number, unit) in zip(outlet.names, outlet.server.units.items(), strict=True):
            typer.echo(f"  unit {number:<3} {name:<16} {unit.profile.code}")
    typer.echo("serving; Ctrl-C ends it")


def _same_ports(field: Field, file: Path) -> None:
    """Listen where an earlier run did, so that a gateway which read the file finds us again."""
    try:
        channels = tomllib.loads(file.read_text("utf-8"))["channels"]
        ports = {channel["name"]: int(channel["port"]) for channel in channels}
    except (OSError, ValueError, LookupError, TypeError):
        return
    for outlet in field.outlets:
        port = ports.get(outlet.name, 0)
        if not outlet.server.port and port and _free(outlet.server.host, port):
            outlet.server.port = port


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _resume(network: Network, file: Path) -> None:
    try:
        state = msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError) as error:
        typer.echo(f"{file}: not usable ({error}); meters start from the beginning", err=True)
        return
    network.resume(state)


def _replace(file: Path, data: bytes) -> None:
    part = file.with_suffix(".part")
    part.write_bytes(data)
    part.replace(file)
