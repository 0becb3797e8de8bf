"""Words for what the quality of a reading says."""

from hub import Flag, Kind, Stamp, Validity

from .models import PointType

_VALIDITY = 0x0003
_STAMP = 0x1800


def quality_word(quality: int) -> str:
    """good, uncertain, bad, stale, out_of_range, substituted or clock_suspect; the gravest wins."""
    validity = quality & _VALIDITY
    if quality & (Flag.COMM_LOST | Flag.OLD):
        return "stale"
    if validity == Validity.INVALID:
        return "bad"
    if quality & Flag.OVERRANGE:
        return "out_of_range"
    if quality & Flag.SUBSTITUTED:
        return "substituted"
    if validity == Validity.QUESTIONABLE:
        return "uncertain"
    return "clock_suspect" if quality & _STAMP == Stamp.UNSYNCED else "good"


def control_type(kind: Kind) -> str:
    """How a control is operated, from how its value behaves."""
    return "switch" if kind in (Kind.BINARY, Kind.DOUBLE) else "setpoint"


def point_type(kind: Kind, writable: bool) -> PointType:
    """The type of a data point from how its value behaves."""
    if kind is Kind.TEXT:
        return PointType.STRING
    if kind is Kind.COUNTER:
        return PointType.COUNTER
    if kind in (Kind.BINARY, Kind.DOUBLE):
        return PointType.BINARY_OUTPUT if writable else PointType.BINARY_INPUT
    return PointType.ANALOG_OUTPUT if writable else PointType.ANALOG_INPUT
