"""What can be set of the way from gateway to centre: the table `[plugin.sync]`."""

from typing import Annotated

from msgspec import Meta, Struct

Key = Annotated[str, Meta(min_length=24, max_length=200)]
Days = Annotated[float, Meta(gt=0)]


class SyncSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """gateways: name → key, made known at start-up. keep_days: of raw readings at the centre,
    0 for ever. rollup_every: seconds between refreshes of the roll-ups. queue: readings that a
    gateway holds in memory while its buffer cannot be written. history_bytes: acknowledged frames
    that a gateway keeps as local history at most."""

    gateways: dict[str, Key] = {}
    keep_days: Annotated[float, Meta(ge=0)] = 0.0
    rollup_every: Annotated[float, Meta(gt=0)] = 15.0
    queue: Annotated[int, Meta(ge=10_000)] = 500_000
    history_bytes: Annotated[int, Meta(ge=0)] = 1 << 30
