"""The centre can tell "no data" from "data lost" from "on its way"."""

import datetime as dt

from hub import CompletenessState as State
from hub import Gap, GapCause, Stream
from sync.completeness import completeness
from sync.store.common import aware
from tests.integration.sync.parts import START, Centre, make_batch
from tests.integration.sync.test_ingest import Sender, introduced


async def asked(centre: Centre, series: int, start: int, end: int) -> tuple[State, list[str]]:
    async with centre.pool.connection() as connection:
        found = await completeness(connection, series, aware(start), aware(end))
    return found.state, [gap.cause for gap in found.gaps]


async def test_a_range_is_complete_pending_or_has_gaps_with_a_cause(plain_centre: Centre) -> None:
    sender: Sender = await introduced(plain_centre)
    data = sender.readings(make_batch(10_000, 0))
    await plain_centre.take(Stream.TELEMETRY, sender.epoch, data)
    ((series,),) = await plain_centre.rows("SELECT series FROM sync_point WHERE local_id = 1")
    second = 1_000_000
    assert await asked(plain_centre, series, START, START + 9 * second) == (State.COMPLETE, [])
    assert await asked(plain_centre, series, START, START + 11 * second) == (State.PENDING, [])
    assert (await asked(plain_centre, 99, START, START + second))[0] is State.UNKNOWN
    gaps = [
        Gap(at=START, device="m", cause=GapCause.COMM_DOWN, since=START + 2 * second,
            until=START + 3 * second),
        Gap(at=START, device="other", cause=GapCause.DISABLED, since=START, until=None),
    ]  # fmt: skip
    await plain_centre.take(Stream.EVENTS, sender.epoch, sender.records(*gaps))
    assert await asked(plain_centre, series, START, START + 9 * second) == (
        State.GAPS, ["comm_down"]
    )  # fmt: skip
    assert await asked(plain_centre, series, START + 3 * second, START + 9 * second) == (
        State.COMPLETE, []
    )  # fmt: skip


async def test_an_open_gap_reaches_to_whatever_end(plain_centre: Centre) -> None:
    sender = await introduced(plain_centre)
    data = sender.readings(make_batch(100, 0))
    await plain_centre.take(Stream.TELEMETRY, sender.epoch, data)
    ((series,),) = await plain_centre.rows("SELECT series FROM sync_point WHERE local_id = 1")
    gap = Gap(at=START, device="", cause=GapCause.GATEWAY_DOWN, since=START)
    await plain_centre.take(Stream.EVENTS, sender.epoch, sender.records(gap))
    later = int(dt.timedelta(days=9).total_seconds() * 1_000_000)
    state, causes = await asked(plain_centre, series, START + later, START + later + 1)
    assert (state, causes) == (State.GAPS, ["gateway_down"])
