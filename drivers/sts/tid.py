"""Token identifiers: minutes since the base date, in 24 bits (6.3.5)."""

from datetime import UTC, datetime, timedelta

from .errors import NotIssued
from .standard import MINUTES_OF_DAY, RESERVED_MINUTE, TID_LIMIT, BaseDate


def tid_at(when: datetime, base: BaseDate) -> int:
    """The identifier of that minute, which must lie in the 31.9 years that `base` covers."""
    tid = int((when.astimezone(UTC) - base.epoch).total_seconds() // 60)
    if not 0 <= tid < TID_LIMIT:
        raise NotIssued(
            f"{when:%Y-%m-%d %H:%M} cannot be counted from {base.value}: "
            f"tokens of that base date end {time_of(TID_LIMIT - 1, base):%Y-%m-%d %H:%M}"
        )
    return tid


def time_of(tid: int, base: BaseDate) -> datetime:
    return base.epoch + timedelta(minutes=tid)


def skip_reserved(tid: int) -> int:
    """The first identifier from `tid` on that an ordinary token may carry."""
    return tid + 1 if tid % MINUTES_OF_DAY == RESERVED_MINUTE else tid


def last_tid(expiry: int) -> int:
    """The last identifier that a key of that expiry number (KEN, 6.3.11) may be used with.

    255 means never: it is also the last 65,536 minutes of a base date, so no case of its own.
    """
    return (expiry + 1 << 16) - 1


def base_date_at(when: datetime) -> BaseDate:
    """The base date that new meters take at that time: the latest one begun."""
    return max(base for base in BaseDate if base.epoch <= when.astimezone(UTC))
