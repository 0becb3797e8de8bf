"""Client of a vending server: it holds the keys, we send orders and get tokens.

JSON over HTTPS, below `{url}/api/{version}`:

    POST /tokens                     an order with our reference -> 201, its token
    GET  /tokens/{reference}         what was issued under it    -> 200, 404, or 410
    POST /tokens/{reference}/reversal  take an undelivered token back -> 200, or 409
    GET  /meters/{pan}               supply group, key revision, tariff index … of a meter

A reference is ours and unique; the server issues at most once under it. A request that got no
answer is never repeated before the server was asked what became of it. 410: it was taken back.
"""

from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from hub import AuthError, Conflict, HttpClient, LinkError, NotFound, TimedOut, Unavailable

from .contents import Order
from .errors import NotIssued
from .identity import Meter
from .issuer import KeyChange, Token, TokenRequest, check_request, fingerprint
from .settings import VendingSettings

T = TypeVar("T")


class VendOrder(Struct, frozen=True, kw_only=True):
    """What is sent. fingerprint: of the request, so that a reused reference is noticed."""

    reference: str
    client_id: str
    group: str
    fingerprint: str
    meter: Meter
    order: Order | KeyChange


class VendResult(Struct, frozen=True, kw_only=True):
    reference: str
    fingerprint: str
    tokens: tuple[str, ...]
    order: Order | KeyChange


class Problem(Struct, frozen=True):
    detail: str = ""


class VendingServer:
    """An `Issuer` whose security module stands elsewhere."""

    def __init__(self, http: HttpClient, settings: VendingSettings, credential: str) -> None:
        self._http, self._settings, self._credential = http, settings, credential

    async def issue(self, request: TokenRequest) -> Token:
        check_request(request)
        known = await self.issued(request)
        if known:
            return known
        settings = self._settings
        order = VendOrder(
            reference=reference_of(request),
            client_id=settings.client_id,
            group=settings.group,
            fingerprint=fingerprint(request),
            meter=request.meter,
            order=request.order,
        )
        try:
            answer = await self._call("POST", "/tokens", msgspec.json.encode(order))
        except (LinkError, TimedOut, Unavailable, Conflict) as error:
            if isinstance(error, AuthError):
                raise
            known = await self.issued(request)
            if known:
                return known
            raise Unavailable(
                f"the vending server has nothing for {order.reference!r} yet: ask again with the "
                "same transaction"
            ) from error
        return self._token(request, self._read(answer, VendResult))

    async def reverse(self, request: TokenRequest) -> None:
        """Take back a token that no customer has seen; Conflict if it was delivered."""
        await self._call("POST", f"/tokens/{quote(reference_of(request), safe='')}/reversal", b"{}")

    async def meter(self, pan: str) -> Meter:
        """What the server knows of a meter, or NotFound."""
        return self._read(await self._call("GET", f"/meters/{quote(pan, safe='')}"), Meter)

    async def issued(self, request: TokenRequest) -> Token | None:
        """What was issued under that transaction, if anything."""
        path = f"/tokens/{quote(reference_of(request), safe='')}"
        try:
            return self._token(request, self._read(await self._call("GET", path), VendResult))
        except NotFound:
            return None

    def _token(self, request: TokenRequest, result: VendResult) -> Token:
        if result.fingerprint != fingerprint(request):
            raise Conflict(f"transaction {request.transaction!r} was another request")
        if not all(len(n) == 20 and n.isascii() and n.isdigit() for n in result.tokens):
            raise Unavailable("the vending server answered with something that is no token")
        return Token(
            pan=request.meter.pan,
            transaction=request.transaction,
            numbers=result.tokens,
            order=result.order,
        )

    async def _call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of a 2xx answer. What the server says of an error is passed on, never ours."""
        settings = self._settings
        answer = await self._http.request(
            method,
            f"{settings.url.rstrip('/')}/api/{settings.api_version}{path}",
            headers={
                "Authorization": f"Bearer {self._credential}",
                "Content-Type": "application/json",
                "X-Client-Id": settings.client_id,
            },
            body=body,
            timeout=settings.timeout,
        )
        if 200 <= answer.status < 300:
            return answer.body
        try:
            detail = msgspec.json.decode(answer.body, type=Problem).detail
        except msgspec.DecodeError:
            detail = ""
        detail = f"vending server: {detail or f'status {answer.status}'}"
        match answer.status:
            case 401 | 403:
                raise AuthError(detail)
            case 404:
                raise NotFound(detail)
            case 409 | 410:
                raise Conflict(detail)
            case 400 | 422:
                raise NotIssued(detail)
            case _:
                raise Unavailable(detail)

    def _read(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise Unavailable(f"the vending server's answer makes no sense: {error}") from None

    def __repr__(self) -> str:
        return f"VendingServer({self._settings.url!r})"


def reference_of(request: TokenRequest) -> str:
    """Our reference: the same for the same meter and transaction."""
    return f"{request.meter.pan}-{request.transaction}"
