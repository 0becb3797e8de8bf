"""What centre and gateway say to each other on the live link.

One WebSocket a gateway at /api/v1/sync/link, opened by the gateway with its key; binary messages,
each one msgpack document.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub import AnyOrder

LINK = "/api/v1/sync/link"
TOPIC = "sync.orders"  # of the news that a gateway has orders, with its id behind a dot
MAX_MESSAGE = 1 << 20
STATUS_EVERY = 15.0  # s between two words of a gateway on itself
HEARTBEAT = 10.0  # s between pings; a link that misses one is dead
Ident = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Give(Struct, frozen=True, tag="give"):
    """Down: an order. The same id may come again and is carried out once."""

    id: Ident
    order: AnyOrder


class Taken(Struct, frozen=True, tag="taken"):
    """Up: the gateway has this order and will not forget it. answer: where one was asked for."""

    id: Ident
    answer: bytes = b""


class Status(Struct, frozen=True, kw_only=True, tag="status"):
    """Up: how the gateway does, from time to time. Times are µs since 1970 UTC."""

    version: str
    healthy: bool
    message: str
    depth: int
    bytes: int
    max_bytes: int
    dropped: int
    oldest_unsent: int | None
    channels: int
    channels_online: int
    points: int
    local: bool
    clock: int


encode = msgspec.msgpack.encode
read_down = msgspec.msgpack.Decoder(Give)
read_up = msgspec.msgpack.Decoder(Taken | Status)
