"""What holds for every use and every tariff."""

import datetime as dt
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.contract.units import MICRO
from plugins.billing.tariff import (
    Block,
    Blocks,
    Calendar,
    Case,
    DayType,
    DayWindow,
    Fixed,
    Flat,
    Minimum,
    TariffError,
    Tax,
    TaxRate,
    Usage,
    Version,
    rate,
)
from plugins.billing.tariff.history import Series, months, simulate
from plugins.billing.tariff.intervals import MINUTE, SECOND, by_bucket, demand, local
from plugins.billing.tariff.split import cut, split
from plugins.billing.tariff.usage import cost

JAN = dt.date(2026, 1, 1)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)


@given(st.integers(-(10**12), 10**12), weights)
def test_r5_parts_sum_to_the_whole_and_are_fair(total, shares):
    parts = split(total, shares)
    assert sum(parts) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - total * share / sum(shares)) <= 1 + abs(total) * 1e-12


@given(
    st.dates(dt.date(2023, 12, 1), dt.date(2024, 3, 1)),
    st.integers(1, 95),
    st.lists(st.dates(dt.date(2023, 12, 1), dt.date(2024, 6, 1)), max_size=4),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
def test_r36_a_cut_period_has_all_days_and_all_energy(start, days, changes, peak, off):
    usage = Usage(
        start=start,
        end=start + dt.timedelta(days),
        quantities={"import": peak + off, "export": peak},
        buckets={"import": {"peak": peak, "off": off}},
    )
    parts = list(cut(usage, changes))
    assert sum(p.days for p in parts) == days
    assert sum(p.quantities["import"] for p in parts) == peak + off
    assert sum(p.quantities["export"] for p in parts) == peak
    assert all(sum(p.buckets["import"].values()) == p.quantities["import"] for p in parts)
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))


prices = st.lists(st.integers(1, 10**9), min_size=3, max_size=3)


def tariff(found, day=JAN):
    blocks = (Block(100_000, found[0]), Block(200_000, found[1]), Block(None, found[2]))
    return Version(
        currency="KWD",
        valid_from=day,
        charges=(
            Blocks(name="energy", cases=(Case(0, None, blocks),)),
            Fixed(name="standing", price=found[0] * 7),
            Minimum(name="least", amount=500),
            Tax(name="VAT", rates=(TaxRate(day, 137_500),), rounding="line"),
        ),
    )


@given(prices, st.integers(0, 10**7), st.integers(0, 10**6), st.integers(1, 31))
def test_more_use_never_costs_less_and_blocks_hold_all_of_it(found, wh, more, days):
    def bill(quantity):
        end = JAN + dt.timedelta(days)
        use = Usage(start=JAN, end=end, quantities={"import": quantity}, cycle_days=31)
        return rate(tariff(found), use)

    low, high = bill(wh), bill(wh + more)
    # Each line is rounded apart, so crossing a block may cost a minor unit of rounding.
    assert high.total >= low.total - len(high.lines)
    assert sum(x.quantity for x in low.lines if x.kind == "blocks") == wh
    assert low.total == low.net + low.tax


@given(prices, st.integers(0, 10**7), st.integers(1, 30))
def test_every_line_explains_itself_and_the_total_is_their_sum(found, wh, day):
    later = tariff(found[::-1], JAN + dt.timedelta(day))
    usage = Usage(start=JAN, end=dt.date(2026, 2, 1), quantities={"import": wh})
    bill = rate([tariff(found), later], usage)
    assert bill.total == sum(x.amount for x in bill.lines)
    for line in bill.lines:
        assert line.amount == cost(line.quantity, line.unit_price, line.part)


@given(st.integers(0, 10**8), st.lists(st.integers(1, 30), max_size=4))
def test_prorated_parts_sum_but_for_the_rounding_of_lines(price, cuts):
    same = [
        Version(
            currency="USD",
            valid_from=day,
            charges=(Fixed(name="standing", price=price), Flat(name="e", price=price)),
        )
        for day in {JAN, *(JAN + dt.timedelta(n) for n in cuts)}
    ]
    usage = Usage(start=JAN, end=dt.date(2026, 2, 1), quantities={"import": 123_457})
    first = min(same, key=lambda v: v.valid_from)
    whole, parts = rate(first, usage), rate(same, usage)
    assert abs(whole.total - parts.total) <= len(parts.lines)


TOU = (
    DayWindow("night", 23 * 60, 7 * 60),
    DayWindow("peak", 17 * 60, 20 * 60, day_type="work"),
    DayWindow("day", 7 * 60, 17 * 60, day_type="work"),
    DayWindow("day", 20 * 60, 23 * 60, day_type="work"),
    DayWindow("day", 7 * 60, 23 * 60, day_type="rest"),
)
DAYS = (DayType("work", (1, 2, 3, 4, 5)), DayType("rest", (6, 7), (dt.date(2026, 12, 25),)))


def utc(*fields):
    return dt.datetime(*fields, tzinfo=dt.UTC)


def series(start, end, minutes, zone="UTC"):
    """Intervals from one instant to another, with energies that differ."""
    first = int(start.timestamp()) * SECOND
    starts = np.arange(first, int(end.timestamp()) * SECOND, minutes * MINUTE, dtype=np.int64)
    return starts, np.arange(len(starts), dtype=np.int64) % 977 + 1


ZONES = ["Africa/Cairo", "Europe/London", "Asia/Kathmandu", "Africa/Casablanca", "America/New_York"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_r33_buckets_sum_to_the_total_and_agree_with_the_calendar(zone, minutes):
    from zoneinfo import ZoneInfo

    calendar = Calendar(zone=zone, windows=TOU, day_types=DAYS)
    tz = ZoneInfo(zone)
    # Local midnight, so that intervals of an hour begin on the hour everywhere.
    start = dt.datetime(2026, 1, 1, tzinfo=tz).astimezone(dt.UTC)
    starts, energy = series(start, start + dt.timedelta(365), minutes)
    sums = by_bucket(calendar, starts, energy, minutes)
    assert sum(sums.values()) == int(energy.sum())
    expected = dict.fromkeys(calendar.buckets, 0)
    for at, wh in zip(starts.tolist(), energy.tolist(), strict=True):
        wall = dt.datetime.fromtimestamp(at // SECOND, tz)
        expected[calendar.bucket(wall.date(), wall.hour * 60 + wall.minute)] += wh
    assert sums == expected


def test_an_interval_in_two_buckets_is_refused():
    calendar = Calendar(zone="UTC", windows=(DayWindow("a", 0, 330), DayWindow("b", 330, 1440)))
    starts, energy = series(utc(2026, 1, 1), utc(2026, 1, 2), 60)
    with pytest.raises(TariffError, match="2026-01-01 05:00"):
        by_bucket(calendar, starts, energy, 60)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Africa/Cairo", dt.date(2026, 4, 24), 23),  # 00:00 does not exist
        ("Africa/Cairo", dt.date(2026, 10, 29), 25),
        ("Europe/London", dt.date(2026, 3, 29), 23),
        ("Europe/London", dt.date(2026, 10, 25), 25),
        ("Asia/Aden", dt.date(2026, 3, 29), 24),
    ],
)
def test_r32_a_local_day_has_its_real_length(zone, day, hours):
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    starts, _ = series(noon - dt.timedelta(3), noon + dt.timedelta(3), 60)
    wall = local(starts, zone) // (1440 * MINUTE)
    assert int((wall == (day - dt.date(1970, 1, 1)).days).sum()) == hours
    got = Series(starts=starts, energy=np.ones(len(starts), np.int64) * 1000, minutes=60)
    flat = [
        Version(currency="USD", valid_from=d, charges=(Flat(name="e", price=MICRO),))
        for d in (JAN, day, day + dt.timedelta(1))
    ]
    lines = [x for _, b in simulate(flat, {"import": got}, zone) for x in b.lines]
    assert [x.amount for x in lines if x.start == day] == [hours]


def test_a_leap_day_is_a_day_of_its_month():
    starts, energy = series(utc(2024, 2, 1), utc(2024, 3, 2), 30)
    registers = {"import": Series(starts=starts, energy=energy, minutes=30)}
    assert list(months(registers, "UTC")) == [
        (dt.date(2024, 2, 1), dt.date(2024, 3, 1), 29),
        (dt.date(2024, 3, 1), dt.date(2024, 3, 2), 31),
    ]
    charge = Fixed(name="d", price=MICRO, per="day")
    daily = Version(currency="USD", valid_from=dt.date(2024, 1, 1), charges=(charge,))
    assert [b.total for _, b in simulate([daily], registers, "UTC")] == [29, 1]


def test_r35_rolling_demand_sees_what_falls_between_two_blocks():
    starts, _ = series(utc(2026, 1, 1), utc(2026, 1, 1, 2), 15)
    energy = np.array([0, 1000, 1000, 0, 0, 0, 0, 0], np.int64)
    assert demand(starts, energy, 15, window=30, rolling=False) == (2000, 2000)
    assert demand(starts, energy, 15, window=30, rolling=True) == (4000, 4000)
    reactive = np.array([0, 1000, 0, 0, 0, 0, 0, 0], np.int64)
    assert demand(starts, energy, 15, window=30, rolling=False, reactive=reactive) == (2000, 2828)


def test_r35_a_window_with_a_missing_interval_is_no_demand():
    starts, _ = series(utc(2026, 1, 1), utc(2026, 1, 1, 1), 15)
    keep = [0, 2, 3]
    energy = np.array([9000, 1000, 1500], np.int64)
    assert demand(starts[keep], energy, 15, window=30, rolling=True) == (5000, 5000)
    assert demand(starts[:1], energy[:1], 15, window=30, rolling=True) == (0, 0)
