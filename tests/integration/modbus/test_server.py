"""A gateway as a Modbus server: pymodbus and a channel of our own read it and command it."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from config import Faults
from drivers import modbus
from hub import GOOD, LOST, SITE, Command, CommandDone, Flag, Outcome, hookimpl
from hub.kernel.app import JOURNAL, Hub
from hub.kernel.operator import OPERATOR
from simulators.modbus import Server, Unit
from tests.field import FIELD, field_unit
from tests.gateways import free_port, made, running
from tests.waiting import until

GATEWAY = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
port = 0
[[plugin.modbus.servers]]
port = {port}
{more}
points = [
  { point = "bay.voltage", address = "ir:0", type = "float32", word_order = "little", quality = "ir:9" },
  { point = "bay.voltage", address = "hr:10", type = "uint16", scale = 0.1, invalid = 65535 },
  { point = "bay.energy", address = "hr:20", type = "uint64", quality = "hr:24" },
  { point = "bay.name", address = "hr:30", type = "string:6" },
  { point = "bay.limit", address = "hr:40", type = "int32", scale = 0.5, writable = true },
  { point = "bay.breaker", address = "co:3", writable = true },
  { point = "bay.state", address = "di:3" },
  { point = "bay.mode", address = "hr:50.4-6", writable = true },
  { point = "bay.breaker", address = "hr:50.0", writable = true },
  { point = "bay.limit", address = "hr:51", type = "uint16" },
]
"""  # noqa: E501
MIRROR = """
[[channels]]
driver = "modbus-tcp"
name = "mirror"
host = "127.0.0.1"
port = {port}
backoff = { first = 0.05, last = 0.1 }
[[channels.devices]]
name = "seen"
every = 0.05
points = [
  { name = "voltage", address = "ir:0", type = "float32", word_order = "little" },
  { name = "energy", address = "hr:20", type = "uint64" },
  { name = "name", address = "hr:30", type = "string:6", kind = "text" },
  { name = "limit", address = "hr:40", type = "int32", scale = 0.5, writable = true },
  { name = "mode", address = "hr:50.4-6", writable = true },
]
"""


class Plant:
    """The device in the field, the gateway, and a foreign client of the gateway."""

    def __init__(self, unit: Unit, field: Server, port: int) -> None:
        self.unit, self.field, self.port = unit, field, port
        self.hub: Hub
        self.client: Any

    def commands(self) -> list[CommandDone]:
        return self.hub.get(JOURNAL).of(CommandDone)  # type: ignore[attr-defined,no-any-return]

    async def words(self, first: int, count: int, table: str = "hr") -> bytes | int:
        """The registers, or the exception code."""
        read = {"hr": "read_holding_registers", "ir": "read_input_registers"}[table]
        found = await getattr(self.client, read)(first, count=count)
        if found.isError():
            return int(found.exception_code)
        return struct.pack(f">{count}H", *found.registers)

    def key(self, name: str) -> float:
        site = self.hub.get(SITE)
        batch = site.latest([site.points[name]])
        return float(batch.value[0]) if len(batch) else float("nan")


@contextlib.asynccontextmanager
async def plant(
    folder: Path, more: str = "", extra: str = "", *modules: Any
) -> AsyncIterator[Plant]:
    unit = field_unit()
    async with Server({1: unit}) as field:
        found = Plant(unit, field, free_port())
        file = (GATEWAY + FIELD + extra).replace("{more}", more)
        file = file.replace("{port}", str(found.port)).replace("{field}", str(field.port))
        async with running(file, folder, modbus, *modules) as found.hub:
            client = AsyncModbusTcpClient("127.0.0.1", port=found.port, retries=0, timeout=2)
            if "192.0.2" not in more:
                await until(client.connect)
            found.client = client
            await until(lambda: found.key("bay.voltage") == pytest.approx(230.1))
            yield found
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", found.port), 1)


WRITERS = 'writers = ["127.0.0.0/8"]'


async def test_a_foreign_client_reads_engineering_values_and_quality(tmp_path: Path) -> None:
    async with plant(tmp_path) as site:
        low, high = struct.unpack(">2s2s", await site.words(0, 2, "ir"))  # type: ignore[arg-type]
        assert struct.unpack(">f", high + low)[0] == pytest.approx(230.1)
        assert await site.words(10, 1) == (2301).to_bytes(2, "big")
        assert await site.words(20, 4) == (123456).to_bytes(8, "big")
        assert await site.words(22, 2) == (123456).to_bytes(4, "big")
        assert await site.words(24, 1) == await site.words(9, 1, "ir") == GOOD.to_bytes(2, "big")
        assert await site.words(30, 3) == b"income"
        assert await site.words(40, 2) == (140).to_bytes(4, "big")
        assert await site.words(50, 2) == bytes((0, 5 << 4, 0, 70))
        coils = await site.client.read_coils(3, count=1)
        assert coils.bits[0] is False
        assert await site.words(11, 1) == 2
        assert await site.words(40, 12) == 2


async def test_bad_values_are_told_by_exception_by_stand_in_and_by_quality(tmp_path: Path) -> None:
    async with plant(tmp_path) as site:
        site.unit.faults.silent = True
        await until(lambda: site.key("bay.energy") != 123456 or _quality(site) == LOST)
        assert await site.words(20, 4) == 0x0B
        assert await site.words(10, 1) == b"\xff\xff"
        word = int.from_bytes(await site.words(24, 1), "big")  # type: ignore[arg-type]
        assert word & Flag.COMM_LOST
        site.unit.faults.silent = False
        site.unit.image.set("voltage", 2302)
        await until(lambda: site.key("bay.voltage") == pytest.approx(230.2))
        assert await site.words(10, 1) == (2302).to_bytes(2, "big")


def _quality(site: Plant) -> int:
    here = site.hub.get(SITE)
    return int(here.latest([here.points["bay.energy"]]).quality[0])


async def test_a_value_that_the_registers_cannot_hold_is_never_cut(tmp_path: Path) -> None:
    async with plant(tmp_path) as site:
        site.unit.image.set("limit", 70_000)
        await until(lambda: site.key("bay.limit") == 70_000)
        assert await site.words(51, 1) == 0x0B
        assert await site.words(40, 2) == (140_000).to_bytes(4, "big")


async def test_nobody_writes_unless_the_file_says_so(tmp_path: Path) -> None:
    async with plant(tmp_path) as site:
        refused = await site.client.write_registers(40, [0, 10])
        assert refused.exception_code == 1
        assert site.unit.image.read("hr", 20, 2) == (70).to_bytes(4, "big")
        assert site.commands() == []


async def test_writes_are_commands_that_the_journal_knows(tmp_path: Path) -> None:
    async with plant(tmp_path, WRITERS) as site:
        assert not (await site.client.write_registers(40, [0, 11 * 2])).isError()
        assert site.unit.image.read("hr", 20, 2) == (11).to_bytes(4, "big")
        assert not (await site.client.write_coil(3, True)).isError()
        assert site.unit.image.read("co", 0, 1) == b"\1"
        mask = await site.client.mask_write_register(address=50, and_mask=0xFF8F, or_mask=0x0030)
        assert not mask.isError()
        assert site.unit.image.read("hr", 24, 1) == b"\0\3"
        assert {done.actor for done in site.commands()} == {"modbus client 127.0.0.1"}
        assert [done.key for done in site.commands()] == ["bay.limit", "bay.breaker", "bay.mode"]
        assert {done.outcome for done in site.commands()} == {Outcome.DONE}


@pytest.mark.parametrize(
    ("first", "values", "code"),
    [
        (40, [1], 2),  # half of a value
        (10, [1], 2),  # shown, not writable
        (39, [0, 0, 1], 2),  # where nothing is
        (50, [1], 2),  # bits, by a function for registers
        (40, [0xFFFF, 0xFFF0], 4),  # -8 does not fit what the device takes
    ],
)
async def test_a_write_that_makes_no_sense_reaches_no_device(
    tmp_path: Path, first: int, values: list[int], code: int
) -> None:
    async with plant(tmp_path, WRITERS) as site:
        before = bytes(site.unit.image.read("hr", 20, 2) or b"")
        assert (await site.client.write_registers(first, values)).exception_code == code
        assert site.unit.image.read("hr", 20, 2) == before
        mask = await site.client.mask_write_register(address=50, and_mask=0xFF9F, or_mask=0x0020)
        assert mask.exception_code == 2


class Interlock:
    """A plugin that forbids everything."""

    @staticmethod
    @hookimpl
    def hub_command_guard(command: Any) -> str | None:
        return "earthed" if command.point.key == "bay.breaker" else None


async def test_local_operation_and_interlocks_hold_for_clients_too(tmp_path: Path) -> None:
    async with plant(tmp_path, WRITERS) as site:
        await site.hub.get(OPERATOR).set_local(True)
        assert (await site.client.write_coil(3, True)).exception_code == 4
        await site.hub.get(OPERATOR).set_local(False)
        site.hub.hooks.register(Interlock())
        assert (await site.client.write_coil(3, True)).exception_code == 4
        assert site.unit.image.read("co", 0, 1) == b"\0"
        assert site.commands()[-1].outcome is Outcome.INTERLOCKED
        site.unit.faults.silent = True
        silent = await site.client.write_registers(40, [0, 2])
        assert silent.exception_code in {4, 0x0B}  # not online any more, or nobody answered


async def test_our_own_driver_reads_a_gateway_and_operates_through_it(tmp_path: Path) -> None:
    async with plant(tmp_path, WRITERS, MIRROR) as site:
        await until(lambda: site.key("seen.voltage") == pytest.approx(230.1, rel=1e-6))
        await until(lambda: site.key("seen.energy") == 123456)
        here = site.hub.get(SITE)
        assert here.latest([here.points["seen.name"]]).text[0] == "income"
        for name, value in (("seen.limit", 33.0), ("seen.mode", 6.0)):
            command = Command(
                point=here.points[name], value=value, actor="anna", expires=here.now() + 5_000_000
            )
            assert (await here.operate(command)).outcome in {Outcome.DONE, Outcome.REJECTED}
            await until(lambda name=name, value=value: site.key(name) == value)
        assert site.unit.image.read("hr", 20, 2) == (33).to_bytes(4, "big")
        assert site.unit.image.read("hr", 24, 1) == b"\0\6"


async def test_only_listed_clients_connect_and_the_idle_one_makes_room(tmp_path: Path) -> None:
    async with plant(tmp_path, 'clients = ["127.0.0.1"]\nconnections = 2') as site:
        others = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(2)]
        await until(lambda: not site.client.connected)
        for _, writer in others:
            writer.write(bytes.fromhex("000100000006010300 0a 0001"))
        for reader, writer in others:
            assert (await reader.readexactly(11))[-2:] == (2301).to_bytes(2, "big")
            writer.close()


async def test_a_client_that_is_not_listed_gets_nothing(tmp_path: Path) -> None:
    async with plant(tmp_path, 'clients = ["192.0.2.0/24"]') as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        with contextlib.suppress(ConnectionError):
            writer.write(bytes.fromhex("0001000000060103000a0001"))
            assert await reader.read() == b""
        writer.close()


async def test_noise_ends_a_connection_and_no_other(tmp_path: Path) -> None:
    async with plant(tmp_path) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        assert await site.words(10, 1) == (2301).to_bytes(2, "big")


async def test_a_port_in_use_is_told_and_the_rest_of_the_gateway_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    unit = field_unit()
    async with Server({1: unit}) as field:
        file = (GATEWAY + FIELD).replace("{more}", "").replace("{field}", str(field.port))
        async with running(file.replace("{port}", str(field.port)), tmp_path, modbus) as hub:
            site = hub.get(SITE)
            await until(lambda: len(site.latest([site.points["bay.voltage"]])))
            told = [r.message for r in caplog.records if "cannot listen" in r.message]
            place = f"127.0.0.1:{field.port}"
            assert told == [f"modbus server {place}: cannot listen on {place}: address in use"]


async def test_an_unknown_point_is_told_with_file_and_line_and_the_rest_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unit = field_unit()
    async with Server({1: unit}) as field:
        file = (GATEWAY + FIELD).replace("{more}", "").replace("{field}", str(field.port))
        file = file.replace('"bay.state"', '"bay.nothing"').replace("{port}", str(free_port()))
        line = file[: file.index("bay.nothing")].count("\n") + 1
        async with running(file, tmp_path, modbus) as hub:
            site = hub.get(SITE)
            await until(lambda: len(site.latest([site.points["bay.voltage"]])))
            await until(lambda: "is no point" in caplog.text)
            assert f"gateway.toml:{line}: 'bay.nothing' is no point" in caplog.text


def test_registers_that_overlap_are_refused_with_file_and_line(tmp_path: Path) -> None:
    file = (GATEWAY + FIELD).replace("{more}", "").replace("{field}", "1").replace("{port}", "1502")
    with pytest.raises(Faults, match=r"gateway.toml:7: .*'bay.limit' .* share registers"):
        made(file.replace("hr:51", "hr:41"), tmp_path, modbus)
    with pytest.raises(Faults, match=r"gateway.toml:20: .*'hr:510.' is none of"):
        made(file.replace("hr:51", "hr:510."), tmp_path, modbus)
