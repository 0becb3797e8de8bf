"""How an outstation behaves; the figures that IEEE 1815 leaves to the device profile."""

from typing import Annotated

from msgspec import Meta, Struct

from drivers.dnp3.codec.objects import PointType

Seconds = Annotated[float, Meta(gt=0)]


class OutstationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times are seconds.

    master: the only address that may talk to it, None for any. unsolicited: whether it may report
    by itself. hold: how long it gathers events before it does. retries: of an unsolicited response
    before its events wait for new ones (None: for ever). time_sync_every: after how long the
    time is asked for again (None: never). keep_alive: silence on TCP after which the master's link
    is asked for; link_timeout: how long that may take. events: capacity of the buffer of each type.
    """

    address: Annotated[int, Meta(ge=0, le=0xFFEF)] = 10
    master: Annotated[int, Meta(ge=0, le=0xFFEF)] | None = 1
    self_address: bool = False
    max_fragment: Annotated[int, Meta(ge=249, le=65535)] = 2048
    confirm_timeout: Seconds = 5.0
    select_timeout: Seconds = 10.0
    unsolicited: bool = True
    hold: Annotated[float, Meta(ge=0)] = 0.0
    retry_delay: Annotated[float, Meta(ge=0)] = 0.0
    retries: Annotated[int, Meta(ge=0)] | None = None
    time_sync_every: Seconds | None = None
    need_time: bool = False
    keep_alive: Seconds | None = 60.0
    link_timeout: Seconds = 2.0
    max_controls: Annotated[int, Meta(ge=1)] = 64
    events: dict[PointType, Annotated[int, Meta(ge=0)]] = {}
    default_events: Annotated[int, Meta(ge=0)] = 1000

    def capacity(self, point: PointType) -> int:
        return self.events.get(point, self.default_events)
