"""Which channels, when, and how often. Pure: times are given."""

import datetime as dt
from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from hub import Channel, Priority

# Six attempts within six hours.
PAUSES = tuple(dt.timedelta(minutes=m) for m in (1, 5, 30, 90, 234))
WINDOW = dt.timedelta(minutes=10)
DISTURBING = frozenset({Channel.SMS, Channel.WHATSAPP})


def channels(
    default: Collection[Channel],
    chosen: Sequence[Collection[Channel] | None],
    *,
    mandatory: bool,
) -> tuple[Channel, ...]:
    """By which channels one is told. chosen: for the type, then for all; None = no choice made."""
    wanted = next((set(c) for c in chosen if c is not None), set(default))
    if mandatory:
        wanted |= {*default, Channel.IN_APP}
    return tuple(c for c in Channel if c in wanted)


def quiet_until(
    now: dt.datetime, zone: str, begins: str | None, ends: str | None
) -> dt.datetime | None:
    """When the quiet hours end that `now` lies in, or None. begins, ends: `22:00` of the zone."""
    if begins is None or ends is None or begins == ends:
        return None
    local = now.astimezone(ZoneInfo(zone))
    clock = local.strftime("%H:%M")
    inside = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    if not inside:
        return None
    hour, minute = map(int, ends.split(":"))
    day = local.date() + dt.timedelta(days=clock >= ends)
    until = dt.datetime.combine(day, dt.time(hour, minute), local.tzinfo).astimezone(dt.UTC)
    return max(until, now)


def not_before(
    now: dt.datetime,
    zone: str,
    quiet: tuple[str | None, str | None],
    channel: Channel,
    priority: Priority,
) -> dt.datetime:
    """When a message may go out at the earliest."""
    if channel not in DISTURBING or priority is Priority.CRITICAL:
        return now
    return quiet_until(now, zone, *quiet) or now


def pause(number: int) -> dt.timedelta | None:
    """How long to wait after the failed attempt `number` (from 1); None = it was the last."""
    return PAUSES[number - 1] if number <= len(PAUSES) else None


def masked(address: str) -> str:
    """An address that tells no stranger where to write: `s…@example.org`, `…321`."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at else f"…{address[-3:]}"
