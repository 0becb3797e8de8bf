"""From the flags of an object to the hub's quality word, for whole columns at once."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hub import Flag, Stamp, Validity, quality

from .codec.commands import CommandStatus
from .codec.objects import PointType
from .codec.values import (
    CHATTER,
    COMM_LOST,
    DISCONTINUITY,
    LOCAL_FORCED,
    ONLINE,
    OVER_RANGE,
    REFERENCE_ERR,
    REMOTE_FORCED,
    RESTART,
)

Qualities = NDArray[np.uint16]

_COUNTERS = frozenset({PointType.CTR, PointType.FCTR})
_COMMANDS = frozenset({PointType.BOC, PointType.AOC})
_STATUS = 0x7F
_ANALOGS = frozenset({PointType.AI, PointType.FAI, PointType.AO})


@cache
def _words(point: PointType) -> Qualities:
    return np.array([_word(point, flags) for flags in range(256)], np.uint16)


def _word(point: PointType, flags: int) -> int:
    """Offline is invalid; what is online but doubtful is questionable, and says why.

    Of a command the octet is its status: one that was refused is questionable.
    """
    if point in _COMMANDS:
        refused = flags & _STATUS != CommandStatus.SUCCESS
        return quality(Validity.QUESTIONABLE if refused else Validity.GOOD)
    marks = Flag.NONE
    if flags & RESTART:
        marks |= Flag.RESTART
    if flags & COMM_LOST:
        marks |= Flag.COMM_LOST
    if flags & (REMOTE_FORCED | LOCAL_FORCED):
        marks |= Flag.SUBSTITUTED
    doubtful = bool(marks)
    if point in _ANALOGS:
        if flags & OVER_RANGE:
            marks |= Flag.OVERRANGE
        if flags & REFERENCE_ERR:
            marks |= Flag.INACCURATE
    elif point in _COUNTERS:
        doubtful |= bool(flags & DISCONTINUITY)
    elif flags & CHATTER:
        marks |= Flag.OSCILLATING
    invalid = not flags & ONLINE or flags & COMM_LOST
    validity = Validity.INVALID if invalid else Validity.GOOD
    if validity is Validity.GOOD and (marks or doubtful):
        validity = Validity.QUESTIONABLE
    return quality(validity, marks)


def qualities(point: PointType, flags: NDArray[np.uint8] | None, count: int) -> Qualities:
    """Quality words without a stamp. A variation without flags says: online, nothing special."""
    if flags is None:
        return np.full(count, quality(), np.uint16)
    return _words(point)[flags]


def stamp(timed: bool, synchronised: bool) -> int:
    """Whose clock gave the time of a column."""
    if not timed:
        return int(Stamp.GATEWAY)
    return int(Stamp.DEVICE if synchronised else Stamp.UNSYNCED)
