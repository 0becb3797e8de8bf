"""Who may change a gateway: the technician on site."""

import asyncio
import base64
import binascii
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.contract.errors import Forbidden, Unauthenticated

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC = frozenset({"/health/live", "/health/ready"})
SAFE = frozenset({"GET", "HEAD"})
NAMES = frozenset({"localhost", "localhost.localdomain"})
PENALTY = 1.0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in NAMES


class Technician:
    """Checks requests. hash: argon2id; empty: nobody may change anything. host: listened on."""

    def __init__(self, hash: str, host: str) -> None:  # noqa: A002
        self._hash, self._loopback = hash, is_loopback(host)
        self._salt = secrets.token_bytes(16)
        self._known = b""
        self._one_at_a_time = asyncio.Lock()

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._same_site(request)
            reading = request.method in SAFE
            if not (reading and (self._loopback or request.path in PUBLIC)):
                await self._demand(request)
            return await handler(request)

        return check

    def _same_site(self, request: web.Request) -> None:
        """A page of another site must not reach us through a technician's browser."""
        if self._loopback and not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise Forbidden(f"{request.host} is not a name of this machine")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise Forbidden(f"{origin} may not use this gateway")

    async def _demand(self, request: web.Request) -> None:
        if not self._hash:
            raise Forbidden("set api.technician first: make its hash by `busbar hash-password`")
        password = _basic(request.headers.get("Authorization", ""))
        if password is None:
            raise Unauthenticated("sign in as technician")
        digest = blake2b(password.encode(), key=self._salt).digest()
        if self._known and secrets.compare_digest(digest, self._known):
            return
        async with self._one_at_a_time:
            if not await asyncio.to_thread(self._verify, password):
                await asyncio.sleep(PENALTY)
                raise Unauthenticated("wrong password")
        self._known = digest

    def _verify(self, password: str) -> bool:
        try:
            return PasswordHasher().verify(self._hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _basic(header: str) -> str | None:
    """The password of HTTP Basic for the user `technician`."""
    scheme, _, rest = header.partition(" ")
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if scheme.lower() == "basic" and user == "technician" else None
