"""Closes connections whose first request does not come: a slow head must not hold a socket."""

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE = 15.0


class Patience:
    """Makes the protocols of a server; each gets so many seconds for the head of a request.

    What comes after the first request is watched by the keep-alive and request time limits.
    """

    def __init__(self, make: Callable[[], Any], seconds: float = PATIENCE) -> None:
        self._make, self._seconds = make, seconds

    def __call__(self) -> asyncio.Protocol:
        protocol: Any = self._make()
        asyncio.get_running_loop().call_later(self._seconds, _check, protocol)
        return protocol  # type: ignore[no-any-return]


def _check(protocol: Any) -> None:
    """Nothing was parsed yet when the parser has given no request to a handler."""
    transport = protocol.transport
    waits = getattr(protocol, "_request_count", 0) == 0
    if transport is not None and waits:
        transport.abort()
