"""The virtual prepayment meter as a customer sees it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from drivers.sts import contents as c
from drivers.sts.encoder import encode
from drivers.sts.identity import Meter
from drivers.sts.keys import Secret
from drivers.sts.standard import Result
from simulators.prepaid import OpenReason, PrepaidMeter, virtual_meter

NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)
IDENTITY = Meter(pan="600727000000000009", supply_group="201457")
KEY = Secret.from_hex("ABABABABABABABAB949494949494949401234567")


@pytest.fixture
def device() -> PrepaidMeter:
    return PrepaidMeter(virtual_meter(IDENTITY, KEY), demand=2000)


def give(device: PrepaidMeter, order: c.Order, tid: int) -> Result:
    return device.enter(encode(structs.replace(order, tid=tid), device.sts.key), NOW).result


def test_a_new_meter_is_open_and_a_token_closes_it(device: PrepaidMeter) -> None:
    assert device.reason is OpenReason.NO_CREDIT
    assert device.power == 0
    assert give(device, c.Credit(units=10), 5) is Result.ACCEPT
    assert device.closed
    assert (device.balance, device.power) == (1000, 2000)


def test_credit_counts_down_with_the_load_and_the_relay_opens_at_zero(
    device: PrepaidMeter,
) -> None:
    give(device, c.Credit(units=10), 5)
    device.run(900)
    assert device.balance == pytest.approx(500)
    device.run(3600)
    assert device.balance == 0
    assert device.reason is OpenReason.NO_CREDIT
    assert device.energy == pytest.approx(1000)
    device.run(3600)
    assert device.energy == pytest.approx(1000)


def test_tamper_opens_until_the_token_that_clears_it(device: PrepaidMeter) -> None:
    give(device, c.Credit(units=10), 5)
    device.tamper()
    assert device.reason is OpenReason.TAMPER
    give(device, c.Credit(units=10), 6)
    assert device.reason is OpenReason.TAMPER
    give(device, c.clear_tamper(), 7)
    assert device.closed


def test_an_overload_opens_for_thirty_seconds(device: PrepaidMeter) -> None:
    give(device, c.Credit(units=10), 5)
    give(device, c.power_limit(1500), 6)
    device.run(1)
    assert device.reason is OpenReason.OVERLOAD
    device.demand = 1000
    device.run(29)
    assert not device.closed
    device.run(1)
    assert device.closed
    assert device.energy == 0


def test_clearing_the_credit_opens_the_relay(device: PrepaidMeter) -> None:
    give(device, c.Credit(units=10), 5)
    device.run(1)
    give(device, c.clear_credit(), 6)
    assert (device.balance, device.reason) == (0, OpenReason.NO_CREDIT)


def test_a_refused_token_leaves_credit_and_relay_alone(device: PrepaidMeter) -> None:
    assert device.enter("1" * 20, NOW).result is Result.CRC
    assert device.last_result is Result.CRC
    assert (device.balance, device.closed) == (0, False)


@given(st.lists(st.floats(0, 4000), max_size=30), st.integers(1, 50))
def test_what_was_bought_is_what_was_used_and_what_is_left(loads: list[float], units: int) -> None:
    device = PrepaidMeter(virtual_meter(IDENTITY, KEY))
    give(device, c.Credit(units=units), 5)
    for load in loads:
        device.demand = load
        device.run(60)
    assert device.balance >= 0
    assert device.energy + device.balance == pytest.approx(units * 100)
