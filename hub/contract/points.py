"""What a point is: the same words in a firmware profile, in a gateway's file and at the centre."""

import enum
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Order = Literal["big", "little"]
PointName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,119}$")]


class Kind(enum.StrEnum):
    """How the value behaves."""

    ANALOG = "analog"
    COUNTER = "counter"  # only rises, until it rolls over or is replaced
    BINARY = "binary"
    DOUBLE = "double"  # 0 intermediate, 1 off, 2 on, 3 bad (IEC 61850-7-3 DPC)
    TEXT = "text"


class PointSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value of a device model.

    address: in the driver's own notation (`hr:40`, `ai:0`, `LD0/MMXU1.TotW.mag.f[MX]`).
    type: the encoding, as the driver names it (`float32`). unit: of the engineering value, which is
    raw * scale + offset. scale_from: name of a point of the same device whose value is a power of
    ten that multiplies this one's raw value first (SunSpec `sf`); both are read in one poll.
    absent: raw value by which the device says that it has none (SunSpec 0x8000).
    every: poll period in seconds. limits: raise alarms; `low_limit` and
    `high_limit` also bound what is believed (OVERRANGE). rate_limit: highest change in units a
    second. alarm_delay, clear_delay: seconds that a condition must last, and must be gone.
    feedback: of a control, the point of the same device that shows what it did; select: it asks
    for the device's two steps.
    """

    name: PointName
    address: str
    type: str = ""
    kind: Kind = Kind.ANALOG
    measurement: str = ""
    description: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    scale_from: str = ""
    absent: float | None = None
    byte_order: Order = "big"
    word_order: Order = "big"
    every: Annotated[float, Meta(gt=0)] | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    low_limit: float | None = None
    high_limit: float | None = None
    alarm_low: float | None = None
    alarm_high: float | None = None
    normal_state: int | None = None
    rate_limit: Annotated[float, Meta(gt=0)] | None = None
    alarm_delay: Annotated[float, Meta(ge=0)] = 0.0
    clear_delay: Annotated[float, Meta(ge=0)] = 0.0
    is_switch: bool = False
    writable: bool = False
    feedback: str = ""
    select: bool = False
    states: Mapping[str, str] = {}
    source: str = ""


class Point(Struct, frozen=True, kw_only=True):
    """A point at work. id: local to the gateway, never reused. key: `device.point`.

    address: what `Driver.address` made of `spec.address`.
    """

    id: int
    key: str
    device: str
    spec: PointSpec
    address: Any
    every: float | None = None
