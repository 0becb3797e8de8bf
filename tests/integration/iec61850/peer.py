"""A server under test in another process, told what to do over its standard input."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path


class Peer:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    @classmethod
    async def start(cls, script: Path, *arguments: str) -> "Peer":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            word, port = (await process.stdout.readline()).decode().split()
        assert word == "ready"
        return cls(process, int(port))

    async def tell(self, command: str) -> None:
        """One command, done when this returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n".encode())
        async with asyncio.timeout(5):
            assert (await self.process.stdout.readline()) == b"done\n"

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
