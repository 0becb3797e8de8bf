"""What uplink and ingest say to each other; one request carries consecutive frames.

POST /api/v1/sync/{stream}, body: msgpack of `Upload`, answer: JSON. 200 `Receipt`; 409 `Refusal`
(send from `expected`, or the catalogue first, or in a new epoch); 401 and 403: the key is wrong or
switched off; 422 `Refusal`: the frames can never be taken; 429 and 503: later.
"""

import enum
from typing import Annotated

from msgspec import Meta, Struct

PATH = "/api/v1/sync/{stream}"
MAX_UPLOAD = 1 << 20  # bytes of frames that a gateway puts into one request
MAX_BODY = 2 << 20  # bytes that the centre reads
MAX_FRAMES = 1_000


class Upload(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """epoch: of the buffer, 16 bytes."""

    epoch: Annotated[bytes, Meta(min_length=16, max_length=16)]
    frames: Annotated[list[bytes], Meta(min_length=1, max_length=MAX_FRAMES)]


class Receipt(Struct, frozen=True):
    """watermark: all up to here is stored. duplicates: frames that were here before.

    hash: of the frame at the watermark. moved: µs since 1970 UTC, when the watermark got there.
    """

    watermark: int
    duplicates: int = 0
    hash: bytes = b""
    moved: int = 0


class Need(enum.StrEnum):
    """What the gateway has to do before it sends on."""

    REWIND = "rewind"
    CATALOGUE = "catalogue"
    EPOCH = "epoch"  # the centre has other frames of these numbers: the buffer is an older copy
    NOTHING = "nothing"


class Refusal(Struct, frozen=True):
    """expected: the sequence number that the centre waits for. moved: as in `Receipt`."""

    need: Need
    expected: int = 0
    moved: int = 0
    code: str = ""
    detail: str = ""
