"""A real Mosquitto on a port of its own, started and stopped by the test."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest


class Mosquitto:
    """One broker process. Sessions and retained messages survive `restart`."""

    def __init__(self, folder: Path, program: str, extra: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._program = program
        self._file = folder / "mosquitto.conf"
        listener = "" if "listener" in extra else f"listener {self.port} 127.0.0.1\n"
        self._file.write_text(
            f"{listener}{extra.replace('PORT', str(self.port))}\n"
            + ("" if "allow_anonymous" in extra else "allow_anonymous true\n")
            + f"persistence true\npersistence_location {folder}/\nuser root\n"
            + "max_queued_messages 0\nautosave_interval 1\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._program, "-c", str(self._file),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
        raise RuntimeError(f"mosquitto does not listen: {self._file.read_text()}")

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def broker(folder: Path, extra: str = "") -> AsyncIterator[Mosquitto]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    running = Mosquitto(folder, program, extra)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with broker(tmp_path) as running:
        yield running
