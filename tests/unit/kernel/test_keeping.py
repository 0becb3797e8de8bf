"""Work that goes on: what is tried again, what is told, what ends."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from hub import AuthError, Backoff, ConfigError, LinkError, kept
from tests.waiting import until

QUICK = Backoff(first=0.001, last=0.002, auth=0.001)


@pytest.mark.parametrize("trouble", [LinkError, AuthError, ConfigError, OSError])
async def test_a_failure_is_told_once_and_so_is_its_end(
    trouble: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tries = 0
    well = asyncio.Event()

    async def work(up: Callable[[], None]) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise trouble("no way")
        up()
        well.set()
        await asyncio.get_running_loop().create_future()

    async with kept("publisher", work, QUICK):
        await asyncio.wait_for(well.wait(), 5)
    assert [r.getMessage() for r in caplog.records] == [
        "publisher: no way", "publisher: works again",
    ]  # fmt: skip


async def test_a_bug_ends_that_work_alone_with_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0

    async def work(up: Callable[[], None]) -> None:
        nonlocal tries
        tries += 1
        raise KeyError("x")

    async with kept("publisher", work, QUICK):
        await until(lambda: "stops for good" in caplog.text)
        await asyncio.sleep(0.02)
    assert tries == 1
    assert "KeyError" in caplog.text


async def test_leaving_ends_the_work_and_waits_for_it() -> None:
    ended = False

    async def work(up: Callable[[], None]) -> None:
        nonlocal ended
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.01)
            ended = True

    async with kept("publisher", work, QUICK):
        await asyncio.sleep(0.01)
    assert ended
