"""The Acrel fleet as a process of its own: says where it publishes, ends on a signal."""

import asyncio
import contextlib
import signal
from pathlib import Path

import typer

from hub.kernel.notify import notify
from simulators.acrel import Fleet, broker
from simulators.field import config


async def run(
    meters: int, every: float, host: str, port: int, external: bool, write_config: Path | None
) -> None:
    """Publish until SIGINT or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    fleet = Fleet(meters, every=every)
    async with contextlib.AsyncExitStack() as stack:
        if not external:
            port = await stack.enter_async_context(broker(host, port))
        if write_config:
            text = config([fleet.channel(host, port)])
            await asyncio.to_thread(write_config.write_text, text, "utf-8")
        typer.echo(f"{host}:{port}  {meters} Acrel meters, a reading each {every:g} s")
        notify("ready", {"devices": meters})
        running = asyncio.create_task(fleet.run(host, port))
        await stop.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
