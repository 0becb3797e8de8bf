"""A technician's tools on a gateway: ask, operate, log, buffer, export. All without a centre."""

import asyncio
import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from api.local_body import decoded, json
from api.local_trace import told
from api.sheets import Csv, Ndjson, Row
from api.technician import who
from hub.contract.driver import Command, Result
from hub.contract.errors import (
    BadRequest,
    Conflict,
    LinkError,
    NoResponse,
    NotFound,
    Unavailable,
    Unsupported,
)
from hub.contract.ids import uuid7
from hub.contract.journal import Note
from hub.contract.points import Point
from hub.contract.readings import (
    STAMP_MASK,
    VALIDITY_MASK,
    Flag,
    ReadingBatch,
    Stamp,
    Validity,
)
from hub.kernel.app import JOURNAL, Hub
from hub.kernel.centre import CENTRE
from hub.kernel.commands import COMMANDS
from hub.kernel.gateway import GATEWAY, Gateway, snapshot
from hub.kernel.log import TAIL
from hub.kernel.operator import OPERATOR

VALID_FOR = 30_000_000  # µs that a technician's command may still be executed
DAY = dt.timedelta(days=1)
NAMES = ("time", "point", "value", "unit", "quality", "flags", "clock", "text")
VALIDITIES = {int(v): v.name.lower() for v in Validity}
STAMPS = {int(s): s.name.lower() for s in Stamp}
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
STALLED = 60.0  # s that a slow reader may take for one piece


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """reason: why, for the journal. by: who stands there, where the sign-in has not told."""

    value: float | Annotated[str, Meta(max_length=200)]
    reason: Annotated[str, Meta(min_length=5, max_length=500)]
    by: Annotated[str, Meta(max_length=100)] = ""


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[from, to); the last day when absent. match: points whose key contains it."""

    start: Annotated[dt.datetime, Meta(tz=True)] | None = msgspec.field(name="from", default=None)
    end: Annotated[dt.datetime, Meta(tz=True)] | None = msgspec.field(name="to", default=None)
    match: str = ""
    format: Literal["csv", "ndjson"] = "csv"


def routes(prefix: str, hub: web.AppKey[Hub]) -> list[web.RouteDef]:
    """What `api.local` mounts."""
    tools = Tools(hub)
    point = f"{prefix}/points/{{key}}"
    return [
        web.get(f"{prefix}/catalogue", tools.catalogue),
        web.get(f"{prefix}/buffer", tools.buffer),
        web.get(f"{prefix}/log", tools.log),
        web.get(f"{prefix}/export", tools.export),
        web.post(f"{point}/read", tools.read),
        web.post(f"{point}/{{verb:select|operate|cancel}}", tools.command),
    ]


class Tools:
    """hub: where the application keeps its hub."""

    def __init__(self, hub: web.AppKey[Hub]) -> None:
        self._key = hub

    def _hub(self, request: web.Request) -> Hub:
        return request.app[self._key]

    def _gateway(self, request: web.Request) -> Gateway:
        return self._hub(request).get(GATEWAY)

    async def catalogue(self, request: web.Request) -> web.Response:
        """All points as they are configured."""
        gateway = self._gateway(request)
        owner = {d: c.name for c in gateway.channels.values() for d in c.supervisor.devices}
        shown = [_described(p, owner.get(p.device, "")) for p in gateway.points.by_key.values()]
        return json({"points": shown})

    async def buffer(self, request: web.Request) -> web.Response:
        """What waits for the centre, and whether the centre is there; null without a centre."""
        hub = self._hub(request)
        centre = hub.get(CENTRE)() if CENTRE in hub.services else None
        most = hub.settings.buffer.max_bytes
        return json({"buffer": hub.get(JOURNAL).status(), "max_bytes": most, "centre": centre})

    async def log(self, request: web.Request) -> web.Response:
        """The last log entries; `?after=` a number, `?level=` at least that grave."""
        try:
            after = int(request.query.get("after", "0"))
            least = LEVELS[request.query.get("level", "debug")]
        except (ValueError, KeyError):
            raise BadRequest("after is a number, level one of " + ", ".join(LEVELS)) from None
        lines = self._hub(request).get(TAIL).since(after)
        return json({"lines": [line for line in lines if LEVELS.get(line.level, 50) >= least]})

    async def read(self, request: web.Request) -> web.Response:
        """Ask the device now: the value, and the bytes that it took."""
        gateway, key = self._gateway(request), request.match_info["key"]
        channel, device = gateway.device(key)
        began = gateway.clock.now()
        trouble = ""
        try:
            await gateway.ask(key)
        except NoResponse as error:
            trouble = str(error)
        except LinkError as error:
            raise Unavailable(str(error)) from error
        except Unsupported as error:
            raise Conflict(str(error)) from error
        frames = [f for f in channel.link.recent.get(device.name, ()) if f.at >= began]
        wire = await told(channel, frames, frozenset())
        (now,) = snapshot(gateway, [key])
        took = (gateway.clock.now() - began) / 1e6
        return json({"now": now, "took": took, "trouble": trouble, "wire": wire})

    async def command(self, request: web.Request) -> web.Response:
        """Select, operate or cancel on site. Only in local mode: one place operates at a time."""
        hub, gateway = self._hub(request), self._gateway(request)
        order = await decoded(request, Order)
        point = gateway.points.by_key.get(request.match_info["key"])
        if point is None:
            raise NotFound(f"no point is called {request.match_info['key']!r}")
        if not hub.get(OPERATOR).local:
            raise Conflict("the centre operates here: take over first")
        result = await self._commanded(hub, request.match_info["verb"], point, order, request)
        return json({"outcome": result.outcome, "detail": result.detail})

    async def _commanded(
        self, hub: Hub, verb: str, point: Point, order: Order, request: web.Request
    ) -> Result:
        gateway, actor = hub.get(GATEWAY), who(request, order.by)
        now = gateway.clock.now()
        command = Command(
            point=point, value=order.value, actor=actor, expires=now + VALID_FOR, id=str(uuid7())
        )
        message = f"{actor}: {verb} {point.key} = {order.value}: {order.reason}"
        gateway.journal.record(Note(at=now, level="info", code="command.local", message=message))
        commands = hub.get(COMMANDS)
        if verb == "select":
            return await commands.select(command)
        if verb == "cancel":
            return await commands.cancel(command)
        return await commands.operate(command, direct=not point.spec.select)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Readings of the buffer as a file, piece by piece."""
        try:
            span = msgspec.convert(dict(request.query), Span, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from None
        gateway = self._gateway(request)
        end = span.end or dt.datetime.now(dt.UTC)
        start = span.start or end - DAY
        if end < start:
            raise BadRequest("the period ends before it begins", field="to")
        kind = Csv(NAMES) if span.format == "csv" else Ndjson(NAMES)
        wanted = {p.id: p for p in gateway.points.by_key.values() if span.match in p.key}
        name = f"{self._hub(request).settings.gateway.name}-{start:%Y%m%dT%H%M}.{kind.suffix}"
        response = web.StreamResponse(
            headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
        response.content_type, response.charset = kind.content_type, "utf-8"
        response.enable_compression()
        await response.prepare(request)
        await response.write(kind.head())
        async for batch in gateway.journal.history(_micros(start), _micros(end)):
            piece = await asyncio.to_thread(_table, kind, batch, wanted)
            async with asyncio.timeout(STALLED):
                await response.write(piece)
        await response.write_eof()
        return response


def _described(point: Point, channel: str) -> dict[str, Any]:
    spec = point.spec
    return {
        "key": point.key,
        "device": point.device,
        "channel": channel,
        "description": spec.description,
        "address": spec.address,
        "kind": spec.kind,
        "unit": spec.unit,
        "measurement": spec.measurement,
        "every": point.every,
        "writable": spec.writable,
        "select": spec.select,
        "feedback": spec.feedback,
        "states": dict(spec.states),
    }


def _table(kind: Csv | Ndjson, batch: ReadingBatch, wanted: Mapping[int, Point]) -> bytes:
    return kind.rows(_rows(batch, wanted))


def _rows(batch: ReadingBatch, wanted: Mapping[int, Point]) -> list[Row]:
    columns = (batch.point, batch.time, batch.value, batch.quality)
    lists = (column.tolist() for column in columns)
    words = {quality: _words(quality) for quality in set(batch.quality.tolist())}
    return [
        (
            dt.datetime.fromtimestamp(time // 1_000_000, dt.UTC) + _rest(time),
            point.key,
            value if math.isfinite(value) else None,
            point.spec.unit,
            *words[quality],
            batch.text.get(row),
        )
        for row, (ident, time, value, quality) in enumerate(zip(*lists, strict=True))
        if (point := wanted.get(ident)) is not None
    ]


def _rest(time: int) -> dt.timedelta:
    return dt.timedelta(microseconds=time % 1_000_000)


def _words(quality: int) -> tuple[str, str, str]:
    """Validity, flags, whose clock."""
    flags = " ".join(f.name.lower() for f in Flag if quality & f and f.name)
    validity = VALIDITIES.get(quality & VALIDITY_MASK, "invalid")
    return validity, flags, STAMPS.get(quality & STAMP_MASK, "unsynced")


def _micros(at: dt.datetime) -> int:
    return round(at.timestamp() * 1e6)
