"""An alarm and its row: one way each. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from hub import Alarm, AlarmStatus, AlarmStep, Event, Mark

from .events import AlertAcknowledged, AlertClosed, AlertRaised

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST = 253_000_000_000_000_000  # µs: in the year 9987, later than which no datetime is


def instant(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=min(max(micros, 0), _LAST))


def micros(at: dt.datetime) -> int:
    return (at - _EPOCH) // dt.timedelta(microseconds=1)


def alarm_of(state: Mapping[str, Any]) -> Alarm:
    return msgspec.convert(state, Alarm)


def columns(alarm: Alarm) -> dict[str, Any]:
    """What a row shows of an alarm."""
    status, mask = alarm.status, alarm.masked
    seen, ended = _current(alarm, alarm.acknowledged), _current(alarm, alarm.closed)
    closed = status is AlarmStatus.CLOSED
    times = [ended.at] if ended else [alarm.cleared_at or 0, seen.at if seen else 0]
    closed_at = max(alarm.raised_at, *times)
    word = ended or seen
    return {
        "alarm_type": alarm.kind,
        "severity": alarm.severity,
        "message": alarm.message,
        "value": alarm.value,
        "threshold": alarm.threshold,
        "status": status,
        "is_on": alarm.on,
        "raised_at": instant(alarm.raised_at),
        "cleared_at": None if alarm.cleared_at is None else instant(alarm.cleared_at),
        "acknowledged_at": instant(seen.at) if seen else None,
        "acknowledged_by": seen.by[:200] if seen else None,
        "closed_at": instant(closed_at) if closed else None,
        "closed_by": ended.by[:200] if ended and closed else None,
        "note": (word.note or None) if word else None,
        "masked_until": instant(mask.until) if mask else None,
        "masked_by": mask.by[:200] if mask else None,
        "is_suppressed": bool(mask and mask.suppressed),
        "is_quiet": alarm.quiet,
        "occurrence_count": alarm.occurrence,
        "state": msgspec.to_builtins(alarm),
    }


def _current(alarm: Alarm, mark: Mark | None) -> Mark | None:
    return mark if mark is not None and mark.occurrence == alarm.occurrence else None


def entry(alarm: Alarm, step: AlarmStep, at: int, by: str, note: str) -> tuple[int, str, str]:
    """When, who and why of a step: by the clock of the source, and a word of a person has one time
    on both sides."""
    if step in {AlarmStep.RAISED, AlarmStep.REPEATED}:
        return alarm.raised_at, by, note
    if step is AlarmStep.CLEARED:
        return alarm.cleared_at or at, by, note
    mark = {AlarmStep.ACKNOWLEDGED: alarm.acknowledged, AlarmStep.CLOSED: alarm.closed}.get(step)
    if mark is not None and mark.by == by:
        return mark.at, mark.by, mark.note
    return at, by, note


def is_loud(alarm: Alarm) -> bool:
    """Whether people are told of it."""
    return alarm.masked is None and not alarm.quiet


def events_of(
    ident: UUID, before: Alarm | None, after: Alarm, step: AlarmStep, row: Mapping[str, Any]
) -> list[Event]:
    """What a change of an alarm is to others. One that is masked or of a flood troubles nobody."""
    found: list[Event] = []
    fresh = step is AlarmStep.RAISED
    back = step in {AlarmStep.UNSHELVED, AlarmStep.UNSUPPRESSED}
    if is_loud(after) and (fresh or (back and after.status is AlarmStatus.ACTIVE)):
        found.append(
            AlertRaised(
                alarm_id=ident,
                severity=after.severity,
                message=after.message,
                alarm_type=after.kind,
                station_id=row.get("station_id"),
                device_id=row.get("device_id"),
                raised_at=instant(after.raised_at),
            )
        )
    seen = _current(after, after.acknowledged)
    if seen and (before is None or _current(before, before.acknowledged) != seen):
        found.append(AlertAcknowledged(alarm_id=ident, by=seen.by))
    was = before.status if before else AlarmStatus.ACTIVE
    if after.status is AlarmStatus.CLOSED and was is not AlarmStatus.CLOSED:
        ended = _current(after, after.closed)
        by, note = (ended.by, ended.note) if ended else ("", "")
        found.append(AlertClosed(alarm_id=ident, by=by, note=note))
    return found
