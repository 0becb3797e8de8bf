"""The cheapest centre there can be: acknowledges every frame and counts the readings in it.

    python -m benchmarks.peers.centre PORT OUT

Each second one line `time readings` is appended to OUT.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec
from aiohttp import web

from sync import frames
from sync.wire import PATH, Receipt, Upload


class Centre:
    """Watermarks by stream, and how many readings came."""

    def __init__(self) -> None:
        self.readings = 0
        self.watermarks: dict[str, int] = {}

    async def take(self, request: web.Request) -> web.Response:
        """Believe everything; keep nothing."""
        stream = request.match_info["stream"]
        for data in msgspec.msgpack.decode(await request.read(), type=Upload).frames:
            frame = frames.decode(data)
            if frame.kind is frames.FrameKind.READINGS:
                self.readings += frame.count
            self.watermarks[stream] = frame.upto
        receipt = Receipt(watermark=self.watermarks[stream])
        return web.Response(body=msgspec.json.encode(receipt), content_type="application/json")


async def run(port: int, out: Path) -> None:
    """Count until killed."""
    centre = Centre()
    app = web.Application(client_max_size=4 << 20)
    app.router.add_post(PATH, centre.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    with out.open("a") as file:
        while True:
            file.write(f"{time.time():.3f} {centre.readings}\n")
            file.flush()
            await asyncio.sleep(1.0)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2])))
