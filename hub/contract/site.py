"""The points of a gateway, for a plugin that shows them to others and takes their commands."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from .driver import Command, Result
from .errors import ConfigError
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


def shown(site: Site, keys: Sequence[str], place: Callable[[int], str]) -> list[Point]:
    """The points of those keys, or ConfigError that tells the place of each key that is none."""
    strange = [i for i, key in enumerate(keys) if key not in site.points]
    if strange:
        faults = [f"{place(i)}: {keys[i]!r} is no point of this gateway" for i in strange]
        raise ConfigError("; ".join(faults))
    return [site.points[key] for key in keys]
