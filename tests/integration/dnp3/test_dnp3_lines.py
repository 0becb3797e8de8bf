"""The lines beside TCP: TLS, UDP, serial; and a line that loses, cuts and delays."""

import asyncio
import contextlib
import os
import random
from typing import Any

import numpy as np
import pytest

from drivers.dnp3.codec.app import Function
from drivers.dnp3.codec.commands import CommandStatus, Control, ControlCode, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import Line, connect_tcp, open_serial, open_udp
from drivers.dnp3.master import Association, MasterChannel, Measurements, operations
from drivers.dnp3.outstation import (
    Database,
    Handler,
    OutstationServer,
    OutstationSettings,
)
from hub import HubError, NoResponse

START = 1_700_000_000_000


class Device(Handler):
    def __init__(self) -> None:
        self.operated: list[int] = []

    def select(self, index: int, control: Control) -> CommandStatus:
        return CommandStatus.SUCCESS

    def operate(self, index: int, control: Control) -> CommandStatus:
        self.operated.append(index)
        return CommandStatus.SUCCESS


def server(size: int = 400, address: int = 10, **more: Any) -> OutstationServer:
    database = Database({PointType.AI: range(size), PointType.BI: range(size)})
    for point in (PointType.AI, PointType.BI):
        database.load(point, np.arange(size) % 2, 0x01, START)
    chosen = {"keep_alive": None, "confirm_timeout": 1.0, **more}
    settings = OutstationSettings(address=address, **chosen)
    return OutstationServer(settings, database, Device())


def count(reports: list[Any], seen: dict[PointType, dict[int, float]]) -> None:
    for report in reports:
        if isinstance(report, Measurements) and report.columns.value is not None:
            rows = zip(report.columns.index.tolist(), report.columns.value.tolist(), strict=True)
            seen.setdefault(report.point, {}).update(rows)


async def check(line: Line, **more: Any) -> Association:
    """Start up and see every point."""
    peer = Association(MasterChannel(line, **more), 10, timeout=2)
    seen: dict[PointType, dict[int, float]] = {}
    peer.on_reports = lambda reports: count(reports, seen)
    await operations.startup(peer)
    expected = {n: float(n % 2) for n in range(400)}
    assert seen == {PointType.AI: expected, PointType.BI: expected}
    return peer


async def test_udp_carries_a_start_up() -> None:
    outstation = server()
    async with outstation.udp("127.0.0.1", 0) as port:
        line = await open_udp(("127.0.0.1", 0), ("127.0.0.1", port))
        await check(line)
        line.close()


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_serial_line_carries_a_start_up(confirmed: bool) -> None:
    near, far = os.openpty()
    import tty

    tty.setraw(near)
    line = open_serial(os.ttyname(far), baudrate=115200)
    outstation = server()
    other = PtyLine(near)
    outstation.attach(other)
    peer = await check(line, confirmed=confirmed)
    done = await operations.select_operate(peer, [(0, Crob(ControlCode.LATCH_ON))])
    assert done == [CommandStatus.SUCCESS]
    line.close()
    outstation.close()
    os.close(far)


class PtyLine(Line):
    """The far side of a pseudo terminal."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._fd, self._loop = descriptor, asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)
        self._unsent = b""

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.on_data(os.read(self._fd, 4096))

    def write(self, data: bytes) -> None:
        self._unsent += data
        self._push()

    def _push(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        if self._unsent and self.is_open:
            self._loop.call_later(0.001, self._push)

    def close(self) -> None:
        if self.is_open:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
        self._end(None)


class Bus:
    """A multi-drop line: what one end says all others hear."""

    def __init__(self) -> None:
        self.ends: list[BusLine] = []

    def end(self) -> "BusLine":
        self.ends.append(BusLine(self))
        return self.ends[-1]


class BusLine(Line):
    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    def write(self, data: bytes) -> None:
        for end in self._bus.ends:
            if end is not self and end.is_open:
                asyncio.get_running_loop().call_soon(end.on_data, data)

    def close(self) -> None:
        self._end(None)


async def test_many_outstations_share_a_line() -> None:
    bus = Bus()
    channel = MasterChannel(bus.end())
    outstations = [server(20, address, unsolicited=False) for address in range(10, 20)]
    for outstation in outstations:
        outstation.attach(bus.end())
    peers = [Association(channel, address, timeout=1) for address in range(10, 20)]
    answers = await asyncio.gather(*(operations.integrity(peer) for peer in peers))
    assert [len(answer.fragments) for answer in answers] == [1] * 10
    await operations.direct_operate_no_answer(
        peers[0], [(3, Crob(ControlCode.LATCH_ON))], broadcast=True
    )
    await operations.integrity(peers[0])
    operated = [o.outstation._handler.operated for o in outstations]  # type: ignore[attr-defined]
    assert operated == [[3]] * 10


class Wild(Line):
    """A line between two ends that loses, breaks, cuts and delays what is written to it."""

    def __init__(self, noise: random.Random) -> None:
        super().__init__()
        self.noise, self.other = noise, self
        self.trouble = 0.0

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self.noise.random() < self.trouble:
            fate = self.noise.choice(("lost", "broken", "cut", "doubled"))
            if fate == "lost":
                return
            if fate == "broken":
                place = self.noise.randrange(len(data))
                data = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
            elif fate == "cut":
                data = data[: self.noise.randrange(len(data))]
            else:
                data += data
        delay = self.noise.random() * 0.004
        middle = self.noise.randrange(len(data) + 1)
        loop.call_later(delay, self.other.on_data, data[:middle] + data[middle:])

    def close(self) -> None:
        self._end(None)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_event_is_lost_on_a_line_that_spoils_a_fifth_of_what_it_carries(seed: int) -> None:
    noise = random.Random(seed)
    near, far = Wild(noise), Wild(noise)
    near.other, far.other = far, near
    outstation = server(20, confirm_timeout=0.03)
    outstation.attach(far)
    peer = Association(MasterChannel(near), 10, timeout=0.05)
    await operations.startup(peer)
    seen: list[tuple[float, int]] = []

    def take(reports: list[Any]) -> None:
        for report in reports:
            if isinstance(report, Measurements) and report.is_event:
                assert report.columns.value is not None
                assert report.columns.time is not None
                seen.extend(
                    zip(report.columns.value.tolist(), report.columns.time.tolist(), strict=True)
                )

    peer.on_reports = take
    near.trouble = far.trouble = 0.2
    made = []
    for n in range(120):
        outstation.database.update(PointType.AI, n % 20, 1000.0 + n, time=START + n)
        made.append((1000.0 + n, START + n))
        if n % 10 == 0:
            with contextlib.suppress(NoResponse):
                await operations.poll(peer, (1, 2, 3))
        await asyncio.sleep(0.001)
    near.trouble = far.trouble = 0.0
    async with asyncio.timeout(10):
        while len(outstation.outstation.events):
            await asyncio.sleep(0.02)
            with contextlib.suppress(NoResponse):
                await operations.poll(peer, (1, 2, 3))
    assert set(seen) == set(made)
    outstation.close()


async def test_no_control_is_executed_twice_on_a_line_that_doubles() -> None:
    noise = random.Random(5)
    near, far = Wild(noise), Wild(noise)
    near.other, far.other = far, near
    outstation = server(20, confirm_timeout=0.05, unsolicited=False)
    outstation.attach(far)
    peer = Association(MasterChannel(near), 10, timeout=0.05)
    near.trouble = far.trouble = 0.3
    sure, unsure = 0, 0
    for n in range(60):
        try:
            done = await operations.select_operate(peer, [(n, Crob(ControlCode.LATCH_ON))])
            sure += done == [CommandStatus.SUCCESS]
        except HubError:
            unsure += 1
    operated = outstation.outstation._handler.operated  # type: ignore[attr-defined]
    assert len(operated) == len(set(operated))
    assert sure <= len(operated) <= sure + unsure
    assert sure > 5
    outstation.close()


async def test_a_peer_that_reads_nothing_is_dropped() -> None:
    outstation = server(4000)
    async with outstation.listen("127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        from drivers.dnp3.codec.station import Station

        master = Station(1, master=True)
        writer.transport.pause_reading()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(10):
                sequence = 0
                while outstation.connected or sequence == 0:
                    ask = bytes([0xC0 | sequence % 16, 1]) + operations.CLASSES[0]
                    writer.write(master.send(ask, 10))
                    await writer.drain()
                    sequence += 1
                    await asyncio.sleep(0)
        assert not outstation.connected
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        del reader


ANSWERS = [
    "C08100001E050000020141200000014130000001410000",
    "C0810000020228010001000106 4CE3F9A101",
    "E0810000160128020000000102000000010001030000 00",
    "F08200001E0117010001FF000000",
    "C081000034020701DC05",
    "C08100000C011701020301640000006400000000",
]


@pytest.mark.parametrize("seed", range(4))
async def test_a_master_survives_any_answer_and_asks_on(seed: int) -> None:
    noise = random.Random(seed)
    bus = Bus()
    peer = Association(MasterChannel(bus.end()), 10, timeout=0.02)
    rtu = bus.end()
    requests: list[bytes] = []
    rtu.on_data = requests.append
    from drivers.dnp3.codec.station import Station

    station = Station(10, master=False)
    for n in range(60):
        asked = asyncio.ensure_future(operations.read_ranges(peer, [(PointType.AI, 0, 2)]))
        await asyncio.sleep(0)
        for _ in range(noise.randrange(4)):
            data = bytearray(bytes.fromhex(noise.choice(ANSWERS).replace(" ", "")))
            data[0] = data[0] & 0xF0 | noise.choice((n % 16, noise.randrange(16)))
            for _ in range(noise.randrange(3)):
                data[noise.randrange(len(data))] = noise.randrange(256)
            rtu.write(station.send(bytes(data[: noise.randrange(2, len(data) + 1)]), 1))
            await asyncio.sleep(0)
        with contextlib.suppress(HubError):
            await asked
    outstation = server(20)
    outstation.attach(rtu)
    answer = await peer.request(Function.READ, operations.CLASSES[0], within=1)
    assert len(answer.fragments) == 1
    outstation.close()


async def test_a_silent_link_is_asked_for_and_dropped_when_nobody_answers() -> None:
    outstation = server(20, keep_alive=0.05, link_timeout=0.1, unsolicited=False)
    async with outstation.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        peer = Association(MasterChannel(line), 10, timeout=1)
        await operations.integrity(peer)
        await asyncio.sleep(0.4)
        assert outstation.connected
        line.on_data = lambda data: None
        async with asyncio.timeout(2):
            await line.closed
        assert not outstation.connected


async def test_many_outstations_share_a_serial_line() -> None:
    near, far = os.openpty()
    import tty

    tty.setraw(near)
    bus = Bus()
    outstations = [server(20, address, unsolicited=False) for address in range(10, 14)]
    for outstation in outstations:
        outstation.attach(bus.end())
    pty, bridge = PtyLine(near), bus.end()
    pty.on_data, bridge.on_data = bridge.write, pty.write
    line = open_serial(os.ttyname(far), baudrate=115200)
    channel = MasterChannel(line, confirmed=True)
    peers = [Association(channel, address, timeout=2) for address in range(10, 14)]
    answers = await asyncio.gather(*(operations.integrity(peer) for peer in peers))
    assert [len(answer.fragments) for answer in answers] == [1] * 4
    close = [(1, Crob(ControlCode.CLOSE))]
    assert await operations.select_operate(peers[2], close) == [CommandStatus.SUCCESS]
    operated = [o.outstation._handler.operated for o in outstations]  # type: ignore[attr-defined]
    assert operated == [[], [], [1], []]
    line.close()
    pty.close()
    os.close(far)


async def test_an_outstation_answers_to_the_self_address_when_it_is_asked_to() -> None:
    from drivers.dnp3.codec.link import SELF
    from drivers.dnp3.codec.station import Station

    for answers in (True, False):
        bus = Bus()
        outstation = server(5, 1234, self_address=answers, unsolicited=False)
        outstation.attach(bus.end())
        master, came = bus.end(), list[bytes]()
        master.on_data = came.append
        master.write(Station(1, master=True).send(b"\xc0\x17", SELF))
        await asyncio.sleep(0.02)
        heard, _ = Station(1, master=True).receive(b"".join(came))
        assert [delivery.source for delivery in heard] == ([1234] if answers else [])
        outstation.close()
