"""One WebSocket for everything live: sign in, join rooms, hear them at one's own pace."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from aiohttp import WSMsgType, web
from sqlalchemy.exc import SQLAlchemyError

from api import limits
from api.metrics import METRICS
from api.request import caller, credentials, identify
from api.rooms import ROOMS, Rooms, Seat, admit, parameters
from api.sockets import SOCKETS, Sockets
from api.state import STATE
from hub import (
    Actor,
    BadRequest,
    Credentials,
    Forbidden,
    HubError,
    LiveMessage,
    Plugin,
    Room,
    TooMany,
    Unauthenticated,
)
from plugins.realtime import Mailbox

log = logging.getLogger(__name__)

FIRST_WORD = 10.0
RENEWAL = dt.timedelta(seconds=60)
ASK_AGAIN = 2.0
SEND = 0.5
PING, SILENCE = 25.0, 60.0
MAX_MESSAGE = 64 << 10
MOST_ROOMS = 50
MOST_SAID, SAID_IN = 30, 10.0
MOST_AFTER = 5.0
BASE = "/api/v1/realtime/ws"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TOKENS = ("access_token", "token", "bearer")


class Message(msgspec.Struct, kw_only=True):
    """What a client says. action: a shorter word for event_type, as older clients send it."""

    event_type: str = ""
    action: str = ""
    data: dict[str, Any] = {}


class Connection:
    """One client. own: the room of its address, which `subscribe` is about."""

    def __init__(self, request: web.Request, own: Room | None = None) -> None:
        self.request, self.own = request, own
        self.state, self.rooms = request.app[STATE], request.app[ROOMS]
        self.sockets = request.app[SOCKETS]
        self.socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=MAX_MESSAGE, protocols=("busbar",)
        )
        self.actor: Actor | None = None
        self.ident: UUID | None = None
        self.seats: dict[str, Seat] = {}
        self.sent = self.received = 0
        self.active_at = dt.datetime.now(dt.UTC)
        self._shown: Credentials | None = None
        self._box: Mailbox | None = None
        self._said: deque[float] = deque(maxlen=MOST_SAID)
        self._begun = self._heard = self._pinged = self._now()
        self._asked = 0.0
        self._reminded = False
        self.code: int | None = None
        self._closing: asyncio.Task[None] | None = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def serve(self, *, join: bool = False) -> web.WebSocketResponse:
        """Speak with the client until one of us ends it. join: enter the address's room at once."""
        self._check_origin()
        limits.flood(self.request, caller(self.request).ip)
        if (shown := await self._credentials()) is not None:
            await self._sign_in(shown)
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadRequest("this is the address of a WebSocket")
        await self.socket.prepare(self.request)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.sockets.holding(self, self._gauge()))
            tasks = []
            if self.sockets.board is not None:
                self._box = stack.enter_context(self.sockets.board.mailbox())
                tasks.append(asyncio.create_task(self._deliver(self._box)))
            try:
                await self._converse(join=join)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._leave_all()
        return self.socket

    def _check_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        own = {f"{scheme}://{self.request.host}" for scheme in ("http", "https")}
        if origin and origin not in own | self.state.options.origins:
            raise Forbidden("a page of another site may not listen")

    async def _credentials(self) -> Credentials | None:
        """Header, subprotocol or ticket; a token in an address would end in logs."""
        query = self.request.query
        if any(name in query for name in _TOKENS):
            raise BadRequest("a token does not belong into an address: ask for a ticket")
        if (shown := credentials(self.request)) is not None:
            return shown
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        for item in offered.split(","):
            if item.strip().startswith("bearer."):
                return self._bearer(item.strip().removeprefix("bearer."))
        if "ticket" in query and self.sockets.register is not None:
            return self._bearer(await self.sockets.register.redeem(query["ticket"]))
        return None

    def _bearer(self, token: str) -> Credentials:
        return Credentials(scheme="bearer", token=token, caller=caller(self.request))

    async def _sign_in(self, shown: Credentials) -> None:
        actor = await identify(self.state.authenticators, shown)
        if self.own is not None:
            admit(self.own, actor)
        if self.actor is not None and (actor.id, actor.tenant) != (
            self.actor.id,
            self.actor.tenant,
        ):
            raise Unauthenticated("this socket is somebody else's")
        if self.ident is None and self.sockets.register is not None:
            self.ident = await self.sockets.register.opened(actor, caller(self.request))
        self.actor, self._shown, self._reminded = actor, shown, False

    async def _converse(self, *, join: bool) -> None:
        if join and self.actor is not None and self.own is not None:
            given = {k: v for k, v in self.request.query.items() if k != "ticket"}
            await self._try(Message(event_type="join_room", data={"room": self.own.name, **given}))
        while not self.socket.closed:
            message = await self.socket.receive()
            self._heard = self._now()
            if message.type is WSMsgType.PING:
                await self.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self.received += 1
                self.active_at = dt.datetime.now(dt.UTC)
                if self._too_fast():
                    await self.end(4429, "too many messages")
                await self._hear(message.data)
            elif message.type is not WSMsgType.PONG:
                self.code = self.code or self.socket.close_code
                return

    def _too_fast(self) -> bool:
        now = self._now()
        full = len(self._said) == MOST_SAID and now - self._said[0] < SAID_IN
        self._said.append(now)
        return full

    async def _hear(self, text: str) -> None:
        try:
            said = msgspec.json.decode(text, type=Message)
        except (msgspec.MsgspecError, RecursionError) as error:
            await self._refuse("VALIDATION_ERROR", str(error))
            return
        await self._try(said)

    async def _try(self, said: Message) -> None:
        try:
            await self._obey(said.event_type or said.action, said.data)
        except Unauthenticated as error:
            await self.end(4401, str(error))
        except TooMany as error:
            await self.end(4429, str(error))
        except HubError as error:
            await self._refuse(error.code.upper(), str(error))

    async def _refuse(self, code: str, message: str) -> None:
        await self.say("error", {"code": code, "message": message})

    async def _obey(self, word: str, data: dict[str, Any]) -> None:
        if word == "ping":
            await self.say("pong", {"server_time": dt.datetime.now(dt.UTC)})
        elif word == "auth":
            await self._sign_in(self._bearer(str(data.get("token", ""))))
            await self.say("authenticated", {})
        elif self.actor is None:
            raise Unauthenticated
        elif word == "join_room":
            await self._join(self._named(data), data, "joined")
        elif word == "leave_room":
            await self._leave(self._named(data))
            await self.say("left", {"room": data["room"]})
        elif word == "subscribe":
            await self._join(self._own_name(), {"room": "", **data}, "subscribed")
        elif word == "unsubscribe":
            await self._leave(self._own_name())
            await self.say("unsubscribed", {})
        elif word == "subscribe_updates":
            for name in data.get("topics") or self.rooms.of(self.actor):
                await self._join(str(name), {"room": str(name)}, "joined")
        else:
            log.warning("unknown event %.40r", word, extra={"action": "live.unknown"})
            await self._refuse("UNKNOWN_EVENT", word[:100])

    def _own_name(self) -> str:
        return self.own.name if self.own is not None else "readings"

    @staticmethod
    def _named(data: dict[str, Any]) -> str:
        name = data.get("room")
        if not isinstance(name, str) or not 0 < len(name) <= 100:
            raise BadRequest("data.room names the room", field="room")
        return name

    async def _join(self, name: str, data: dict[str, Any], answer: str) -> None:
        """Enter a room, again with other parameters if one is in it; checked in a transaction."""
        assert self.actor is not None  # noqa: S101  -- `_obey` has seen to it
        given = {k: v for k, v in data.items() if k != "room"}
        room, given = self.rooms.find(name, given)
        admit(room, self.actor)
        after = given.pop("after", None) if "after" not in _fields(room) else None
        wanted = parameters(room, given)
        if name not in self.seats and len(self.seats) >= MOST_ROOMS:
            raise BadRequest(f"one socket is in at most {MOST_ROOMS} rooms", field="room")
        async with self.state.unit(self.actor, caller(self.request)) as ctx:
            opened = await room.open(ctx, params=wanted)
        await self._leave(name)
        seat = self.seats[name] = Seat(name, room, self.actor.tenant, self._box)
        told = {k: v for k, v in data.items() if k != "room" or v}
        await self.say(answer, told, room=name)
        pause = getattr(wanted, "min_interval_ms", 0) / 1e3
        seat.sit(opened, pause, self._follow)
        if after is not None and self.sockets.board is not None:
            last = msgspec.convert(after, UUID)
            for message in await self.sockets.board.missed(self.actor, seat.hears, last):
                await self._pass_on(message)

    async def _leave(self, name: str) -> None:
        if (seat := self.seats.pop(name, None)) is not None:
            await seat.leave()

    async def _leave_all(self) -> None:
        for name in list(self.seats):
            await self._leave(name)

    async def _follow(self, seat: Seat, stream: AsyncIterator[Any], pause: float) -> None:
        """Send what a stream gives; while we wait, a stream that conflates joins what comes."""
        try:
            async with contextlib.aclosing(stream) as items:  # type: ignore[type-var]
                async for item in items:
                    await self._still_may()
                    await self.say(seat.room.name, item, room=seat.name)
                    if pause:
                        await asyncio.sleep(pause)
        except (ConnectionError, Forbidden, Unauthenticated):
            pass
        except Exception:
            log.exception("room %s failed", seat.name, extra={"action": "live.failed"})
            self.end(1011, "the stream failed")

    async def _deliver(self, box: Mailbox) -> None:
        with contextlib.suppress(ConnectionError, Forbidden, Unauthenticated):
            while True:
                messages, lost = await box.take()
                await self._still_may()
                if lost:
                    await self.say("lagged", {"dropped": lost})
                for message in messages:
                    await self._pass_on(message)

    async def _pass_on(self, message: LiveMessage) -> None:
        self.sent += 1
        await self.socket.send_str(self.sockets.text(message))

    async def say(self, event_type: str, data: Any, *, room: str | None = None) -> None:
        body = {"event_type": event_type, "data": data, "timestamp": dt.datetime.now(dt.UTC)}
        if room is not None:
            body["room"] = room
        self.sent += 1
        await self.socket.send_str(msgspec.json.encode(body).decode())

    async def look(self, *, again: bool = False) -> None:
        """Once a second: is the client there, and who it was? again: its rights have changed."""
        now = self._now()
        if now - self._heard > SILENCE:
            self.end(4408, "no pong")
        elif now - max(self._heard, self._pinged) > PING:
            self._pinged = now
            await self._ping()
        if self.actor is None or self._shown is None:
            if now - self._begun > FIRST_WORD:
                self.end(4401, "no sign-in")
            return
        if (ends := self.actor.expires) is not None and ends <= dt.datetime.now(dt.UTC):
            await self._expired(again or dt.datetime.now(dt.UTC) - ends > RENEWAL)
        elif again or now - self._asked >= ASK_AGAIN:
            self._asked = now
            with contextlib.suppress(Forbidden, Unauthenticated):
                await self._still_may()

    async def _ping(self) -> None:
        """A client that takes nothing must not hold up the others."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(SEND):
                await self.socket.ping()

    async def _expired(self, over: bool) -> None:
        if over:
            self.end(4401, "the access token ended")
        elif not self._reminded:
            self._reminded = True
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(SEND):
                    await self.say("auth_required", {})

    async def _still_may(self) -> None:
        """Ask again who this is and what he may: rights that were taken away end a connection."""
        assert self._shown is not None  # noqa: S101  -- nobody sits anywhere without a sign-in
        if self._reminded:
            return
        try:
            self.actor = await identify(self.state.authenticators, self._shown)
            for seat in self.seats.values():
                admit(seat.room, self.actor)
        except (Forbidden, Unauthenticated) as error:
            self.end(4403, str(error))
            raise
        except (OSError, HubError, SQLAlchemyError, psycopg.Error) as error:
            about = {"action": "live.unchecked"}
            log.warning("a client goes on unchecked, the database is away: %s", error, extra=about)

    async def farewell(self) -> None:
        await self.say("server_closing", {})

    def end(self, code: int, reason: str) -> asyncio.Task[None]:
        """Close; a client that does not answer is cut off. Only the first reason counts."""
        if self._closing is None:
            self.code = code
            self._closing = asyncio.create_task(self._close(reason))
        return self._closing

    async def _close(self, reason: str) -> None:
        try:
            async with asyncio.timeout(MOST_AFTER):
                await self.socket.close(code=self.code or 1000, message=reason.encode()[:120])
        except (TimeoutError, ConnectionError):
            if (transport := self.request.transport) is not None:
                transport.abort()

    def _gauge(self) -> Any:
        name = self.own.name if self.own is not None else ""
        return self.request.app[METRICS].connections.labels(name)


def _fields(room: Room) -> tuple[str, ...]:
    fields: tuple[str, ...] = room.params.__struct_fields__
    return fields


def add(app: web.Application, plugins: Iterable[Plugin]) -> None:
    """`realtime/ws` for all rooms; one address a room that enters it, and one that only may."""
    plugins = list(plugins)
    app[ROOMS] = Rooms(plugins)
    app[SOCKETS] = sockets = Sockets(app[STATE].hub)
    app.cleanup_ctx.append(sockets.context)
    app.on_shutdown.append(sockets.close)
    app.router.add_get(BASE, _handler(None, join=False))
    for plugin in plugins:
        for room in plugin.rooms:
            own = f"/api/v1/{room.module or plugin.name}/ws/{room.name}"
            if own != f"{BASE}/{room.name}":
                app.router.add_get(own, _handler(room, join=False))
            app.router.add_get(f"{BASE}/{room.name}", _handler(room, join=True))


def _handler(room: Room | None, *, join: bool) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await Connection(request, room).serve(join=join)

    return handle
