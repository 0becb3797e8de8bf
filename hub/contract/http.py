"""How a plugin speaks to servers outside: `ctx.http`."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from .errors import Invalid
from .key import Key


class AddressRefused(Invalid):
    """The address is not one that this hub may connect to."""

    code = "address_refused"


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered. headers: names in lower case. body: at most `limit` bytes of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(Protocol):
    """HTTP with time limits, without cookies, redirects or proxies, to public addresses only.

    The address is checked when the connection is made, so a name that resolves to another address
    by then does not get through. Private networks, and plain HTTP, are for the receivers that the
    operator allows (`http.allow`).
    """

    def check(self, url: str) -> str:
        """The URL as it will be asked for, or Invalid: scheme, credentials, literal address."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 15.0,  # noqa: ASYNC109  -- the peer's limit, part of what fails
        limit: int = 1 << 20,
    ) -> HttpAnswer:
        """Raises Invalid, AddressRefused, TimedOut (seconds in all) or LinkError."""


HTTP = Key[HttpClient]("http client")
