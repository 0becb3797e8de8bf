"""A gateway to be killed: keeps its own log of what it queued and of what was acknowledged to it.

Arguments: buffer file, log file, URL of the centre, key. Log lines: `q FROM COUNT` before readings
are queued, `f UPTO` after the buffer said that they are on disk.
"""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp

from sync.buffer import Buffer
from sync.uplink import HttpCarrier, Uplink
from tests.integration.sync.parts import catalogue, make_batch


async def main(path: Path, log: Path, url: str, key: str) -> None:
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    queued = [line.split() for line in lines if line.startswith("q ")]
    at = int(queued[-1][1]) + int(queued[-1][2]) if queued else 0
    async with Buffer.opened(path) as buffer, aiohttp.ClientSession() as session:
        await buffer.point_ids([f"m.p{n}" for n in range(1, 101)])
        buffer.record(catalogue(100))
        uplink = asyncio.create_task(Uplink(buffer, HttpCarrier(session, url, key)).run())
        with log.open("a", buffering=1) as file:
            while not log.with_suffix(".stop").exists():
                file.write(f"q {at} 500\n")
                buffer.readings(make_batch(500, at))
                at += 500
                if at % 2_000 == 0:
                    await buffer.flush()
                    file.write(f"f {at}\n")
                await asyncio.sleep(0.01)
            await buffer.flush()
            file.write(f"f {at}\n")
        while buffer.status().depth:
            await asyncio.sleep(0.05)
        uplink.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
    os._exit(0)
