"""Rooms over WebSocket: authenticate, subscribe, stream at the client's own pace."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from api.metrics import METRICS
from api.request import caller, identify
from api.state import STATE
from hub import Actor, Credentials, Forbidden, HubError, Plugin, Room, Unauthenticated

log = logging.getLogger(__name__)

FIRST_WORD = 10.0
HEARTBEAT = 25.0
MAX_MESSAGE = 64 << 10
ASK_AGAIN = 2.0


class Message(msgspec.Struct, kw_only=True):
    """What a client says: `auth {token}`, `subscribe {…}`, `unsubscribe`, `ping`."""

    event_type: str
    data: dict[str, Any] = {}


def add(app: web.Application, plugin: Plugin, room: Room) -> None:
    path = f"/api/v1/{room.module or plugin.name}/ws/{room.name}"

    async def handle(request: web.Request) -> web.WebSocketResponse:
        return await Connection(request, room).serve()

    app.router.add_get(path, handle)


class Connection:
    """One client in one room."""

    def __init__(self, request: web.Request, room: Room) -> None:
        self.request, self.room = request, room
        self.state = request.app[STATE]
        self.socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE, protocols=("busbar",)
        )
        self.actor: Actor | None = None
        self._known, self._asked = "", 0.0
        self.pump: asyncio.Task[None] | None = None

    async def serve(self) -> web.WebSocketResponse:
        self._check_origin()
        token = self._token()
        if token:
            self.actor = await self._identify(token)
        await self.socket.prepare(self.request)
        gauge = self.request.app[METRICS].connections.labels(self.room.name)
        gauge.inc()
        try:
            await self._converse()
        finally:
            gauge.dec()
            await self._stop()
        return self.socket

    def _check_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        own = {f"{scheme}://{self.request.host}" for scheme in ("http", "https")}
        if origin and origin not in own | self.state.options.origins:
            raise Forbidden("a page of another site may not listen")

    def _token(self) -> str:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        for item in offered.split(","):
            if item.strip().startswith("bearer."):
                return item.strip().removeprefix("bearer.")
        return ""

    async def _identify(self, token: str) -> Actor:
        shown = Credentials(scheme="bearer", token=token, caller=caller(self.request))
        actor = await identify(self.state.authenticators, shown)
        if self.room.permission:
            actor.require(self.room.permission)
        self._known = token
        return actor

    async def _converse(self) -> None:
        while not self.socket.closed:
            try:
                message = await self.socket.receive(timeout=self._patience())
            except TimeoutError:
                code = b"the access token ended" if self.actor else b"no sign-in"
                await self.socket.close(code=4401, message=code)
                return
            if message.type is not WSMsgType.TEXT:
                return
            try:
                said = msgspec.json.decode(message.data, type=Message)
                await self._obey(said)
            except msgspec.MsgspecError as error:
                await self._say("error", {"code": "VALIDATION_ERROR", "message": str(error)})
            except Unauthenticated as error:
                await self.socket.close(code=4401, message=str(error).encode()[:120])
            except HubError as error:
                await self._say("error", {"code": error.code.upper(), "message": str(error)})

    def _patience(self) -> float | None:
        """Seconds until the client must have said something: who it is, or that it still is."""
        if self.actor is None:
            return FIRST_WORD
        if self.actor.expires is None:
            return None
        return max(0.0, (self.actor.expires - dt.datetime.now(dt.UTC)).total_seconds())

    async def _obey(self, said: Message) -> None:
        if said.event_type == "auth":
            self.actor = await self._identify(str(said.data.get("token", "")))
            await self._say("authenticated", {})
        elif said.event_type == "ping":
            await self._say("pong", {"server_time": dt.datetime.now(dt.UTC)})
        elif self.actor is None:
            raise Unauthenticated
        elif said.event_type == "subscribe":
            await self._subscribe(said.data)
        elif said.event_type == "unsubscribe":
            await self._stop()
            await self._say("unsubscribed", {})
        else:
            await self._say("error", {"code": "UNKNOWN_EVENT", "message": said.event_type})

    async def _subscribe(self, data: dict[str, Any]) -> None:
        """Replace what the client listens to; the check runs in a transaction of its own."""
        assert self.actor is not None  # noqa: S101  -- `_obey` has seen to it
        wanted = msgspec.convert(data, self.room.params)
        async with self.state.unit(self.actor, caller(self.request)) as ctx:
            stream = await self.room.open(ctx, params=wanted)
        await self._stop()
        await self._say("subscribed", data)
        self.pump = asyncio.create_task(self._stream(stream))

    async def _stream(self, stream: AsyncIterator[Any]) -> None:
        try:
            async with contextlib.aclosing(stream) as items:  # type: ignore[type-var]
                async for item in items:
                    await self._still_may()
                    await self._say(self.room.name, item)
        except ConnectionError:
            pass
        except (Forbidden, Unauthenticated) as error:
            await self.socket.close(code=4403, message=str(error).encode()[:120])
        except Exception:
            log.exception("room %s failed", self.room.name, extra={"action": "live.failed"})
            await self.socket.close(code=1011, message=b"the stream failed")

    async def _still_may(self) -> None:
        """Ask again who this is and what he may: rights that were taken away end a stream."""
        now = asyncio.get_running_loop().time()
        if now - self._asked >= ASK_AGAIN:
            self.actor, self._asked = await self._identify(self._known), now

    async def _stop(self) -> None:
        pump, self.pump = self.pump, None
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pump

    async def _say(self, event_type: str, data: Any) -> None:
        body = {"event_type": event_type, "data": data, "timestamp": dt.datetime.now(dt.UTC)}
        await self.socket.send_str(msgspec.json.encode(body).decode())
