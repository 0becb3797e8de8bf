"""The simulated devices as a Modbus client that we did not write sees them."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException, ModbusIOException

from drivers.capture import packets
from hub import PointSpec
from hub.kernel.profiles import Profile, Profiles
from simulators.electrical import Energies, Meter, generating
from simulators.field import Field, serve_network
from simulators.modbus import Server, Unit
from simulators.network import Network

PROFILES = Profiles()
METER = Meter(
    voltage=(231.25, 229.5, 230.75),
    active=(1830.0, 910.0, 1475.0),
    reactive=(420.0, 130.0, 260.0),
    frequency=49.98,
    energies=Energies((1234.5, 1034.25, 998.75), (12.5, 7.25, 3.0), (210.0, 190.5, 180.25)),
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server({1: Unit(PROFILES.find("busbar/simulated_meter"))}) as running:
        yield running


async def connect(server: Server, patience: float = 2.0) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient(
        server.host, port=server.port, timeout=patience, retries=0, reconnect_delay=0
    )
    assert await client.connect()
    return client


async def fetch(client: AsyncModbusTcpClient, spec: PointSpec, unit: int) -> Any:
    """One point as its raw value, read by itself."""
    table, index = spec.address.split(":")
    if table in {"co", "di"}:
        read_bits = client.read_coils if table == "co" else client.read_discrete_inputs
        return float((await read_bits(int(index), count=1, device_id=unit)).bits[0])
    read = client.read_holding_registers if table == "hr" else client.read_input_registers
    name, _, length = spec.type.partition(":")
    kind = client.DATATYPE[name.upper()]
    count = (int(length) + 1) // 2 if length else kind.value[1]
    answer = await read(int(index), count=count, device_id=unit)
    assert not answer.isError(), f"{spec.name} at {spec.address}: {answer}"
    return client.convert_from_registers(answer.registers, kind, word_order=spec.word_order)


def resolution(spec: PointSpec, value: float, exponent: float) -> float:
    """How far a register can be from the value that it shows."""
    if spec.type == "float32":
        return abs(value) * 2**-23
    if spec.type == "float64":
        return abs(value) * 2**-52
    return spec.scale * 10**exponent * 1.001


def fits(spec: PointSpec, value: float, exponent: float) -> bool:
    """Whether the register can hold the value at all; a gauge without a sign cannot go below 0."""
    return not (spec.type.startswith("uint") and value < 0) and (
        not spec.type.endswith("int16") or abs(value) < 32_000 * spec.scale * 10**exponent
    )


MODBUS = [profile for profile in PROFILES.all() if profile.protocol == "modbus"]


@pytest.mark.parametrize("profile", MODBUS, ids=lambda profile: profile.code)
async def test_a_foreign_client_reads_every_point_of_the_profile(profile: Profile) -> None:
    values = METER.values()
    if "generation" in profile.header.capabilities:
        values = generating(values)
    unit = Unit(profile)
    unit.image.show(values)
    compared = 0
    async with Server({7: unit}) as server:
        client = await connect(server)
        for spec in profile.points:
            raw = await fetch(client, spec, 7)
            expected = values.get(spec.measurement)
            exponent = unit.image.exponents.get(spec.scale_from, 0)
            if spec.scale_from:
                source = next(p for p in profile.points if p.name == spec.scale_from)
                assert await fetch(client, source, 7) == exponent
            if expected is None or not fits(spec, expected, exponent):
                continue
            got = raw * 10**exponent * spec.scale + spec.offset
            assert abs(got - expected) <= resolution(spec, expected, exponent), spec.name
            compared += 1
        for mark in profile.header.identify:
            spec = PointSpec(name="mark", address=mark.address, type=mark.type)
            assert await fetch(client, spec, 7) == mark.equals
        client.close()
    assert compared or "breaker" in profile.header.capabilities


async def test_device_identification_names_maker_and_model(server: Server) -> None:
    client = await connect(server)
    answer = await client.read_device_information(read_code=1, object_id=0, device_id=1)
    assert answer.information[0] == b"Busbar"
    assert answer.information[1] == b"simulated meter"
    client.close()


async def test_an_absent_unit_gets_the_gateway_exception(server: Server) -> None:
    client = await connect(server)
    answer = await client.read_holding_registers(0, count=1, device_id=9)
    assert answer.exception_code == 0x0B
    client.close()


async def test_every_block_served_is_noted_with_its_bytes(server: Server) -> None:
    server.log = []
    client = await connect(server)
    answer = await client.read_holding_registers(0, count=6, device_id=1)
    await client.read_holding_registers(500, count=1, device_id=1)
    (served,) = server.log
    assert (served.unit, served.table, served.first) == (1, "hr", 0)
    assert served.data == struct.pack(">6H", *answer.registers)
    client.close()


@pytest.mark.parametrize("fault", ["silent", "wrong_unit", "garbage", "drop"])
async def test_a_faulty_unit_gives_no_answer_that_passes(server: Server, fault: str) -> None:
    client = await connect(server, patience=0.2)
    setattr(server.units[1].faults, fault, True)
    with pytest.raises((ModbusIOException, ModbusException)):
        await client.read_holding_registers(0, count=2, device_id=1)
    client.close()
    setattr(server.units[1].faults, fault, False)
    client = await connect(server)
    assert len((await client.read_holding_registers(0, count=2, device_id=1)).registers) == 2
    client.close()


async def test_a_slow_unit_does_not_hold_up_another(server: Server) -> None:
    server.units[2] = Unit(PROFILES.find("busbar/simulated_meter"))
    server.units[1].faults.delay = 0.3
    slow, fast = await connect(server), await connect(server)
    waiting = asyncio.create_task(slow.read_holding_registers(0, count=1, device_id=1))
    await asyncio.sleep(0)
    assert not (await fast.read_holding_registers(0, count=1, device_id=2)).isError()
    assert not waiting.done()
    assert not (await waiting).isError()
    slow.close()
    fast.close()


async def test_a_half_open_link_accepts_and_never_answers(server: Server) -> None:
    client = await connect(server, patience=0.2)
    server.half_open = True
    with pytest.raises(ModbusIOException):
        await client.read_holding_registers(0, count=1, device_id=1)
    assert len(server.connections) == 1
    client.close()


async def test_frames_may_arrive_in_pieces_or_together(server: Server) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    frame = bytes.fromhex("0001 0000 0006 01 03 0000 0001".replace(" ", ""))
    for byte in frame:
        writer.write(bytes((byte,)))
        await writer.drain()
    first = await reader.readexactly(11)
    writer.write(frame.replace(b"\0\1", b"\0\2", 1) + frame.replace(b"\0\1", b"\0\3", 1))
    both = await reader.readexactly(22)
    assert first[:2] + both[:2] + both[11:13] == b"\0\1\0\2\0\3"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "frame", ["000100010006010300000001", "0001000000ff0103", "47455420 2f2048545450"]
)
async def test_a_foreign_protocol_is_shown_the_door(server: Server, frame: str) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(bytes.fromhex(frame))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    client = await connect(server)
    assert not (await client.read_holding_registers(0, count=1, device_id=1)).isError()
    client.close()


async def test_fuzzed_traffic_leaves_the_server_sound(server: Server, shared: Path) -> None:
    capture = (shared / "data/pcaps/modbus/zeek/fuzz-72.pcap").read_bytes()
    frames = [p.payload for p in packets(capture) if p.sequence is not None and p.payload]
    assert len(frames) >= 10
    for frame in frames:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(frame[:6] + b"\1" + frame[7:])  # to the unit that exists
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    client = await connect(server)
    assert not (await client.read_holding_registers(0, count=1, device_id=1)).isError()
    client.close()


async def _read_total(field: Field, name: str) -> float:
    outlet = next(outlet for outlet in field.outlets if name in outlet.names)
    number = outlet.names.index(name) + 1
    spec = outlet.server.units[number].profile.measuring("power.active.total")
    assert spec is not None
    client = await connect(outlet.server)
    raw = await fetch(client, spec, number)
    client.close()
    return float(raw * spec.scale)


async def test_a_breaker_operated_over_the_wire_opens_its_feeder() -> None:
    network = Network(1, start=12 * 3600.0)
    async with serve_network(network, profiles=PROFILES, speed=0) as field:
        assert await _read_total(field, "SS1-F1-HEAD") > 0
        outlet = next(outlet for outlet in field.outlets if outlet.name == "SS1-F1")
        client = await connect(outlet.server)
        breaker = len(outlet.names)
        assert (await client.read_discrete_inputs(0, count=1, device_id=breaker)).bits[0]
        await client.write_coil(0, value=False, device_id=breaker)
        assert not (await client.read_discrete_inputs(0, count=1, device_id=breaker)).bits[0]
        field.advance(1.0)
        client.close()
        assert await _read_total(field, "SS1-F1-HEAD") == 0
        assert await _read_total(field, "SS1-F1-M1") == 0
        assert await _read_total(field, "SS1-F2-HEAD") > 0


async def test_the_clock_of_a_field_runs_by_itself_at_its_speed() -> None:
    shown: list[float] = []
    enough = asyncio.Event()

    def show(now: float) -> None:
        shown.append(now)
        if len(shown) > 5:
            enough.set()

    async with Field([], show, speed=3600.0, tick=0.01):
        async with asyncio.timeout(10):
            await enough.wait()
    assert shown[0] == 0
    assert shown == sorted(set(shown))
    assert shown[5] >= 5 * 0.01 * 3600 * 0.9
