"""A vending server for tests and demonstrations: the documented endpoints over the software module.

It is a separate reading of the interface: it keeps what it issued by reference, as a real one must.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.sts.identity import Meter
from drivers.sts.issuer import Issuer, TokenRequest
from drivers.sts.vending import VendOrder, VendResult
from hub import HubError


@dataclass
class Faults:
    """What goes wrong. lose: answers to orders that are issued and then not sent."""

    lose: int = 0
    refuse: int = 0


@dataclass
class VendingStandIn:
    """url: base of the running server. issued: what was vended, by reference."""

    issuer: Issuer
    meters: dict[str, Meter]
    credential: str
    url: str = ""
    issued: dict[str, VendResult] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    reversed: set[str] = field(default_factory=set)
    faults: Faults = field(default_factory=Faults)
    orders: int = 0

    @classmethod
    @asynccontextmanager
    async def run(
        cls, issuer: Issuer, meters: Iterable[Meter], credential: str, port: int = 0
    ) -> AsyncIterator["VendingStandIn"]:
        server = cls(issuer, {meter.pan: meter for meter in meters}, credential)
        app = web.Application(middlewares=[server._guard])
        app.add_routes(
            [
                web.post("/api/v1/tokens", server._order),
                web.get("/api/v1/tokens/{reference}", server._look_up),
                web.post("/api/v1/tokens/{reference}/reversal", server._reverse),
                web.get("/api/v1/meters/{pan}", server._meter),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield server
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.credential}":
            return _problem(401, "unknown client")
        try:
            return await handler(request)
        except (HubError, msgspec.DecodeError) as error:
            return _problem(getattr(error, "status", 422), str(error))

    async def _order(self, request: web.Request) -> web.StreamResponse:
        self.orders += 1
        if self.faults.refuse:
            self.faults.refuse -= 1
            return _problem(503, "the security module is busy")
        order = msgspec.json.decode(await request.read(), type=VendOrder)
        if order.reference in self.issued:
            return _problem(409, "this reference was used")
        token = await self.issuer.issue(
            TokenRequest(meter=order.meter, transaction=order.reference, order=order.order)
        )
        result = VendResult(
            reference=order.reference,
            fingerprint=order.fingerprint,
            tokens=token.numbers,
            order=token.order,
        )
        self.issued[order.reference] = result
        if self.faults.lose:
            self.faults.lose -= 1
            await asyncio.sleep(3600)
        return _json(result, 201)

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        reference = request.match_info["reference"]
        if reference in self.reversed:
            return _problem(410, "the token was taken back")
        result = self.issued.get(reference)
        return _json(result) if result else _problem(404, "nothing under that reference")

    async def _reverse(self, request: web.Request) -> web.StreamResponse:
        reference = request.match_info["reference"]
        if reference not in self.issued:
            return _problem(404, "nothing under that reference")
        if reference in self.delivered:
            return _problem(409, "the token was delivered")
        self.reversed.add(reference)
        return _json({"reversed": True})

    async def _meter(self, request: web.Request) -> web.StreamResponse:
        meter = self.meters.get(request.match_info["pan"])
        return _json(meter) if meter else _problem(404, "unknown meter")


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def _problem(status: int, detail: str) -> web.Response:
    return _json({"detail": detail}, status)
