"""A person at the centre's API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class Person:
    """Signed in; `get` gives JSON or fails the test with the server's words."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        async with self._http.get(f"/api/v1/{path}", params=params) as reply:
            assert reply.status == 200, await reply.text()
            found: dict[str, Any] = await reply.json()
            return found

    async def all(self, path: str, **params: str) -> list[dict[str, Any]]:
        """All items of a list that pages by cursor."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(path, **params, cursor=cursor)
            items += page["items"]
            cursor = page["next_cursor"] or ""
            if not cursor:
                return items


@asynccontextmanager
async def signed_in(address: str, administrator: dict[str, str]) -> AsyncIterator[Person]:
    """Sign in as the person whom the centre told of at its first start."""
    async with aiohttp.ClientSession(address) as http:
        async with http.post("/api/v1/auth/login", json=administrator) as reply:
            assert reply.status == 200, await reply.text()
            token = (await reply.json())["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Person(http)
