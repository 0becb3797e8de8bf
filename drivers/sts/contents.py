"""What a token says, before it is packed into bits and after it is read out of them (6.2).

`tid` and `random` of an order are left at 0: the issuer fills them in.
"""

from typing import Annotated

from msgspec import Meta, Struct

from .keys import Secret
from .standard import ALL_REGISTERS, KeyType, Service, Subclass

Tid = Annotated[int, Meta(ge=0, lt=1 << 24)]
Nibble = Annotated[int, Meta(ge=0, lt=16)]


class Credit(Struct, frozen=True, kw_only=True, tag="credit"):
    """Units of a service, in steps of 0.1 kWh, 0.1 m3 or 0.1 min."""

    units: Annotated[int, Meta(ge=0)]
    service: Service = Service.ELECTRICITY
    tid: Tid = 0
    random: Nibble = 0


class CurrencyCredit(Struct, frozen=True, kw_only=True, tag="currency"):
    """Money for a service, in 0.00001 of the base currency; negative takes credit back."""

    amount: int
    service: Service = Service.ELECTRICITY
    tid: Tid = 0


class MeterTest(Struct, frozen=True, kw_only=True, tag="test"):
    """A test or display of class 1. control: bit n-1 asks for test n, all ones for test 0.

    manufacturer: 2 digits (36 control bits) or 4 (28 bits); zeros address every make.
    extended: subclass 2, the reading of an extended parameter.
    """

    control: Annotated[int, Meta(ge=0, lt=1 << 36)]
    manufacturer: Annotated[str, Meta(pattern=r"^(\d{2}|\d{4})$")] = "00"
    extended: bool = False


class Setting(Struct, frozen=True, kw_only=True, tag="setting"):
    """A class 2 token with one value: W for the two limits, else the 16 bits of the field.

    Clear credit takes a register number (`ALL_REGISTERS` for all), clear tamper always 0.
    """

    subclass: Subclass
    value: Annotated[int, Meta(ge=0)] = 0
    tid: Tid = 0
    random: Nibble = 0


class KeySection1(Struct, frozen=True, kw_only=True):
    """The highest 32 bits of the new key. third: a third token brings a new supply group."""

    key_revision: int
    key_type: KeyType
    expiry_high: int
    rollover: bool
    third: bool
    word: Secret


class KeySection2(Struct, frozen=True, kw_only=True):
    """The lowest 32 bits of the new key."""

    tariff_index: int
    expiry_low: int
    word: Secret


class SupplyGroupSection(Struct, frozen=True, kw_only=True):
    """The third token of a 64-bit key: nothing but the new supply group."""

    supply_group: int


class KeySection3(Struct, frozen=True, kw_only=True):
    """Bits 95 to 64 of a 128-bit key, with the low 12 bits of the supply group."""

    supply_group_low: int
    word: Secret


class KeySection4(Struct, frozen=True, kw_only=True):
    """Bits 63 to 32 of a 128-bit key, with the high 12 bits of the supply group."""

    supply_group_high: int
    word: Secret


KeySection = KeySection1 | KeySection2 | SupplyGroupSection | KeySection3 | KeySection4
Order = Credit | CurrencyCredit | MeterTest | Setting
Content = Order | KeySection


def clear_credit(register: int = ALL_REGISTERS) -> Setting:
    return Setting(subclass=Subclass.CLEAR_CREDIT, value=register)


def clear_tamper() -> Setting:
    return Setting(subclass=Subclass.CLEAR_TAMPER_CONDITION)


def power_limit(watts: int) -> Setting:
    return Setting(subclass=Subclass.SET_MAXIMUM_POWER_LIMIT, value=watts)
