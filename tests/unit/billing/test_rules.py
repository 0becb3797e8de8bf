"""The rules of money and tariffs, one test each."""

import datetime as dt

import msgspec
import pytest

from hub.contract.units import MICRO
from plugins.billing.tariff import (
    AmountStep,
    Block,
    Blocks,
    Calendar,
    Case,
    Credit,
    DayType,
    DayWindow,
    Demand,
    FactorStep,
    Fixed,
    Flat,
    Levy,
    Minimum,
    NetMetering,
    PowerFactor,
    Rounding,
    Season,
    Slab,
    Subsidy,
    SumMismatch,
    Tax,
    TaxRate,
    TimeOfUse,
    Unpriced,
    Usage,
    Version,
    affordable,
    rate,
)

JAN = dt.date(2026, 1, 1)
CENT = MICRO  # a price of one minor unit


def version(*charges, valid_from=JAN, **more):
    return Version(currency="USD", valid_from=valid_from, charges=charges, **more)


def january(days=31, **more):
    quantities = more.pop("quantities", {"import": more.pop("wh", 250_000)})
    return Usage(start=JAN, end=JAN + dt.timedelta(days), quantities=quantities, **more)


def blocks(*limits_and_prices, name="energy"):
    pairs = tuple(Block(u and u * 1000, p * CENT) for u, p in limits_and_prices)
    return Blocks(name=name, cases=(Case(0, None, pairs),))


THREE = blocks((100, 10), (200, 15), (None, 20))


def amounts(bill):
    return [x.amount for x in bill.lines]


def test_each_block_prices_its_share():
    assert amounts(rate(version(THREE), january())) == [1000, 1500, 1000]


def test_cases_reprice_from_zero():
    cases = (
        Case(0, 100_000, (Block(100_000, 10 * CENT),)),
        Case(100_000, None, (Block(None, 20 * CENT),), fixed=600),
    )
    tariff = version(Blocks(name="energy", cases=cases))
    assert rate(tariff, january(wh=100_000)).total == 1000
    assert amounts(rate(tariff, january(wh=100_001))) == [2000, 600]


def test_a_use_where_the_tariff_ends_is_refused_not_guessed():
    closed = Blocks(name="energy", cases=(Case(0, 650_000, (Block(650_000, CENT),)),))
    with pytest.raises(Unpriced, match="over 650"):
        rate(version(closed), january(wh=650_001))


def test_r1_a_float_is_refused_where_money_belongs():
    text = b'{"kind":"flat","name":"energy","price":0.5}'
    with pytest.raises(msgspec.ValidationError, match="int"):
        msgspec.json.decode(text, type=Flat)


def test_r3_a_line_is_rounded_once_half_up():
    # 2.5 minor units; half to even would be 2.
    assert rate(version(Flat(name="e", price=2 * CENT + CENT // 2)), january(wh=1000)).total == 3
    # 1 Wh × 30 days of 31 of a price: one rounding, not two.
    line = rate(version(Fixed(name="f", price=33 * CENT + 550_000)), january(1, cycle_days=10))
    assert (line.total, line.lines[0].part) == (3, (1, 10))


@pytest.mark.parametrize(("how", "tax"), [("line", 0), ("document", 5)])
def test_r4_ten_lines_of_three_cents_at_fifteen_percent(how, tax):
    lines = [Fixed(name=f"line {n}", price=3 * CENT) for n in range(10)]
    vat = Tax(name="VAT", rates=(TaxRate(JAN, 150_000),), rounding=how)
    assert rate(version(*lines, vat), january()).tax == tax


def test_r4_an_inclusive_tax_is_gross_less_net():
    vat = Tax(name="VAT", rates=(TaxRate(JAN, 150_000),), inclusive=True)
    bill = rate(version(Fixed(name="f", price=1000 * CENT), vat), january())
    assert (bill.total, bill.net, bill.tax) == (1000, 870, 130)


def test_r6_rounding_is_a_line():
    bill = rate(version(Fixed(name="f", price=1249 * CENT), Rounding(name="r", to=50)), january())
    assert amounts(bill) == [1249, 1]
    bill = rate(version(Fixed(name="f", price=1224 * CENT), Rounding(name="r", to=50)), january())
    assert amounts(bill) == [1224, -24]


def test_r8_a_tax_is_of_the_day_of_supply():
    vat = Tax(name="VAT", rates=(TaxRate(JAN, 50_000), TaxRate(dt.date(2026, 1, 16), 150_000)))
    bill = rate(version(Flat(name="e", price=CENT), vat), january(30, wh=200_000))
    assert [(x.name, x.amount, x.start.day) for x in bill.lines] == [
        ("e", 100, 1),
        ("VAT", 5, 1),
        ("e", 100, 16),
        ("VAT", 15, 16),
    ]


def test_r30_a_negative_use_is_credited_elsewhere_never_clamped():
    with pytest.raises(Unpriced, match="negative"):
        rate(version(THREE), january(wh=-1))


CALENDAR = Calendar(
    zone="Asia/Amman",
    seasons=(Season("summer", "05-01", "09-30"), Season("winter", "10-01", "04-30")),
    day_types=(
        DayType("work", (1, 2, 3, 4, 7)),
        DayType("rest", (5, 6), (dt.date(2026, 1, 1),)),
    ),
    windows=(
        DayWindow("peak", 17 * 60, 22 * 60, day_type="work"),
        DayWindow("off", 22 * 60, 17 * 60, day_type="work"),
        DayWindow("off", 0, 1440, day_type="rest"),
    ),
)


def test_r33_a_holiday_is_a_day_of_rest_whatever_its_weekday():
    assert CALENDAR.bucket(dt.date(2026, 1, 1), 18 * 60) == "off"
    assert CALENDAR.bucket(dt.date(2026, 1, 8), 18 * 60) == "peak"
    assert CALENDAR.bucket(dt.date(2026, 1, 8), 22 * 60) == "off"


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        ([DayWindow("a", 0, 700)], "no window at 11:40"),
        ([DayWindow("a", 0, 800), DayWindow("b", 700, 1440)], "overlap"),
        ([DayWindow("a", 0, 1440, season="dry")], "no season 'dry'"),
    ],
)
def test_r33_a_calendar_leaves_no_minute_out_and_gives_none_twice(windows, why):
    with pytest.raises(ValueError, match=why):
        Calendar(zone="UTC", windows=tuple(windows))


def test_r33_every_bucket_has_a_price():
    with pytest.raises(ValueError, match="no price for off"):
        version(TimeOfUse(name="e", prices={"peak": CENT}), calendar=CALENDAR)


def test_r34_buckets_that_are_not_the_register_are_refused():
    tariff = version(TimeOfUse(name="e", prices={"peak": CENT, "off": CENT}), calendar=CALENDAR)
    use = january(wh=10_000, buckets={"import": {"peak": 4_000, "off": 5_999}})
    with pytest.raises(SumMismatch, match="sum to 9999, the register to 10000"):
        rate(tariff, use)


@pytest.mark.parametrize(
    ("use", "kw", "why"),
    [
        ({"demand_w": 80_000}, 80_000, "measured"),
        ({"demand_w": 50_000, "demand_va": 100_000}, 90_000, "apparent"),
        ({"demand_w": 50_000, "past_demands": (40_000, 120_000)}, 78_000, "past months"),
        ({"demand_w": 50_000, "past_demands": (0,) * 11 + (120_000,)}, 50_000, "measured"),
        ({"demand_w": 50_000, "kva": 200_000}, 60_000, "agreed"),
    ],
)
def test_r35_billed_demand_is_the_greatest_of_its_floors(use, kw, why):
    charge = Demand(
        name="d", price=1500 * CENT, apparent_share=900_000, ratchet_share=650_000,
        agreed_share=300_000,
    )  # fmt: skip
    (line,) = rate(version(charge), january(**use)).lines
    assert (line.quantity, line.amount) == (kw, kw * 1500 // 1000)
    assert why in line.note


def test_r35_a_poor_power_factor_costs_each_hundredth():
    surcharge = PowerFactor(name="pf", steps=(FactorStep(85, 15_000), FactorStep(75, 30_000)))
    tariff = version(Fixed(name="f", price=200_000 * CENT), surcharge)
    shares = {85: 0, 84: 3_000, 80: 15_000, 75: 30_000, 74: 36_000, 60: 120_000}
    for factor, cost in shares.items():
        assert rate(tariff, january(power_factor=factor)).total == 200_000 + cost
    by_energy = january(quantities={"import": 800_000, "kvarh": 600_000})
    assert rate(tariff, by_energy).total == 215_000


def test_r36_blocks_shrink_with_the_period():
    bill = rate(version(blocks((200, 10), (None, 20)), basis_days=30), january(17, wh=200_000))
    assert [x.quantity for x in bill.lines] == [113_333, 86_667]


def test_r36_a_change_inside_the_period_splits_it_by_days_and_says_so():
    old = version(blocks((100, 10), (None, 20)), Fixed(name="standing", price=3100 * CENT))
    new = version(
        blocks((100, 20), (None, 40)),
        Fixed(name="standing", price=6200 * CENT),
        valid_from=dt.date(2026, 1, 18),
    )
    bill = rate([new, old], january(wh=310_000))
    found = [(x.name, x.start.day, x.quantity, x.amount) for x in bill.lines]
    assert found == [
        ("energy", 1, 54_839, 548),
        ("energy", 1, 115_161, 2303),
        ("standing", 1, 1000, 1700),
        ("energy", 18, 45_161, 903),
        ("energy", 18, 94_839, 3794),
        ("standing", 18, 1000, 2800),
    ]
    assert "use divided by days" in bill.lines[0].note
    assert bill.lines[2].note == "17 of 31 days"


def test_r36_no_version_on_the_first_day_is_no_bill():
    with pytest.raises(Unpriced, match="2026-01-01"):
        rate(version(THREE, valid_from=dt.date(2026, 1, 2)), january())


def test_r36_of_two_versions_from_one_day_the_later_made_is_valid():
    first, second = version(Flat(name="e", price=CENT)), version(Flat(name="e", price=2 * CENT))
    assert rate([first, second], january(wh=1000)).total == 2


NET = NetMetering(name="net", mode="energy", expires_after=12, true_up=12, surplus_price=5 * CENT)


def test_r45_export_is_banked_and_used_the_oldest_first():
    tariff = version(NET, THREE)
    bank = (Credit(2025 * 12 + 10, 30_000), Credit(2025 * 12 + 2, 50_000))
    bill = rate(tariff, january(quantities={"import": 100_000, "export": 40_000}, bank=bank))
    assert bill.total == 0
    assert bill.bank == (Credit(2026 * 12, 20_000),)


def test_r45_a_credit_dies_when_the_tariff_says():
    tariff = version(NET, THREE)
    bank = (Credit(2024 * 12 + 11, 50_000), Credit(2025 * 12, 7_000))
    bill = rate(tariff, january(wh=10_000, bank=bank))
    assert bill.lines[0].note == "credit expired"
    assert bill.total == 30


def test_r45_the_bank_is_settled_once_a_year():
    december = Usage(
        start=dt.date(2026, 12, 1),
        end=dt.date(2027, 1, 1),
        quantities={"import": 10_000, "export": 110_000},
    )
    bill = rate(version(NET, THREE), december)
    assert (bill.total, bill.bank) == (-500, ())


def test_r45_buckets_are_not_netted_with_each_other_unless_the_tariff_says_so():
    prices = TimeOfUse(name="e", prices={"peak": 30 * CENT, "off": 10 * CENT})
    use = january(
        quantities={},
        buckets={"import": {"peak": 10_000, "off": 5_000}, "export": {"peak": 0, "off": 9_000}},
    )
    apart = rate(version(NET, prices, calendar=CALENDAR), use)
    assert (apart.total, apart.bank) == (300, (Credit(2026 * 12, 4_000, "off"),))
    across = msgspec.structs.replace(NET, across=True)
    together = rate(version(across, prices, calendar=CALENDAR), use)
    assert (together.total, together.bank) == (180, ())


def test_r45_money_is_banked_and_never_pays_more_than_is_due():
    net = NetMetering(name="net", mode="money", price=4 * CENT)
    use = january(quantities={"import": 10_000, "export": 100_000})
    bill = rate(version(Flat(name="e", price=10 * CENT), net), use)
    assert (bill.total, bill.bank) == (0, (Credit(2026 * 12, 300),))


def test_a_minimum_adds_what_is_missing_and_shrinks_with_the_period():
    tariff = version(Flat(name="e", price=CENT), Minimum(name="least", amount=3100))
    assert amounts(rate(tariff, january(wh=100_000))) == [100, 3000]
    assert rate(tariff, january(10, wh=0, cycle_days=31)).total == 1000
    assert rate(tariff, january(wh=4_000_000)).total == 4000


@pytest.mark.parametrize(
    ("kind", "wh", "total"),
    [
        ({"share": 250_000}, 100_000, 750),
        ({"amount": 300}, 100_000, 700),
        ({"amount": 3000}, 100_000, 0),
        ({"price": 4 * CENT}, 100_000, 600),
        ({"amount": 300, "upto": 99_999}, 100_000, 1000),
        ({"amount": 300, "over": 100_000}, 100_000, 1000),
    ],
)
def test_a_subsidy_is_taken_off_and_never_paid_out(kind, wh, total):
    tariff = version(Flat(name="e", price=10 * CENT), Subsidy(name="s", **kind))
    assert rate(tariff, january(wh=wh)).total == total


def test_a_slab_on_the_amount_takes_all_or_each_part():
    steps = (AmountStep(2500, 5_000), AmountStep(5000, 10_000), AmountStep(None, 20_000))
    bill = Fixed(name="f", price=6000 * CENT)
    assert rate(version(bill, Slab(name="fee", steps=steps)), january()).total == 6120
    apart = Slab(name="fee", steps=steps, telescopic=True)
    assert amounts(rate(version(bill, apart), january())) == [6000, 13, 25, 20]


def test_fixed_charges_count_days_amperes_and_kva():
    tariff = version(
        Fixed(name="day", price=7 * CENT, per="day"),
        Fixed(name="ampere", price=8 * CENT, per="ampere"),
        Fixed(name="kva", price=9 * CENT, per="kVA"),
        Levy(name="fuel", price=CENT // 2),
    )
    bill = rate(tariff, january(amperes=40, kva=12_500))
    assert amounts(bill) == [217, 320, 113, 125]
    with pytest.raises(Unpriced, match="how many A"):
        rate(tariff, january())


def test_money_buys_the_most_units_even_where_a_bill_falls():
    # A lump subsidy makes 51 kWh cheaper than 50.
    cases = (
        Case(0, 50_000, (Block(None, 50 * CENT),)),
        Case(50_000, None, (Block(None, 50 * CENT),), fixed=-2500),
    )
    tariff = version(Blocks(name="energy", cases=cases))
    for amount in (1, 49, 100, 2400, 2500, 7777):
        most = affordable(tariff, january(), amount)
        assert rate(tariff, january(wh=most)).total <= amount
        assert rate(tariff, january(wh=most + 10)).total > amount


@pytest.mark.parametrize(
    ("charges", "why"),
    [
        ([THREE, THREE], "two charges are called"),
        ([Minimum(name="m", amount=1, on=("energy",)), THREE], "no charge before it"),
        ([THREE, NET], "before all prices"),
        ([Rounding(name="r", to=5), THREE], "comes last"),
        ([THREE, Tax(name="t", rates=(TaxRate(dt.date(2027, 1, 1), 1),))], "no rate on"),
    ],
)
def test_a_version_whose_charges_do_not_fit_is_refused(charges, why):
    with pytest.raises(ValueError, match=why):
        version(*charges)


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        ((), "no case"),
        ((Case(1, None, (Block(None, 1),)),), "begins at 1"),
        ((Case(0, None, (Block(9, 1),)),), "no block prices"),
        ((Case(0, None, (Block(9, 1), Block(9, 1), Block(None, 1))),), "do not rise"),
        ((Case(0, None, (Block(None, 1), Block(9, 1))),), "do not rise"),
    ],
)
def test_blocks_with_a_hole_are_refused(cases, why):
    with pytest.raises(ValueError, match=why):
        Blocks(name="energy", cases=cases)
