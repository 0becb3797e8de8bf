"""The centre as a gateway sees it."""

from collections.abc import Callable

from msgspec import Struct

from hub.contract.key import Key


class CentreStatus(Struct, frozen=True, kw_only=True):
    """reached: the last upload arrived. linked: orders can come. last_contact: µs since 1970 UTC.
    trouble: why not, in words."""

    url: str
    reached: bool
    linked: bool
    last_contact: int | None = None
    trouble: str = ""


CENTRE = Key[Callable[[], CentreStatus]]("centre")
