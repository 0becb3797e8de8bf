"""Controls: what the device holds afterwards decides, and nothing is sent twice."""

import struct
import time

import pytest
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.driver import ModbusDriver
from hub import Command, Outcome, PointSpec

from .conftest import answer, channel, holding, meter, points, registers


def command(point, value) -> Command:
    return Command(
        point=point, value=value, actor="ada", expires=time.time_ns() // 1000 + 60_000_000
    )


async def operate(config, link, spec, value):
    """(result of the command, value read afterwards)."""
    wanted = points(config, spec)
    async with ModbusDriver(config, wanted, link).open() as session:
        result = await session.operate(command(wanted[0], value))
        batch = await session.read(wanted)
    return result, batch.text.get(0, float(batch.value[0]))


@pytest.mark.parametrize(
    ("address", "type_", "value", "raw"),
    [
        ("hr:5", "uint16", 777, 777),
        ("hr:5", "int16", -777, -777),
        ("hr:5", "float32", 230.5, 230.5),
        ("hr:5", "uint64", 2**40, 2**40),
        ("hr:5", "bcd32", 12345678, 12345678),
        ("hr:5", "string:6", "ABS630", "ABS630"),
        ("hr:5", "bool", 1, 1),
        ("hr:5.3", "", 1, 1),
        ("hr:5.4-7", "", 9, 9),
    ],
)
async def test_a_value_written_to_registers_is_read_back(serve, link, address, type_, value, raw):
    config = channel(port=await serve(meter(1)))
    spec = PointSpec(name="p", address=address, type=type_, writable=True)
    result, held = await operate(config, link, spec, value)
    assert result.outcome is Outcome.DONE, result
    assert held == raw


async def test_a_bit_is_written_without_touching_its_neighbours(serve, link):
    config = channel(port=await serve(meter(1, registers(0, [0b1010_0101]))))
    wanted = points(
        config,
        PointSpec(name="bit", address="hr:0.3", writable=True),
        PointSpec(name="all", address="hr:0", type="uint16"),
    )
    async with ModbusDriver(config, wanted, link).open() as session:
        await session.operate(command(wanted[0], 1))
        assert (await session.read(wanted)).value.tolist() == [1, 0b1010_1101]
        await session.operate(command(wanted[0], 0))
        assert (await session.read(wanted)).value.tolist() == [0, 0b1010_0101]
    assert [frame[7] for frame in link.sent if frame[7] > 4] == [22, 22]


async def test_a_coil_is_switched_and_read_back(serve, link):
    coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    words_ = [registers(0, [0])]
    device = SimDevice(1, simdata=(coils, coils, words_, words_))
    config = channel(port=await serve(device))
    spec = PointSpec(name="breaker", address="co:3", writable=True)
    result, held = await operate(config, link, spec, 1)
    assert (result.outcome, held) == (Outcome.DONE, 1)


async def test_a_value_outside_the_type_is_never_sent(serve, link):
    config = channel(port=await serve(meter(1)))
    wanted = points(config, PointSpec(name="p", address="hr:5", type="uint16", writable=True))
    async with ModbusDriver(config, wanted, link).open() as session:
        result = await session.operate(command(wanted[0], 65536))
    assert result.outcome is Outcome.REJECTED
    assert "does not fit uint16" in result.detail
    assert link.sent == []


async def test_an_illegal_address_is_rejected_in_the_devices_words(serve, link):
    config = channel(port=await serve(meter(1, registers(0, [1]))))
    wanted = points(config, PointSpec(name="p", address="hr:5", type="uint16", writable=True))
    async with ModbusDriver(config, wanted, link).open() as session:
        result = await session.operate(command(wanted[0], 1))
    assert result.outcome is Outcome.REJECTED
    assert result.detail == "illegal address (exception 2)"


def setpoint(port: int, **device):
    config = channel(port=port, request_timeout=0.3, devices=[{"name": "m", **device}])
    spec = PointSpec(name="p", address="hr:5", type="uint16", writable=True)
    return config, points(config, spec)


async def run(rogue, link, reply, value=9, **device):
    rogue.reply = reply
    config, wanted = setpoint(rogue.port, **device)
    async with ModbusDriver(config, wanted, link).open() as session:
        return await session.operate(command(wanted[0], value))


def writes(rogue) -> list[int]:
    return [request[7] for request in rogue.requests if request[7] not in {1, 2, 3, 4}]


async def test_a_device_that_keeps_another_value_is_shown_with_it(rogue, link):
    result = await run(rogue, link, lambda r: r if r[7] == 6 else holding(r))
    assert result.outcome is Outcome.REJECTED
    assert result.detail == "the device holds 0x0005, not 0x0009"


async def test_a_device_that_takes_a_moment_is_given_it(rogue, link):
    def reply(request):
        if request[7] == 6:
            return request
        late = len(rogue.requests) > 3
        return answer(request, b"\x03\x02" + struct.pack(">H", 9 if late else 0))

    assert (await run(rogue, link, reply)).outcome is Outcome.DONE


async def test_a_write_without_answer_is_a_timeout_and_not_repeated(rogue, link):
    result = await run(rogue, link, lambda r: None if r[7] == 6 else holding(r))
    assert result.outcome is Outcome.TIMEOUT
    assert "it holds 0x0005" in result.detail
    assert writes(rogue) == [6]


async def test_a_link_that_dies_with_the_write_leaves_it_unknown(rogue, link):
    result = await run(rogue, link, lambda r: b"")
    assert result.outcome is Outcome.UNKNOWN
    assert writes(rogue) == [6]


async def test_an_answer_that_confirms_something_else_leaves_it_unknown(rogue, link):
    result = await run(rogue, link, lambda r: r[:-1] + b"\x08" if r[7] == 6 else holding(r))
    assert result.outcome is Outcome.UNKNOWN


async def test_a_device_without_single_writes_gets_a_multiple_one(rogue, link):
    def reply(request):
        if request[7] == 6:
            return answer(request, b"\x86\x01")
        if request[7] == 16:
            return answer(request, request[7:12])
        return answer(request, b"\x03\x02\x00\x09")

    assert (await run(rogue, link, reply)).outcome is Outcome.DONE
    assert writes(rogue) == [6, 16]


async def test_a_register_that_cannot_be_read_is_accepted(rogue, link):
    reply = lambda r: r if r[7] == 6 else answer(r, b"\x83\x02")  # noqa: E731
    assert (await run(rogue, link, reply)).outcome is Outcome.ACCEPTED


async def test_read_back_can_be_turned_off(rogue, link):
    assert (await run(rogue, link, lambda r: r, read_back=False)).outcome is Outcome.DONE
    assert len(rogue.requests) == 1


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1, Outcome.NOT_SUPPORTED),
        (3, Outcome.REJECTED),
        (4, Outcome.REJECTED),
        (5, Outcome.ACCEPTED),
        (6, Outcome.REJECTED),
        (11, Outcome.TIMEOUT),
    ],
)
async def test_an_exception_becomes_an_outcome(rogue, link, code, outcome):
    result = await run(rogue, link, lambda r: answer(r, bytes([r[7] | 0x80, code])))
    assert result.outcome is outcome
    assert f"exception {code}" in result.detail
