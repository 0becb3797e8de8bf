"""The centre's end of the live link: orders wait in a table until their gateway has them."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from aiohttp import WSMsgType, web
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import text

from hub import (
    NEWS,
    UNIT,
    Actor,
    AnyOrder,
    Ctx,
    HubError,
    Invalid,
    News,
    Operate,
    Unavailable,
    UnitOfWork,
    uuid7,
)
from hub.kernel.app import Route

from .events import GatewayConnected, GatewayDisconnected
from .gateways import Gate, Gateway
from .wire_link import HEARTBEAT, LINK, MAX_MESSAGE, TOPIC, Give, Status, encode, read_up

ANSWERS = "sync.answers"
KEPT = dt.timedelta(days=30)  # an order that nobody came for

_logger = structlog.get_logger(__name__)
Owner = Callable[[UUID], Awaitable[UUID]]

_GIVE = text("""
WITH given AS (INSERT INTO sync_order (id, gateway, body, expires_at)
               VALUES (:id, :gateway, :body, :expires))
SELECT pg_notify('busbar_news', :topic)
""")
_WITHDRAW = text("DELETE FROM sync_order WHERE id = :id AND sent_at IS NULL RETURNING id")
_PENDING = """
WITH next AS (
    SELECT id FROM sync_order
     WHERE gateway = %(gateway)s AND taken_at IS NULL AND expires_at > now()
       AND NOT id = ANY(%(sent)s) ORDER BY number LIMIT 100 FOR UPDATE
), marked AS (
    UPDATE sync_order AS o SET sent_at = now() FROM next WHERE o.id = next.id
    RETURNING o.number, o.id, o.body, extract(epoch FROM o.expires_at - now())::float8 AS left
)
SELECT id, body, "left" FROM marked ORDER BY number
"""
_TAKEN = """
WITH taken AS (UPDATE sync_order SET taken_at = now(), answer = %s
                WHERE id = %s AND gateway = %s AND taken_at IS NULL RETURNING id)
SELECT pg_notify('busbar_news', 'sync.answers.' || id) FROM taken
"""
_STATUS = "UPDATE sync_gateway SET linked_at = now(), status = %s WHERE id = %s"
_GONE = """
UPDATE sync_gateway SET status = status || '{"linked": false}' WHERE id = %s
"""
_OWNED = text("SELECT 1 FROM sync_gateway WHERE id = :id AND owner = :owner")
_ANSWER = text("SELECT answer FROM sync_order WHERE id = :id AND taken_at IS NOT NULL")
_decode = msgspec.msgpack.Decoder(AnyOrder).decode


class OrderBook:
    """`hub.Orders` on a table."""

    async def give(
        self, ctx: Ctx, gateway: UUID, order: AnyOrder, *, expires: dt.datetime | None = None
    ) -> UUID:
        """Send when the transaction of `ctx` commits, at once or when the gateway comes back."""
        ident = uuid7()
        await ctx.db.execute(
            _GIVE,
            {
                "id": ident,
                "gateway": gateway,
                "body": encode(order),
                "expires": expires or dt.datetime.now(dt.UTC) + KEPT,
                "topic": f"{TOPIC}.{gateway}",
            },
        )
        return ident

    async def ask(self, ctx: Ctx, gateway: UUID, order: AnyOrder, *, within: float) -> bytes:
        """Give an order at once, in a transaction of its own, and wait for its answer.

        Unavailable when the gateway does not answer within so many seconds.
        """
        if await ctx.db.scalar(_OWNED, {"id": gateway, "owner": ctx.actor.tenant}) is None:
            raise Invalid("this company has no such gateway", field="gateway_id")
        unit, expires = ctx.get(UNIT), dt.datetime.now(dt.UTC) + dt.timedelta(seconds=within)
        async with unit(ctx.actor) as own:
            ident = await self.give(own, gateway, order, expires=expires)
        try:
            async with asyncio.timeout(within):
                async for _ in ctx.get(NEWS).follow(f"{ANSWERS}.{ident}"):
                    async with unit(ctx.actor) as own:
                        answer = await own.db.scalar(_ANSWER, {"id": ident})
                    if answer is not None:
                        return bytes(answer)
        except TimeoutError:
            pass
        raise Unavailable(f"its gateway did not answer within {within:g} s")

    async def withdraw(self, ctx: Ctx, order: UUID) -> bool:
        """Take an order back that nobody has sent so far; False when it is too late."""
        return await ctx.db.scalar(_WITHDRAW, {"id": order}) is not None


class LinkEndpoint:
    """`GET /api/v1/sync/link`. owner_of: asked for gateways that nobody owns."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], news: News, unit: UnitOfWork, owner_of: Owner
    ) -> None:
        self._pool, self._news, self._unit, self._gate = pool, news, unit, Gate()
        self._owner_of = owner_of

    def route(self) -> Route:
        """How the api mounts it; it checks the gateway's key by itself."""
        return Route(
            method="GET", path=LINK, handler=self.serve, public=True,
            summary="Orders to a gateway, over a WebSocket",
        )  # fmt: skip

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answers 401, 403 or 503 before the upgrade."""
        gateway = await self._admit(request)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE)
        try:
            await socket.prepare(request)
        except ConnectionError:
            return socket
        async with self._noted(gateway):
            pump = asyncio.create_task(self._pump(request, socket, gateway.id))
            try:
                await self._listen(socket, gateway.id)
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
        return socket

    async def _admit(self, request: web.Request) -> Gateway:
        try:
            async with self._pool.connection() as connection:
                header = request.headers.get("Authorization", "")
                gateway = await self._gate.admit(connection, header, request.remote or "")
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("the database does not answer") from error
        if gateway.owner is None:
            gateway = gateway._replace(owner=await self._owner_of(gateway.id))
        return gateway

    @contextlib.asynccontextmanager
    async def _noted(self, gateway: Gateway) -> AsyncIterator[None]:
        """Tell the company that its gateway came, and that it went."""
        assert gateway.owner is not None  # noqa: S101  -- `_admit` has seen to it
        actor = Actor(id=f"gateway:{gateway.id}", tenant=gateway.owner, kind="gateway")
        async with self._unit(actor) as ctx:
            ctx.emit(GatewayConnected(gateway_id=gateway.id))
        try:
            yield
        finally:
            seen = dt.datetime.now(dt.UTC)
            with contextlib.suppress(OSError, OperationalError):
                async with self._pool.connection() as connection:
                    await connection.execute(_GONE, (gateway.id,))
                async with self._unit(actor) as ctx:
                    ctx.emit(GatewayDisconnected(gateway_id=gateway.id, last_seen_at=seen))

    async def _pump(
        self, request: web.Request, socket: web.WebSocketResponse, gateway: UUID
    ) -> None:
        """Send what waits, then what comes; on a new connection all that was not confirmed.

        Whoever is no longer admitted is cut off before it is sent anything more.
        """
        sent: set[UUID] = set()
        try:
            async for _ in self._news.follow(f"{TOPIC}.{gateway}"):
                await self._admit(request)
                while rows := await self._pending(gateway, sent):
                    for ident, body, left in rows:
                        order = _decode(bytes(body))
                        if isinstance(order, Operate):
                            order = msgspec.structs.replace(order, left=float(left))
                        sent.add(ident)
                        await socket.send_bytes(encode(Give(ident.bytes, order)))
        except (ConnectionError, OperationalError, PoolTimeout, HubError) as error:
            _logger.info("live link ends", gateway=str(gateway), reason=str(error).strip())
            await socket.close(code=1011)

    async def _pending(self, gateway: UUID, sent: set[UUID]) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_PENDING, {"gateway": gateway, "sent": list(sent)})
            rows: list[Any] = await cursor.fetchall()
            return rows

    async def _listen(self, socket: web.WebSocketResponse, gateway: UUID) -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                return
            try:
                said = read_up.decode(message.data)
            except msgspec.MsgspecError as error:
                _logger.warning("a word that we do not know", reason=str(error))
                continue
            async with self._pool.connection() as connection:
                if isinstance(said, Status):
                    shown = msgspec.json.encode(said).decode()
                    await connection.execute(_STATUS, (shown, gateway))
                else:
                    await connection.execute(_TAKEN, (said.answer, UUID(bytes=said.id), gateway))
