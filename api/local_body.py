"""Bodies of a gateway's own API."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from hub.contract.errors import BadRequest, TooLarge

MOST_BODY = 1 << 16
T = TypeVar("T")


async def decoded(request: web.Request, kind: type[T]) -> T:
    """The body as `kind`, or BadRequest that says what is wrong with it; nothing counts as `{}`."""
    raw = bytearray()
    async for chunk in request.content.iter_chunked(1 << 14):
        raw += chunk
        if len(raw) > MOST_BODY:
            raise TooLarge(f"a body has at most {MOST_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(raw) or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(str(error)) from None


def json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
