"""The access log: one JSON object for each request, written in the background."""

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

EVERY = 0.5
_LARGEST = 100 << 20
_WAITING = 50_000


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """ms: until the answer was ready."""

    time: dt.datetime
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    ip: str
    user: str = ""
    tenant: str = ""
    agent: str = ""


class AccessLog:
    """Gathers lines and appends them together. The file before the last is kept as `.1`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: list[Line] = []

    def add(self, line: Line) -> None:
        if self._path is not None and len(self._lines) < _WAITING:
            self._lines.append(line)

    async def context(self, _: web.Application) -> AsyncIterator[None]:
        """Write in the background for as long as the application runs."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._write(self._taken())

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if self._lines:
                await asyncio.to_thread(self._write, self._taken())

    def _taken(self) -> list[Line]:
        lines, self._lines = self._lines, []
        return lines

    def _write(self, lines: list[Line]) -> None:
        if self._path is None or not lines:
            return
        encoder = msgspec.json.Encoder()
        data = b"".join(encoder.encode(line) + b"\n" for line in lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size + len(data) > _LARGEST:
                os.replace(self._path, self._path.with_suffix(".log.1"))  # noqa: PTH105
        with self._path.open("ab") as file:
            file.write(data)


ACCESS = web.AppKey("access", AccessLog)


def line(request: web.Request, status: int, seconds: float, **who: Any) -> Line:
    return Line(
        time=dt.datetime.now(dt.UTC),
        method=request.method,
        path=request.path[:500],
        status=status,
        ms=round(seconds * 1e3, 2),
        agent=request.headers.get("User-Agent", "")[:200],
        **who,
    )
