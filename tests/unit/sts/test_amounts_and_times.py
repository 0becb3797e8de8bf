"""Amounts in 2+14 bits, token identifiers, base dates."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sts.decoder import amount_of
from drivers.sts.encoder import unit_code
from drivers.sts.errors import NotIssued
from drivers.sts.standard import BaseDate
from drivers.sts.tid import base_date_at, last_tid, skip_reserved, tid_at, time_of


@pytest.mark.parametrize(
    ("asked", "given_back"),
    [
        (0, 0),
        (16383, 16383),
        (16384, 16384),
        (16385, 16394),
        (180214, 180214),
        (180215, 180224),
        (1818524, 1818524),
        (1818525, 1818624),
        (18201624, 18201624),
    ],
)
def test_amounts_round_up_at_the_bounds_of_each_band(asked: int, given_back: int) -> None:
    assert amount_of(*unit_code(asked)) == given_back


@given(st.integers(0, 18_201_624))
def test_a_customer_never_gets_less_than_paid_for(units: int) -> None:
    exponent, mantissa = unit_code(units)
    got = amount_of(exponent, mantissa)
    assert units <= got < units + 10**exponent
    assert unit_code(got) == (exponent, mantissa)


@given(st.integers(0, 10**30))
def test_a_negative_amount_never_takes_more_than_asked(units: int) -> None:
    exponent, mantissa = unit_code(units, 32, down=True)
    assert 0 <= mantissa < 1 << 14
    assert units - 10 ** (exponent + 1) < amount_of(exponent, mantissa) <= units


def test_more_than_the_field_carries_is_refused() -> None:
    with pytest.raises(NotIssued, match="18201625"):
        unit_code(18_201_625)


@pytest.mark.parametrize(
    ("base", "last"), [(1993, "2024-11-24"), (2014, "2045-11-24"), (2035, "2066-11-24")]
)
def test_identifiers_end_on_the_published_day(base: int, last: str) -> None:
    moment = datetime.fromisoformat(f"{last}T20:15:59+00:00")
    assert tid_at(moment, BaseDate(base)) == 0xFFFFFF
    with pytest.raises(NotIssued, match=f"{last} 20:15"):
        tid_at(moment + timedelta(minutes=1), BaseDate(base))
    with pytest.raises(NotIssued):
        tid_at(BaseDate(base).epoch - timedelta(seconds=1), BaseDate(base))


def test_local_times_are_counted_in_utc() -> None:
    aden = timezone(timedelta(hours=3))
    assert tid_at(datetime(2014, 1, 1, 3, 5, tzinfo=aden), BaseDate.Y2014) == 5


@given(st.integers(0, (1 << 24) - 1), st.sampled_from(BaseDate))
def test_time_and_identifier_are_each_others_inverse(tid: int, base: BaseDate) -> None:
    assert tid_at(time_of(tid, base), base) == tid


def test_one_minute_past_midnight_is_kept_for_special_tokens() -> None:
    midnight = tid_at(datetime(2026, 7, 29, tzinfo=UTC), BaseDate.Y2014)
    assert [skip_reserved(midnight + n) - midnight for n in range(4)] == [0, 2, 2, 3]


def test_a_key_expires_after_its_number_of_65536_minutes() -> None:
    assert time_of(last_tid(85), BaseDate.Y2014) == datetime(2024, 9, 18, 22, 55, tzinfo=UTC)
    assert last_tid(255) == 0xFFFFFF


def test_new_meters_take_the_latest_base_date_begun() -> None:
    assert base_date_at(datetime(2026, 11, 20, tzinfo=UTC)) is BaseDate.Y2014
    assert base_date_at(datetime(2035, 1, 1, tzinfo=UTC)) is BaseDate.Y2035
