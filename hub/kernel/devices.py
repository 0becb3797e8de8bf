"""Whether each device is there, told once when it changes: values, state and gap."""

import logging
from typing import NamedTuple

import numpy as np

from hub.contract.journal import DeviceState, Gap, GapCause, Journal
from hub.contract.points import Point
from hub.kernel.points import Ids, Points

log = logging.getLogger(__name__)


class Told(NamedTuple):
    cause: GapCause
    since: int


class Device:
    """online: None until the first answer or the first failure. heard: µs since 1970 UTC."""

    def __init__(self, name: str, channel: str, members: list[Point], points: Points) -> None:
        self.name, self.channel, self._points = name, channel, points
        self.ids: Ids = np.array([p.id for p in members], np.uint32)
        self.online: bool | None = None
        self.reason = ""
        self.heard = points.clock.now()
        self.gap: Told | None = None

    @property
    def idle(self) -> bool:
        """Whether a person has switched it off."""
        return self.gap is not None and self.gap.cause is GapCause.DISABLED

    def answered(self, journal: Journal) -> None:
        now = self._points.clock.now()
        self.heard = now
        if self.online:
            return
        returned = self.online is False
        self.online, self.reason = True, ""
        state = DeviceState(at=now, channel=self.channel, device=self.name, online=True)
        journal.record(state)
        if self.gap is not None:
            cause, since = self.gap
            journal.record(Gap(at=now, device=self.name, cause=cause, since=since, until=now))
            self.gap = None
        if returned:
            self._say(logging.INFO, "answers again", "device.online")

    def lost(self, journal: Journal, cause: GapCause, reason: str, *, quiet: bool = False) -> None:
        """quiet: the channel has already logged why."""
        if self.online is False:
            return
        now = self._points.clock.now()
        self.online, self.reason, self.gap = False, reason, Told(cause, self.heard)
        self._points.lost(self.ids)
        journal.record(
            DeviceState(at=now, channel=self.channel, device=self.name, online=False, reason=reason)
        )
        journal.record(Gap(at=now, device=self.name, cause=cause, since=self.heard))
        if not quiet:
            self._say(logging.WARNING, reason, "device.offline")

    def _say(self, level: int, message: str, action: str) -> None:
        extra = {"action": action, "channel": self.channel, "device": self.name}
        log.log(level, "%s/%s: %s", self.channel, self.name, message, extra=extra)
