"""Rules of money, each as a test that a careless program fails."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.contract.units import digits, half_up, price
from plugins.finance import rules
from plugins.finance.entries import Entry, check, credit, debit, digest_of, mirrored
from plugins.finance.errors import Unbalanced

AMOUNTS = st.integers(-(10**15), 10**15)
MANY = settings(max_examples=500, deadline=None)
FIFTEEN = Decimal(15)


def test_r1_no_float_comes_near_money():
    package = Path(rules.__file__).parent
    found = [
        f"{path.name}:{node.lineno}"
        for path in package.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id in {"float", "Measured"})
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _whole(node))
    ]
    assert found == []


def _whole(node):
    """A true division of plain numbers gives a float; of Decimals and paths it does not."""
    return all(isinstance(x, ast.Constant) and isinstance(x.value, int)
               for x in (node.left, node.right))  # fmt: skip


@pytest.mark.parametrize("currency", ["KWD", "BHD", "OMR", "JOD", "TND", "LYD"])
def test_r2_dinars_have_three_decimals(currency):
    assert digits(currency) == 3
    assert rules.from_text("1.234", 3) == 1234
    assert rules.to_text(-1234, 3) == "-1.234"


def test_r2_a_scale_is_not_guessed_from_a_locale():
    assert (digits("YER"), digits("IQD"), digits("SYP"), digits("JPY")) == (2, 3, 2, 0)
    with pytest.raises(ValueError, match="more than 2 decimals"):
        rules.from_text("19.999", 2)


@MANY
@given(AMOUNTS, st.integers(0, 6))
def test_r1_text_and_amount_are_the_same_thing(amount, scale):
    assert rules.from_text(rules.to_text(amount, scale), scale) == amount


def test_r3_a_half_is_rounded_up_once():
    assert [half_up(Decimal(x)) for x in ("0.5", "1.5", "2.5", "-2.5")] == [1, 2, 3, -3]
    assert price(1_500, 333_333) == 0  # 1.5 kWh at 0.333333 minor units: 0.4999995
    assert price(1_500, 333_334) == 1


def test_r4_tax_per_line_and_per_document_differ_and_both_are_told():
    nets = [3] * 10
    assert sum(rules.tax_per_line(nets, FIFTEEN)) == 0
    assert sum(rules.tax_per_document(nets, FIFTEEN)) == 5


@MANY
@given(AMOUNTS, st.decimals(0, 100, places=2))
def test_r4_inclusive_tax_is_what_is_not_net(gross, percent):
    taxed = rules.take_tax(gross, percent)
    assert taxed.gross == gross
    assert abs(rules.add_tax(taxed.net, percent).gross - gross) <= 1


@MANY
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=30))
def test_r4_tax_of_lines_adds_up_to_tax_of_the_document(nets):
    assert sum(rules.tax_per_document(nets, FIFTEEN)) == rules.add_tax(sum(nets), FIFTEEN).tax


WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=40).filter(any)


@settings(max_examples=2000, deadline=None)
@given(AMOUNTS, WEIGHTS)
def test_r5_a_split_conserves_the_total(total, weights):
    parts = rules.split(total, weights)
    assert sum(parts) == total
    assert all(p == 0 for p, w in zip(parts, weights, strict=True) if w == 0)
    exact = [Decimal(total) * w / sum(weights) for w in weights]
    assert all(abs(p - e) < 1 for p, e in zip(parts, exact, strict=True))
    assert parts == rules.split(total, weights)


def test_r5_the_first_of_equals_gets_the_cent():
    assert rules.split(100, [1, 1, 1]) == [34, 33, 33]
    assert rules.split(-100, [1, 1, 1]) == [-34, -33, -33]
    with pytest.raises(ValueError, match="not all zero"):
        rules.split(5, [0, 0])


def test_r6_there_is_no_tolerance_in_an_entry():
    lines = (debit("1110", 10_000), credit("4110", 9_999))
    with pytest.raises(Unbalanced) as refused:
        check(Entry(kind="t", day=None, description="", lines=lines))
    assert refused.value.extra["difference"] == 1
    check(Entry(kind="t", day=None, description="", lines=(*lines, credit("5800", 1))))


@MANY
@given(AMOUNTS, st.sampled_from([1, 5, 25, 50, 100, 250, 1000]))
def test_r7_cash_rounding_is_a_step_of_its_own(amount, coin):
    more = rules.cash_rounding(amount, coin)
    assert (amount + more) % coin == 0
    assert 2 * abs(more) <= coin


def test_r9_a_settlement_difference_is_an_exchange_gain():
    # 100.00 USD were booked at 250.00 YER; today they are worth 260.00
    assert rules.convert(100_00, Decimal(250), 2, 2) == 25_000_00
    assert rules.revaluation(100_00, 25_000_00, Decimal(260), (2, 2)) == 1_000_00
    assert rules.convert(1_000, Decimal("3.25"), 3, 2) == 325  # 1.000 KWD


def test_r10_lines_that_move_nothing_are_refused():
    with pytest.raises(Unbalanced, match="line 3 moves nothing"):
        check(
            Entry(
                kind="t",
                day=None,
                description="",
                lines=(debit("a", 1), credit("b", 1), debit("c", 0)),
            )
        )


def test_r12_a_mirror_of_a_mirror_is_the_entry():
    lines = (debit("1110", 5, description="x"), credit("4110", 5))
    assert mirrored(mirrored(lines)) == lines
    assert [x.amount for x in mirrored(lines)] == [-5, 5]


def test_r13_a_digest_tells_any_two_entries_apart():
    import datetime as dt

    base = Entry(
        kind="k", key="1", day=dt.date(2026, 1, 1), description="d",
        lines=(debit("1110", 5), credit("4110", 5)),
    )  # fmt: skip
    others = [
        {"kind": "k2"},
        {"key": "2"},
        {"day": dt.date(2026, 1, 2)},
        {"description": "e"},
        {"reference_type": "d"},
        {"lines": (debit("1110", 6), credit("4110", 6))},
        {"lines": (credit("4110", 5), debit("1110", 5))},
        {"lines": (debit("1110", 5, description="x"), credit("4110", 5))},
    ]
    import msgspec

    digests = {digest_of(base), *(digest_of(msgspec.structs.replace(base, **o)) for o in others)}
    assert len(digests) == len(others) + 1


def test_debts_age_by_days_overdue():
    items = [(-3, 1), (0, 2), (1, 10), (30, 20), (31, 100), (60, 1), (90, 1000), (91, 10_000)]
    assert rules.aged(items) == [3, 30, 101, 1000, 10_000]


@MANY
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 1000))), st.integers(0, 20_000))
def test_money_pays_the_oldest_debts_and_none_is_lost(debts, received):
    still_open, left = rules.settle_oldest_first(debts, received)
    assert sum(a for _, a in debts) - received == sum(a for _, a in still_open) - left
    assert left == 0 or not still_open
