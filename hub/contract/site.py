"""The points of a gateway, for a plugin that shows them to others and takes their commands."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from .driver import Command, Result
from .points import Point
from .readings import ReadingBatch


class Site(Protocol):
    """What a gateway has at hand."""

    @property
    def points(self) -> Mapping[str, Point]:
        """All points by their key."""

    @property
    def local(self) -> bool:
        """A person on site has taken over: commands from elsewhere are refused."""

    def now(self) -> int:
        """µs since 1970 UTC by the gateway's clock."""

    def latest(self, points: Sequence[Point]) -> ReadingBatch:
        """The newest readings of those that have one, in engineering units."""

    def listen(self, take: Callable[[ReadingBatch], None]) -> AbstractContextManager[None]:
        """Hand on every reading as it comes, in engineering units; `take` must not block."""

    async def operate(self, command: Command) -> Result:
        """Execute at once, behind the same guards as every command; the journal is told."""
