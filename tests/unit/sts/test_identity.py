"""Meter numbers and their check digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sts.identity import MeterPan, luhn
from hub import Invalid


@pytest.mark.parametrize("pan", ["600727000000000009", "000001000000000082", "600727111111111153"])
def test_published_test_numbers_are_accepted(pan: str) -> None:
    assert str(MeterPan.parse(pan)) == pan


@pytest.mark.parametrize("drn", ["12345678904", "11111111113"])
def test_a_drn_with_a_wrong_check_digit_is_refused_by_name(drn: str) -> None:
    with pytest.raises(Invalid, match="check digit"):
        MeterPan.parse(drn)


@pytest.mark.parametrize(
    "text", ["", "60072700000000000", "60072700000000000x", "٦٠٠٧٢٧٠٠٠٠٠٠٠٠٠٠٠٩"]
)
def test_what_is_not_18_digits_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="18 digits"):
        MeterPan.parse(text)


@given(st.integers(0, 10**10 - 1), st.integers(0, 17), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(serial: int, place: int, shift: int) -> None:
    drn = f"{serial:010d}"
    pan = str(MeterPan.parse(drn + luhn(drn)))
    typo = pan[:place] + str((int(pan[place]) + shift) % 10) + pan[place + 1 :]
    with pytest.raises(Invalid):
        MeterPan.parse(typo)


def test_a_13_digit_drn_belongs_to_issuer_0000() -> None:
    drn = "001234567890"
    pan = MeterPan.parse(drn + luhn(drn))
    assert pan.iin == "0000"
    assert pan.manufacturer == "0012"
    assert pan.block == ("0000" + drn + luhn(drn))[-16:]


def test_blanks_and_hyphens_between_digits_are_ignored() -> None:
    assert str(MeterPan.parse("6007 2700-0000 0000 09")) == "600727000000000009"
