"""Files that meters and their operators hand out: NEM12 and Green Button."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from plugins.billing.tariff.history import Series

from . import greenbutton, nem12
from .channel import Channel, FileError


def read(text: str, form: str, *, meter: str = "", zone: str) -> Mapping[str, Series]:
    """The registers `import`, `export`, `kvarh` of one meter of a file.

    meter: needed when there are several. zone: of the months to bill. Raises FileError.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise FileError(f"there is no time zone {zone!r}") from None
    channels = nem12.read(text) if form == "nem12" else greenbutton.read(text)
    meters = sorted({c.meter for c in channels if c.register})
    if not meters:
        raise FileError("the file has no energy that can be priced")
    if not meter and len(meters) > 1:
        raise FileError(f"which meter? There are {', '.join(meters)}", meters=meters)
    chosen = meter or meters[0]
    registers: dict[str, Series] = {}
    for channel in channels:
        if channel.meter != chosen or not channel.register:
            continue
        known = registers.get(channel.register)
        registers[channel.register] = _sum(known, channel) if known else channel.series
    if "import" not in registers:
        raise FileError(f"{chosen} has no channel of imported energy")
    return registers


def _sum(known: Series, channel: Channel) -> Series:
    """Two channels of one register (a controlled load, say) that were read at the same times."""
    other = channel.series
    if other.minutes != known.minutes or not np.array_equal(other.starts, known.starts):
        raise FileError(f"{channel.meter}: {channel.name} is not read when its sister channel is")
    return Series(starts=known.starts, energy=known.energy + other.energy, minutes=known.minutes)


__all__ = ["Channel", "FileError", "read"]
