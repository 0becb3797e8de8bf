"""Measured values as columns: the unit of decoding, storage, transfer and acknowledgement.

A reading is (point, time, value, quality). A `ReadingBatch` holds many as parallel arrays, so that
no Python object exists per reading between the driver's decoder and the central table.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.uint32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
Qualities = NDArray[np.uint16]


class Validity(enum.IntEnum):
    """Bits 0-1 of a quality (IEC 61850-7-3 `validity`)."""

    GOOD = 0
    QUESTIONABLE = 1
    INVALID = 2


class Flag(enum.IntFlag):
    """Bits 2-10 of a quality: why a value is not plainly good."""

    NONE = 0
    COMM_LOST = 1 << 2
    RESTART = 1 << 3
    OLD = 1 << 4
    OVERRANGE = 1 << 5
    OSCILLATING = 1 << 6
    SUBSTITUTED = 1 << 7
    TEST = 1 << 8
    BLOCKED = 1 << 9
    INACCURATE = 1 << 10


class Stamp(enum.IntEnum):
    """Bits 11-12 of a quality: whose clock gave the time, and whether it can be trusted."""

    GATEWAY = 0 << 11
    DEVICE = 1 << 11
    UNSYNCED = 2 << 11


VALIDITY_MASK = 0x0003
FLAG_MASK = 0x07FC
STAMP_MASK = 0x1800


class Cause(enum.StrEnum):
    """Why a batch exists."""

    STARTUP = "startup"
    POLL = "poll"
    EVENT = "event"
    REQUEST = "request"
    LINK = "link"


def quality(
    validity: Validity = Validity.GOOD, flags: Flag = Flag.NONE, stamp: Stamp = Stamp.GATEWAY
) -> int:
    """The 13-bit quality word; it fits PostgreSQL's signed int2."""
    return int(validity) | int(flags) | int(stamp)


GOOD = quality()
LOST = quality(Validity.INVALID, Flag.COMM_LOST)


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Readings as columns of one length.

    point: local point ids on a gateway, series numbers at the centre. time: µs since 1970 UTC, of
    acquisition. value: from a driver as decoded, before scale and offset; NaN where there is none.
    quality: see `quality`. text: row number → text, for points whose value is text (NaN there).
    """

    point: Points
    time: Times
    value: Values
    quality: Qualities
    cause: Cause = Cause.POLL
    text: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.point) == len(self.time) == len(self.value) == len(self.quality):
            raise ValueError("columns of a ReadingBatch differ in length")

    def __len__(self) -> int:
        return len(self.point)

    @classmethod
    def of(
        cls,
        point: Sequence[int],
        time: Sequence[int] | int,
        value: Sequence[float],
        quality: Sequence[int] | int = GOOD,
        cause: Cause = Cause.POLL,
        text: Mapping[int, str] | None = None,
    ) -> "ReadingBatch":
        """Build from plain sequences; one time or quality stands for all rows."""
        n = len(point)
        return cls(
            np.asarray(point, np.uint32),
            np.full(n, time, np.int64) if isinstance(time, int) else np.asarray(time, np.int64),
            np.asarray(value, np.float64),
            np.full(n, quality, np.uint16)
            if isinstance(quality, int)
            else np.asarray(quality, np.uint16),
            cause,
            text or {},
        )

    @classmethod
    def empty(cls) -> "ReadingBatch":
        return cls.of((), (), (), ())
