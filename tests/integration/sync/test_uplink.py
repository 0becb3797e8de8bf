"""From the buffer over HTTP into the database."""

import asyncio
import contextlib
import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from hub import Note
from sync.buffer import Buffer
from sync.endpoint import Endpoint
from sync.uplink import HttpCarrier, Uplink
from tests.integration.sync.parts import START, Centre, catalogue, make_batch


@contextlib.asynccontextmanager
async def served(centre: Centre, port: int = 0) -> AsyncIterator[int]:
    """The ingest on a port of loopback."""
    route = Endpoint(centre.pool, centre.ingest).route()
    app = web.Application()
    app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def uplink(buffer: Buffer, port: int, key: str) -> AsyncIterator[Uplink]:
    async with aiohttp.ClientSession() as session:
        link = Uplink(buffer, HttpCarrier(session, f"http://127.0.0.1:{port}", key))
        task = asyncio.create_task(link.run())
        try:
            yield link
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def acknowledged(buffer: Buffer, timeout: float = 20.0) -> None:
    await buffer.flush()
    async with asyncio.timeout(timeout):
        while buffer.status().depth:
            await asyncio.sleep(0.05)


async def fill(buffer: Buffer, count: int, at: int = 0) -> None:
    if at == 0:
        await buffer.point_ids([f"m.p{n}" for n in range(1, 101)])
        buffer.record(catalogue(100))
    for one in range(at, at + count, 1_000):
        buffer.readings(make_batch(1_000, one))


async def times(centre: Centre) -> np.ndarray:
    rows = await centre.rows(
        "SELECT (extract(epoch FROM time) * 1000000)::int8 FROM reading ORDER BY time"
    )
    return (np.array([row[0] for row in rows]) - START) // 1_000


async def test_everything_arrives_once_and_is_acknowledged(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        await fill(buffer, 30_000)
        async with uplink(buffer, port, plain_centre.key) as link:
            await acknowledged(buffer)
            assert link.online
            await fill(buffer, 5_000, 30_000)
            await acknowledged(buffer)
    assert np.array_equal(await times(plain_centre), np.arange(35_000))


async def test_after_an_outage_the_uplink_is_back_within_5_s(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        async with served(plain_centre) as port:
            async with uplink(buffer, port, plain_centre.key) as link:
                await fill(buffer, 1_000)
                await acknowledged(buffer)
                raise_later = port
        async with uplink(buffer, raise_later, plain_centre.key) as link:
            await fill(buffer, 2_000, 1_000)
            await asyncio.sleep(4)
            assert not link.online
            async with served(plain_centre, raise_later):
                await acknowledged(buffer, 5.0)
    assert np.array_equal(await times(plain_centre), np.arange(3_000))


async def test_a_wrong_key_is_told_and_nothing_is_taken(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        await fill(buffer, 1_000)
        async with uplink(buffer, port, "x" * 40) as link:
            await asyncio.sleep(0.5)
            assert not link.online
        await buffer.flush()
        assert buffer.status().depth == 1_000
    assert len(await times(plain_centre)) == 0


async def test_guessing_keys_is_slowed_down(plain_centre: Centre) -> None:
    async with served(plain_centre) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/api/v1/sync/telemetry"
        answers = []
        for guess in range(12):
            headers = {"Authorization": f"Bearer {guess:040}"}
            async with session.post(url, data=b"", headers=headers) as answer:
                answers.append(answer.status)
    assert answers == [401] * 10 + [429] * 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nonsense", b"", 404),
        ("telemetry", b"", 422),
        ("telemetry", b"\x92\xc4\x00\x90", 422),
        ("telemetry", bytes(3 << 20), 413),
    ],
)
async def test_a_hostile_body_is_answered_with_its_name(
    plain_centre: Centre, path: str, body: bytes, status: int
) -> None:
    async with served(plain_centre) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/api/v1/sync/{path}"
        headers = {"Authorization": f"Bearer {plain_centre.key}"}
        async with session.post(url, data=io.BytesIO(body), headers=headers) as answer:
            assert answer.status == status
            assert (await answer.json())["code"]


async def test_a_centre_that_forgot_its_catalogue_is_told_it_again(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        async with uplink(buffer, port, plain_centre.key):
            await fill(buffer, 1_000)
            await acknowledged(buffer)
            await plain_centre.rows("WITH d AS (DELETE FROM sync_point RETURNING 1) SELECT 1")
            await plain_centre.rows(
                "WITH d AS (UPDATE sync_cursor SET catalogue = catalogue + 1 RETURNING 1) SELECT 1"
            )
            await fill(buffer, 1_000, 1_000)
            await acknowledged(buffer)
    assert np.array_equal(await times(plain_centre), np.arange(2_000))


async def test_a_centre_restored_from_an_old_backup_is_filled_from_local_history(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        async with uplink(buffer, port, plain_centre.key):
            await fill(buffer, 10_000)
            await acknowledged(buffer)
            for table in ("reading", "sync_cursor", "sync_point"):
                await plain_centre.rows(f"WITH d AS (DELETE FROM {table} RETURNING 1) SELECT 1")
            await fill(buffer, 1_000, 10_000)
            async with asyncio.timeout(20):
                while len(await times(plain_centre)) < 11_000:
                    await asyncio.sleep(0.1)
    assert np.array_equal(await times(plain_centre), np.arange(11_000))


@pytest.mark.parametrize(("written", "restarts"), [(1_000, 0), (1_000, 2), (60_000, 0)])
async def test_a_buffer_restored_from_an_older_copy_loses_and_doubles_nothing(
    plain_centre: Centre, tmp_path: Path, written: int, restarts: int
) -> None:
    path, copy = tmp_path / "b.db", tmp_path / "copy.db"
    async with served(plain_centre) as port:
        async with Buffer.opened(path) as buffer:
            async with uplink(buffer, port, plain_centre.key):
                await fill(buffer, 3_000)
                await acknowledged(buffer)
            await fill(buffer, 2_000, 3_000)
        shutil.copy(path, copy)
        async with Buffer.opened(path) as buffer:
            async with uplink(buffer, port, plain_centre.key):
                await fill(buffer, 15_000, 5_000)
                for at in range(20):
                    buffer.record(Note(at=at, level="info", code="test", message="an event"))
                    await buffer.flush()
                await acknowledged(buffer)
        copy.replace(path)
        async with Buffer.opened(path) as buffer:
            await fill(buffer, written, 20_000)
        for _ in range(restarts):
            async with Buffer.opened(path):
                pass
        async with Buffer.opened(path) as buffer, uplink(buffer, port, plain_centre.key):
            await fill(buffer, 1_000, 20_000 + written)
            await acknowledged(buffer)
    assert np.array_equal(await times(plain_centre), np.arange(21_000 + written))
    notes = await plain_centre.rows("SELECT code FROM sync_note WHERE code LIKE 'buffer.%'")
    assert notes == [("buffer.restored",)]
