"""Who a meter is (5.2).

MeterPAN = IIN + DRN + check digit; DRN = MfrCode + serial number + check digit.
"""

import re
from typing import Annotated

from msgspec import Meta, Struct

from hub import Invalid

from .standard import KEN_NEVER, Algorithm, BaseDate, Derivation, KeyType

# IIN 600727 goes with a DRN of 11 digits (MfrCode 2), 0000 with one of 13 (MfrCode 4).
_FORMS = {"600727": 2, "0000": 4}


def luhn(digits: str) -> str:
    """The check digit to append to `digits` (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - position % 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def check_digits(number: str, length: int, what: str) -> str:
    """`number` without blanks if it has `length` digits and a right check digit, else Invalid."""
    plain = re.sub(r"[\s-]", "", number)
    if not (plain.isascii() and plain.isdigit() and len(plain) == length):
        raise Invalid(f"{what} {number!r} must have {length} digits")
    if luhn(plain[:-1]) != plain[-1]:
        raise Invalid(f"{what} {number!r}: check digit is {plain[-1]}, expected {luhn(plain[:-1])}")
    return plain


class MeterPan(Struct, frozen=True):
    """iin: issuer; drn: decoder reference number as printed, with its own check digit."""

    iin: str
    drn: str

    @classmethod
    def parse(cls, number: str) -> "MeterPan":
        """Read 18 digits, or a bare DRN of 11 or 13; Invalid names the digit that is wrong."""
        plain = re.sub(r"[\s-]", "", number)
        if len(plain) in {11, 13}:
            return cls.of_drn(plain)
        plain = check_digits(number, 18, "MeterPAN")
        iin = "600727" if plain.startswith("600727") else "0000"
        return cls.of_drn(plain[len(iin) : -1], iin)

    @classmethod
    def of_drn(cls, drn: str, iin: str = "") -> "MeterPan":
        iin = iin or ("600727" if len(drn) == 11 else "0000")
        if iin not in _FORMS:
            raise Invalid(f"issuer identification number {iin!r} is neither 600727 nor 0000")
        return cls(iin, check_digits(drn, 17 - len(iin), "DRN"))

    @property
    def manufacturer(self) -> str:
        """MfrCode: 2 or 4 digits."""
        return self.drn[: _FORMS[self.iin]]

    @property
    def block(self) -> str:
        """PANBlock of DKGA02: 16 digits, cut from the left, without the check digit."""
        return (self.iin + self.drn)[-16:]

    def __str__(self) -> str:
        body = self.iin + self.drn
        return body + luhn(body)


class Meter(Struct, frozen=True, kw_only=True):
    """What a vending system knows of a meter; keys are named by supply group and revision only."""

    pan: Annotated[str, Meta(pattern=r"^\d{18}$")]
    supply_group: Annotated[str, Meta(pattern=r"^\d{6}$")]
    tariff_index: Annotated[int, Meta(ge=0, le=99)] = 1
    key_revision: Annotated[int, Meta(ge=1, le=9)] = 1
    key_type: KeyType = KeyType.UNIQUE
    key_expiry: Annotated[int, Meta(ge=0, le=KEN_NEVER)] = KEN_NEVER
    algorithm: Algorithm = Algorithm.MISTY1
    derivation: Derivation = Derivation.DKGA04
    base_date: BaseDate = BaseDate.Y2014
