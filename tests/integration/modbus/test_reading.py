"""Reads against pymodbus' servers over TCP and over pty pairs."""

import asyncio
import struct
import time

import numpy as np
import pytest
from pymodbus.framer import FramerType
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.driver import ModbusDriver
from hub import GOOD, ConfigError, LinkError, NoResponse, PointSpec

from .conftest import channel, meter, points, registers, words


async def test_values_of_all_types_come_over_tcp_with_the_time_of_arrival(serve, link):
    data = struct.pack(">fIhQ", 230.5, 123456, -7, 2**40) + b"ABS630\0\0"
    words_ = list(struct.unpack(f">{len(data) // 2}H", data))
    config = channel(port=await serve(meter(1, registers(0, words_))))
    wanted = points(
        config,
        PointSpec(name="u", address="hr:0", type="float32"),
        PointSpec(name="e", address="ir:2", type="uint32"),
        PointSpec(name="t", address="hr:4", type="int16"),
        PointSpec(name="c", address="hr:5", type="uint64"),
        PointSpec(name="n", address="hr:9", type="string:8"),
        PointSpec(name="b", address="hr:4.15"),
    )
    before = link.now()
    async with ModbusDriver(config, wanted, link).open() as session:
        batch = await session.read(wanted)
    assert batch.point.tolist() == [100, 101, 102, 103, 104, 105]
    assert batch.value[[0, 1, 2, 3, 5]].tolist() == [230.5, 123456, -7, 2**40, 1]
    assert batch.text == {4: "ABS630"}
    assert np.isnan(batch.value[4])
    assert not batch.quality.any()
    assert ((before <= batch.time) & (batch.time <= link.now())).all()


async def test_coils_and_discrete_inputs_are_read_from_their_own_tables(serve, link):
    def bits(value: bool) -> list[SimData]:
        return [SimData(0, values=[value] * 16 * 3, datatype=DataType.BITS)]

    device = SimDevice(
        1, simdata=(bits(True), bits(False), [registers(0, [5])], [registers(0, [6])])
    )
    config = channel(port=await serve(device))
    wanted = points(
        config,
        *(PointSpec(name=a, address=a) for a in ("co:3", "di:3", "co:30")),
        *(PointSpec(name=a, address=a, type="uint16") for a in ("hr:0", "ir:0")),
    )
    async with ModbusDriver(config, wanted, link).open() as session:
        assert (await session.read(wanted)).value.tolist() == [1, 0, 1, 5, 6]


@pytest.mark.parametrize("at", [0, 1, 62, 123, 124])
async def test_one_illegal_register_in_a_block_of_125_shifts_no_name(serve, link, at):
    parts = [registers(0, list(range(at)))] if at else []
    if at < 124:
        parts.append(registers(at + 1, list(range(at + 1, 125))))
    config = channel(port=await serve(meter(1, *parts)), devices=[{"name": "m", "gap": 125}])
    wanted = points(config, *words(*range(125)))
    async with ModbusDriver(config, wanted, link).open() as session:
        for _ in range(3):
            batch = await session.read(wanted)
            expected = [float(n) for n in range(125) if n != at]
            assert np.delete(batch.value, at).tolist() == expected
            assert np.isnan(batch.value[at])
            assert np.flatnonzero(batch.quality).tolist() == [at]
        asked = len(link.sent)
        await session.read(wanted)
        assert len(link.sent) - asked <= 2
    assert f"r{at} (hr:{at})" in link.warnings[0]
    assert "illegal address" in link.warnings[0]


async def test_a_hole_between_points_blinds_neither(serve, link):
    config = channel(port=await serve(meter(1, registers(0, [7]), registers(5, [8]))))
    wanted = points(config, *words(0, 5))
    async with ModbusDriver(config, wanted, link).open() as session:
        for _ in range(2):
            assert (await session.read(wanted)).value.tolist() == [7, 8]
        assert len(link.sent) == 5
    assert link.warnings == []


async def test_several_units_share_one_connection(serve, link):
    units = [meter(unit, registers(0, [unit * 100])) for unit in range(1, 6)]
    devices = [{"name": f"m{unit}", "unit": unit} for unit in range(1, 6)]
    config = channel(port=await serve(*units), devices=devices)
    polls = [points(config, *words(0), device=d.name) for d in config.devices]
    async with ModbusDriver(config, sum(polls, ()), link).open() as session:
        found = [float((await session.read(poll)).value[0]) for poll in polls]
    assert found == [100, 200, 300, 400, 500]


@pytest.mark.parametrize(
    ("driver", "framer", "more"),
    [
        ("modbus-rtu", FramerType.RTU, {}),
        ("modbus-ascii", FramerType.ASCII, {"data_bits": 8}),
    ],
)
async def test_a_serial_line_carries_several_units_and_a_silent_one(
    line, link, driver, framer, more
):
    port = await line(
        meter(1), meter(3, registers(0, list(range(500, 700)))), framer=framer, deaf=2
    )
    devices = [{"name": f"m{unit}", "unit": unit} for unit in (1, 2, 3)]
    config = channel(driver, port=port, parity="none", devices=devices, request_timeout=0.2, **more)
    first, silent, third = (points(config, *words(0, 1, 120), device=d) for d in ("m1", "m2", "m3"))
    async with ModbusDriver(config, (), link).open() as session:
        with pytest.raises(NoResponse, match="m2"):
            await session.read(silent)
        assert (await session.read(first)).value.tolist() == [0, 1, 120]
        assert (await session.read(third)).value.tolist() == [500, 501, 620]


async def test_rtu_frames_travel_over_tcp(serve, link):
    port = await serve(meter(7), framer=FramerType.RTU)
    config = channel("modbus-rtu-over-tcp", port=port, devices=[{"name": "m", "unit": 7}])
    wanted = points(config, *words(*range(0, 250, 5)))
    async with ModbusDriver(config, wanted, link).open() as session:
        assert (await session.read(wanted)).value.tolist() == list(range(0, 250, 5))


async def test_the_pause_between_frames_is_kept(line, link):
    port = await line(meter(1), framer=FramerType.RTU)
    devices = [{"name": "m", "inter_frame_ms": 30.0, "gap": 0}]
    config = channel("modbus-rtu", port=port, parity="none", devices=devices)
    wanted = points(config, *words(0, 10, 20, 30))
    async with ModbusDriver(config, wanted, link).open() as session:
        began = time.monotonic()
        batch = await session.read(wanted)
    assert batch.value.tolist() == [0, 10, 20, 30]
    assert np.diff(batch.time).min() >= 29_000
    assert time.monotonic() - began >= 0.089


async def test_two_polls_at_once_are_answered_one_after_the_other(serve, link):
    config = channel(port=await serve(meter(1)))
    polls = [points(config, *words(at, at + 1)) for at in range(0, 40, 2)]
    async with ModbusDriver(config, (), link).open() as session:
        batches = await asyncio.gather(*(session.read(poll) for poll in polls))
    assert [b.value.tolist() for b in batches] == [[at, at + 1] for at in range(0, 40, 2)]


async def test_a_cancelled_read_leaves_the_channel_usable(serve, link):
    config = channel(port=await serve(meter(1)))
    wanted = points(config, *words(5))
    async with ModbusDriver(config, wanted, link).open() as session:
        for turns in range(8):
            task = asyncio.ensure_future(session.read(wanted))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await session.read(wanted)).value.tolist() == [5]


async def test_a_refused_connection_is_a_link_error_that_names_the_peer(link):
    config = channel(port=1)
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:1"):
        async with ModbusDriver(config, (), link).open():
            pass


async def test_a_missing_serial_device_is_a_link_error_that_names_it(link):
    config = channel("modbus-rtu", port="/dev/does-not-exist")
    with pytest.raises(LinkError, match="/dev/does-not-exist"):
        async with ModbusDriver(config, (), link).open():
            pass


def test_a_driver_names_faults_between_points():
    config = channel(
        "modbus-rtu", port="/dev/x", devices=[{"name": "m", "unit": 0, "request_timeout": 2}]
    )
    wanted = points(
        config,
        PointSpec(name="a", address="hr:0", type="uint32", writable=True),
        PointSpec(name="b", address="hr:1", type="uint16", writable=True),
        PointSpec(name="c", address="hr:9.0", writable=True),
        PointSpec(name="d", address="hr:9.1", writable=True),
    )
    unit, slow, overlap = ModbusDriver.check(config, wanted)
    assert "unit 0" in unit
    assert "request_timeout is 2 s" in slow
    assert "'m.a' (hr:0)" in overlap
    assert "'m.b' (hr:1)" in overlap


def test_an_address_that_cannot_be_is_a_config_error():
    config = channel(port=502)
    with pytest.raises(ConfigError, match="hr:40"):
        points(config, PointSpec(name="p", address="40041", type="uint16"))


async def test_settings_that_a_port_cannot_take_are_a_config_error(line, link):
    config = channel("modbus-rtu", port=await line(meter(1), framer=FramerType.RTU), parity="odd")
    with pytest.raises(ConfigError, match="cannot be set up"):
        async with ModbusDriver(config, (), link).open():
            pass


async def test_an_empty_poll_is_an_empty_batch(serve, link):
    config = channel(port=await serve(meter(1)))
    async with ModbusDriver(config, (), link).open() as session:
        assert len(await session.read(())) == 0
        assert GOOD == 0
