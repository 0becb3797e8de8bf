"""`busbar dnp3`: look at an outstation from the command line, and into a capture."""

import asyncio
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

dnp3 = typer.Typer(help="Scan, read and operate DNP3 outstations.", no_args_is_help=True)

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="host, host:port, udp:host:port or a serial device.")
]
Address = Annotated[int, typer.Option(min=0, max=65519, help="Link address of the outstation.")]
Master = Annotated[int, typer.Option(min=0, max=65519, help="Our own link address.")]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds to wait for an answer.")]
Baud = Annotated[int, typer.Option(help="Of a serial device.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Trace = Annotated[
    str,
    typer.Option(help="Show on stderr: octets, link, transport, application, objects or all."),
]


def _channel(target: str, address: int, master: int, timeout: float, baud: int) -> Any:
    """The channel as a configuration file would have it."""
    import msgspec

    from drivers.dnp3.config import Dnp3Config

    common = {
        "name": "cli",
        "master": master,
        "request_timeout": timeout,
        "connect_timeout": max(timeout, 3.0),
        "devices": [{"name": "outstation", "address": address}],
    }
    udp = target.startswith("udp:")
    place = target.removeprefix("udp:")
    if not udp and ("/" in place or place.upper().startswith("COM")):
        config = {"driver": "dnp3-serial", "port": place, "baud": baud, **common}
    else:
        match = re.fullmatch(r"(?:\[([^]]+)]|([^:]+))(?::(\d+))?", place)
        if not match:
            raise typer.BadParameter(f"{target!r} is no host, host:port or serial device")
        config = {
            "driver": "dnp3-udp" if udp else "dnp3-tcp",
            "host": match[1] or match[2],
            "port": int(match[3] or 20000),
            **common,
        }
    return msgspec.convert(config, Dnp3Config)


def _layers(trace: str) -> frozenset[str]:
    from drivers.dnp3.trace import LAYERS

    chosen = frozenset(filter(None, trace.split(",")))
    if chosen == {"all"}:
        return frozenset(LAYERS)
    if unknown := chosen - set(LAYERS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: none of {', '.join(LAYERS)}")
    return chosen


def _show(text: str) -> None:
    typer.echo(text, err=True)


def _finish(work: Any) -> None:
    """Run to the end; a failure is one line on stderr and exit code 1."""
    from hub import HubError

    try:
        asyncio.run(work)
    except (HubError, ValueError, OSError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _emit(row: dict[str, Any], line: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(row) if as_json else line) + "\n")


def _point(row: dict[str, Any]) -> str:
    flags = "" if row["flags"] is None else f"flags {row['flags']:02X}"
    mark = "" if row["online"] else "OFFLINE"
    return f"{row['address']:<10} {row['value']!s:>16}  {flags:<9} {row['time'] or ''} {mark}"


@dnp3.command()
def scan(
    target: Target,
    address: Address = 10,
    master: Master = 1,
    timeout: Timeout = 5.0,
    baud: Baud = 9600,
    trace: Trace = "",
    as_json: Json = False,
) -> None:
    """Show what an outstation says of itself and which points it has. Changes nothing in it."""
    from drivers.dnp3 import field

    config, layers = _channel(target, address, master, timeout, baud), _layers(trace)

    async def work() -> None:
        async with field.connected(config, layers, _show) as peer:
            found = await field.scan(peer)
        about = {
            "outstation": found.address,
            "indications": found.indications,
            "attributes": found.attributes,
            "points": len(found.points),
        }
        told = ", ".join(f"{name} {value}" for name, value in found.attributes.items())
        flags = ", ".join(found.indications) or "no indications"
        line = f"outstation {found.address}: {len(found.points)} points; {flags}; {told}"
        _emit(about, line, as_json=as_json)
        for row in found.points:
            _emit(row, _point(row), as_json=as_json)

    _finish(work())


@dnp3.command()
def read(
    target: Target,
    addresses: Annotated[
        list[str],
        typer.Argument(metavar="ADDRESS…", help="ai:0, bi:0-15, class:0 … class:3, integrity"),
    ],
    address: Address = 10,
    master: Master = 1,
    timeout: Timeout = 5.0,
    baud: Baud = 9600,
    trace: Trace = "",
    as_json: Json = False,
) -> None:
    """Read points or classes once. Events that are read are confirmed and so leave the device.

    Exit code 1 when a point is offline or is not there.
    """
    from drivers.dnp3 import field

    config, layers = _channel(target, address, master, timeout, baud), _layers(trace)

    async def work() -> None:
        async with field.connected(config, layers, _show) as peer:
            rows, indications = await field.read(peer, addresses)
        for row in rows:
            _emit(row, _point(row), as_json=as_json)
        refused = {"PARAMETER_ERROR", "OBJECT_UNKNOWN"} & set(indications)
        if refused:
            typer.echo(f"the outstation answers {', '.join(sorted(refused))}", err=True)
        if refused or not all(row["online"] for row in rows):
            raise typer.Exit(1)

    _finish(work())


@dnp3.command()
def operate(
    target: Target,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="bo:2 or ao:0")],
    value: Annotated[
        str, typer.Argument(help="on, off, pulse-on, pulse-off, close, trip; a number for ao.")
    ],
    direct: Annotated[bool, typer.Option(help="Without SELECT.")] = False,
    pulse: Annotated[int, typer.Option(min=0, help="Milliseconds.")] = 100,
    count: Annotated[int, typer.Option(min=0, max=255, help="Repetitions.")] = 1,
    type_: Annotated[str, typer.Option("--type", help="int16, int32, float32, float64")] = (
        "float32"
    ),
    address: Address = 10,
    master: Master = 1,
    timeout: Timeout = 5.0,
    baud: Baud = 9600,
    trace: Trace = "",
    as_json: Json = False,
) -> None:
    """Operate one output: SELECT, then OPERATE. Exit code 1 unless the device says SUCCESS."""
    from drivers.dnp3 import field

    config, layers = _channel(target, address, master, timeout, baud), _layers(trace)

    async def work() -> None:
        wanted = field.control(output, value, pulse, count, type_)
        async with field.connected(config, layers, _show) as peer:
            status = await field.operate(peer, wanted, direct=direct)
        row = {"output": output, "value": value, "status": status.name, "code": int(status)}
        _emit(row, f"{output} {value}: {status.name}", as_json=as_json)
        if status:
            raise typer.Exit(1)

    _finish(work())


@dnp3.command()
def clock(
    target: Target,
    lan: Annotated[bool, typer.Option(help="Record current time instead of delay.")] = False,
    address: Address = 10,
    master: Master = 1,
    timeout: Timeout = 5.0,
    baud: Baud = 9600,
    trace: Trace = "",
) -> None:
    """Give the outstation this machine's time."""
    from drivers.dnp3 import field

    config, layers = _channel(target, address, master, timeout, baud), _layers(trace)

    async def work() -> None:
        async with field.connected(config, layers, _show) as peer:
            await field.clock(peer, lan=lan)
        typer.echo("the time was written")

    _finish(work())


@dnp3.command()
def freeze(
    target: Target,
    points: Annotated[str, typer.Argument(metavar="POINTS", help="ctr, ai, or some: ctr:0-3")],
    clear: Annotated[bool, typer.Option(help="Set counters to zero with it.")] = False,
    at: Annotated[
        datetime | None, typer.Option(help="When, UTC, by the outstation's clock; else now.")
    ] = None,
    every: Annotated[
        float, typer.Option(min=0, help="Seconds to the next and all that follow.")
    ] = 0.0,
    cancel: Annotated[bool, typer.Option(help="End what --every or --at ordered.")] = False,
    address: Address = 10,
    master: Master = 1,
    timeout: Timeout = 5.0,
    baud: Baud = 9600,
    trace: Trace = "",
) -> None:
    """Freeze counters or analog inputs: now, at a time, again and again."""
    from drivers.dnp3 import field

    config, layers = _channel(target, address, master, timeout, baud), _layers(trace)

    async def work() -> None:
        wanted = field.freezing(points, at, every, clear=clear, cancel=cancel)
        async with field.connected(config, layers, _show) as peer:
            await wanted(peer)
        typer.echo(f"{points}: {'no more freezing' if cancel else 'accepted'}")

    _finish(work())


@dnp3.command()
def sniff(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="pcap or pcapng")],
    as_json: Json = False,
) -> None:
    """Decode a capture: one line, or one JSON object, for each application fragment.

    Exit code 1 when there is no DNP3 in it.
    """
    import msgspec

    from drivers.capture import packets
    from drivers.dnp3.sniff import sniff as decode
    from hub import HubError

    faults: list[tuple[int, str]] = []
    seen = 0
    try:
        for message in decode(packets(file.read_bytes()), faults):
            seen += 1
            text = msgspec.json.encode(message).decode() if as_json else _fragment(message)
            sys.stdout.write(text + "\n")
    except HubError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        raise typer.Exit(0) from None
    for frame, fault in faults:
        typer.echo(f"frame {frame}: {fault}", err=True)
    if not seen:
        typer.echo(f"{file}: no DNP3 application fragments", err=True)
        raise typer.Exit(1)


def _fragment(message: Any) -> str:
    objects = " ".join(
        dict.fromkeys(f"g{item['group']}v{item['variation']}" for item in message.objects)
    )
    told = f" [{', '.join(message.indications)}]" if message.indications else ""
    fault = f" ! {message.fault}" if message.fault else ""
    head = f"{message.frame:>6} {message.source} → {message.destination}"
    return f"{head} {message.sequence:>2} {message.name}{told} {objects}{fault}".rstrip()
