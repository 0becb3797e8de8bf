"""MQTT messages a second through the driver, beside bare aiomqtt on the same broker.

A thread writes ready-made PUBLISH packets into a socket, so that the receiver alone is measured.
Needs the program `mosquitto`.
"""

import asyncio
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import msgspec

from benchmarks.figures import Figure, report
from drivers.mqtt.config import AcrelConfig, AcrelDevice
from drivers.mqtt.driver import MqttDriver
from hub import Point, PointSpec

COUNT, METERS, RUNS = 20_000, 500, 3
FIELDS = ("reading", "voltage", "current", "power", "power_factor")


class Quiet:
    """A link to nobody."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None: ...
    def warn(self, device: str, message: str) -> None: ...
    def clear(self, device: str) -> None: ...


def packets(run: int) -> bytes:
    """COUNT publications of QoS 0, each with another reading of five values."""
    out = bytearray()
    for n in range(COUNT):
        meter = f"ACR-{n % METERS:06d}"
        topic = f"acrel/station-1/meter/{meter}/data".encode()
        body = msgspec.json.encode(
            {
                "event_type": "meter_reading",
                "timestamp": f"2026-01-01T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z",
                "meter_id": meter,
                "meter_type": "ADL200",
                "data": dict.fromkeys(FIELDS, n + run / 10),
            }
        )
        size, length = len(topic) + 2 + len(body), bytearray()
        while size > 127:
            length.append(size & 127 | 128)
            size >>= 7
        length.append(size)
        out += b"\x30" + length + struct.pack(">H", len(topic)) + topic + body
    return bytes(out)


def blast(port: int, data: bytes) -> None:
    """A client that only publishes: CONNECT, the packets, DISCONNECT."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05blast")
        link.recv(4)
        link.sendall(data + b"\xe0\x00")
        link.recv(1)


async def bare(port: int, start: Callable[[], Awaitable[None]]) -> float:
    """Messages a second that aiomqtt hands over when nothing is done with them."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("acrel/+/meter/+/data", qos=0)
        await start()
        count, began = 0, 0.0
        async for _ in client.messages:
            began = began or time.perf_counter()
            count += 1
            if count == COUNT:
                break
        return COUNT / (time.perf_counter() - began)


async def driven(port: int, start: Callable[[], Awaitable[None]]) -> float:
    """Messages a second that become readings in batches: parsed, checked, five values each."""
    devices = tuple(AcrelDevice(name=f"m{n}", id=f"ACR-{n:06d}") for n in range(METERS))
    config = AcrelConfig(
        name="b", host="127.0.0.1", port=port, client_id="b", qos=0, devices=devices
    )
    points = []
    for device in devices:
        for name in FIELDS:
            spec = PointSpec(name=name, address=f"$.data.{name}")
            key, address = f"{device.name}.{name}", MqttDriver.address(spec, device)
            points.append(
                Point(id=len(points), key=key, device=device.name, spec=spec, address=address)
            )
    async with MqttDriver(config, points, Quiet()).open() as session:
        await session.startup()
        await start()
        count, began = 0, 0.0
        async for batch in session.events():
            began = began or time.perf_counter()
            count += len(batch)
            if count >= COUNT * len(FIELDS):
                break
        return COUNT / (time.perf_counter() - began)


@contextmanager
def mosquitto() -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        sys.exit("the benchmark needs mosquitto: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mosquitto.conf")
        file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
        process = subprocess.Popen([program, "-c", file], stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.terminate()
            process.wait()


async def measure() -> tuple[float, float]:
    """Best of some runs, one after the other in turn."""
    best = {"bare": 0.0, "driven": 0.0}
    with mosquitto() as port:
        for run in range(RUNS):
            for name, work in (("bare", bare), ("driven", driven)):
                data = await asyncio.to_thread(packets, run)
                sent: list[asyncio.Future[None]] = []

                async def start(
                    data: bytes = data, sent: list[asyncio.Future[None]] = sent
                ) -> None:
                    loop = asyncio.get_running_loop()
                    sent.append(loop.run_in_executor(None, blast, port, data))

                best[name] = max(best[name], await work(port, start))
                await asyncio.gather(*sent)
    return best["driven"], best["bare"]


def main() -> None:
    ours, ceiling = asyncio.run(measure())
    report(
        f"MQTT, {METERS} Acrel meters, five values a message, QoS 0, mosquitto",
        [
            Figure(
                name="messages to readings",
                ours=ours,
                ceiling=ceiling,
                unit="msg/s",
                against="bare aiomqtt, payload not read",
                goal=0.6,
            )
        ],
    )


if __name__ == "__main__":
    main()
