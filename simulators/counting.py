"""A field of Modbus TCP meters whose registers count how often they were read.

The n-th reading of a register returns n, so (device, register, value) names one reading: whoever
stores them can be shown exactly which were lost, doubled or invented. Used by the tests of what a
killed process loses and by the benchmarks; cheap enough not to be their bottleneck.

    python -m simulators.counting --devices 20 --registers 100 --served served.json
"""

import argparse
import asyncio
import json
import signal
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MBAP = struct.Struct(">HHHB")
READ = struct.Struct(">BHH")
READ_HOLDING, ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 3, 1, 2
MOST_REGISTERS = 125


class Meter(asyncio.Protocol):
    """One connection to one meter; the counters belong to the meter, not to the connection."""

    def __init__(self, counters: NDArray[np.uint16]) -> None:
        self.counters, self.buffer = counters, b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= MBAP.size:
            transaction, _, length, unit = MBAP.unpack_from(self.buffer)
            if len(self.buffer) < 6 + length or self.transport is None:
                return
            pdu, self.buffer = self.buffer[MBAP.size : 6 + length], self.buffer[6 + length :]
            answer = self.answer(pdu)
            head = MBAP.pack(transaction, 0, len(answer) + 1, unit)
            self.transport.write(head + answer)

    def answer(self, pdu: bytes) -> bytes:
        """The reply PDU (Modbus Application Protocol V1.1b3 §6.3, §7)."""
        if pdu[:1] != bytes((READ_HOLDING,)) or len(pdu) != READ.size:
            return bytes((pdu[0] | 0x80, ILLEGAL_FUNCTION))
        function, start, count = READ.unpack(pdu)
        if not 1 <= count <= MOST_REGISTERS or start + count > len(self.counters):
            return bytes((function | 0x80, ILLEGAL_ADDRESS))
        window = self.counters[start : start + count]
        window += 1
        return bytes((function, 2 * count)) + window.astype(">u2").tobytes()


async def serve(devices: int, registers: int, port: int, served: Path | None) -> None:
    """Listen until SIGTERM; then write {port: [readings per register]} to `served`."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    field = {}
    for n in range(devices):
        counters = np.zeros(registers, np.uint16)
        server = await loop.create_server(
            lambda counters=counters: Meter(counters),  # type: ignore[misc]
            "127.0.0.1",
            port + n if port else 0,
        )
        field[server.sockets[0].getsockname()[1]] = counters
    print(json.dumps({"ports": list(field)}), flush=True)  # noqa: T201
    await stop.wait()
    if served:
        counts = json.dumps({p: c.tolist() for p, c in field.items()})
        await asyncio.to_thread(served.write_text, counts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--registers", type=int, default=100)
    parser.add_argument("--port", type=int, default=0, help="first port; 0 lets the system choose")
    parser.add_argument("--served", type=Path, help="where to write the counts at the end")
    args = parser.parse_args()
    asyncio.run(serve(args.devices, args.registers, args.port, args.served))


if __name__ == "__main__":
    main()
