"""A device that refuses, lies, sleeps or dies: no wrong value, no crash, no harm to the others."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from drivers.capture import chunks, packets
from drivers.modbus.driver import ModbusDriver
from hub import LOST, Flag, LinkError, NoResponse, Validity, quality

from .conftest import Recorder, Rogue, answer, channel, holding, points, words

INVALID = quality(Validity.INVALID)


async def read_once(config, link, *specs):
    wanted = points(config, *specs)
    async with ModbusDriver(config, wanted, link).open() as session:
        return await session.read(wanted)


def quick(port: int, **more):
    more.setdefault("request_timeout", 0.3)
    return channel(port=port, **more)


@pytest.mark.parametrize(
    ("code", "grade"),
    [
        (1, INVALID),
        (2, INVALID),
        (3, INVALID),
        (4, INVALID),
        (5, quality(Validity.INVALID, Flag.OLD)),
        (6, quality(Validity.INVALID, Flag.OLD)),
        (7, INVALID),
        (8, quality(Validity.INVALID, Flag.INACCURATE)),
        (9, INVALID),
        (99, INVALID),
    ],
)
async def test_an_exception_becomes_a_quality(rogue, link, code, grade):
    rogue.reply = lambda request: answer(request, bytes([0x83, code]))
    batch = await read_once(quick(rogue.port), link, *words(0, 1))
    assert batch.quality.tolist() == [grade, grade]
    assert np.isnan(batch.value).all()
    assert len(link.warnings) == 1


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_that_cannot_reach_the_unit_means_that_it_is_silent(rogue, link, code):
    rogue.reply = lambda request: answer(request, bytes([0x83, code]))
    with pytest.raises(NoResponse, match=f"exception {code}"):
        await read_once(quick(rogue.port), link, *words(0))


async def test_a_busy_device_is_asked_again(rogue, link):
    def reply(request):
        busy = len(rogue.requests) == 1
        return answer(request, b"\x83\x06") if busy else holding(request)

    rogue.reply = reply
    assert (await read_once(quick(rogue.port), link, *words(7))).value.tolist() == [7]


FOREIGN = {
    "another unit": lambda r: answer(r, holding(r)[7:], unit=9),
    "another transaction": lambda r: answer(r, holding(r)[7:], transaction=60000),
    "another function": lambda r: answer(r, b"\x04" + holding(r)[8:]),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_an_answer_that_is_not_ours_is_no_answer(rogue, link, name):
    rogue.reply = FOREIGN[name]
    with pytest.raises(NoResponse, match="is silent"):
        await read_once(quick(rogue.port), link, *words(0, 1))


async def test_a_truncated_answer_is_not_finished_with_the_next_ones_bytes(rogue, link):
    rogue.reply = lambda request: holding(request)[:-1]
    with pytest.raises(LinkError, match="broke off after 12 bytes"):
        await read_once(quick(rogue.port), link, *words(0, 1))
    assert len(rogue.requests) == 1


@pytest.mark.parametrize("name", FOREIGN)
async def test_the_right_answer_behind_a_foreign_one_is_found(rogue, link, name):
    rogue.reply = lambda r: FOREIGN[name](r) + holding(r)
    assert (await read_once(quick(rogue.port), link, *words(3, 4))).value.tolist() == [3, 4]


async def test_an_answer_of_another_length_gives_no_values(rogue, link):
    rogue.reply = lambda r: answer(r, b"\x03\x02\x00\x07")
    batch = await read_once(quick(rogue.port), link, *words(0, 1))
    assert batch.quality.tolist() == [INVALID, INVALID]
    assert "does not fit" in link.warnings[0]


async def test_an_answer_in_single_bytes_is_put_together(link):
    class Dribbling(Rogue):
        async def serve(self, reader, writer):
            self._serving[asyncio.current_task()] = writer
            while request := await reader.read(1024):
                for byte in holding(request):
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
            writer.close()

    peer = Dribbling()
    async with peer.running():
        config = quick(peer.port, request_timeout=2.0)
        assert (await read_once(config, link, *words(0, 9))).value.tolist() == [0, 9]


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(8), b"\xff" * 300])
async def test_a_peer_that_is_no_modbus_server_is_a_link_error(rogue, link, noise):
    rogue.reply = lambda request: noise
    with pytest.raises(LinkError, match="does not speak Modbus"):
        await read_once(quick(rogue.port), link, *words(0))


async def test_a_peer_that_hangs_up_is_a_link_error(rogue, link):
    rogue.reply = lambda request: b""
    with pytest.raises(LinkError):
        await read_once(quick(rogue.port), link, *words(0))


def many(port: int, count: int, **more):
    devices = [{"name": f"m{unit}", "unit": unit, "retries": 0} for unit in range(1, count + 1)]
    config = quick(port, devices=devices, **more)
    return config, {d.unit: points(config, *words(0), device=d.name) for d in config.devices}


async def test_three_units_silent_at_once_are_a_dead_link(rogue, link):
    rogue.reply = holding
    config, polls = many(rogue.port, 10)
    async with ModbusDriver(config, (), link).open() as session:
        for poll in polls.values():
            await session.read(poll)
        rogue.reply = lambda request: None
        for unit in (1, 2):
            with pytest.raises(NoResponse):
                await session.read(polls[unit])
        with pytest.raises(LinkError):
            await session.read(polls[3])


async def test_a_silent_unit_gets_one_chance_a_poll_and_its_retries_once(rogue, link):
    rogue.reply = lambda request: None if request[6] == 2 else holding(request)
    devices = [{"name": f"m{unit}", "unit": unit, "retries": 2} for unit in (1, 2)]
    config = quick(rogue.port, request_timeout=0.02, devices=devices)
    polls = {d.unit: points(config, *words(0), device=d.name) for d in config.devices}
    async with ModbusDriver(config, (), link).open() as session:
        for _ in range(4):
            assert (await session.read(polls[1])).value.tolist() == [0]
            with pytest.raises(NoResponse):
                await session.read(polls[2])
    assert [request[6] for request in rogue.requests].count(2) == 3 + 1 + 1 + 1


async def test_trouble_of_one_period_is_not_cleared_by_another(rogue, link):
    rogue.reply = lambda r: answer(r, b"\x83\x02") if r[9] == 5 else holding(r)
    config = quick(rogue.port)
    bad, good = points(config, *words(5)), points(config, *words(1))
    async with ModbusDriver(config, (), link).open() as session:
        for _ in range(3):
            await session.read(bad)
            await session.read(good)
    assert len(link.warnings) == 1
    assert link.cleared == []


async def test_trouble_that_is_over_is_cleared_once(rogue, link):
    rogue.reply = lambda r: answer(r, b"\x83\x04") if len(rogue.requests) < 3 else holding(r)
    config = quick(rogue.port)
    wanted = points(config, *words(1))
    async with ModbusDriver(config, (), link).open() as session:
        for _ in range(5):
            await session.read(wanted)
    assert link.cleared == ["m"]


async def test_a_device_that_dies_within_a_poll_gives_what_it_said(rogue, link):
    rogue.reply = lambda r: holding(r) if r[8:10] == b"\0\0" else None
    devices = [{"name": "m", "gap": 0, "retries": 0}]
    batch = await read_once(quick(rogue.port, devices=devices), link, *words(0, 10, 20, 30))
    assert batch.value[0] == 0
    assert batch.quality.tolist() == [0, LOST, LOST, LOST]


async def test_a_block_that_is_never_answered_soon_costs_nothing(rogue, link):
    rogue.reply = lambda r: None if r[8:10] == b"\0\x0a" else holding(r)
    config = quick(rogue.port, devices=[{"name": "m", "gap": 0, "retries": 0}])
    wanted = points(config, *words(0, 10, 20))
    async with ModbusDriver(config, wanted, link).open() as session:
        for _ in range(6):
            batch = await session.read(wanted)
            assert batch.quality.tolist() == [0, LOST, 0]
    assert [r[9] for r in rogue.requests].count(10) == 3


def rtu(request: bytes, start: int) -> bytes:
    """An RTU answer in which register n holds n, from `start` on."""
    count = int.from_bytes(request[4:6], "big")
    data = b"".join(n.to_bytes(2, "big") for n in range(start, start + count))
    pdu = bytes([request[1], len(data)]) + data
    return FramerRTU(DecodePDU(False)).encode(pdu, request[0], 0)


async def test_late_answers_on_a_link_without_transactions_never_swap_values(rogue, link):
    """Every answer comes after the first time-out; blocks have one length and differ in content."""

    def reply(request):
        return 0.6, rtu(request, int.from_bytes(request[2:4], "big"))

    rogue.reply = reply
    config = channel(
        "modbus-rtu-over-tcp",
        port=rogue.port,
        request_timeout=0.5,
        devices=[{"name": "m", "gap": 0, "retries": 2}],
    )
    wanted = points(config, *words(10, 20, 30))
    async with ModbusDriver(config, wanted, link).open() as session:
        for _ in range(2):
            assert (await session.read(wanted)).value.tolist() == [10, 20, 30]


def server_bytes(capture: Path) -> list[bytes]:
    return [c.data for c in chunks(packets(capture.read_bytes())) if c.packet.source[1] == 502]


@pytest.mark.parametrize(
    "name", ["fuzz-72", "modbus-and-non-modbus-p502", "modbus-eit", "modbusSmall"]
)
async def test_captured_answers_to_other_questions_are_never_values(shared, rogue, link, name):
    capture = shared / f"data/pcaps/modbus/zeek/{name}.pcap"
    config = quick(rogue.port, request_timeout=0.02, devices=[{"name": "m", "retries": 0}])
    for foreign in server_bytes(capture):
        rogue.reply = lambda request, foreign=foreign: foreign
        try:
            batch = await read_once(config, link, *words(0, 1, 2, 3))
        except (LinkError, NoResponse):
            continue
        assert batch.quality.all(), foreign.hex()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_damaged_rtu_frame_never_becomes_another_value(damage):
    async def work() -> None:
        peer, link = Rogue(), Recorder()

        def reply(request):
            frame = bytearray(rtu(request, 500))
            for at, flip in damage:
                frame[at % len(frame)] ^= flip
            return bytes(frame)

        peer.reply = reply
        devices = [{"name": "m", "retries": 0}]
        async with peer.running():
            config = channel(
                "modbus-rtu-over-tcp", port=peer.port, request_timeout=0.01, devices=devices
            )
            try:
                batch = await read_once(config, link, *words(0, 1, 2, 3))
            except (LinkError, NoResponse):
                return
        good = batch.quality == 0
        assert (batch.value[good] == (500 + np.arange(4))[good]).all()

    asyncio.run(work())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_from_a_tcp_peer_break_the_driver(noise):
    async def work() -> None:
        peer, link = Rogue(), Recorder()
        peer.reply = lambda request: noise
        async with peer.running():
            devices = [{"name": "m", "retries": 0}]
            config = quick(peer.port, request_timeout=0.01, devices=devices)
            try:
                batch = await read_once(config, link, *words(0, 1))
            except (LinkError, NoResponse):
                return
        assert batch.quality.all() or noise[:9] == b"\0\1\0\0\0\7\1\3\4"

    asyncio.run(work())
