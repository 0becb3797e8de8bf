"""Modbus: reads through the driver's session against a bare pymodbus loop over the same blocks.

20 devices of 100 registers, a connection each, polled as fast as they answer. Both sides run in
this process one after the other, against one responder in a process of its own.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.figures import Figure, report
from drivers.modbus.config import ModbusDevice, ModbusTcp
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.field import Quiet
from hub import Point, PointSpec

DEVICES = 20
REGISTERS = 100
ROUNDS = 500
REPEATS = 3

Poll = Callable[[], Awaitable[object]]


class _Responder(asyncio.Protocol):
    """Answers reads of registers with a ready frame; register n holds n."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 12):
            request = data[at : at + 12]
            start, count = np.frombuffer(request, ">u2", 2, 8).tolist()
            body = np.arange(start, start + count).astype(">u2").tobytes()
            head = request[:4] + (3 + len(body)).to_bytes(2, "big") + request[6:8]
            self._transport.write(head + bytes([len(body)]) + body)


async def _respond() -> None:
    server = await asyncio.get_running_loop().create_server(_Responder, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def _points(kind: str, step: int, device: ModbusDevice) -> tuple[Point, ...]:
    specs = (
        PointSpec(name=f"p{at}", address=f"hr:{at}", type=kind) for at in range(0, REGISTERS, step)
    )
    return tuple(
        Point(
            id=row,
            key=f"{device.name}.{spec.name}",
            device=device.name,
            spec=spec,
            address=ModbusDriver.address(spec, device),
        )
        for row, spec in enumerate(specs)
    )


async def _bare(stack: AsyncExitStack, port: int) -> list[Poll]:
    """pymodbus' own client; it yields a list of integers."""
    polls: list[Poll] = []
    for _ in range(DEVICES):
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        stack.callback(client.close)

        async def poll(client: AsyncModbusTcpClient = client) -> object:
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            assert len(answer.registers) == REGISTERS
            return answer.registers

        polls.append(poll)
    return polls


async def _ours(stack: AsyncExitStack, port: int, kind: str, step: int) -> list[Poll]:
    """The driver's session; it yields a batch of decoded values with quality and time."""
    polls: list[Poll] = []
    for number in range(DEVICES):
        device = ModbusDevice(name=f"m{number}", unit=1)
        config = ModbusTcp(name="bench", host="127.0.0.1", port=port, devices=(device,))
        points = _points(kind, step, device)
        session = await stack.enter_async_context(ModbusDriver(config, points, Quiet()).open())

        async def poll(session=session, points=points) -> object:  # type: ignore[no-untyped-def]
            batch = await session.read(points)
            assert not batch.quality.any()
            return batch

        polls.append(poll)
    return polls


async def _measure(polls: list[Poll]) -> tuple[float, float]:
    """Best of several runs: (reads/s, CPU seconds of this process a read)."""

    async def device(poll: Poll) -> None:
        for _ in range(ROUNDS):
            await poll()

    results = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(device, polls))
        reads = ROUNDS * len(polls)
        results.append((reads / (time.perf_counter() - wall), (time.process_time() - cpu) / reads))
    return max(results, key=lambda result: result[0])


async def _compare(port: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        bare, bare_cpu = await _measure(await _bare(stack, port))
    figures = []
    for title, kind, step in (
        ("100 uint16", "uint16", 1),
        ("50 float32", "float32", 2),
        ("100 flags", "bool", 1),
    ):
        async with AsyncExitStack() as stack:
            reads, cpu = await _measure(await _ours(stack, port, kind, step))
        figures += [
            _figure(f"reads of {title}", reads, bare, "reads/s", goal=0.5),
            _figure(f"reads of {title}, CPU", 1 / cpu, 1 / bare_cpu, "reads/CPU s"),
        ]
    return figures


def _figure(name: str, ours: float, ceiling: float, unit: str, goal: float | None = None) -> Figure:
    against = "pymodbus, integers"
    return Figure(name=name, ours=ours, ceiling=ceiling, unit=unit, against=against, goal=goal)


def main() -> None:
    """Print absolute figures and ratios."""
    command = [sys.executable, "-m", "benchmarks.modbus", "respond"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as responder:
        try:
            assert responder.stdout is not None
            figures = asyncio.run(_compare(int(responder.stdout.readline())))
        finally:
            responder.terminate()
    title = f"Modbus/TCP, {DEVICES} devices of {REGISTERS} registers, one connection each"
    report(title, figures)


if __name__ == "__main__":
    if sys.argv[1:] == ["respond"]:
        asyncio.run(_respond())
    else:
        main()
