"""What an outstation has begun and not yet ended: answers, reports, files, broadcasts."""

import enum
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from drivers.dnp3.codec.app import Iin

from .packing import Part
from .requests import Later


class Broadcast(enum.Enum):
    NONE = enum.auto()
    SEEN = enum.auto()
    MUST_CONFIRM = enum.auto()


class Series(Struct):
    """A response of several fragments, or one that waits to be confirmed."""

    parts: Sequence[Part]
    at: int
    sequence: int
    iin: Iin
    until: float


class Unsolicited(Struct):
    """An unsolicited response that waits to be confirmed; null: the one after start."""

    fragment: bytes
    sequence: int
    numbers: list[int]
    null: bool
    until: float
    tries: int = 1


class Errand(Struct, frozen=True):
    """A request whose answer waits for the file store; `work` may block, so it wants a thread."""

    data: bytes
    sequence: int
    later: Later

    def work(self) -> list[Any]:
        return self.later.work()
