"""What a gateway's buffer has, in a real InfluxDB: all of it, and each reading once."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from config import Faults
from drivers import forward, modbus
from drivers.forward.cursor import Cursor
from drivers.forward.forwarding import Forwarding
from drivers.forward.influx import InfluxForwarder
from drivers.forward.settings import Influx
from hub import GOOD, LOST, SITE, Backoff, Kind, Point, PointSpec, ReadingBatch, kept
from simulators.modbus import Server
from sync.buffer import Buffer
from tests import waiting
from tests.field import FIELD, field_unit
from tests.gateways import made, running
from tests.integration.forward.conftest import PASSWORD, USER, InfluxServer

until = functools.partial(waiting.until, seconds=30.0)  # a database begins slowly
NOW = 1_785_326_400_000_000
SPECS = (
    PointSpec(name="voltage", address="", unit="V"),
    PointSpec(name="flow", address="", unit="m³, h=1"),
    PointSpec(name="label", address="", kind=Kind.TEXT),
)
QUICK = Backoff(first=0.05, last=0.1, auth=0.1)


class Here:
    """A site with points and nothing else."""

    points = {  # noqa: RUF012
        f"bay.{spec.name}": Point(
            id=n, key=f"bay.{spec.name}", device="bay", spec=spec, address=None
        )
        for n, spec in enumerate(SPECS, 1)
    }


@contextlib.asynccontextmanager
async def forwarding(
    server: InfluxServer, buffer: Buffer, folder: Path, **more: Any
) -> AsyncIterator[None]:
    target = Influx(
        name="historian", url=server.url, database="plant", every=0.05, backoff=QUICK, batch=700,
        timeout=5.0, **more,
    )  # fmt: skip
    work = Forwarding(
        target, InfluxForwarder(target, "s7"), Cursor(folder / "cursor.json"), buffer,
        Here(), lambda row: f"file:{row}",  # type: ignore[arg-type]
    )  # fmt: skip
    async with kept("forward historian", work.run, target.backoff):
        yield


def put(buffer: Buffer, first: int, count: int) -> None:
    """Readings of `voltage`, a millisecond apart, that number themselves."""
    numbers = range(first, first + count)
    times = [NOW + 1000 * n for n in numbers]
    buffer.readings(ReadingBatch.of([1] * count, times, [float(n) for n in numbers]))


async def values(server: InfluxServer) -> list[tuple[int, float]]:
    rows = await server.ask("SELECT value FROM reading WHERE point = 'voltage'")
    return [(row[0], row[1]) for row in rows]


async def count(server: InfluxServer) -> int:
    rows = await server.ask("SELECT count(value) FROM reading WHERE point = 'voltage'")
    return int(rows[0][1]) if rows else 0


async def test_values_texts_and_qualities_arrive_under_their_tags(
    influx: InfluxServer, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        batch = ReadingBatch.of(
            [1, 2, 3, 1, 9],
            [NOW, NOW, NOW, NOW + 1, NOW],
            [230.5, 1e21, float("nan"), float("nan"), 7.0],
            [GOOD, GOOD, GOOD, LOST, GOOD],
            text={2: 'say "no", a\\b=c'},
        )
        buffer.readings(batch)
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: count(influx))
            rows = await influx.ask("SELECT value, text, quality FROM reading GROUP BY *")
    found = {(row[0], row[4]["point"]): row for row in rows}
    assert found[NOW, "voltage"] == [
        NOW, 230.5, None, 0,
        {"device": "bay", "gateway": "s7", "point": "voltage", "unit": "V"},
    ]  # fmt: skip
    assert found[NOW, "flow"][1] == 1e21
    assert found[NOW, "flow"][4]["unit"] == "m³, h=1"
    assert found[NOW, "label"][2] == 'say "no", a\\b=c'
    assert found[NOW + 1, "voltage"][1:4] == [None, None, LOST]
    assert len(found) == 4  # the reading of a point that nobody knows is not sent


async def test_nothing_is_lost_or_doubled_while_either_side_is_away(
    influx: InfluxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        put(buffer, 0, 3000)
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: _is(influx, 3000))
            await influx.stop()
            put(buffer, 3000, 2000)
            await until(lambda: "Connection refused" in caplog.text)
            await influx.start()
            await until(lambda: _is(influx, 5000))
        put(buffer, 5000, 1000)
        await buffer.flush()
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: _is(influx, 6000))
        (tmp_path / "cursor.json").write_text("{")  # all of it once more
        put(buffer, 6000, 1)
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: _is(influx, 6001))
    assert await values(influx) == [(NOW + 1000 * n, float(n)) for n in range(6001)]
    assert caplog.text.count("Connection refused") == 1
    assert "works again" in caplog.text


async def _is(server: InfluxServer, wanted: int) -> bool:
    return await count(server) == wanted


async def test_wrong_credentials_are_told_once_and_tried_again(
    influx: InfluxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await influx.ask(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
    await influx.stop()
    await influx.start(auth=True)
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        put(buffer, 0, 10)
        async with forwarding(influx, buffer, tmp_path, username=USER, password="wrong"):
            await until(lambda: "status 401" in caplog.text)
            await asyncio.sleep(0.3)
        assert caplog.text.count("status 401") == 1
        assert "wrong" not in caplog.text
        async with forwarding(influx, buffer, tmp_path, username=USER, password=PASSWORD):
            await until(lambda: _is(influx, 10))


async def test_a_database_that_is_not_there_is_told(
    influx: InfluxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await influx.ask("DROP DATABASE plant")
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        put(buffer, 0, 10)
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: "database not found" in caplog.text)
            await influx.ask("CREATE DATABASE plant")
            await until(lambda: _is(influx, 10))


async def test_what_the_database_refuses_for_its_content_does_not_stop_the_rest(
    influx: InfluxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await influx.write(f'reading,point=voltage value="words" {NOW * 1000 - 1}')  # a text by now
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        put(buffer, 0, 10)
        buffer.readings(ReadingBatch.of([3], [NOW], [float("nan")], text={0: "after"}))
        async with forwarding(influx, buffer, tmp_path):
            await until(lambda: influx.ask("SELECT text FROM reading"))
            await until(lambda: "field type conflict" in caplog.text)
    assert "dropped" in caplog.text


GATEWAY = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
port = 0
[[plugin.forward.influx]]
name = "historian"
url = "{url}"
database = "plant"
every = 0.05
points = ["bay.*"]
"""


async def test_a_gateway_forwards_what_it_keeps(influx: InfluxServer, tmp_path: Path) -> None:
    async with Server({1: field_unit()}) as field:
        file = (GATEWAY + FIELD).replace("{url}", influx.url).replace("{field}", str(field.port))
        async with running(file, tmp_path, modbus, forward):
            await until(lambda: count(influx))
    assert (await values(influx))[0][1] == pytest.approx(230.1)


async def test_an_unknown_point_is_told_with_file_and_line_and_the_rest_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Server({1: field_unit()}) as field:
        file = (GATEWAY + FIELD).replace("{url}", "http://x").replace("{field}", str(field.port))
        async with running(file.replace('"bay.*"', '"q.*"'), tmp_path, modbus, forward) as hub:
            await until(lambda: "gateway.toml:12: 'q.*' is no point of this gateway" in caplog.text)
            site = hub.get(SITE)
            await until(lambda: len(site.latest([site.points["bay.voltage"]])))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('url = "{url}"', 'url = "ftp://x"', r"toml:9: .*regex"),
        ('url = "{url}"', 'url = "http://x/write"', r"toml:9: .*regex"),
        ('name = "historian"', 'name = "../x"', r"toml:8: .*regex"),
        ("every = 0.05", "period = 1", "unknown key 'period'"),
        ("[[plugin.forward.influx]]", "{twice}\n[[plugin.forward.influx]]", "share a cursor"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    file = GATEWAY.replace(old, new).replace("{url}", "http://x")
    again = '[[plugin.forward.influx]]\nname = "historian"\nurl = "http://x"\ndatabase = "d"'
    with pytest.raises(Faults, match=fault):
        made(file.replace("{twice}", again), tmp_path, forward)
