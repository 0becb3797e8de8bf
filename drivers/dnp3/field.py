"""What a field engineer does with one outstation, without a gateway around it."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from hub import ProtocolError

from .codec.app import Function, Iin
from .codec.commands import AnalogOutput, CommandStatus, Control, ControlCode, Crob
from .codec.objects import STATIC_GROUP, PointType
from .codec.values import ONLINE
from .config import Dnp3Config
from .driver import line_of
from .master import Association, MasterChannel, Measurements, Refused, Report, Strings, operations
from .sniff import iso
from .trace import Explainer

CODES = {
    "on": ControlCode.LATCH_ON,
    "off": ControlCode.LATCH_OFF,
    "latch-on": ControlCode.LATCH_ON,
    "latch-off": ControlCode.LATCH_OFF,
    "pulse-on": ControlCode.PULSE_ON,
    "pulse-off": ControlCode.PULSE_OFF,
    "close": ControlCode.CLOSE,
    "trip": ControlCode.TRIP,
}
ANALOG = {"int32": 1, "int16": 2, "float32": 3, "float64": 4}

Show = Callable[[str], None]


class Scanned(Struct, kw_only=True):
    """What an outstation is and has."""

    address: int
    indications: list[str]
    attributes: dict[str, Any]
    points: list[dict[str, Any]]


@contextlib.asynccontextmanager
async def connected(
    config: Dnp3Config, layers: frozenset[str], show: Show
) -> AsyncIterator[Association]:
    """An association with the only device of `config`; decoded layers go to `show`."""

    explain = Explainer(layers)

    def wire(sent: bool, data: bytes) -> None:
        for text in explain(sent, data):
            show(f"{'→' if sent else '←'} {text}")

    async with line_of(config) as line:
        channel = MasterChannel(
            line,
            config.master,
            on_wire=wire if layers else None,
            on_fault=lambda text: show(f"! {text}") if layers else None,
        )
        yield Association(channel, config.devices[0].address, timeout=config.request_timeout)


def rows(reports: list[Report]) -> list[dict[str, Any]]:
    """Reports as plain rows: address, value, flags, time."""
    out: list[dict[str, Any]] = []
    for report in reports:
        if isinstance(report, Strings):
            out += [
                {
                    "address": f"os:{index}",
                    "value": text.decode("utf-8", "replace"),
                    "flags": None,
                    "online": True,
                    "time": None,
                    "event": report.is_event,
                }
                for index, text in report.rows
            ]
        elif isinstance(report, Measurements):
            out += _measured(report)
    return out


def _measured(report: Measurements) -> list[dict[str, Any]]:
    cols, command = report.columns, report.point not in STATIC_GROUP
    values = cols.value.tolist() if cols.value is not None else [None] * len(cols)
    flags = cols.flags.tolist() if cols.flags is not None else [None] * len(cols)
    times = cols.time.tolist() if cols.time is not None else [None] * len(cols)
    return [
        {
            "address": f"{report.point}:{index}",
            "value": value,
            "flags": flag,
            "online": command or flag is None or bool(flag & ONLINE),
            "time": None if time_ is None else iso(time_),
            "event": report.is_event,
        }
        for index, value, flag, time_ in zip(cols.index.tolist(), values, flags, times, strict=True)
    ]


async def scan(peer: Association) -> Scanned:
    """Ask for the device's attributes and everything static; nothing is changed in it."""
    found: list[Report] = []
    answer = await peer.request(Function.READ, operations.CLASSES[0], taker=found.extend)
    attributes: dict[str, Any] = {}
    with contextlib.suppress(Refused, ProtocolError):
        attributes = {item.name: item.value for item in await operations.read_attributes(peer)}
    return Scanned(
        address=peer.address,
        indications=answer.iin.names(),
        attributes=attributes,
        points=rows(found),
    )


def spans(addresses: list[str]) -> list[tuple[PointType, int, int]]:
    """`ai:0`, `bi:0-15` …; ValueError that names what is wrong."""
    out = []
    for address in addresses:
        kind, _, place = address.partition(":")
        start, _, stop = place.partition("-")
        try:
            point = PointType(kind)
            first, last = int(start), int(stop or start)
        except ValueError:
            raise ValueError(f"{address!r} is no address such as ai:0 or bi:0-15") from None
        if not 0 <= first <= last <= 0xFFFF:
            raise ValueError(f"{address!r}: indexes run from 0 to 65535")
        out.append((point, first, last))
    return out


async def read(peer: Association, addresses: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Points, events or everything: addresses, `class:0`…`class:3`, `integrity`."""
    found: list[Report] = []
    asked = b""
    ranges: list[str] = []
    for address in addresses:
        if address == "integrity":
            asked += operations.INTEGRITY
        elif address.startswith("class:") and address[6:] in {"0", "1", "2", "3"}:
            asked += operations.CLASSES[int(address[6:])]
        else:
            ranges.append(address)
    iin = Iin.NONE
    if asked:
        answer = await peer.request(Function.READ, asked, taker=found.extend)
        iin |= answer.iin
    if ranges:
        answer = await operations.read_ranges(peer, spans(ranges), found.extend)
        iin |= answer.iin
    return rows(found), iin.names()


def control(address: str, value: str, pulse: int, count: int, kind: str) -> tuple[int, Control]:
    """The control of one output; ValueError that names what is wrong."""
    [(point, index, last)] = spans([address])
    if index != last:
        raise ValueError("one output at a time")
    if point is PointType.BO:
        if value not in CODES:
            raise ValueError(f"{value!r} is none of {', '.join(CODES)}")
        return index, Crob(CODES[value], count, pulse, pulse)
    if point is PointType.AO:
        if kind not in ANALOG:
            raise ValueError(f"{kind!r} is none of {', '.join(ANALOG)}")
        return index, AnalogOutput(float(value), ANALOG[kind])
    raise ValueError(f"{address!r} is no output: bo or ao")


async def operate(peer: Association, wanted: tuple[int, Control], *, direct: bool) -> CommandStatus:
    work = operations.direct_operate if direct else operations.select_operate
    return (await work(peer, [wanted]))[0]


def freezing(
    points: str, at: datetime | None, every: float, *, clear: bool, cancel: bool
) -> Callable[[Association], Awaitable[None]]:
    """The freeze of `ctr`, `ai` or `ctr:0-3`; ValueError that names what is wrong."""
    kind, _, some = points.partition(":")
    if kind not in {"ctr", "ai"}:
        raise ValueError(f"{points!r} is neither counters (ctr) nor analog inputs (ai)")
    point = PointType(kind)
    start, stop = spans([points])[0][1:] if some else (None, None)
    if cancel:
        when, interval = operations.NEVER, 0
    else:
        when = 0 if at is None else round(at.replace(tzinfo=UTC).timestamp() * 1000)
        interval = round(every * 1000)
    timed = cancel or at is not None or every > 0
    if timed and clear:
        raise ValueError("only a freeze that is done now can clear")
    if timed:
        return lambda peer: operations.freeze_at(
            peer, when, interval, point, start=start, stop=stop
        )
    return lambda peer: operations.freeze(peer, point, clear=clear, start=start, stop=stop)


async def clock(peer: Association, *, lan: bool) -> None:
    """Give the outstation this machine's time."""
    await operations.synchronise(peer, lambda: time.time_ns() // 1_000_000, lan=lan)
