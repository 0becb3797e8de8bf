"""`busbar iec61850`: look into an IED, a configuration file or a capture from the command line."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

iec61850 = typer.Typer(help="Browse, read and operate IEC 61850 devices.", no_args_is_help=True)

Target = Annotated[str, typer.Argument(metavar="TARGET", help="host, host:port or [v6]:port.")]
Password = Annotated[
    str | None,
    typer.Option(envvar="BUSBAR_IEC61850_PASSWORD", help="Of the association.", show_default=False),
]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds to wait for an answer.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Ied_ = Annotated[str, typer.Option(help="Name of the IED before that of its logical devices.")]


def _network(target: str) -> tuple[str, int]:
    match = re.fullmatch(
        r"\[(?P<v6>[^]]+)](?::(?P<p6>\d+))?|(?P<host>[^:]+)(?::(?P<port>\d+))?", target
    )
    if not match:
        raise typer.BadParameter(f"{target!r} is no host, host:port or [v6 address]:port")
    return match["v6"] or match["host"], int(match["p6"] or match["port"] or 102)


async def _associate(target: str, password: str | None, timeout: float) -> Any:  # noqa: ASYNC109 - of each request
    from drivers.iec61850.association import Options
    from drivers.iec61850.ied import Ied

    options = Options(password=password, connect_timeout=timeout, request_timeout=timeout)
    return await Ied.open(*_network(target), options)


def _finish(work: Any) -> None:
    """Run to the end; a failure is one line on stderr and exit code 1."""
    from hub import HubError

    try:
        asyncio.run(work)
    except (HubError, LookupError, ValueError, OSError) as fault:
        typer.echo(str(fault.args[0] if fault.args else fault), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _emit(row: Any, as_json: bool, line: str) -> None:
    import msgspec

    shown = msgspec.json.encode(row, enc_hook=str).decode() if as_json else line
    sys.stdout.write(shown + "\n")
    sys.stdout.flush()


@iec61850.command()
def browse(
    target: Target,
    path: Annotated[str, typer.Argument(help="Where to begin: LD, LD/LN, LD/LN.DO …")] = "",
    points: Annotated[
        bool, typer.Option(help="All status and measured values, as points.")
    ] = False,
    password: Password = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Show the device's own model, one level below PATH."""
    _finish(_browse(target, path, points, password, timeout, as_json))


async def _browse(
    target: str,
    path: str,
    points: bool,
    password: str | None,
    timeout: float,  # noqa: ASYNC109 - of each request
    as_json: bool,
) -> None:
    from drivers.iec61850 import browse as browsing

    ied = await _associate(target, password, timeout)
    try:
        await ied.discover()
        found = browsing.points(ied) if points else browsing.level(ied, path)
        async for node in found:
            spec = node.spec
            more = f"  {spec.type}  {spec.measurement} {spec.unit}".rstrip() if spec else ""
            _emit(node, as_json, node.path + more)
    finally:
        await ied.close()


@iec61850.command()
def read(
    target: Target,
    addresses: Annotated[list[str], typer.Argument(help="LD/LN.DO.DA[FC] …")],
    ied: Ied_ = "",
    password: Password = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Read values, whole objects too."""
    _finish(_read(target, addresses, ied, password, timeout, as_json))


async def _read(
    target: str,
    addresses: list[str],
    name: str,
    password: str | None,
    timeout: float,  # noqa: ASYNC109 - of each request
    as_json: bool,
) -> None:
    from drivers.iec61850 import address

    wanted = [address.parse(text, name) for text in addresses]
    ied = await _associate(target, password, timeout)
    try:
        await ied.discover()
        names = [each.name(ied.model.domain(each.ied, each.device)) for each in wanted]
        for text, value in zip(addresses, await ied.client.read(names), strict=True):
            row = {"address": text, "value": value}
            _emit(row, as_json, f"{text} = {_shown(value)}")
    finally:
        await ied.close()


def _shown(value: Any) -> str:
    """A value as a person reads it."""
    from drivers.iec61850.mms.data import UtcTime

    if isinstance(value, list):
        return "{" + ", ".join(map(_shown, value)) + "}"
    if isinstance(value, UtcTime):
        return f"{_iso(value.us)}{' (clock not synchronised)' if value.not_synchronized else ''}"
    return value.hex(" ") if isinstance(value, bytes) else str(value)


def _iso(us: int) -> str:
    import datetime as dt

    moment = dt.datetime.fromtimestamp(us // 1_000_000, dt.UTC).replace(microsecond=us % 1_000_000)
    return moment.isoformat()


@iec61850.command()
def report(
    target: Target,
    block: Annotated[str, typer.Argument(help="Report control block: LD/LN.name.")],
    dataset: Annotated[str, typer.Option(help="Another data set for it: LD/LN.name.")] = "",
    integrity: Annotated[int, typer.Option(min=0, help="ms between integrity reports.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="End after so many reports; 0: never.")] = 0,
    password: Password = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Enable a report control block and show what it sends."""
    _finish(_report(target, block, dataset, integrity, count, password, timeout, as_json))


async def _report(
    target: str,
    block: str,
    dataset: str,
    integrity: int,
    count: int,
    password: str | None,
    timeout: float,  # noqa: ASYNC109 - of each request
    as_json: bool,
) -> None:
    from drivers.iec61850.reporting import same
    from drivers.iec61850.reports import Report, Wish, free_name

    ied = await _associate(target, password, timeout)
    try:
        await ied.discover()
        blocks = await ied.blocks()
        found = next((each for each in blocks if same(each.name, block)), None)
        if found is None:
            there = ", ".join(str(each.name) for each in blocks) or "none"
            raise LookupError(f"no report control block {block!r}; there are: {there}")
        wish = Wish(data_set=free_name(dataset), integrity_ms=integrity)
        members = await ied.members(wish.data_set or found.data_set)
        arrived: asyncio.Queue[Report] = asyncio.Queue()
        await ied.subscribe(found, wish, arrived.put_nowait)
        seen = 0
        while not count or seen < count:
            got = asyncio.create_task(arrived.get())
            await asyncio.wait({got, ied.association.lost}, return_when="FIRST_COMPLETED")
            if not got.done():
                got.cancel()
                await ied.association.lost
            one, seen = got.result(), seen + 1
            names = [str(members[n]) for n in one.included if n < len(members)]
            lines = [f"  {name} = {_shown(v)}" for name, v in zip(names, one.values, strict=False)]
            head = f"{one.report_id} #{one.sequence} {_iso(one.time) if one.time else ''}"
            _emit({"members": names, "report": one}, as_json, "\n".join((head, *lines)))
    finally:
        await ied.close()


@iec61850.command()
def log(
    target: Target,
    name: Annotated[str, typer.Argument(help="Log: LD/LN$name, as the device's LogRef says.")],
    hours: Annotated[float, typer.Option(min=0, help="How far back.")] = 24.0,
    password: Password = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Query a log of the device."""
    _finish(_log(target, name, hours, password, timeout, as_json))


async def _log(
    target: str,
    name: str,
    hours: float,
    password: str | None,
    timeout: float,  # noqa: ASYNC109 - of each request
    as_json: bool,
) -> None:
    import time

    from drivers.iec61850.mms.pdu import ObjectName

    domain, _, item = name.replace(".", "$").partition("/")
    now = time.time_ns() // 1000
    ied = await _associate(target, password, timeout)
    try:
        start = now - int(hours * 3_600_000_000)
        for entry in await ied.client.log(ObjectName(item, domain), start, now):
            when = _iso(entry.time) if entry.time is not None else "no time"
            values = ", ".join(f"{key} = {_shown(value)}" for key, value in entry.values.items())
            _emit(entry, as_json, f"{when}  {values}")
    finally:
        await ied.close()


@iec61850.command()
def operate(
    target: Target,
    address: Annotated[str, typer.Argument(help="Any attribute of the object: LD/LN.DO.DA[FC].")],
    value: Annotated[str, typer.Argument(help="on, off, or a number.")],
    ied: Ied_ = "",
    test: Annotated[bool, typer.Option(help="Mark the order as a test.")] = False,
    interlock: Annotated[bool, typer.Option(help="Let the device check its interlocks.")] = True,
    synchrocheck: Annotated[bool, typer.Option(help="Let the device check synchronism.")] = False,
    at: Annotated[
        str, typer.Option(help="Let the device execute it then: 2027-01-31T06:00:00Z.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    password: Password = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Operate a control, with the selection that its model wants."""
    if not yes:
        typer.confirm(f"Operate {address} of {target} to {value}?", abort=True)
    flags = {
        "test": test,
        "check_interlock": interlock,
        "check_synchronism": synchrocheck,
        "at": _moment(at) if at else None,
    }
    _finish(_operate(target, address, value, ied, flags, password, timeout, as_json))


def _moment(text: str) -> int:
    """µs since 1970 of an ISO 8601 time with its zone."""
    import datetime as dt

    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from None
    if found.tzinfo is None:
        raise typer.BadParameter(f"{text}: say the zone, as in 2027-01-31T06:00:00Z")
    return round(found.timestamp() * 1_000_000)


async def _operate(
    target: str,
    text: str,
    value: str,
    name: str,
    flags: dict[str, Any],
    password: str | None,
    timeout: float,  # noqa: ASYNC109 - of each request
    as_json: bool,
) -> None:
    import getpass
    import time

    from drivers.iec61850 import address
    from drivers.iec61850.config import Iec61850
    from drivers.iec61850.operate import Operator
    from hub import Command, Outcome, Point, PointSpec

    where = address.parse(text, name)
    spec = PointSpec(name="cli", address=text)
    point = Point(id=0, key="cli", device="cli", spec=spec, address=where)
    expires = time.time_ns() // 1000 + 60_000_000
    ied = await _associate(target, password, timeout)
    try:
        await ied.discover()
        config = Iec61850(name="cli", host="", termination_timeout=timeout)
        operator = Operator(config, ied, lambda: time.time_ns() // 1000)
        order = Command(point=point, value=value, actor=getpass.getuser(), expires=expires, **flags)
        result = await operator.operate(order)
        _emit(result, as_json, f"{result.outcome}: {result.detail}")
        if result.outcome not in {Outcome.DONE, Outcome.ACCEPTED}:
            raise typer.Exit(2)
    finally:
        await ied.close()


@iec61850.command()
def scl(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """Check an SCL file and show what is in it."""
    from drivers.iec61850 import scl as files
    from drivers.iec61850.scl.tree import SclError

    try:
        document = files.read(file)
    except SclError as fault:
        typer.echo(f"{file}: {fault}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        _emit(document, True, "")
        return
    _emit(None, False, f"{file}: SCL edition {document.edition}, {len(document.ieds)} IEDs")
    for ied in document.ieds:
        nodes = [node for device in ied.devices for node in device.nodes]
        sets = sum(len(node.data_sets) for node in nodes)
        reports = sum(len(node.reports) for node in nodes)
        kind = " ".join(filter(None, (ied.manufacturer, ied.type)))
        line = (
            f"  {ied.name}  {kind}  {len(ied.devices)} logical devices, {len(nodes)} nodes, "
            f"{sets} data sets, {reports} report controls"
        )
        _emit(None, False, line)
    for warning in document.warnings:
        typer.echo(f"{file}: {warning}", err=True)


@iec61850.command()
def sniff(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="pcap or pcapng.")],
    port: Annotated[int, typer.Option(help="TCP port of MMS.")] = 102,
    as_json: Json = False,
) -> None:
    """Show the MMS and GOOSE messages of a capture."""
    from drivers.iec61850 import sniff as capture
    from hub import ProtocolError

    try:
        for record in capture.records(file.read_bytes(), port):
            _emit(capture.row(record), as_json, capture.line(record))
    except ProtocolError as fault:
        typer.echo(f"{file}: {fault}", err=True)
        raise typer.Exit(1) from None
