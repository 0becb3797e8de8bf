"""The alarms that are not normal, by ISA-18.2, and who may not be troubled with them.

Each change gives one `AlarmTold`. Nothing here waits or reads a clock; times are given.
"""

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import structs

from hub.contract.alarms import (
    Alarm,
    AlarmKind,
    AlarmStatus,
    AlarmStep,
    AlarmTold,
    Mark,
    Mask,
    Severity,
)
from hub.contract.errors import Conflict, NotFound
from hub.contract.ids import uuid7

MINUTE = 60_000_000
FLOOD = 100  # new alarms of one station in a minute
Where = tuple[str, str, str]
MaskKey = tuple[str, str, str]


class Book:
    """tell: called with every step, in order."""

    def __init__(self, tell: Callable[[AlarmTold], None]) -> None:
        self._tell = tell
        self.live: dict[Where, Alarm] = {}
        self.masks: dict[MaskKey, Mask] = {}
        self._raised: dict[str, deque[int]] = {}

    def load(self, alarms: Iterable[Alarm], masks: Iterable[Mask]) -> None:
        """Begin where an earlier process ended."""
        self.live = {(a.device, a.point, a.kind): a for a in alarms}
        self.masks = {(m.device, m.point, m.kind): m for m in masks}

    def find(self, ident: str) -> Alarm:
        """The live alarm, or NotFound."""
        for alarm in self.live.values():
            if alarm.id == ident:
                return alarm
        raise NotFound(f"no alarm {ident} is live", resource="alarms", identifier=ident)

    def on(self, where: Where) -> bool:
        """Whether the condition of this alarm is there."""
        found = self.live.get(where)
        return found is not None and found.on

    def raised(self, new: Alarm, now: int) -> None:
        """The condition came. Before the alarm was closed that is one occurrence more of it."""
        where = (new.device, new.point, new.kind)
        mask = self._mask(*where, now)
        known = self.live.get(where)
        if known is None:
            quiet = self._flood(new, now)
            self._set(structs.replace(new, masked=mask, quiet=quiet), AlarmStep.RAISED, now)
            return
        again = structs.replace(
            known,
            on=True,
            occurrence=known.occurrence + 1,
            raised_at=new.raised_at,
            cleared_at=None,
            value=new.value,
            message=new.message,
            masked=mask,
        )
        self._set(again, AlarmStep.REPEATED, now)

    def cleared(self, where: Where, at: int, now: int, value: float | None = None) -> None:
        """The condition went."""
        alarm = structs.replace(self.live[where], on=False, cleared_at=at, value=value)
        self._set(alarm, AlarmStep.CLEARED, now)

    def dropped(self, where: Where, now: int, why: str) -> None:
        """Its rule is gone: nobody watches the condition any more."""
        alarm = self.live[where]
        mark = Mark(at=now, by="", note=why, occurrence=alarm.occurrence)
        alarm = structs.replace(alarm, on=False, cleared_at=now).marked(closed=mark)
        self._set(alarm, AlarmStep.CLOSED, now, note=why)

    def acknowledge(self, ident: str, mark: Mark, now: int) -> Alarm:
        """Somebody has seen it. A mark of an older occurrence is kept in the journal alone."""
        alarm = self.find(ident)
        return self._set(
            alarm.marked(acknowledged=mark), AlarmStep.ACKNOWLEDGED, now, mark.by, mark.note
        )

    def close(self, ident: str, mark: Mark, now: int) -> Alarm:
        """Close it by hand; with its condition still there only for whoever says why."""
        alarm = self.find(ident)
        if alarm.on and not mark.note:
            raise Conflict("its condition is still there: a note must say why it is closed")
        return self._set(alarm.marked(closed=mark), AlarmStep.CLOSED, now, mark.by, mark.note)

    def mask(self, mask: Mask, now: int) -> None:
        """Trouble nobody with what it covers, or, with `until` in the past, do so again."""
        key = (mask.device, mask.point, mask.kind)
        if mask.until <= now:
            if known := self.masks.pop(key, None):
                self._remask(known, now, mask.by, mask.note)
            return
        self.masks[key] = mask
        self._remask(mask, now, mask.by, mask.note)

    def expire(self, now: int) -> list[Mask]:
        """End masks whose time is over; say so of the alarms below them. Also ends floods."""
        over = [m for m in self.masks.values() if m.until <= now]
        for mask in over:
            del self.masks[mask.device, mask.point, mask.kind]
            self._remask(mask, now)
        for station, times in self._raised.items():
            _forget(times, now)
            where = ("", station, AlarmKind.FLOOD)
            if len(times) <= FLOOD // 2 and self.on(where):
                self.cleared(where, now, now, float(len(times)))
        return over

    def _remask(self, changed: Mask, now: int, by: str = "", note: str = "") -> None:
        for where, alarm in list(self.live.items()):
            if not changed.covers(*where):
                continue
            mask = self._mask(*where, now)
            if mask == alarm.masked:
                continue
            suppressed = (mask or alarm.masked or changed).suppressed
            if mask is not None:
                step = AlarmStep.SUPPRESSED if suppressed else AlarmStep.SHELVED
            else:
                step = AlarmStep.UNSUPPRESSED if suppressed else AlarmStep.UNSHELVED
            self._set(structs.replace(alarm, masked=mask), step, now, by, note)

    def _mask(self, device: str, point: str, kind: str, now: int) -> Mask | None:
        """The mask over an alarm that lasts longest."""
        found = [m for m in self.masks.values() if m.until > now and m.covers(device, point, kind)]
        return max(found, key=lambda m: m.until, default=None)

    def _flood(self, new: Alarm, now: int) -> bool:
        """Whether this is one too many of its station in this minute; the first such says so."""
        if new.kind == AlarmKind.FLOOD:
            return False
        times = self._raised.setdefault(new.station, deque())
        _forget(times, now)
        times.append(now)
        if len(times) <= FLOOD:
            return False
        where = ("", new.station, str(AlarmKind.FLOOD))
        if not self.on(where):
            self.raised(flood(new.station, len(times), now), now)
        return True

    def _set(self, alarm: Alarm, step: AlarmStep, now: int, by: str = "", note: str = "") -> Alarm:
        where = (alarm.device, alarm.point, alarm.kind)
        known = self.live.get(where)
        version = known.version + 1 if known is not None else 1
        alarm = structs.replace(alarm, version=version)
        if alarm.status is AlarmStatus.CLOSED and not alarm.on:
            self.live.pop(where, None)
        else:
            self.live[where] = alarm
        self._tell(AlarmTold(at=now, alarm=alarm, step=step, by=by, note=note))
        return alarm


def flood(station: str, count: int, now: int) -> Alarm:
    """The one alarm that stands for very many."""
    place = f"station {station}" if station else "this gateway"
    return Alarm(
        id=str(uuid7()),
        device="",
        point=station,
        kind=AlarmKind.FLOOD,
        severity=Severity.CRITICAL,
        message=f"{count} new alarms of {place} in a minute",
        raised_at=now,
        value=float(count),
        threshold=float(FLOOD),
        station=station,
    )


def _forget(times: deque[int], now: int) -> None:
    while times and times[0] <= now - MINUTE:
        times.popleft()
