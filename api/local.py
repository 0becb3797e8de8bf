"""A gateway's own HTTP API and page: health, metrics, live values, channels, wire trace.

Reading is free on the loopback address. Whatever changes something, and everything but health when
bound elsewhere, asks for the technician: a session of the page, or HTTP Basic for programs
(argon2id hash in `api.technician`).
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from api import local_alarms, local_page, local_tools, local_trace
from api.local_body import json as _json
from api.technician import Technician
from hub.contract.errors import BadRequest, HubError, Invalid
from hub.kernel.app import JOURNAL, Hub
from hub.kernel.gateway import GATEWAY, Channel, Gateway, snapshot
from hub.kernel.metrics import CONTENT_TYPE, METRICS, text
from hub.kernel.operator import OPERATOR

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HUB = web.AppKey("hub", Hub)
RATE = web.AppKey["Rate"]("rate")
PREFIX = "/api/v1/local"


class Rate:
    """Readings a second since somebody last asked, at least a second ago."""

    def __init__(self) -> None:
        self._at, self._count, self._rate = time.monotonic(), 0, 0.0

    def of(self, count: int) -> float:
        now = time.monotonic()
        if now - self._at >= 1.0:
            self._rate = (count - self._count) / (now - self._at)
            self._at, self._count = now, count
        return self._rate


@contextlib.asynccontextmanager
async def served(hub: Hub) -> AsyncIterator[None]:
    """Listen as `settings.api` says; the address goes to `hub.facts`."""
    api = hub.settings.api
    runner = web.AppRunner(make_app(hub), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, api.host, api.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        shown = f"[{host}]" if ":" in host else host
        hub.facts["address"] = f"http://{shown}:{port}"
        yield
    finally:
        await runner.cleanup()


def make_app(hub: Hub) -> web.Application:
    """The application, not yet listening."""
    technician = Technician(hub.settings.api.technician, hub.settings.api.host)
    app = web.Application(middlewares=[_problems, technician.middleware])
    app[HUB], app[RATE] = hub, Rate()
    app.router.add_routes(
        [
            web.get("/health/live", live),
            web.get("/health/ready", ready),
            web.get("/health", health),
            web.get("/metrics", metrics),
            web.get(f"{PREFIX}/status", status),
            web.get(f"{PREFIX}/points", points),
            web.get(f"{PREFIX}/channels", channels),
            web.get(f"{PREFIX}/explain/{{key:.+}}", explain),
            *local_trace.routes(PREFIX, _channel),
            web.post(f"{PREFIX}/channels/{{channel}}/{{verb:restart|enable|disable}}", move),
            *technician.routes(),
            *local_page.routes(),
            *local_alarms.routes(PREFIX, HUB),
            *local_tools.routes(PREFIX, HUB),
            web.get(f"{PREFIX}/control", control),
            web.post(f"{PREFIX}/control/{{mode:local|remote}}", take_over),
        ]
    )
    return app


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HubError as e:
        body = {"type": "about:blank", "status": e.status, "code": e.code, "detail": str(e)}
        return web.json_response(body, status=e.status, content_type="application/problem+json")


def _gateway(request: web.Request) -> Gateway:
    return request.app[HUB].get(GATEWAY)


def _channel(request: web.Request) -> Channel:
    return _gateway(request).channel(request.match_info["channel"])


async def live(request: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Ready once all services are up and until they stop."""
    hub = request.app[HUB]
    up = hub.started.is_set() and not hub.stopping.is_set()
    return _json({"status": "ok" if up else "starting"}, 200 if up else 503)


async def health(request: web.Request) -> web.Response:
    """The parts; `degraded` when the buffer is ill or a channel is not online."""
    hub = request.app[HUB]
    buffer = hub.get(JOURNAL).status()
    states = {n: c.state for n, c in _gateway(request).channels.items()}
    well = buffer.healthy and all(s in {"online", "disabled"} for s in states.values())
    return _json({"status": "ok" if well else "degraded", "buffer": buffer, "channels": states})


async def metrics(request: web.Request) -> web.Response:
    body = text(request.app[HUB].get(METRICS))
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def status(request: web.Request) -> web.Response:
    """The few figures of a live line. lag: seconds that the oldest unsent reading is old."""
    gateway, buffer = _gateway(request), request.app[HUB].get(JOURNAL).status()
    oldest = buffer.oldest_unsent
    states = [c.state for c in gateway.channels.values()]
    return _json(
        {
            "name": request.app[HUB].settings.gateway.name,
            "readings_per_second": request.app[RATE].of(gateway.points.taken),
            "readings": gateway.points.taken,
            "points": len(gateway.points.by_key),
            "channels": len(states),
            "channels_online": states.count("online"),
            "depth": buffer.depth,
            "lag": None if oldest is None else max(0.0, (gateway.clock.now() - oldest) / 1e6),
            "since": gateway.started,
        }
    )


async def points(request: web.Request) -> web.Response:
    """Live values; `?match=` keeps those whose key contains it, `?limit=` the first of them.

    total: how many match.
    """
    gateway, match = _gateway(request), request.query.get("match", "").lower()
    keys = [k for k in gateway.points.by_key if match in k.lower()]
    limit = request.query.get("limit", "")
    if limit and not limit.isdecimal():
        raise BadRequest("limit is a whole number")
    chosen = keys[: int(limit)] if limit else keys
    return _json({"points": snapshot(gateway, chosen), "total": len(keys)})


async def channels(request: web.Request) -> web.Response:
    return _json({"channels": [_describe(c) for c in _gateway(request).channels.values()]})


def _describe(channel: Channel) -> dict[str, Any]:
    s = channel.supervisor
    return {
        "name": channel.name,
        "driver": type(channel.plan.config).__struct_config__.tag,
        "state": channel.state,
        "since": s.since,
        "error": s.error,
        "attempts": s.attempts,
        "traced": channel.link.ring is not None,
        "bytes_sent": channel.link.sent,
        "bytes_received": channel.link.received,
        "devices": [
            {
                "name": d.name,
                "online": d.online,
                "reason": d.reason,
                "heard": d.heard,
                "trouble": channel.link.troubles.get(d.name, ""),
            }
            for d in s.devices.values()
        ],
        "polls": [
            {
                "device": g.line.name,
                "period": g.every,
                "achieved": g.achieved,
                "took": g.took,
                "points": len(g.points),
                "polls": g.polls,
                "late": g.late,
                "failures": g.failures,
            }
            for g in s.schedule.groups
        ],
    }


async def control(request: web.Request) -> web.Response:
    """Whether a person on site has taken over: then the centre's commands are refused."""
    local = request.app[HUB].get(OPERATOR).local
    return _json({"mode": "local" if local else "remote"})


async def take_over(request: web.Request) -> web.Response:
    """Take over on site, or give back to the centre; kept over a restart."""
    mode = request.match_info["mode"]
    await request.app[HUB].get(OPERATOR).set_local(mode == "local")
    return _json({"mode": mode})


async def explain(request: web.Request) -> web.Response:
    """One value's way from the wire to the store. `layers`: as of the wire trace, all if absent."""
    gateway, key = _gateway(request), request.match_info["key"]
    channel, device = gateway.device(key)
    point, (now,) = gateway.points.by_key[key], snapshot(gateway, [key])
    raw = now.get("value")
    if isinstance(raw, float):
        try:
            raw = gateway.points.raw(point, raw)
        except Invalid:  # its power of ten has become unknown since
            raw = None
    layers = local_trace.layers(channel, request.query.get("layers", local_trace.ALL))
    recent = list(channel.link.recent.get(device.name, ()))
    wire = await local_trace.told(channel, recent, layers)
    buffer = gateway.journal.status()
    groups = channel.supervisor.schedule.groups
    achieved = next((g.achieved for g in groups if point in g.points), None)
    return _json(
        {
            "spec": point.spec,
            "address": str(point.address),
            "now": now,
            "raw": raw,
            "every": point.every,
            "achieved": achieved,
            "channel": channel.name,
            "state": channel.state,
            "device": {"name": device.name, "online": device.online, "reason": device.reason},
            "wire": wire,
            "buffer": {"committed": buffer.committed, "acknowledged": buffer.acknowledged},
            "place": await gateway.journal.locate(point.id, now["time"]) if "time" in now else None,
        }
    )


async def move(request: web.Request) -> web.Response:
    """Restart, enable or disable one channel."""
    gateway, channel = _gateway(request), _channel(request)
    if request.match_info["verb"] == "restart":
        await gateway.restart(channel.name)
    else:
        await gateway.enable(channel.name, request.match_info["verb"] == "enable")
    return _json(_describe(channel))
