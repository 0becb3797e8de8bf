"""Reports of libiec61850 in several messages, and more of them than its buffer holds."""

import asyncio
import contextlib

import pytest

from drivers.iec61850.association import Options
from drivers.iec61850.config import ReportConfig
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms.pdu import Initiate, ObjectName
from drivers.iec61850.reports import Report, Wish
from hub import Cause
from tests.integration.iec61850.hub_side import driver, opened, rows, spec
from tests.integration.iec61850.peer import Peer
from tests.integration.iec61850.test_iec61850_libiec61850 import block
from tests.integration.iec61850.test_iec61850_session import BREAKER

OBJECTS = ("PhV", "A", "PPV", "TotW", "TotVAr", "TotVA", "TotPF", "Hz")
LARGE = ObjectName("LLN0$large", "BAY1MEAS")
SMALL = 512


@pytest.fixture
async def large(libiec61850: Peer) -> Peer:
    """Has a data set whose values are more than `SMALL` octets."""
    ied = await Ied.open("127.0.0.1", libiec61850.port)
    members = [ObjectName(f"MMXU1$MX${name}", "BAY1MEAS") for name in OBJECTS]
    await ied.client.define_data_set(LARGE, members)
    await ied.close()
    return libiec61850


async def test_the_segments_of_a_report_follow_each_other(large: Peer) -> None:
    ied = await Ied.open("127.0.0.1", large.port, Options(propose=Initiate(detail=SMALL)))
    await ied.discover()
    got: asyncio.Queue[Report] = asyncio.Queue()
    wish = Wish(data_set=str(LARGE))
    await ied.subscribe(await block(ied, "urcbMeasured01"), wish, got.put_nowait)
    segments: list[Report] = []
    async with asyncio.timeout(5):
        while not segments or segments[-1].more:
            segments.append(await got.get())
    assert len(segments) > 1
    assert [each.segment for each in segments] == list(range(len(segments)))
    assert {each.sequence for each in segments} == {0}
    assert [n for each in segments for n in each.included] == list(range(len(OBJECTS)))
    assert all(reason[5] for each in segments for reason in each.reasons)
    await ied.close()


@pytest.mark.parametrize("rcb", ["BAY1MEAS/LLN0.urcbMeasured01", "BAY1CTRL/LLN0.brcbPosition01"])
async def test_the_driver_has_all_values_of_a_segmented_report(large: Peer, rcb: str) -> None:
    points = [spec(f"MEAS/MMXU1.{name}.mag.f[MX]") for name in ("TotW", "TotVAr", "Hz")]
    points += [spec(f"MEAS/MMXU1.PhV.phs{ph}.cVal.mag.f[MX]") for ph in "ABC"]
    report = ReportConfig(rcb=rcb, dataset="BAY1MEAS/LLN0.large")
    made, link = driver(large.port, points, reports=(report,), pdu_size=SMALL)
    await large.tell("float MEAS/MMXU1.PhV.phsB.cVal.mag.f 230.5")
    await large.tell("float MEAS/MMXU1.Hz.mag.f 49.5")
    found: dict[int, tuple[float, int, int]] = {}
    async with opened(made) as session:
        assert not len(await session.startup())
        async with asyncio.timeout(5):
            async for batch in session.events():
                if batch.cause is Cause.STARTUP:
                    found |= rows(batch)
                if len(found) == len(points):
                    break
    assert [found[n][0] for n in (0, 2, 3, 4, 5)] == [0.0, 49.5, 0.0, 230.5, 0.0]
    assert not link.warnings


async def test_an_entry_counts_as_taken_only_with_its_last_segment(large: Peer) -> None:
    """A link or gateway that dies between two segments is sent the whole entry again."""
    report = ReportConfig(rcb="BAY1CTRL/LLN0.brcbPosition01", dataset="BAY1MEAS/LLN0.large")
    points = [spec("MEAS/MMXU1.PhV.phsA.cVal.mag.f[MX]"), spec("MEAS/MMXU1.Hz.mag.f[MX]")]
    made, link = driver(large.port, points, reports=(report,), pdu_size=SMALL)
    async with opened(made) as session:
        await session.startup()
        (key,) = link.state
        events = session.events()
        async with asyncio.timeout(5):
            volts = rows(await anext(events))
            assert link.state[key] == b""
            hertz = rows(await anext(events))
            assert link.state[key] == b""
        assert (set(volts), set(hertz)) == ({0}, {1})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(events)
        assert len(link.state[key]) == 8


async def test_a_buffer_that_overflowed_while_we_were_away_is_told(libiec61850: Peer) -> None:
    """Its oldest entries are gone, and ours among them: all that it still has arrives, and why."""
    made, link = driver(libiec61850.port, [BREAKER])
    async with opened(made) as session:
        await session.startup()
        await libiec61850.tell("dbpos CTRL/XCBR1.Pos.stVal 2 1700000000000")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                async for _ in session.events():
                    pass
    assert not link.warnings
    last = 1_700_000_000_000 + 3000
    for n in range(1, 3001):
        await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {2 - n % 2} {1_700_000_000_000 + n}")
    times: list[int] = []
    async with opened(made) as session:
        await session.startup()
        async with asyncio.timeout(10):
            async for batch in session.events():
                times += [when for _, when, _ in rows(batch).values()]
                if last * 1000 in times:
                    break
    assert 100 < len(times) < 3000
    assert times == [when * 1000 for when in range(last - len(times) + 1, last + 1)]
    told = " ".join(link.warnings)
    assert "lost the last entry taken" in told
    assert "buffer overflowed" in told
