"""What a configuration file says of forwarders."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from hub import Backoff

Seconds = Annotated[float, Meta(gt=0)]
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,60}$")]


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """name: of its cursor's file, so it must stay. points: patterns of `device.point`.
    every: seconds between looks at the buffer. batch: readings in one request at most.
    """

    name: Word
    points: Annotated[tuple[str, ...], Meta(min_length=1)] = ("*",)
    every: Seconds = 1.0
    batch: Annotated[int, Meta(ge=1, le=100_000)] = 5_000
    timeout: Seconds = 15.0
    backoff: Backoff = Backoff(first=1.0, last=60.0)


class Influx(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `/write` of InfluxDB. url: `https://host:8086`. ca: PEM file of its authority."""

    url: Annotated[str, Meta(pattern=r"^https?://[^/\s]+$")]
    database: Annotated[str, Meta(min_length=1)]
    measurement: Annotated[str, Meta(min_length=1)] = "reading"
    username: str = ""
    password: str = ""
    ca: str | None = None

    def __repr__(self) -> str:
        return f"Influx({self.name!r}, {self.url}, {self.database!r})"


class ForwardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """influx: databases that get what the buffer of this gateway has."""

    influx: tuple[Influx, ...] = ()

    def __post_init__(self) -> None:
        _different([target.name for target in self.influx])


def _different(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two forwarders are called {name!r}: they would share a cursor")
