"""The HTTP client that plugins get, with its guard against requests into our own network."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hub.contract.errors import Invalid, LinkError, TimedOut
from hub.contract.http import AddressRefused, HttpAnswer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# `is_global` says yes to these: they wrap, relay to or may be used for another address.
_HIDING: tuple[Network, ...] = tuple(
    ipaddress.ip_network(n)
    for n in (
        "192.0.0.0/24",  # RFC 6890: protocol assignments
        "192.88.99.0/24",  # RFC 7526: 6to4 relays
        "2002::/16",  # RFC 3056: 6to4
        "64:ff9b::/96",  # RFC 6052: NAT64
        "64:ff9b:1::/48",  # RFC 8215: local NAT64
        "2001::/23",  # RFC 2928: protocol assignments, Teredo among them
        "3fff::/20",  # RFC 9637: documentation
        "5f00::/16",  # RFC 9602: segment routing
        "fec0::/10",  # RFC 3879: site-local
    )
)


def is_public(address: Address) -> bool:
    """Whether the address is one host of the public Internet and hides no other."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in n for n in _HIDING if n.version == address.version)
    )


_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291: all global unicast that was ever assigned


class Guard:
    """Says which addresses may be connected to. public: those of the Internet too."""

    def __init__(self, allow: Iterable[Network], *, public: bool) -> None:
        self.allow, self.public = tuple(allow), public

    def permits(self, address: Address) -> bool:
        plain = getattr(address, "ipv4_mapped", None) or address
        if any(plain in n for n in self.allow if n.version == plain.version):
            return True
        return self.public and is_public(plain)

    def check(self, text: str) -> None:
        """AddressRefused unless the address may be connected to."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            raise AddressRefused(f"{text} is no address") from None
        if "%" in text or not self.permits(address):
            raise AddressRefused(f"{text} is not a public address: see http.allow")

    def socket(self, info: Any) -> socket.socket:
        """The socket for one address; nothing lies between this check and the connection."""
        self.check(str(info[4][0]))
        made = socket.socket(family=info[0], type=info[1], proto=info[2])
        made.setblocking(False)
        return made


class Resolver(AbstractResolver):
    """Looks names up in threads of its own: a dead name server delays nobody else's work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(16, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()

        def look() -> list[Any]:
            return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)

        return [
            ResolveResult(
                hostname=host, host=sock[0], port=sock[1], family=kind, proto=proto, flags=0
            )
            for kind, _, proto, _, sock in await loop.run_in_executor(self._threads, look)
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Http:
    """Serves `ctx.http`. allow: networks beyond the public Internet; only they get plain HTTP."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        networks = [ipaddress.ip_network(n) for n in allow]
        self._guards = {
            "https": Guard(networks, public=True),
            "http": Guard(networks, public=False),
        }
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        self._sessions = {scheme: _session(guard) for scheme, guard in self._guards.items()}
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    def check(self, url: str) -> str:
        return str(self._url(url))

    def _url(self, text: str) -> URL:
        try:
            url = URL(text)
            host, port = url.host or "", url.port
        except ValueError as error:
            raise Invalid(f"{text!r} is no URL: {error}") from None
        if url.scheme not in self._guards or not host or port is None:
            raise Invalid(f"{text!r}: give an address that begins with https://")
        if url.user is not None or url.password is not None:
            raise Invalid("an address must not carry a user name or password")
        guard = self._guards[url.scheme]
        if url.scheme == "http" and not guard.allow:
            raise Invalid(f"{text!r}: give an address that begins with https://")
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            if host.rpartition(".")[2].isdigit() or host.endswith(".localhost"):
                raise AddressRefused(f"{host} is not a public address") from None
            return url
        guard.check(str(literal))
        return url

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
        where = self._url(url)
        try:
            async with (
                asyncio.timeout(timeout),
                self._sessions[where.scheme].request(
                    method, where, headers=headers, data=body or None, allow_redirects=False
                ) as response,
            ):
                return HttpAnswer(
                    status=response.status,
                    headers={k.lower(): v for k, v in response.headers.items()},
                    body=await _read(response, limit),
                )
        except TimeoutError:
            raise TimedOut(f"{where.host} did not answer within {timeout:g} s") from None
        except aiohttp.InvalidURL as error:
            raise Invalid(f"{url!r}: {error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkError(f"{where.host}: {error or type(error).__name__}") from error


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes; of a longer body the connection is given up, not read to its end."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) >= limit:
            response.close()
            break
    return bytes(data[:limit])


def _session(guard: Guard) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=0,
        resolver=Resolver(),
        ttl_dns_cache=10,
        socket_factory=guard.socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("User-Agent",),
    )
