"""`busbar modbus`: try a device from the command line, and look into a capture."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

modbus = typer.Typer(help="Read, write and search Modbus devices.", no_args_is_help=True)

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="host, host:port, [v6]:port or a serial device.")
]
Unit = Annotated[int, typer.Option(min=0, max=255, help="Unit of the device.")]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds to wait for an answer.")]
Baud = Annotated[int, typer.Option(help="Of a serial device.")]
Parity = Annotated[str, typer.Option(help="none, even or odd; of a serial device.")]
StopBits = Annotated[int, typer.Option(min=1, max=2, help="Of a serial device.")]
Framing = Annotated[
    str, typer.Option(help="rtu or ascii; by default TCP's own, and rtu on a serial device.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Order = Annotated[str, typer.Option(help="big or little.")]


def _network(target: str) -> tuple[str, int]:
    match = re.fullmatch(
        r"\[(?P<v6>[^]]+)](?::(?P<p6>\d+))?|(?P<host>[^:]+)(?::(?P<port>\d+))?", target
    )
    if not match:
        raise typer.BadParameter(f"{target!r} is no host, host:port or [v6 address]:port")
    return match["v6"] or match["host"], int(match["p6"] or match["port"] or 502)


def _channel(
    target: str, unit: int, timeout: float, baud: int, parity: str, stop_bits: int, framing: str
) -> dict[str, Any]:
    """The channel as a configuration file would have it."""
    common = {
        "name": "cli",
        "request_timeout": timeout,
        "devices": [{"name": "device", "unit": unit}],
    }
    if framing not in {"", "rtu", "ascii"}:
        raise typer.BadParameter(f"framing {framing!r} is none of rtu, ascii")
    if "/" in target or target.upper().startswith("COM"):
        line = {"port": target, "baud": baud, "parity": parity, "stop_bits": stop_bits}
        return {"driver": f"modbus-{framing or 'rtu'}", **line, **common}
    if framing == "ascii":
        raise typer.BadParameter("ASCII frames are for serial devices")
    host, port = _network(target)
    driver = "modbus-rtu-over-tcp" if framing else "modbus-tcp"
    return {"driver": driver, "host": host, "port": port, **common}


def _finish(work: Any) -> None:
    """Run to the end; a failure is one line on stderr and exit code 1."""
    import msgspec

    from hub import HubError

    try:
        asyncio.run(work)
    except (HubError, ValueError, OSError, msgspec.ValidationError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _emit(row: dict[str, Any], as_json: bool, line: str) -> None:
    sys.stdout.write((json.dumps(row) if as_json else line) + "\n")


@modbus.command()
def read(
    target: Target,
    addresses: Annotated[
        list[str], typer.Argument(metavar="ADDRESS…", help="hr:40, ir:7=float32, co:3, hr:40.3 …")
    ],
    unit: Unit = 1,
    type_: Annotated[str, typer.Option("--type", help="Of addresses that name none.")] = "uint16",
    count: Annotated[int, typer.Option(min=1, help="Values from each address on.")] = 1,
    scale: float = 1.0,
    offset: float = 0.0,
    word_order: Order = "big",
    byte_order: Order = "big",
    timeout: Timeout = 1.0,
    baud: Baud = 19200,
    parity: Parity = "even",
    stop_bits: StopBits = 1,
    framing: Framing = "",
    as_json: Json = False,
) -> None:
    """Read values once. Exit code 1 when one of them is not good."""
    from drivers.modbus import field

    config = field.channel(_channel(target, unit, timeout, baud, parity, stop_bits, framing))
    orders = {"word_order": word_order, "byte_order": byte_order}

    async def work() -> None:
        specs = field.specs(addresses, type_, count, scale=scale, offset=offset, **orders)
        good = True
        for reading in await field.read(config, specs):
            good = good and reading["quality"] == "good"
            line = f"{reading['address']:<12} {reading['value']!s:>20}  {reading['quality']}"
            _emit(reading, as_json, line)
        if not good:
            raise typer.Exit(1)

    _finish(work())


@modbus.command()
def write(
    target: Target,
    assignment: Annotated[str, typer.Argument(metavar="ADDRESS[=TYPE]")],
    value: Annotated[str, typer.Argument(help="Engineering value, or text for a string.")],
    unit: Unit = 1,
    scale: float = 1.0,
    offset: float = 0.0,
    word_order: Order = "big",
    byte_order: Order = "big",
    timeout: Timeout = 1.0,
    baud: Baud = 19200,
    parity: Parity = "even",
    stop_bits: StopBits = 1,
    framing: Framing = "",
    as_json: Json = False,
) -> None:
    """Write one value and read it back. Exit code 1 unless the device holds it then."""
    from drivers.modbus import field

    config = field.channel(_channel(target, unit, timeout, baud, parity, stop_bits, framing))
    orders = {"word_order": word_order, "byte_order": byte_order}

    async def work() -> None:
        specs = field.specs([assignment], "uint16", 1, scale=scale, offset=offset, **orders)
        result = await field.write(config, specs[0], value)
        row = {"address": specs[0].address, "outcome": str(result.outcome), "detail": result.detail}
        _emit(row, as_json, f"{row['address']}: {row['outcome']} ({row['detail']})")
        if result.outcome != "done":
            raise typer.Exit(1)

    _finish(work())


@modbus.command()
def scan(
    target: Target,
    units: Annotated[str, typer.Option(help="Which units to call, as 1-247 or 1,5,9.")] = "1-247",
    registers: Annotated[
        str, typer.Option(help="Which addresses of --unit to try instead, as hr:0-199.")
    ] = "",
    unit: Unit = 1,
    timeout: Timeout = 0.3,
    baud: Baud = 19200,
    parity: Parity = "even",
    stop_bits: StopBits = 1,
    framing: Framing = "",
    as_json: Json = False,
) -> None:
    """Find the units that answer, or the registers that a unit has."""
    from drivers.modbus import field

    config = field.channel(_channel(target, unit, timeout, baud, parity, stop_bits, framing))

    async def work() -> None:
        if registers:
            for first, last in await field.scan_registers(config, registers):
                row = {"first": first, "last": last}
                _emit(row, as_json, first if first == last else f"{first} to {last}")
            return
        async for found, answer in field.scan_units(config, field.numbers(units, 255)):
            _emit({"unit": found, "answer": answer}, as_json, f"unit {found}: {answer}")

    _finish(work())


@modbus.command()
def sniff(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="pcap or pcapng.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the servers.")] = 502,
    as_json: Json = False,
) -> None:
    """Show every Modbus/TCP message of a capture, responses with their requests."""
    from msgspec import to_builtins

    from drivers.modbus.sniff import Sniffed
    from drivers.modbus.sniff import sniff as messages
    from hub import ProtocolError

    def line(message: Sniffed) -> str:
        words = to_builtins(message.meaning)
        said = " ".join(f"{key}={value}" for key, value in words.items())
        delay = f" after {message.delay_ms:.3f} ms" if message.delay_ms is not None else ""
        return (
            f"{message.frame:>7} {message.source} > {message.target} unit {message.unit} "
            f"#{message.transaction} {message.name} {message.kind}{delay} {said}"
        )

    try:
        for message in messages(file, port):
            flat = to_builtins(message)
            _emit(flat | flat.pop("meaning"), as_json, line(message))
    except ProtocolError as fault:
        typer.echo(f"{file}: {fault}", err=True)
        raise typer.Exit(1) from None
