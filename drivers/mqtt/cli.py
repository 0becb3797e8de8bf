"""`busbar mqtt`: look into bytes that went between a client and a broker."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="MQTT from the command line.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """MQTT from the command line."""


@app.command()
def dissect(
    file: Annotated[Path, typer.Argument(help="Bytes of one direction of a TCP connection.")],
    version: Annotated[int, typer.Option(help="3, 4 or 5, when no CONNECT is in it.")] = 4,
) -> None:
    """Show every MQTT packet of a byte stream, one JSON object a line. Passwords are left out."""
    import msgspec

    from hub import HubError

    from .packet import Dissector

    dissector = Dissector()
    dissector.version = version
    try:
        for packet in dissector.feed(file.read_bytes()):
            shown = msgspec.to_builtins(packet) | {"type": packet.type.name}
            shown["payload"] = packet.payload.decode(errors="backslashreplace")
            typer.echo(msgspec.json.encode(shown).decode())
    except (HubError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
