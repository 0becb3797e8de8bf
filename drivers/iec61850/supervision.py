"""Is a GOOSE stream alive, complete and ours? Pure: messages and times in, verdicts out."""

import enum

from msgspec import Struct

from .goose import GooseMessage


class Verdict(enum.StrEnum):
    """What a message means for its stream."""

    CHANGED = "changed"  # a new state: the values are news
    REPEATED = "repeated"  # the same state again: the stream lives
    OLD = "old"  # an earlier state or repetition, or a copy: ignore
    SIMULATED = "simulated"  # of a test set, and we take none: ignore
    FOREIGN = "foreign"  # another revision or data set than configured: ignore
    COMMISSIONING = "commissioning"  # the device says that its configuration is not finished


class Stream(Struct, kw_only=True):
    """One control block. revision, data_set: what it must have, when given.

    lost: messages that never arrived, by their numbers. deadline: µs of the clock of `take`, after
    which the values hold no more.
    """

    control_block: str
    appid: int | None = None
    revision: int | None = None
    data_set: str | None = None
    accept_simulation: bool = False
    state: int | None = None
    sequence: int = 0
    lost: int = 0
    restarts: int = 0
    deadline: int | None = None
    simulated: bool = False

    def matches(self, message: GooseMessage) -> bool:
        if message.control_block != self.control_block:
            return False
        return self.appid is None or message.appid == self.appid

    def take(self, message: GooseMessage, now: int) -> Verdict:
        """Judge a message of this stream. now: µs of any clock that only rises."""
        if message.simulation and not self.accept_simulation:
            return Verdict.SIMULATED
        if self.simulated and not message.simulation and not self.expired(now):
            return Verdict.OLD  # while a simulation runs, the real device is not listened to
        if not self._ours(message):
            return Verdict.FOREIGN
        if message.needs_commissioning:
            return Verdict.COMMISSIONING
        verdict = self._sequence(message, now)
        if verdict in {Verdict.CHANGED, Verdict.REPEATED}:
            self.state, self.sequence = message.state, message.sequence
            self.simulated = message.simulation
            self.deadline = now + message.ttl * 1000
        return verdict

    def _ours(self, message: GooseMessage) -> bool:
        wrong_set = self.data_set is not None and message.data_set != self.data_set
        return not wrong_set and self.revision in {None, message.revision}

    def _sequence(self, message: GooseMessage, now: int) -> Verdict:
        if self.state is None or self.expired(now) or message.simulation != self.simulated:
            return Verdict.CHANGED
        if message.state == self.state:
            if message.sequence <= self.sequence:
                return Verdict.OLD
            self.lost += message.sequence - self.sequence - 1
            return Verdict.REPEATED
        if message.state < self.state:
            # A publisher that restarts begins with state 1; one that wraps continues with 1 too.
            if message.state != 1:
                return Verdict.OLD
            self.restarts += 1
            return Verdict.CHANGED
        self.lost += message.state - self.state - 1 + message.sequence
        return Verdict.CHANGED

    def expired(self, now: int) -> bool:
        """Whether the time that the last message allowed is over."""
        return self.deadline is not None and now > self.deadline
