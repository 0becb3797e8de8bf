"""A real InfluxDB on a port of its own, started and stopped by the test."""

import asyncio
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateways import free_port
from tests.waiting import until

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {auth}
"""
USER, PASSWORD = "admin", "correct horse"


class InfluxServer:
    """One process; its data survive `stop`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._file = program, folder / "influxdb.conf"
        self.port = free_port()
        self._folder, self._rpc = folder / "influx", free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *, auth: bool = False) -> None:
        text = CONFIG.format(
            rpc=self._rpc, port=self.port, folder=self._folder, auth=str(auth).lower()
        )
        self._file.write_text(text)
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            self._program, "run", "-config", str(self._file), stdout=quiet, stderr=quiet
        )
        await until(self._answers, 20, 0.05)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None

    async def _answers(self) -> bool:
        try:
            await asyncio.to_thread(self._get, "/ping")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return bytes(answer.read())

    async def write(self, line: str) -> None:
        place = self.url + "/write?db=plant"
        await asyncio.to_thread(
            lambda: urllib.request.urlopen(place, line.encode(), timeout=5).close()
        )

    async def ask(self, query: str) -> list[list[Any]]:
        """The rows of all series, each with its tags last."""
        text = urllib.parse.urlencode(
            {"db": "plant", "q": query, "epoch": "u", "u": USER, "p": PASSWORD}
        )
        place = f"{self.url}/query?{text}"
        found = json.loads(
            await asyncio.to_thread(lambda: urllib.request.urlopen(place, b"", timeout=5).read())
        )
        result = found["results"][0]
        assert "error" not in result, result
        return [
            [*row, series.get("tags", {})]
            for series in result.get("series", ())
            for row in series["values"]
        ]


@pytest.fixture
async def influx(tmp_path: Path) -> AsyncIterator[InfluxServer]:
    program = shutil.which("influxd")
    if program is None:
        pytest.skip("no influxd: apt-get install influxdb")
    server = InfluxServer(program, tmp_path)
    await server.start()
    await server.ask("CREATE DATABASE plant")
    try:
        yield server
    finally:
        await server.stop()
