"""How a point is named in a configuration: `ai:0 bi:4 dbi:2 ao:1 bo:2 boc:2 ctr:0 os:0`."""

import re
from typing import Annotated

from msgspec import Meta, Struct

from hub import ConfigError, PointSpec

from .codec.commands import AnalogOutput, Control, ControlCode, Crob
from .codec.objects import PointType

_ADDRESS = re.compile(r"(bi|dbi|bo|boc|ctr|fctr|ai|fai|ao|aoc|os):(\d{1,5})")
_ANALOG = {"int32": 1, "int16": 2, "float32": 3, "float64": 4, "": 3} | {
    f"g41v{number}": number for number in range(1, 5)
}
_BINARY = {
    "": (ControlCode.LATCH_ON, ControlCode.LATCH_OFF),
    "bool": (ControlCode.LATCH_ON, ControlCode.LATCH_OFF),
    "latch": (ControlCode.LATCH_ON, ControlCode.LATCH_OFF),
    "pulse": (ControlCode.PULSE_ON, ControlCode.PULSE_OFF),
    "close-trip": (ControlCode.CLOSE, ControlCode.TRIP),
}
_DEFAULT_PULSE = 100
_MAX_INDEX = 0xFFFF


class Dnp3Point(Struct, frozen=True, tag_field="driver", tag="dnp3"):
    """A point of an outstation, and how it is commanded when it can be.

    analog: variation of g41. on, off: control codes for 1 and 0; pulse: ms.
    """

    type: PointType
    index: Annotated[int, Meta(ge=0, le=_MAX_INDEX)]
    analog: int = 3
    on: int = ControlCode.LATCH_ON
    off: int = ControlCode.LATCH_OFF
    pulse: int = _DEFAULT_PULSE

    def control(self, value: float) -> Control | None:
        """The control for a value; None when this point takes no such value."""
        if self.type is PointType.AO:
            return AnalogOutput(value, self.analog)
        if self.type is PointType.BO and value in {0.0, 1.0}:
            return Crob(self.on if value else self.off, 1, self.pulse, self.pulse)
        return None

    def __str__(self) -> str:
        return f"{self.type}:{self.index}"


def parse(spec: PointSpec) -> Dnp3Point:
    """Read `spec.address` and `spec.type`, or ConfigError."""
    match = _ADDRESS.fullmatch(spec.address)
    if not match or int(match[2]) > _MAX_INDEX:
        raise ConfigError(
            f"point {spec.name!r}: {spec.address!r} is no DNP3 address such as ai:0, bi:4, bo:2"
        )
    point, index = PointType(match[1]), int(match[2])
    if spec.writable and point not in {PointType.BO, PointType.AO}:
        raise ConfigError(f"point {spec.name!r}: only bo and ao can be written, not {point}")
    if point is PointType.AO:
        if spec.type not in _ANALOG:
            raise ConfigError(
                f"point {spec.name!r}: type {spec.type!r} is none of"
                " int16, int32, float32, float64, g41v1 … g41v4"
            )
        return Dnp3Point(point, index, analog=_ANALOG[spec.type])
    if point is PointType.BO:
        return _binary(spec, index)
    return Dnp3Point(point, index)


def _binary(spec: PointSpec, index: int) -> Dnp3Point:
    kind, _, length = spec.type.partition(":")
    if kind not in _BINARY or (length and not length.isdigit()):
        raise ConfigError(
            f"point {spec.name!r}: type {spec.type!r} is none of latch, pulse, close-trip,"
            " pulse:MS, close-trip:MS"
        )
    on, off = _BINARY[kind]
    pulse = int(length) if length else _DEFAULT_PULSE
    return Dnp3Point(PointType.BO, index, on=on, off=off, pulse=pulse)
