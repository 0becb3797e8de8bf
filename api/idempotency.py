"""`Idempotency-Key`: a request that is sent again gets the first answer again."""

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from hub import BadRequest, Conflict, Ctx, Invalid
from hub.kernel.outbox import Idempotency

KEPT = dt.timedelta(hours=24)
_HEADERS = ("Content-Type", "Location", "ETag")


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_conflict"


class InFlight(Conflict):
    """The same request is being worked on."""

    code = "idempotency_in_flight"


async def once(
    request: web.Request, ctx: Ctx, body: bytes, answer: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Run `answer` unless its key has one stored. Both are in the caller's transaction."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return await answer()
    if not 1 <= len(key) <= 200:
        raise BadRequest("an Idempotency-Key has 1 to 200 characters", field="Idempotency-Key")
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode() + body).digest()
    lock = f"{ctx.actor.tenant}/{ctx.actor.id}/{key}"
    free = await ctx.db.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:lock, 7))"), {"lock": lock}
    )
    if not free:
        raise InFlight
    row = await ctx.db.scalar(
        select(Idempotency).where(
            Idempotency.tenant == ctx.actor.tenant,
            Idempotency.principal == ctx.actor.id,
            Idempotency.key == key,
            Idempotency.expires_at > ctx.clock(),
        )
    )
    if row is not None:
        if row.request_hash != digest:
            raise KeyReused
        headers = {**row.headers, "Idempotent-Replay": "true"}
        return web.Response(body=row.body, status=row.status, headers=headers)
    response = await answer()
    await _keep(ctx, key, digest, response)
    return response


async def _keep(ctx: Ctx, key: str, digest: bytes, response: web.Response) -> None:
    values = {
        "tenant": ctx.actor.tenant,
        "principal": ctx.actor.id,
        "key": key,
        "request_hash": digest,
        "status": response.status,
        "headers": {n: response.headers[n] for n in _HEADERS if n in response.headers},
        "body": bytes(response.body) if isinstance(response.body, bytes) else b"",
        "expires_at": ctx.clock() + KEPT,
    }
    stmt = insert(Idempotency).values(values)
    keys = ("tenant", "principal", "key")
    connection = await ctx.db.connection()
    await connection.execute(
        stmt.on_conflict_do_update(
            index_elements=keys, set_={n: stmt.excluded[n] for n in values if n not in keys}
        )
    )
