"""What a fragment reports of points: columns with a point type, and times with their trust."""

import enum
from collections.abc import Iterator

from msgspec import Struct

from drivers.dnp3.codec.app import Fragment, Iin, ObjectFault
from drivers.dnp3.codec.attributes import Attribute, attributes
from drivers.dnp3.codec.objects import Form, PointType, Role
from drivers.dnp3.codec.values import Columns, columns, indexes, octets


class Origin(enum.Enum):
    """Why the outstation sent it."""

    STARTUP = enum.auto()
    POLL = enum.auto()
    UNSOLICITED = enum.auto()


class Measurements(Struct, frozen=True):
    """Points of one type. columns.time: ms since 1970 UTC, None where the device gave none.

    synchronised: whether these times can be trusted. Of a command (boc, aoc) the value is what was
    asked for, and columns.flags hold its status.
    """

    point: PointType
    columns: Columns
    is_event: bool
    synchronised: bool = True
    origin: Origin = Origin.POLL


class Strings(Struct, frozen=True):
    """Octet strings with their indexes."""

    rows: tuple[tuple[int, bytes], ...]
    is_event: bool
    origin: Origin = Origin.POLL


Report = Measurements | Strings | Attribute


def reports(fragment: Fragment, origin: Origin) -> Iterator[Report]:
    """All that is told about points; ObjectFault where the fragment cannot be understood.

    A time is trusted unless the outstation asks for the time (NEED_TIME) or says so (g51v2).
    """
    trusted = not (fragment.iin or Iin.NONE) & Iin.NEED_TIME
    base: int | None = None
    common = False
    for block in fragment.blocks():
        group = block.variation.group
        if group.number == 51:
            cols = columns(block)
            if cols.time is not None and len(cols.time):
                base, common = int(cols.time[-1]), block.number == 1
        elif group.number == 0 and block.variation.form is Form.ATTRIBUTE:
            yield from attributes(block)
        elif group.point is None or group.role is Role.COMMAND or not block.data:
            continue
        elif block.variation.form is Form.STRING:
            rows = zip(indexes(block).tolist(), octets(block), strict=True)
            yield Strings(tuple(rows), group.role is Role.EVENT, origin)
        elif group.role is not Role.DEADBAND:
            cols = columns(block)
            sure = trusted
            if cols.relative and cols.time is not None:
                if base is None:
                    raise ObjectFault(Iin.PARAMETER_ERROR, f"{block} without a common time")
                cols = Columns(cols.index, cols.value, cols.flags, cols.time + base)
                sure = common
            event = group.role is not Role.STATIC
            yield Measurements(group.point, cols, event, sure, origin)
