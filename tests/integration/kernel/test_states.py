"""What drivers keep: it outlives a kill, is written together, never runs ahead of readings."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from hub.kernel.keep import Keep
from hub.kernel.states import LARGEST, States
from hub.testing.journal import MemoryJournal
from tests.waiting import until


class CountingKeep(Keep):
    """written: what each transaction held."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[dict[str, bytes | None]] = []
        self.full = False

    async def write(self, kind: str, facts: Mapping[str, bytes | None]) -> None:
        if self.full:
            raise OSError("No space left on device")
        await super().write(kind, facts)
        self.written.append(dict(facts))


class SlowJournal(MemoryJournal):
    """Readings reach its disk when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = asyncio.Event()

    async def flush(self) -> None:
        await self.disk.wait()
        await super().flush()


async def test_facts_are_there_after_a_restart_by_channel(tmp_path: Path) -> None:
    async with Keep.opened(tmp_path) as keep:
        states = States(MemoryJournal())
        one, two = states.of("one"), states.of("two")
        async with states.running(keep):
            one["entry"], two["entry"], one["gone"] = b"1", b"2", b"x"
            del one["gone"]
    async with Keep.opened(tmp_path) as keep:
        states = States(MemoryJournal())
        again = states.of("one")
        async with states.running(keep):
            assert dict(again) == {"entry": b"1"}
        assert list(await keep.load("driver")) == ["one\0entry"], "no channel is called two now"


async def test_many_changes_are_one_write_of_the_newest(tmp_path: Path) -> None:
    async with CountingKeep.opened(tmp_path) as keep:
        states = States(MemoryJournal(), period=0.05)
        state = states.of("c")
        async with states.running(keep):
            for n in range(1000):
                state["entry"] = b"%d" % n
            await until(lambda: bool(keep.written))
            state["entry"] = b"999"
            await asyncio.sleep(0.1)
            assert keep.written == [{"c\0entry": b"999"}]


async def test_nothing_is_kept_before_the_readings_that_it_follows(tmp_path: Path) -> None:
    journal = SlowJournal()
    async with CountingKeep.opened(tmp_path) as keep:
        states = States(journal, period=0.01)
        state = states.of("c")
        async with states.running(keep):
            state["entry"] = b"1"
            await asyncio.sleep(0.1)
            assert not keep.written
            state["entry"] = b"2"  # follows readings that the flush under way need not cover
            journal.disk.set()
            await until(lambda: len(keep.written) == 2)
            assert [facts["c\0entry"] for facts in keep.written] == [b"1", b"2"]


async def test_a_full_disk_is_told_once_and_healed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub.kernel.states")
    async with CountingKeep.opened(tmp_path) as keep:
        states = States(MemoryJournal(), period=0.01)
        state = states.of("c")
        async with states.running(keep):
            keep.full, state["entry"] = True, b"1"
            await until(lambda: bool(caplog.messages))
            await asyncio.sleep(0.1)
            keep.full = False
            await until(lambda: bool(keep.written))
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "what drivers keep is not written",
        "what drivers keep is written again",
    ]


async def test_a_fact_too_large_or_of_another_type_is_refused() -> None:
    state = States(MemoryJournal()).of("c")
    for wrong in (bytes(LARGEST + 1), "text"):
        with pytest.raises(ValueError, match="up to 65536 bytes"):
            state["k"] = wrong  # type: ignore[assignment]
    assert not state
