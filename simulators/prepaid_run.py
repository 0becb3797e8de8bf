"""Virtual prepayment meters as a process of their own."""

import asyncio
import contextlib
import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import typer

from drivers.sts.identity import Meter, MeterPan, luhn
from drivers.sts.keyfile import load_keys
from drivers.sts.keys import KeyRef
from drivers.sts.tid import base_date_at
from hub import NotFound
from hub.kernel.notify import notify
from simulators.prepaid import PrepaidMeter, virtual_meter
from simulators.prepaid_modbus import serve
from simulators.prepaid_mqtt import PrepaidPublisher

SUPPLY_GROUP = "201457"


def identities(count: int) -> list[Meter]:
    """Meters of a test supply group, always the same."""
    bodies = [f"00{n:08d}" for n in range(1, count + 1)]
    base = base_date_at(datetime.now(UTC))
    return [
        Meter(
            pan=str(MeterPan.of_drn(body + luhn(body))),
            supply_group=SUPPLY_GROUP,
            base_date=base,
        )
        for body in bodies
    ]


async def run(
    keys: Path, meters: int, demand: float, speed: float, host: str, port: int, broker: str | None
) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    made = await asyncio.to_thread(_meters, keys, meters, demand)
    async with contextlib.AsyncExitStack() as stack:
        # With a broker the publishers move the meters' time, else the server does.
        pace = 0.0 if broker else speed
        server = await stack.enter_async_context(serve(made, host=host, port=port, speed=pace))
        typer.echo(f"{server.host}:{server.port}  {meters} STS meters, supply group {SUPPLY_GROUP}")
        for unit, meter in made.items():
            typer.echo(f"  unit {unit:<3} {meter.sts.identity.pan}")
        notify("ready", {"devices": meters})
        running = [
            asyncio.create_task(_publish(PrepaidPublisher(meter, speed=speed), broker))
            for meter in made.values()
            if broker
        ]
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _meters(keys: Path, count: int, demand: float) -> dict[int, PrepaidMeter]:
    if not keys.exists():
        keys.touch(0o600)
        keys.write_text(
            f'[[key]]\nsupply_group = "{SUPPLY_GROUP}"\nvalue = "{secrets.token_hex(20)}"\n'
        )
    known = dict(load_keys(keys))
    ref = KeyRef(SUPPLY_GROUP, 1)
    if ref not in known:
        raise NotFound(f"{keys} has no key {ref}")
    return {
        unit: PrepaidMeter(virtual_meter(identity, known[ref]), demand=demand)
        for unit, identity in enumerate(identities(count), 1)
    }


async def _publish(publisher: PrepaidPublisher, broker: str) -> None:
    host, _, port = broker.rpartition(":")
    while True:
        try:
            await publisher.run(host or "127.0.0.1", int(port))
        except* aiomqtt.MqttError:
            await asyncio.sleep(1)
