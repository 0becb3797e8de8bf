"""A wallet for tests and demonstrations: it holds payments, tells of them, and can be asked.

Its signing is a separate reading of the interface, as a real one's must be.
"""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web


@dataclass
class WalletStandIn:
    """url: base of the running server. payments: by reference, as it answers for them.

    asked: how often it was asked. down: it answers nobody.
    """

    secret: str
    token: str
    url: str = ""
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    down: bool = False

    @classmethod
    @asynccontextmanager
    async def run(cls, secret: str, token: str, port: int = 0) -> AsyncIterator["WalletStandIn"]:
        wallet = cls(secret, token)
        app = web.Application()
        app.router.add_get("/payments/{reference}", wallet._look_up)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            wallet.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield wallet
        finally:
            await runner.cleanup()

    def hold(self, reference: str, account: str, amount: str, currency: str) -> None:
        """Money for an account. amount: in units of money, as people write it."""
        self.payments[reference] = {
            "id": reference,
            "customer": account,
            "money": {"amount": amount, "currency": currency},
            "status": "completed",
        }

    async def tell(self, url: str, reference: str, *, at: int | None = None, **claims: Any) -> int:
        """Send the callback of a payment; the status that it gets. claims: what it says besides."""
        body = msgspec.json.encode({"id": reference} | claims)
        seconds = str(int(time.time()) if at is None else at)
        mac = hmac.new(self.secret.encode(), seconds.encode() + b"." + body, hashlib.sha256)
        headers = {"X-Signature": f"t={seconds},v1={mac.hexdigest()}"}
        limit = aiohttp.ClientTimeout(10)
        async with (
            aiohttp.ClientSession(timeout=limit) as client,
            client.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status

    async def _look_up(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "who are you?"}, status=401)
        found = self.payments.get(request.match_info["reference"])
        if self.down or found is None:
            return web.json_response({"error": "not now"}, status=503 if self.down else 404)
        return web.json_response(found)
