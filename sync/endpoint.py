"""The HTTP side of the ingest."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from aiohttp import web
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from hub import HubError, Stream, TooMany, Unavailable
from hub.kernel.app import Route
from hub.kernel.rates import GATEWAY, Rates

from .frames import FrameError
from .gateways import Gate
from .ingest import Ingest, Refused
from .wire import MAX_BODY, PATH, Need, Refusal, Upload

_logger = structlog.get_logger(__name__)


Owner = Callable[[UUID], Awaitable[UUID]]


class Endpoint:
    """`POST /api/v1/sync/{stream}` for gateways. owner_of: asked for gateways that nobody owns."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        ingest: Ingest,
        owner_of: Owner | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._pool, self._ingest, self._gate = pool, ingest, Gate()
        self._owner_of, self._rates = owner_of, rates
        self._decoder = msgspec.msgpack.Decoder(Upload)

    def route(self) -> Route:
        """How the api mounts it; it checks the gateway's key by itself."""
        return Route(
            method="POST", path=PATH, handler=self.receive, public=True,
            summary="Take consecutive frames of a gateway",
        )  # fmt: skip

    async def receive(self, request: web.Request) -> web.Response:
        """Answers 200, 401, 403, 404, 409, 413, 422, 429 or 503; see `sync.wire`."""
        try:
            stream = Stream(request.match_info["stream"])
        except ValueError:
            return _answer(404, Refusal(Need.NOTHING, code="not_found"))
        try:
            async with self._pool.connection() as connection:
                gateway = await self._gate.admit(
                    connection, request.headers.get("Authorization", ""), request.remote or ""
                )
                self._spend(gateway.id)
                if gateway.owner is None and self._owner_of:
                    gateway = gateway._replace(owner=await self._owner_of(gateway.id))
            upload = self._decoder.decode(await _body(request))
            receipt = await self._ingest.take(gateway, stream, upload)
        except Refused as error:
            return _answer(
                409, Refusal(error.need, error.expected, error.moved, error.code, str(error))
            )
        except (FrameError, msgspec.MsgspecError) as error:
            _logger.warning("frames refused", remote=request.remote, reason=str(error))
            code = error.code if isinstance(error, FrameError) else "frame"
            return _answer(422, Refusal(Need.NOTHING, code=code, detail=str(error)))
        except (OperationalError, PoolTimeout) as error:
            _logger.warning("ingest waits for the database", reason=str(error).strip())
            return _answer(503, Refusal(Need.NOTHING, code="unavailable"))
        except HubError as error:
            refused = Refusal(Need.NOTHING, code=error.code, detail=str(error))
            return _answer(error.status, refused, error.extra.get("retry_after"))
        return _answer(200, receipt)

    def _spend(self, gateway: UUID) -> None:
        if self._rates is not None:
            verdict = self._rates.spend(f"gateway/{gateway}", *GATEWAY)
            if not verdict.allowed:
                raise TooMany(retry_after=verdict.reset)


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge
    except ConnectionResetError:
        raise Unavailable("the link broke before all had come") from None
    return bytes(body)


class TooLarge(HubError):
    """An upload has at most 1 MiB of frames."""

    status, code = 413, "too_large"


def _answer(status: int, body: msgspec.Struct, retry_after: object = None) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=None if retry_after is None else {"Retry-After": str(retry_after)},
    )
