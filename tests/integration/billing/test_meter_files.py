"""Real meter files, beside what other readers and their own summaries say of them."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest

from plugins.billing.files import FileError, greenbutton, nem12, read
from plugins.billing.tariff import Calendar, DayWindow, Demand, TimeOfUse, Version
from plugins.billing.tariff.history import simulate
from plugins.billing.tariff.intervals import SECOND


@pytest.fixture
def nem(shared):
    return lambda name: (
        shared / "data" / "meter_files" / "nem12" / f"Example_NEM12_{name}.csv"
    ).read_text()


@pytest.fixture
def green(shared):
    return shared / "data" / "xml" / "greenbutton" / "greenbutton_objects"


def utc(micros):
    return dt.datetime.fromtimestamp(int(micros) // SECOND, dt.UTC)


def test_nem12_channels_have_their_days_registers_and_sums(nem):
    found = [
        (c.meter, c.name, c.register, len(c.series.starts), int(c.series.energy.sum()))
        for c in nem12.read(nem("multiple_meters"))
    ]
    assert found == [
        ("NCDE001111", "E1", "import", 192, 1920),
        ("NCDE001111", "B1", "export", 192, 1920),
        ("NCDE001111", "Q1", "kvarh", 192, 9600),
        ("NCDE001111", "E2", "import", 192, 19_200),
        ("NDDD001888", "B1", "export", 192, 3840),
        ("NDDD001888", "K2", "", 192, 9600),
    ]


def test_nem12_days_begin_in_market_time_which_has_no_summer(nem):
    first = nem12.read(nem("month_solar"))[0].series
    assert utc(first.starts[0]) == dt.datetime(2023, 2, 28, 14, tzinfo=dt.UTC)
    assert len(first.starts) == 31 * 288


def test_nem12_whole_watt_hours_keep_the_sum_of_the_text(nem):
    text = nem("month_solar")
    for channel, name in zip(nem12.read(text), ("B1", "E1"), strict=True):
        block = re.search(rf"200,[^\n]*,{name},{name},{name},.*?(?=\n[29]00)", text, re.DOTALL)
        rows = [x.split(",")[2:290] for x in block.group(0).splitlines()[1:]]
        total = sum(float(v) for row in rows for v in row)
        assert abs(int(channel.series.energy.sum()) - total * 1000) < 1


def test_nem12_sister_channels_are_one_register(nem):
    registers = read(nem("different_interval_length"), "nem12", zone="UTC")
    assert set(registers) == {"import"}
    assert int(registers["import"].energy.sum()) == 254_000 + 120_000


def test_nem12_with_several_meters_asks_which(nem):
    with pytest.raises(FileError, match="NCDE001111, NDDD001888"):
        read(nem("multiple_meters"), "nem12", zone="UTC")
    assert set(read(nem("multiple_meters"), "nem12", meter="NCDE001111", zone="UTC")) == {
        "import",
        "export",
        "kvarh",
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.replace("100,NEM12", "100,NEM13", 1), "line 1"),
        (lambda t: t.replace("\n900", "\n"), "cut off"),
        (lambda t: t.replace(",9,2,8,", ",9,x,8,"), "line 3.*'x'"),
        (lambda t: t.replace(",9,2,8,", ",9,8,"), "line 3"),
        (lambda t: t.replace("kWh,30,", "kWh,7,", 1), "line 2"),
        (lambda t: t.replace("\n200,C123,E1E2V1,,E2,,,kWh,30,", ""), "line 4.*twice"),
    ],
)
def test_nem12_that_is_broken_is_refused_with_its_line(nem, change, why):
    text = nem("different_interval_length").replace("\r", "")
    assert change(text) != text
    with pytest.raises(FileError, match=why):
        nem12.read(change(text))


GREEN = [
    "Coastal_Multi_Family_Jan_1_2011_to_Jan_1_2012_RetailCustomer_5",
    "Desert_Single_Family_Jan_1_2011_to_Jan_1_2012_RetailCustomer_7",
    "TestGBDataHourlyNineDaysBinnedDaily",
]


@pytest.mark.parametrize("name", GREEN)
def test_green_button_intervals_are_those_that_another_reader_gives(green, name):
    (channel,) = greenbutton.read((green / f"{name}.xml").read_text())
    listed = re.findall(
        r"^\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00), [^:]+:\d\d:\d\d: ([\d.]+) Wh",
        (green / f"{name}.expected.txt").read_text(),
        re.MULTILINE,
    )
    expected = sorted((dt.datetime.fromisoformat(at), float(wh)) for at, wh in listed)
    series = channel.series
    assert len(expected) == len(series.starts) > 200
    for (at, wh), start, energy in zip(expected, series.starts, series.energy, strict=True):
        assert at == utc(start)
        assert abs(wh - energy) <= 1


def test_green_button_of_unequal_intervals_is_refused(green):
    with pytest.raises(FileError, match="not all of the same"):
        greenbutton.read((green / "TestGBDataOneYearDailyBinnedMonthly.xml").read_text())


def test_green_button_refuses_entities_and_what_is_no_feed():
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><feed xmlns="http://www.w3.org/2005/Atom">&b;</feed>'
    for text in ("", "<a/>", bomb):
        with pytest.raises(FileError):
            greenbutton.read(text)


def test_a_year_of_hours_is_billed_by_months_with_nothing_lost(green):
    """Times of use and a demand ratchet, over both changes of the clock."""
    text = (green / f"{GREEN[1]}.xml").read_text()
    registers = read(text, "green_button", zone="America/Los_Angeles")
    calendar = Calendar(
        zone="America/Los_Angeles",
        windows=(DayWindow("peak", 16 * 60, 21 * 60), DayWindow("off", 21 * 60, 16 * 60)),
    )
    version = Version(
        currency="USD",
        valid_from=dt.date(2010, 1, 1),
        calendar=calendar,
        charges=(
            TimeOfUse(name="energy", prices={"peak": 30_000_000, "off": 10_000_000}),
            Demand(name="demand", price=500_000_000, window=60, ratchet_share=800_000),
        ),
    )
    bills = simulate([version], registers, "America/Los_Angeles")
    lines = [x for _, bill in bills for x in bill.lines]
    energy = sum(x.quantity for x in lines if x.kind == "tou")
    assert energy == int(registers["import"].energy.sum())
    series = registers["import"]
    tz = ZoneInfo("America/Los_Angeles")
    peak = sum(
        int(e)
        for s, e in zip(series.starts, series.energy, strict=True)
        if 16 <= utc(s).astimezone(tz).hour < 21
    )
    assert sum(x.quantity for x in lines if x.note == "peak") == peak
    demands = [x for x in lines if x.kind == "demand"]
    assert max(x.quantity for x in demands) == int(series.energy.max())
    assert any("past months" in x.note for x in demands)
