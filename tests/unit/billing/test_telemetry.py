"""Which of the reported values is a register's reading."""

import datetime as dt

import pytest

from hub import Flag, ReadingBatch, Stamp, Validity
from plugins.billing import telemetry
from plugins.billing.telemetry import EPOCH, Reported, last_before, newest

AT = dt.datetime(2028, 2, 1, tzinfo=dt.UTC)
MINUTE = 60_000_000
NOON = int((AT - EPOCH).total_seconds()) * 1_000_000


class Kept:
    """A store that holds (series, minutes before AT, value, quality)."""

    def __init__(self, *rows):
        self.rows = sorted((NOON - ago * MINUTE, s, v, q) for s, ago, v, q in rows)
        self.asked = 0

    async def history(self, series, start, end, *, limit, after=None):
        self.asked += 1
        behind = (
            (0, 0) if after is None else (round((after[0] - EPOCH).total_seconds() * 1e6), after[1])
        )
        low, high = (round((t - EPOCH).total_seconds() * 1e6) for t in (start, end))
        rows = [r for r in self.rows if r[1] in series and low <= r[0] < high and r[:2] > behind][
            :limit
        ]
        return ReadingBatch.of(
            [r[1] for r in rows], [r[0] for r in rows], [r[2] for r in rows], [r[3] for r in rows]
        )


async def test_the_newest_value_not_after_the_instant_is_read_with_its_own_time():
    store = Kept((1, 3, 10.0, 0), (1, 0, 11.0, 0), (1, -1, 12.0, 0), (2, 30, 5.0, 0))
    found = await last_before(store, [1, 2, 3], AT)
    assert found == {
        1: Reported(NOON, 11.0, good=True),
        2: Reported(NOON - 30 * MINUTE, 5.0, good=True),
    }


async def test_what_is_older_than_six_hours_is_no_reading():
    assert await last_before(Kept((1, 361, 1.0, 0)), [1], AT) == {}
    assert await last_before(Kept((1, 359, 1.0, 0)), [1], AT) != {}


@pytest.mark.parametrize(
    "quality", [Validity.QUESTIONABLE, Flag.OLD, Flag.SUBSTITUTED, Stamp.UNSYNCED]
)
async def test_an_older_good_value_goes_before_a_doubtful_one(quality):
    doubtful = (1, 1, 99.0, int(quality))
    found = await last_before(Kept((1, 90, 10.0, 0), doubtful), [1], AT)
    assert found == {1: Reported(NOON - 90 * MINUTE, 10.0, good=True)}
    found = await last_before(Kept((1, 90, 10.0, int(quality)), doubtful), [1], AT)
    assert found == {1: Reported(NOON - MINUTE, 99.0, good=False)}


@pytest.mark.parametrize("quality", [Validity.INVALID, Flag.TEST])
async def test_invalid_and_test_values_are_never_read(quality):
    assert await last_before(Kept((1, 1, 10.0, int(quality))), [1], AT) == {}
    assert await last_before(Kept((1, 1, float("nan"), 0)), [1], AT) == {}


async def test_pages_are_read_to_their_end(monkeypatch):
    monkeypatch.setattr(telemetry, "PAGE", 2)
    store = Kept(*((n % 2, 4 - n / 4, float(n), 0) for n in range(9)))
    found = await last_before(store, [0, 1], AT)
    assert {s: r.value for s, r in found.items()} == {0: 8.0, 1: 7.0}
    assert store.asked == 5


def test_of_nothing_there_is_nothing():
    assert newest(ReadingBatch.of([], [], [])) == {}
