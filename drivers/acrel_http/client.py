"""Client of the platform's HTTP interface. JSON below the base URL:

    GET  /api/v1/meters?page=N                            {"items": [Meter…], "next": N | null}
    GET  /api/v1/meters/{id}/latest                       Latest
    GET  /api/v1/meters/{id}/history?from=&to=&page=N     {"items": [Values…], "next": N | null}
    POST /api/v1/meters/{id}/commands                     202, or 409 {"detail": why}

Each request carries a token (`Authorization: Bearer`), or a time and the HMAC-SHA-256 of time,
method, path and body under the shared secret.
"""

import asyncio
import hashlib
import hmac
import http.client
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from hub import AuthError, LinkError, NoResponse, NotFound, ProtocolError

from .config import HttpAccess

T = TypeVar("T")
LIMIT = 4 << 20  # bytes of one answer
PAGES = 10_000  # a list that has more does not end


class Meter(Struct, frozen=True, kw_only=True):
    """One meter of the platform's list."""

    meter_id: str
    station: str = ""
    meter_type: str = ""


class Values(Struct, frozen=True, kw_only=True):
    """data: as in a reading by MQTT."""

    timestamp: str | int | float
    data: dict[str, Any]


class Latest(Values, frozen=True, kw_only=True):
    """status: as in a change of state."""

    status: str = ""


class Meters(Struct, frozen=True):
    items: tuple[Meter, ...]
    next: int | None = None


class History(Struct, frozen=True):
    items: tuple[Values, ...]
    next: int | None = None


class _Problem(Struct, frozen=True):
    detail: str = ""


Wire = Callable[[str, bool, bytes, str], None]


class AcrelHttp:
    """Requests run in threads, so that a slow platform holds up nobody.

    wire: told every body (meter, sent by us, bytes, request line), as `Link.wire` is. Headers carry
    the secret and are not told.
    """

    def __init__(self, access: HttpAccess, wire: Wire = lambda *_: None) -> None:
        self._access, self._wire = access, wire
        parts = urlsplit(access.url)
        self._secure, self._host = parts.scheme == "https", parts.netloc
        self._base = parts.path.rstrip("/") + "/api/v1"
        self._tls: ssl.SSLContext | None = None

    async def meters(self) -> AsyncIterator[Meter]:
        page: int | None = 1
        for _ in range(PAGES):
            found = _read(await self._call("GET", f"/meters?page={page}"), Meters)
            for meter in found.items:
                yield meter
            page = found.next
            if page is None:
                return
        raise ProtocolError("the platform's list of meters does not end")

    async def latest(self, meter: str) -> Latest:
        """The newest values; NotFound for a meter that the platform does not have."""
        return _read(await self._call("GET", f"{_meter(meter)}/latest", meter=meter), Latest)

    async def history(self, meter: str, start: datetime, end: datetime) -> AsyncIterator[Values]:
        """Values in [start, end), as the platform gives them."""
        page: int | None = 1
        for _ in range(PAGES):
            query = urlencode({"from": stamp(start), "to": stamp(end), "page": page})
            path = f"{_meter(meter)}/history?{query}"
            found = _read(await self._call("GET", path, meter=meter), History)
            for values in found.items:
                yield values
            page = found.next
            if page is None:
                return
        raise ProtocolError("the platform's history does not end")

    async def command(self, meter: str, body: Mapping[str, object]) -> str | None:
        """Hand a command over; a text is why the platform refuses it.

        LinkError: it was not handed over. NoResponse: nobody knows.
        """
        try:
            data = msgspec.json.encode(body)
            await self._call("POST", f"{_meter(meter)}/commands", data, meter=meter)
        except NotFound as error:
            return str(error)
        except _Refused as error:
            return str(error)
        return None

    async def _call(self, method: str, path: str, body: bytes = b"", meter: str = "") -> bytes:
        self._wire(meter, True, body, f"{method} {path}")
        status, answer = await asyncio.to_thread(self._request, method, self._base + path, body)
        self._wire(meter, False, answer, str(status))
        if 200 <= status < 300:
            return answer
        detail = f"acrel platform: {_detail(answer) or f'status {status}'}"
        if status in {401, 403}:
            raise AuthError(detail)
        if status == 404:
            raise NotFound(detail)
        if status in {400, 409, 422}:
            raise _Refused(detail)
        if status in {429, 503}:
            raise LinkError(detail)
        raise NoResponse(detail)

    def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """One request on a connection of its own; blocks."""
        connection = self._connection()
        try:
            try:
                connection.connect()
            except (OSError, http.client.HTTPException) as error:
                raise LinkError(f"{self._host}: {error}") from error
            try:
                connection.request(method, path, body or None, self._headers(method, path, body))
                answer = connection.getresponse()
                data = answer.read(LIMIT + 1)
            except (OSError, http.client.HTTPException) as error:
                raise NoResponse(f"{self._host}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if len(data) > LIMIT:
            raise ProtocolError(f"{self._host}: an answer of more than {LIMIT} bytes")
        return answer.status, data

    def _connection(self) -> http.client.HTTPConnection:
        timeout = self._access.timeout
        if not self._secure:
            return http.client.HTTPConnection(self._host, timeout=timeout)
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._access.ca)
            except OSError as error:
                raise LinkError(f"{self._access.ca}: {error}") from error
        return http.client.HTTPSConnection(self._host, timeout=timeout, context=self._tls)

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._access.auth == "token":
            return headers | {"Authorization": f"Bearer {self._access.secret}"}
        now = stamp(datetime.now(UTC))
        signed = signature(self._access.secret.encode(), now, method, path, body)
        return headers | {"X-Acrel-Timestamp": now, "X-Acrel-Signature": signed}


class _Refused(ProtocolError):
    """The platform understood and says no."""


def signature(secret: bytes, time: str, method: str, path: str, body: bytes) -> str:
    """What a request carries in `X-Acrel-Signature`; path: with its query."""
    text = f"{time}.{method}.{path}.".encode() + body
    return "sha256=" + hmac.new(secret, text, hashlib.sha256).hexdigest()


def stamp(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _meter(meter: str) -> str:
    return f"/meters/{quote(meter, safe='')}"


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError(f"the platform's answer makes no sense: {error}") from None


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Problem).detail[:300]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
