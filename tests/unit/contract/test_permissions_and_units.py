"""Patterns of permissions, and money that is never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import grants, permits
from hub.contract import units


@pytest.mark.parametrize(
    ("patterns", "code", "granted"),
    [
        ({"scada.points.read"}, "scada.points.read", True),
        ({"scada.points.read"}, "scada.points.write", False),
        ({"scada.*"}, "scada.points.read", True),
        ({"scada.*.read"}, "scada.points.read", True),
        ({"scada.*.read"}, "scada.points.write", False),
        ({"*"}, "anything.at.all", True),
        ({"*", "!scada.controls.*"}, "scada.controls.execute", False),
        ({"*", "!scada.controls.*"}, "scada.points.read", True),
        ({"scada.points"}, "scada.points.read", False),
        ({"scada.*"}, "scada", False),
        (set(), "scada.points.read", False),
    ],
)
def test_a_pattern_grants_what_it_says(patterns, code, granted):
    assert permits(frozenset(patterns), code) is granted


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ({"*"}, ["*"], None),
        ({"*", "!identity.tenants.write"}, ["*"], "*"),
        ({"*", "!identity.tenants.write"}, ["*", "!identity.tenants.write"], None),
        ({"*", "!identity.tenants.write"}, ["*", "!identity.tenants.*"], None),
        ({"*", "!identity.tenants.write"}, ["identity.*"], "identity.*"),
        ({"*", "!identity.tenants.write"}, ["*.*.write"], "*.*.write"),
        ({"*", "!identity.tenants.write"}, ["scada.*", "identity.users.read"], None),
        ({"scada.*.read"}, ["scada.points.read"], None),
        ({"scada.*.read"}, ["scada.*"], "scada.*"),
        ({"scada.*"}, ["*"], "*"),
        ({"scada.*"}, ["!crm.*"], None),
    ],
)
def test_nobody_gives_more_than_he_has(held, wanted, lacking):
    assert grants(frozenset(held), wanted) == lacking


@given(st.integers(-(10**15), 10**15), st.integers(-(10**9), 10**9), st.integers(1, 10**9))
def test_a_share_is_rounded_half_away_from_zero(amount, numerator, denominator):
    exact = Decimal(amount) * numerator / denominator
    assert abs(Decimal(units.ratio(amount, numerator, denominator)) - exact) <= Decimal("0.5")
    assert units.ratio(-amount, numerator, denominator) == -units.ratio(
        amount, numerator, denominator
    )


def test_a_line_is_rounded_once():
    assert units.ratio(5, 1, 10) == 1
    assert units.ratio(-5, 1, 10) == -1
    assert units.price(1_234_567, 150_000 * units.MICRO // 1000) == 185_185


@pytest.mark.parametrize(
    ("text", "currency", "minor"), [("12.34", "USD", 1234), ("1.005", "KWD", 1005), ("7", "JPY", 7)]
)
def test_amounts_are_written_as_their_currency_has_decimals(text, currency, minor):
    assert units.to_minor(text, currency) == minor
    assert Decimal(units.from_minor(minor, currency)) == Decimal(text)


def test_more_decimals_than_the_currency_has_are_refused():
    with pytest.raises(ValueError, match="more decimals"):
        units.to_minor("1.005", "USD")
