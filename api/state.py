"""What every handler of the application can reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from aiohttp import web

from api.headers import Headers, headers
from hub.contract.plugin import Authenticator
from hub.kernel.app import Hub
from hub.kernel.rates import Rates
from hub.kernel.reads import Reader
from hub.kernel.uow import Unit


@dataclass(frozen=True, kw_only=True)
class Options:
    """production: HSTS, cookies always Secure, HTTPS only. timeout: seconds a request may take.

    proxies: addresses and networks whose `X-Forwarded-*` is believed. secret: signs CSRF tokens.
    rate_profile: `bench` counts no ordinary requests. open_docs: anyone may read /openapi.json.
    access_log: a line for every request goes to this file. metrics_token: lets anyone read /metrics
    who sends it as a bearer token; loopback may always.
    """

    production: bool = False
    origins: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    timeout: float = 30.0
    max_body: int = 1 << 20
    metrics_token: str = ""
    secret: bytes = b""
    rate_profile: Literal["default", "strict", "bench"] = "default"
    open_docs: bool = True
    access_log: Path | None = None

    def trusts(self, address: str) -> bool:
        """Whether that is one of our own proxies."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    @cached_property
    def _networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(p, strict=False) for p in self.proxies)

    @cached_property
    def headers(self) -> Headers:
        return headers(production=self.production, connect=self.origins)


@dataclass(frozen=True, kw_only=True)
class State:
    """One application's parts."""

    hub: Hub
    unit: Unit
    reader: Reader
    rates: Rates
    options: Options
    authenticators: Mapping[str, Authenticator] = field(default_factory=dict)


STATE = web.AppKey("state", State)
