"""What centre and gateway say to each other on the live link.

One WebSocket a gateway at /api/v1/sync/link, opened by the gateway with its key; binary messages,
each one msgpack document.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub import MarkAlarm, MaskAlarms, Operate

LINK = "/api/v1/sync/link"
MAX_MESSAGE = 1 << 20
HEARTBEAT = 10.0  # s between pings; a link that misses one is dead
Ident = Annotated[bytes, Meta(min_length=16, max_length=16)]
Key = Annotated[str, Meta(max_length=250)]


class Give(Struct, frozen=True, tag="give"):
    """Down: an order. The same id may come again and is carried out once."""

    id: Ident
    order: MarkAlarm | MaskAlarms | Operate


class Watch(Struct, frozen=True, tag="watch"):
    """Down: somebody looks at these points; empty = nobody looks any more."""

    keys: Annotated[list[Key], Meta(max_length=10_000)]


class Taken(Struct, frozen=True, tag="taken"):
    """Up: the gateway has this order and will not forget it."""

    id: Ident


class Shown(Struct, frozen=True, tag="shown"):
    """Up: the newest values of watched points, conflated; columns of one length.

    value: NaN where there is none. time: µs since 1970 UTC.
    """

    key: list[Key]
    time: list[int]
    value: list[float]
    quality: list[int]


Down = Give | Watch
Up = Taken | Shown
encode = msgspec.msgpack.encode
read_down: msgspec.msgpack.Decoder[Down] = msgspec.msgpack.Decoder(Down)
read_up: msgspec.msgpack.Decoder[Up] = msgspec.msgpack.Decoder(Up)
