"""When to try again, when to pause, when to give up. Pure: times and draws are given."""

import datetime as dt
import enum
from collections import deque

import msgspec

# Standard Webhooks 1.0.0, "Retry schedule": the whole of it takes a bit more than three days.
SCHEDULE = tuple(
    dt.timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
JITTER = 0.2
PATIENCE = dt.timedelta(seconds=60)  # after a time-out or 429: the receiver is overloaded
DISABLE_AFTER = dt.timedelta(days=5)
DISABLE_FAILURES = 20
GONE, TOO_MANY = 410, 429


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt. status: None = no answer. retry_after: seconds asked for."""

    status: int | None = None
    error: str | None = None
    timed_out: bool = False
    retry_after: float | None = None
    body: str | None = None
    duration_ms: int = 0

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def pause(number: int, outcome: Outcome, draw: float) -> dt.timedelta | None:
    """How long to wait after the failed attempt `number` (from 1); None = no more attempts.

    draw: of [0, 1). The receiver's Retry-After counts between once and twice our own pause.
    """
    if number > len(SCHEDULE):
        return None
    base = SCHEDULE[number - 1]
    if outcome.timed_out or outcome.status == TOO_MANY:
        base = max(base, PATIENCE)
    if outcome.retry_after is not None:
        asked = dt.timedelta(seconds=min(outcome.retry_after, 10**7))
        return min(max(asked, base), 2 * base)
    return base * (1 - JITTER + 2 * JITTER * draw)


def disabled(
    outcome: Outcome, failures: int, failing_since: dt.datetime | None, now: dt.datetime
) -> str | None:
    """Why a receiver is switched off after this failure, or None."""
    if outcome.status == GONE:
        return "gone"
    if failing_since and failures >= DISABLE_FAILURES and now - failing_since >= DISABLE_AFTER:
        return "failing"
    return None


class Breaker:
    """Stops asking a receiver that mostly fails: for two minutes, then gently.

    Opens at ≥ 100 failures that are ≥ 35 % of five minutes' attempts. Half open, one attempt at a
    time: a failure opens it again, enough successes close it.
    """

    WINDOW, COOL = 300.0, 120.0
    FAILURES, SHARE, PROOF = 100, 0.35, 10

    class State(enum.Enum):
        CLOSED = enum.auto()
        OPEN = enum.auto()
        HALF_OPEN = enum.auto()

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque()
        self._failed = self._proof = 0
        self._until: float | None = None

    def state(self, now: float) -> "Breaker.State":
        if self._until is None:
            return self.State.CLOSED
        return self.State.OPEN if now < self._until else self.State.HALF_OPEN

    def quiet(self, now: float) -> bool:
        """Whether nothing is remembered that matters."""
        while self._seen and self._seen[0][0] < now - self.WINDOW:
            self._failed -= not self._seen.popleft()[1]
        return self._until is None and not self._failed

    def note(self, ok: bool, now: float) -> bool:
        """Count one attempt; whether it has just opened the breaker. now: seconds, monotonic."""
        if self._until is not None:
            return self._prove(ok, now)
        self._seen.append((now, ok))
        self._failed += not ok
        while self._seen[0][0] < now - self.WINDOW:
            self._failed -= not self._seen.popleft()[1]
        if ok or self._failed < self.FAILURES or self._failed < self.SHARE * len(self._seen):
            return False
        self._open(now)
        return True

    def _prove(self, ok: bool, now: float) -> bool:
        if self.state(now) is self.State.OPEN:
            return False
        if not ok:
            self._open(now)
            return True
        self._proof += 1
        if self._proof >= self.PROOF:
            self._until = None
        return False

    def _open(self, now: float) -> None:
        self._until, self._proof, self._failed = now + self.COOL, 0, 0
        self._seen.clear()
