"""What a dialect of MQTT decides: which topics, what their payloads mean, how an order looks."""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from hub import Command, Result

from .rows import Rows


class Publication(Struct, frozen=True, kw_only=True):
    """A message of ours. expires: seconds until nobody shall get it any more, MQTT 5 only."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expires: int | None = None


class Dialect(Protocol):
    """Pure: no I/O, no clock. Times are µs since 1970 UTC."""

    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def will(self, now: int) -> Publication | None:
        """What the broker publishes when we vanish, and what we say ourselves when we leave."""

    def greeting(self, now: int) -> Iterable[Publication]:
        """What to publish once subscribed."""

    def device(self, topic: str) -> str:
        """Whose messages come there; empty when nobody's."""

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        """Add the readings of a message; returns what is to be answered.

        Raises ProtocolError with the reason when the message makes no sense; then it added nothing.
        """

    def order(self, command: Command, now: int) -> Publication | Result:
        """The message of a command, or why there is none."""
