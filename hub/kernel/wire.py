"""What the hub lends a driver: its clock, a place for warnings, its state, the wire trace."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import NamedTuple

from hub.kernel.clock import Clock

log = logging.getLogger(__name__)

RECENT, TRACED = 32, 1000


class Frame(NamedTuple):
    """Bytes that went over the wire. at: µs since 1970 UTC."""

    at: int
    device: str
    sent: bool
    data: bytes
    note: str = ""


class ChannelLink:
    """`hub.Link` of one channel.

    The last few frames of every device are always there, for explaining a value; all frames go to a
    ring of `TRACED` once somebody traces the channel.
    """

    def __init__(
        self, channel: str, clock: Clock, state: MutableMapping[str, bytes] | None = None
    ) -> None:
        self.channel, self._clock = channel, clock
        self.state: MutableMapping[str, bytes] = {} if state is None else state
        self.recent: dict[str, deque[Frame]] = {}
        self.ring: deque[Frame] | None = None
        self.listeners: list[Callable[[Frame], None]] = []
        self.received = self.sent = 0
        self._troubles: dict[str, str] = {}
        self._deadline: asyncio.Timeout | None = None
        self._limit = 0.0

    def now(self) -> int:
        return self._clock.now()

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        frame = Frame(self._clock.now(), device, sent, data, note)
        recent = self.recent.get(device)
        if recent is None:
            recent = self.recent[device] = deque(maxlen=RECENT)
        recent.append(frame)
        if sent:
            self.sent += len(data)
        else:
            self.received += len(data)
        if self._deadline is not None:
            self._alive()
        if self.ring is not None:
            self.ring.append(frame)
            for listener in self.listeners:
                listener(frame)

    def warn(self, device: str, message: str) -> None:
        if device not in self._troubles:
            self._say(logging.WARNING, device, message, "device.trouble")
        self._troubles[device] = message

    def clear(self, device: str) -> None:
        if self._troubles.pop(device, None) is not None:
            self._say(logging.INFO, device, "works again", "device.well")

    @property
    def troubles(self) -> dict[str, str]:
        """Device → what it has been warned of and not yet cleared."""
        return dict(self._troubles)

    def trace(self, on: bool) -> None:
        """Switch the ring on (it starts empty) or off."""
        if not on:
            self.ring = None
        elif self.ring is None:
            self.ring = deque(maxlen=TRACED)

    def watch(self, deadline: asyncio.Timeout | None, limit: float = 0.0) -> None:
        """Put `deadline` off to `limit` seconds from now whenever bytes are shown."""
        self._deadline, self._limit = deadline, limit

    def _alive(self) -> None:
        deadline = self._deadline
        if deadline is None or deadline.expired():
            return
        until = time.monotonic() + self._limit  # the clock of the loop, without asking for the loop
        if until - (deadline.when() or 0.0) > self._limit / 4:
            deadline.reschedule(until)

    def _say(self, level: int, device: str, message: str, action: str) -> None:
        extra = {"action": action, "channel": self.channel, "device": device}
        log.log(level, "%s/%s: %s", self.channel, device, message, extra=extra)
