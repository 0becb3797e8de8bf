"""What every handler of the application can reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hub.contract.plugin import Authenticator
from hub.kernel.app import Hub
from hub.kernel.uow import Unit


@dataclass(frozen=True, kw_only=True)
class Options:
    """production: HSTS, and cookies always Secure. timeout: seconds a request may take.

    proxies: addresses whose `X-Forwarded-*` is believed. metrics_token: lets anyone read /metrics
    who sends it as a bearer token; loopback may always.
    """

    production: bool = False
    origins: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    timeout: float = 30.0
    max_body: int = 1 << 20
    metrics_token: str = ""
    secret: bytes = b""


@dataclass(frozen=True, kw_only=True)
class State:
    """One application's parts."""

    hub: Hub
    unit: Unit
    options: Options
    authenticators: Mapping[str, Authenticator] = field(default_factory=dict)


STATE = web.AppKey("state", State)
