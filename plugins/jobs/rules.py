"""When a job is tried again and when a schedule is due. Pure: times and draws are given."""

import datetime as dt
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hub import Invalid

SHARE = {"critical": 2, "default": 4, "io": 8, "heavy": 1}  # of one tenant in the workers' hands
FIRST, FACTOR, JITTER = 10.0, 4, 0.2
LATE = dt.timedelta(minutes=1)


def pause(number: int, draw: float) -> dt.timedelta:
    """How long to wait after the failed attempt `number` (from 1). draw: of [0, 1)."""
    wait = FIRST * FACTOR ** (number - 1)
    return dt.timedelta(seconds=min(wait, 86_400) * (1 - JITTER + 2 * JITTER * draw))


def check(cron: str | None, interval: int | None, zone: str) -> None:
    """Invalid unless exactly one of both says when, in a zone that there is."""
    if (cron is None) == (interval is None):
        raise Invalid("give either cron or interval_seconds", field="cron")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise Invalid(f"{zone!r} is no time zone", field="timezone") from None
    if cron is not None:
        try:
            next(CronSim(cron, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
        except (CronSimError, StopIteration):
            raise Invalid(f"{cron!r} is no cron expression of five fields", field="cron") from None


def next_run(cron: str | None, interval: int | None, zone: str, after: dt.datetime) -> dt.datetime:
    """The first time after `after`; in an hour that is skipped the next, in one twice once."""
    if cron is None:
        return after + dt.timedelta(seconds=interval or 0)
    local: dt.datetime = next(CronSim(cron, after.astimezone(ZoneInfo(zone))))
    return local.astimezone(dt.UTC)


def due(planned: dt.datetime, now: dt.datetime, catch_up: bool) -> bool:
    """Whether a run that was planned for `planned` is made at `now`."""
    return planned <= now and (catch_up or now - planned <= LATE)
