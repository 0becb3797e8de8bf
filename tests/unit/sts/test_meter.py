"""What a meter does with tokens: what it takes, and that what it refuses changes nothing."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from drivers.sts import contents as c
from drivers.sts.encoder import encode, key_change
from drivers.sts.identity import Meter
from drivers.sts.keys import DecoderKey, Secret, derive
from drivers.sts.meter import STORE, Lockout, StsMeter
from drivers.sts.standard import BaseDate, KeyType, Result, Service, Subclass

NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)
TID = 6_613_200


@pytest.fixture
def device(meter: Meter, key: DecoderKey) -> StsMeter:
    return StsMeter(meter, key, first_tid=TID - 1000)


@pytest.fixture
def token(key: DecoderKey) -> Callable[..., str]:
    def make(units: int = 250, tid: int = TID, **more: Any) -> str:
        return encode(c.Credit(units=units, tid=tid, random=5, **more), key)

    return make


def state(device: StsMeter) -> dict[str, Any]:
    held = {k: v for k, v in vars(device).items() if k not in {"key", "pending"}}
    return copy.deepcopy(held) | {"key": device.key, "pending": dict(device.pending)}


def refused(device: StsMeter, digits: str, now: datetime = NOW) -> Result:
    before = state(device)
    result = device.enter(digits, now).result
    assert state(device) == before
    return result


def test_credit_is_added_in_base_units(device: StsMeter, token: Callable[..., str]) -> None:
    for place, service in enumerate(Service):
        entry = device.enter(token(25, TID + place, service=service), NOW)
        assert entry.result is Result.ACCEPT
    assert device.credit == {
        Service.ELECTRICITY: 2500,
        Service.WATER: 2500,
        Service.GAS: 2500,
        Service.TIME: 150,
    }


def test_a_token_is_taken_once(device: StsMeter, token: Callable[..., str]) -> None:
    assert device.enter(token(), NOW).result is Result.ACCEPT
    assert refused(device, token()) is Result.USED
    assert device.credit[Service.ELECTRICITY] == 25_000


def test_tokens_may_come_in_any_order_but_not_from_before_the_store(
    device: StsMeter, token: Callable[..., str]
) -> None:
    for place in range(STORE, 0, -1):
        assert device.enter(token(1, TID + place), NOW).result is Result.ACCEPT
    assert refused(device, token(1, TID)) is Result.OLD
    assert refused(device, token(1, TID - 5000)) is Result.OLD
    assert device.enter(token(1, TID + STORE + 1), NOW).result is Result.ACCEPT
    assert refused(device, token(1, TID + 1)) is Result.OLD


def test_every_single_digit_typo_is_refused(device: StsMeter, token: Callable[..., str]) -> None:
    good = token()
    seen = set()
    for place in range(20):
        for digit in "0123456789":
            if digit != good[place]:
                seen.add(refused(device, good[:place] + digit + good[place + 1 :]))
    assert seen <= {Result.CRC, Result.FORMAT}
    assert device.enter(good, NOW).result is Result.ACCEPT


@pytest.mark.parametrize(
    "digits",
    [
        "",
        "1",
        "1" * 19,
        "1" * 21,
        "1234567890123456789A",
        "٣" * 20,
        "73786976294838206464",
        "9" * 20,
    ],
)
def test_what_is_no_token_is_a_format_error(device: StsMeter, digits: str) -> None:
    assert refused(device, digits) is Result.FORMAT


def test_class_3_is_a_format_error(device: StsMeter) -> None:
    assert refused(device, f"{3 << 27:020d}") is Result.FORMAT


@pytest.mark.parametrize(
    "change",
    [
        {"pan": "600727111111111153"},
        {"key_revision": 2},
        {"tariff_index": 2},
        {"supply_group": "123457"},
        {"base_date": BaseDate.Y1993},
        {"key_type": KeyType.DEFAULT},
    ],
)
def test_a_token_under_any_other_key_is_a_crc_error(
    device: StsMeter, meter: Meter, vending_key: Secret, change: dict[str, Any]
) -> None:
    other = derive(vending_key, structs.replace(meter, **change))
    assert refused(device, encode(c.Credit(units=250, tid=TID), other)) is Result.CRC


def test_a_token_after_the_keys_expiry_is_refused(
    meter: Meter, key: DecoderKey, token: Callable[..., str]
) -> None:
    device = StsMeter(structs.replace(meter, key_expiry=TID >> 16), key)
    last = (TID | 0xFFFF) - 1
    assert device.enter(token(1, last), NOW).result is Result.ACCEPT
    assert refused(device, token(1, last + 2)) is Result.KEY_EXPIRED


def test_a_default_key_carries_no_credit(meter: Meter, vending_key: Secret) -> None:
    identity = structs.replace(meter, key_type=KeyType.DEFAULT)
    default = derive(vending_key, identity)
    device = StsMeter(identity, default)
    assert refused(device, encode(c.Credit(units=1, tid=TID), default)) is Result.DDTK
    clear = structs.replace(c.clear_tamper(), tid=TID)
    assert device.enter(encode(clear, default), NOW).result is Result.ACCEPT


def test_a_register_that_would_overflow_refuses_and_the_token_is_not_used_up(
    device: StsMeter, token: Callable[..., str]
) -> None:
    device.credit[Service.ELECTRICITY] = 10**9 - 100
    assert refused(device, token(2)) is Result.OVERFLOW
    device.credit[Service.ELECTRICITY] = 0
    assert device.enter(token(2), NOW).result is Result.ACCEPT


def test_currency_registers_take_both_signs(device: StsMeter, key: DecoderKey) -> None:
    for place, amount in enumerate((1_500_000, -500_000)):
        device.enter(encode(c.CurrencyCredit(amount=amount, tid=TID + place), key), NOW)
    added, taken = 1_500_000, 500_000
    assert 0 <= device.money[Service.ELECTRICITY] - (added - taken) < 2000


def test_clearing_credit_clears_one_register_or_all(
    device: StsMeter, key: DecoderKey, token: Callable[..., str]
) -> None:
    for place, service in enumerate(Service):
        device.enter(token(10, TID + place, service=service), NOW)
    one = structs.replace(c.clear_credit(Service.WATER), tid=TID + 10)
    assert device.enter(encode(one, key), NOW).result is Result.ACCEPT
    assert device.credit[Service.WATER] == 0
    assert device.credit[Service.GAS] == 1000
    wrong = structs.replace(c.clear_credit(8), tid=TID + 11)
    assert refused(device, encode(wrong, key)) is Result.RANGE
    everything = structs.replace(c.clear_credit(), tid=TID + 12)
    device.enter(encode(everything, key), NOW)
    assert set(device.credit.values()) == {0}


def test_settings_and_tamper(device: StsMeter, key: DecoderKey) -> None:
    device.tampered = True
    limit = structs.replace(c.power_limit(5000), tid=TID)
    clear = structs.replace(c.clear_tamper(), tid=TID + 1)
    assert device.enter(encode(limit, key), NOW).result is Result.ACCEPT
    assert device.enter(encode(clear, key), NOW).result is Result.ACCEPT
    assert device.settings == {Subclass.SET_MAXIMUM_POWER_LIMIT: 5000}
    assert not device.tampered


def test_a_class_1_token_of_another_make_is_refused(device: StsMeter) -> None:
    assert device.enter(encode(c.MeterTest(control=4)), NOW).result is Result.ACCEPT
    other = encode(c.MeterTest(control=4, manufacturer="12"))
    assert refused(device, other) is Result.MANUFACTURER


class TestKeyChange:
    @pytest.fixture
    def target(self, meter: Meter) -> Meter:
        return structs.replace(
            meter, supply_group="123457", key_revision=2, tariff_index=7, key_expiry=200
        )

    @pytest.fixture
    def tokens(
        self, meter: Meter, target: Meter, key: DecoderKey, vending_key: Secret
    ) -> list[str]:
        new = derive(vending_key, target)
        return [encode(section, key) for section in key_change(meter, target, new)]

    def test_the_meter_switches_after_the_whole_set_in_any_order(
        self, device: StsMeter, target: Meter, tokens: list[str], vending_key: Secret
    ) -> None:
        results = [device.enter(digits, NOW).result for digits in reversed(tokens)]
        assert results == [Result.FOURTH_KCT, Result.THIRD_KCT, Result.SECOND_KCT, Result.ACCEPT]
        assert device.identity == target
        assert device.key.secret == derive(vending_key, target).secret

    def test_credit_and_identifiers_survive(
        self, device: StsMeter, tokens: list[str], token: Callable[..., str]
    ) -> None:
        device.enter(token(10), NOW)
        before = list(device.tids)
        for digits in tokens:
            device.enter(digits, NOW)
        assert device.credit[Service.ELECTRICITY] == 1000
        assert device.tids == before
        assert refused(device, token(10, TID + 1)) is Result.CRC

    def test_an_incomplete_set_is_forgotten_after_ten_minutes(
        self, device: StsMeter, meter: Meter, tokens: list[str]
    ) -> None:
        for digits in tokens[:3]:
            device.enter(digits, NOW)
        late = NOW + timedelta(minutes=11)
        assert device.enter(tokens[3], late).result is Result.FOURTH_KCT
        assert device.identity == meter

    def test_roll_over_clears_the_identifiers_and_keeps_the_credit(
        self,
        device: StsMeter,
        meter: Meter,
        key: DecoderKey,
        vending_key: Secret,
        token: Callable[..., str],
    ) -> None:
        device.enter(token(10), NOW)
        target = structs.replace(meter, base_date=BaseDate.Y2035, key_revision=2)
        new = derive(vending_key, target)
        for section in key_change(meter, target, new):
            device.enter(encode(section, key), NOW)
        assert device.identity == target
        assert device.credit[Service.ELECTRICITY] == 1000
        assert device.enter(encode(c.Credit(units=1, tid=5), new), NOW).result is Result.ACCEPT

    def test_a_change_to_a_default_key_is_a_key_type_error(
        self, device: StsMeter, meter: Meter, key: DecoderKey, vending_key: Secret
    ) -> None:
        target = structs.replace(meter, key_type=KeyType.DEFAULT)
        first = next(iter(key_change(meter, target, derive(vending_key, target))))
        assert refused(device, encode(first, key)) is Result.KEY_TYPE


def test_a_lockout_doubles_lets_tests_through_and_ends_with_a_good_token(
    device: StsMeter, token: Callable[..., str]
) -> None:
    device.lockout = Lockout()
    for _ in range(3):
        assert device.enter("1" * 20, NOW).result is Result.CRC
    assert refused(device, token()) is Result.LOCKED_OUT
    assert device.enter(encode(c.MeterTest(control=1)), NOW).result is Result.ACCEPT
    assert refused(device, token(), NOW + timedelta(seconds=9)) is Result.LOCKED_OUT
    assert device.enter("1" * 20, NOW + timedelta(seconds=10)).result is Result.CRC
    assert refused(device, token(), NOW + timedelta(seconds=29)) is Result.LOCKED_OUT
    assert device.enter(token(), NOW + timedelta(seconds=30)).result is Result.ACCEPT
    assert device.lockout == Lockout()
