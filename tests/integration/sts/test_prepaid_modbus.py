"""The virtual prepayment meter as a gateway meets it: over Modbus TCP, through our own driver."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pymodbus.client import AsyncModbusTcpClient

from drivers.sts import contents as c
from drivers.sts.encoder import encode
from drivers.sts.identity import Meter
from drivers.sts.keys import Secret
from simulators.prepaid import PrepaidMeter, virtual_meter
from simulators.prepaid_modbus import PrepaidUnit, serve

IDENTITY = Meter(pan="600727000000000009", supply_group="201457")
KEY = Secret.from_hex("ABABABABABABABAB949494949494949401234567")
NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)


@pytest.fixture
def device() -> PrepaidMeter:
    return PrepaidMeter(virtual_meter(IDENTITY, KEY), demand=2300)


@pytest.fixture
async def client(device: PrepaidMeter) -> AsyncIterator[AsyncModbusTcpClient]:
    async with serve({7: device}, speed=0) as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        await client.connect()
        yield client
        client.close()


async def registers(client: AsyncModbusTcpClient) -> list[int]:
    return (await client.read_holding_registers(0, count=30, device_id=7)).registers


async def enter(client: AsyncModbusTcpClient, digits: str) -> str:
    words = [int.from_bytes(digits[i : i + 2].encode(), "big") for i in range(0, 20, 2)]
    answer = await client.write_registers(32, words, device_id=7)
    assert not answer.isError()
    text = b"".join(word.to_bytes(2, "big") for word in (await registers(client))[18:26])
    return text.rstrip(b"\0").decode()


def token(device: PrepaidMeter, units: int, tid: int) -> str:
    return encode(c.Credit(units=units, tid=tid), device.sts.key)


async def test_a_token_written_to_the_registers_closes_the_relay(
    device: PrepaidMeter, client: AsyncModbusTcpClient
) -> None:
    before = await registers(client)
    assert (before[8], before[9]) == (0, 1)
    digits = token(device, 25, 10)
    assert await enter(client, digits) == "Accept"
    after = await registers(client)
    assert after[:4] == [2300, 1000, 0, 2300]
    assert (after[6] << 16 | after[7], after[8], after[9], after[17]) == (250, 1, 0, 1)
    assert await enter(client, digits) == "UsedError"
    assert (await registers(client))[6:10] == after[6:10]


async def test_bad_tokens_are_named_and_change_nothing(
    device: PrepaidMeter, client: AsyncModbusTcpClient
) -> None:
    assert await enter(client, "1" * 20) == "CRCError"
    assert await enter(client, "not twenty digits!!!") == "FormatError"
    assert device.balance == 0


async def test_the_credit_is_used_up_and_the_relay_opens(
    device: PrepaidMeter, client: AsyncModbusTcpClient
) -> None:
    unit = PrepaidUnit(device)
    await enter(client, token(device, 1, 10))
    device.run(3600)
    unit.show()
    await enter(client, "1" * 20)
    now = await registers(client)
    assert now[6:10] == [0, 0, 0, 1]
    assert now[4:6] == [0, 10]


async def test_the_relay_can_be_opened_and_closed_from_afar(
    device: PrepaidMeter, client: AsyncModbusTcpClient
) -> None:
    await enter(client, token(device, 25, 10))
    await client.write_register(30, 0, device_id=7)
    assert (await registers(client))[8:10] == [0, 4]
    await client.write_register(30, 1, device_id=7)
    assert (await registers(client))[8:10] == [1, 0]


async def test_time_runs_by_itself(device: PrepaidMeter) -> None:
    device.enter(token(device, 100, 10), NOW)
    async with serve({1: device}, speed=3600) as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        await client.connect()
        for _ in range(200):
            words = (await client.read_holding_registers(4, count=2, device_id=1)).registers
            if words[1]:
                break
            await asyncio.sleep(0.02)
        client.close()
    assert words[1] > 0
