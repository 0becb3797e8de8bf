"""The wire trace on a gateway's own API: octets, and what they say in the layers that one wants."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from hub.contract.driver import Explainer
from hub.contract.errors import BadRequest, NotFound
from hub.kernel.gateway import Channel
from hub.kernel.wire import Frame

ALL = "all"
QUEUE = 1000
Find = Callable[[web.Request], Channel]


def routes(prefix: str, find: Find) -> list[web.RouteDef]:
    """What `api.local` mounts. find: the channel that a request names."""
    pages = Pages(find)
    return [
        web.get(f"{prefix}/trace/{{channel}}", pages.shown),
        web.post(f"{prefix}/trace/{{channel}}", pages.switched),
        web.get(f"{prefix}/trace/{{channel}}/stream", pages.streamed),
    ]


def layers(channel: Channel, asked: str) -> frozenset[str]:
    """`link,application`, `all` or nothing; BadRequest for what the driver does not know."""
    known = channel.supervisor.driver.layers
    if asked == ALL:
        return frozenset(known)
    chosen = frozenset(filter(None, asked.split(",")))
    if unknown := chosen - set(known):
        one_of = f"one of {', '.join(known)}" if known else "none: its driver decodes none"
        raise BadRequest(f"layers: {', '.join(sorted(unknown))} is not {one_of}")
    return chosen


async def told(
    channel: Channel, frames: Sequence[Frame], wanted: frozenset[str]
) -> list[dict[str, Any]]:
    """Frames with what they say, oldest first."""
    if not wanted:
        return [_row(frame, ()) for frame in frames]
    explain = channel.supervisor.driver.explainer(wanted)
    # Large fragments take milliseconds to spell out: the channels go on meanwhile.
    return await asyncio.to_thread(lambda: [_explained(frame, explain) for frame in frames])


class Pages:
    def __init__(self, find: Find) -> None:
        self._find = find

    def _traced(self, request: web.Request) -> Channel:
        channel = self._find(request)
        if channel.link.ring is None:
            raise NotFound(f"{channel.name} is not traced: POST to it first")
        return channel

    async def shown(self, request: web.Request) -> web.Response:
        """What the ring holds; 404 while nobody traces the channel. `layers`: what to decode."""
        channel = self._traced(request)
        wanted = layers(channel, request.query.get("layers", ""))
        frames = await told(channel, list(channel.link.ring or ()), wanted)
        return _json({"channel": channel.name, "frames": frames})

    async def switched(self, request: web.Request) -> web.Response:
        """`?on=0` ends the trace."""
        channel = self._find(request)
        channel.link.trace(request.query.get("on", "1") != "0")
        known = channel.supervisor.driver.layers
        traced = channel.link.ring is not None
        return _json({"channel": channel.name, "traced": traced, "layers": known})

    async def streamed(self, request: web.Request) -> web.StreamResponse:
        """Frames as they come, over a WebSocket; a slow reader loses the oldest.

        `layers` says what to decode; a text message with others changes it from then on.
        """
        channel = self._traced(request)
        watcher = _Watcher(channel, layers(channel, request.query.get("layers", "")))
        socket = web.WebSocketResponse(heartbeat=20.0)
        await socket.prepare(request)
        channel.link.listeners.append(watcher.put)
        sender = asyncio.create_task(watcher.send(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
                if message.type is WSMsgType.TEXT:
                    await watcher.choose(socket, message.data)
        finally:
            channel.link.listeners.remove(watcher.put)
            sender.cancel()
        return socket


class _Watcher:
    """One who watches a channel, and the layers that he wants to see."""

    def __init__(self, channel: Channel, wanted: frozenset[str]) -> None:
        self._channel = channel
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(QUEUE)
        self._explain = self._explainer(wanted)

    def _explainer(self, wanted: frozenset[str]) -> Explainer | None:
        return self._channel.supervisor.driver.explainer(wanted) if wanted else None

    def put(self, frame: Frame) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(frame)

    async def choose(self, socket: web.WebSocketResponse, text: str) -> None:
        """Other layers; what the driver does not know is answered and changes nothing."""
        try:
            self._explain = self._explainer(layers(self._channel, text))
        except BadRequest as error:
            await socket.send_str(msgspec.json.encode({"error": str(error)}).decode())

    async def send(self, socket: web.WebSocketResponse) -> None:
        while True:
            frame, explain = await self._queue.get(), self._explain
            row = _row(frame, ())
            if explain is not None:
                row = await asyncio.to_thread(_explained, frame, explain)
            await socket.send_str(msgspec.json.encode(row).decode())


def _explained(frame: Frame, explain: Explainer) -> dict[str, Any]:
    return _row(frame, explain(frame.sent, frame.data) if frame.data else ())


def _row(frame: Frame, lines: Any) -> dict[str, Any]:
    return {
        "at": frame.at,
        "device": frame.device,
        "sent": frame.sent,
        "hex": frame.data.hex(" "),
        "note": frame.note,
        "lines": list(lines),
    }


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
