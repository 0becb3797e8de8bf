"""Who may change a gateway: the technician on site."""

import asyncio
import base64
import binascii
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Meta

from api.local_body import decoded, json
from api.local_page import is_page
from api.local_session import COOKIE, CSRF, LONGEST, Guesses, Session, Sessions
from hub.contract.errors import BadRequest, Forbidden, Unauthenticated

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION = "/api/v1/local/session"
PUBLIC = frozenset({"/health/live", "/health/ready", SESSION})
SAFE = frozenset({"GET", "HEAD"})
NAMES = frozenset({"localhost", "localhost.localdomain"})
TECHNICIAN = "technician"
BY = web.RequestKey("by", str)
PENALTY = 1.0


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """by: who stands there, for the journal."""

    password: Annotated[str, Meta(max_length=200)]
    by: Annotated[str, Meta(max_length=100)] = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """possible: whether anybody can sign in here. reads: whether reading needs no sign-in."""

    possible: bool
    reads: bool
    signed_in: bool
    by: str = ""
    csrf: str = ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in NAMES


def who(request: web.Request, by: str = "") -> str:
    """The technician behind a request, with the name that he gave."""
    return f"{TECHNICIAN} {by or request.get(BY, '')}".strip()


class Technician:
    """Checks requests. hash: argon2id; empty: nobody may change anything. host: listened on."""

    def __init__(self, hash: str, host: str) -> None:  # noqa: A002
        self._hash, self._loopback = hash, is_loopback(host)
        self._salt = secrets.token_bytes(16)
        self._known = b""
        self._one_at_a_time = asyncio.Lock()
        self._sessions, self._guesses = Sessions(), Guesses()

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._same_site(request)
            reading = request.method in SAFE
            free = request.path in PUBLIC or (reading and is_page(request.path))
            if not free and not (reading and self._loopback):
                await self._demand(request)
            return await handler(request)

        return check

    def routes(self) -> list[web.RouteDef]:
        """Sign-in of the page."""
        return [
            web.get(SESSION, self._standing),
            web.post(SESSION, self._sign_in),
            web.delete(SESSION, self._sign_out),
        ]

    async def _standing(self, request: web.Request) -> web.Response:
        return json(self._shown(self._sessions.find(request)))

    async def _sign_in(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":  # what no form of another site can send
            raise BadRequest("send application/json")
        given = await decoded(request, SignIn)
        await self._check(request, given.password)
        token, session = self._sessions.begin(given.by.strip())
        answer = json(self._shown(session))
        answer.set_cookie(
            COOKIE, token, max_age=int(LONGEST), httponly=True, samesite="Strict",
            secure=request.secure,
        )  # fmt: skip
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        self._sessions.end(request)
        answer = json(self._shown(None))
        answer.del_cookie(COOKIE, httponly=True, samesite="Strict")
        return answer

    def _shown(self, session: Session | None) -> Standing:
        return Standing(
            possible=bool(self._hash),
            reads=self._loopback,
            signed_in=session is not None,
            by=session.by if session else "",
            csrf=session.csrf if session else "",
        )

    def _same_site(self, request: web.Request) -> None:
        """A page of another site must not reach us through a technician's browser."""
        if self._loopback and not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise Forbidden(f"{request.host} is not a name of this machine")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise Forbidden(f"{origin} may not use this gateway")

    async def _demand(self, request: web.Request) -> None:
        if session := self._sessions.find(request):
            given = request.headers.get(CSRF, "")
            if request.method not in SAFE and not secrets.compare_digest(given, session.csrf):
                raise Forbidden(f"the header {CSRF} is missing or wrong: load the page again")
            request[BY] = session.by
            return
        password = _basic(request.headers.get("Authorization", ""))
        if self._hash and password is None:
            raise Unauthenticated("sign in as technician")
        await self._check(request, password or "")

    async def _check(self, request: web.Request, password: str) -> None:
        """Unauthenticated, or TooMany, unless this is the technician's password."""
        if not self._hash:
            raise Forbidden("set api.technician first: make its hash by `busbar hash-password`")
        digest = blake2b(password.encode(), key=self._salt).digest()
        if self._known and secrets.compare_digest(digest, self._known):
            return
        address = request.remote or ""
        async with self._one_at_a_time:
            self._guesses.check(address)
            if not await asyncio.to_thread(self._verify, password):
                self._guesses.wrong(address)
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
    return password if scheme.lower() == "basic" and user == TECHNICIAN else None
