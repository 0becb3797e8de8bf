"""Processes that `busbar up` starts, watches and stops."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from hub.kernel.notify import VARIABLE

PATIENCE = 2.5


class ChildFailed(Exception):
    """A process ended before it was ready; the message quotes the end of its log."""


class Child:
    """One `busbar …` process of its own session, so that Ctrl-C reaches only its parent."""

    def __init__(self, name: str, args: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.name, self.args, self.log, self.env = name, tuple(args), log, env
        self.process: asyncio.subprocess.Process | None = None
        self._notes: asyncio.StreamReader | None = None
        self._pipe: IO[bytes] | None = None

    async def start(self) -> None:
        """Start the process; its output goes to its log file."""
        read, write = os.pipe()
        try:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "hub.cli",
                    *self.args,
                    stdout=log,
                    stderr=log,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(write,),
                    start_new_session=True,
                    env={**os.environ, **self.env, VARIABLE: str(write)},
                )
        finally:
            os.close(write)
        self._notes = asyncio.StreamReader()
        self._pipe = os.fdopen(read, "rb", buffering=0)
        reader = self._notes
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._pipe
        )

    async def ready(self, seconds: float) -> dict[str, Any]:
        """The facts of the first `ready` note, or ChildFailed."""
        if self._notes is None:
            raise ChildFailed(f"{self.name} was not started")
        try:
            async with asyncio.timeout(seconds):
                while line := await self._notes.readline():
                    note: dict[str, Any] = msgspec.json.decode(line)
                    if note.get("state") == "ready":
                        return note
        except TimeoutError:
            raise ChildFailed(
                f"{self.name} is not ready after {seconds:.0f} s{self.tail()}"
            ) from None
        raise ChildFailed(f"{self.name} ended before it was ready{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of its log, for a person."""
        text = (
            self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        )
        return "\n".join([f"; the end of {self.log}:", *text])

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL when it does not end in time."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def watch(self, told: Callable[[str], None]) -> None:
        """Restart it whenever it ends by itself, ever more slowly."""
        delay = 1.0
        while True:
            if self.process is None:
                raise ChildFailed(f"{self.name} was not started")
            code = await self.process.wait()
            told(f"{self.name} ended with code {code}, see {self.log}; again in {delay:.0f} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, 30.0)
            await self.start()
