"""The gateway's time: wall clock for people, monotonic clock for order."""

import time
from collections.abc import Callable

TRUSTED_SINCE = 1_704_067_200_000_000  # 2024-01-01: an earlier clock has never been set
JUMP = 500_000


class Clock:
    """µs since 1970 UTC that run with the monotonic clock, so they never go back between two jumps
    of the wall clock. `check` follows the wall clock and tells a jump.

    After a jump back the same times are given out twice: `unsure` says so until they have passed
    the highest given before, or while the wall clock has plainly never been set.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._mono = wall, monotonic
        self._offset = wall() - monotonic()
        self._last = self._given = 0
        self.now()

    def now(self) -> int:
        at = (self._mono() + self._offset) // 1000
        if at < self._last:
            return self._last
        self._last = at
        return at

    def monotonic(self) -> float:
        """Seconds that only rise."""
        return self._mono() / 1e9

    @property
    def unsure(self) -> bool:
        return self._last < self._given or self._last < TRUSTED_SINCE

    def check(self) -> int:
        """Follow the wall clock; µs of a jump (negative: back), or 0. Call about every second."""
        before = self.now()
        self._offset = self._wall() - self._mono()
        jump = (self._mono() + self._offset) // 1000 - before
        if abs(jump) < JUMP:
            return 0
        if jump < 0:
            self._given = max(self._given, before)
        self._last = before + jump
        return jump
