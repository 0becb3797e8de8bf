"""From the content of a token to its 20 digits: the vending side (6.2 to 6.5).

Written without the decoder: each is the other's test.
"""

from collections.abc import Iterator
from functools import lru_cache

from .contents import (
    Content,
    Credit,
    CurrencyCredit,
    KeySection,
    KeySection1,
    KeySection2,
    KeySection3,
    KeySection4,
    MeterTest,
    Setting,
    SupplyGroupSection,
)
from .errors import NotIssued
from .identity import Meter
from .keys import DecoderKey, Secret
from .standard import CURRENCY, Algorithm, Subclass, TokenClass

_LIMITS = {Subclass.SET_MAXIMUM_POWER_LIMIT, Subclass.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT}
_MANTISSA = (1 << 14) - 1
Fields = tuple[tuple[int, int], ...]


def encode(content: Content, key: DecoderKey | None = None) -> str:
    """The token of that content, 20 digits; NotIssued if a field cannot carry it.

    Tests of class 1 are not encrypted and need no key.
    """
    token_class, fields = _fields(content)
    block = _pack(fields)
    body = token_class << 48 | block
    currency = isinstance(content, CurrencyCredit)
    block = block << 16 | _crc(body.to_bytes(7, "big") + b"\x01" * currency)
    if token_class is not TokenClass.TEST:
        if key is None:
            raise NotIssued("tokens of class 0 and 2 need the meter's decoder key")
        block = key.encrypt(block)
    # Bits 28 and 27 of the block make way for the class and move to the top (6.4.2).
    token = (block >> 27 & 3) << 64 | block & ~(3 << 27) | token_class << 27
    return f"{token:020d}"


def key_change(old: Meter, new: Meter, key: DecoderKey) -> Iterator[KeySection]:
    """The sections that move a meter from `old` to `new`, whose decoder key is `key` (6.2.7)."""
    value = key.secret.reveal()
    words = [Secret(value[i : i + 4]) for i in range(0, len(value), 4)]
    regroup = old.supply_group != new.supply_group
    wide = key.algorithm is Algorithm.MISTY1
    group = int(new.supply_group)
    yield KeySection1(
        key_revision=new.key_revision,
        key_type=new.key_type,
        expiry_high=new.key_expiry >> 4,
        rollover=old.base_date != new.base_date,
        third=regroup and not wide,
        word=words[0],
    )
    yield KeySection2(tariff_index=new.tariff_index, expiry_low=new.key_expiry & 15, word=words[-1])
    if wide:
        yield KeySection3(supply_group_low=group & 0xFFF, word=words[1])
        yield KeySection4(supply_group_high=group >> 12, word=words[2])
    elif regroup:
        yield SupplyGroupSection(supply_group=group)


def unit_code(value: int, exponents: int = 4, down: bool = False) -> tuple[int, int]:
    """Exponent and mantissa of an amount (6.3.6): rounded up, in the customer's favour.

    `down` serves negative amounts, whose magnitude must not grow.
    """
    base, step = 0, 1
    for exponent in range(exponents):
        upper = base + (step << 14)
        if value <= base + step * _MANTISSA:
            return exponent, (value - base) // step if down else -((base - value) // step)
        if down and value < upper:
            return exponent, _MANTISSA
        base, step = upper, step * 10
    raise NotIssued(f"{value} is more than the token's amount field can carry")


def _fields(content: Content) -> tuple[TokenClass, Fields]:
    match content:
        case Credit(units=units, service=service, tid=tid, random=random):
            return TokenClass.CREDIT, ((4, service), (4, random), (24, tid), (16, _limited(units)))
        case CurrencyCredit():
            return TokenClass.CREDIT, _currency(content)
        case MeterTest():
            return TokenClass.TEST, _test(content)
        case Setting(subclass=subclass, value=value, tid=tid, random=random):
            if subclass in _LIMITS:
                value = _limited(value)
            return TokenClass.MANAGEMENT, ((4, subclass), (4, random), (24, tid), (16, value))
        case _:
            return TokenClass.MANAGEMENT, _section(content)


def _limited(value: int) -> int:
    exponent, mantissa = unit_code(value)
    return exponent << 14 | mantissa


def _currency(content: CurrencyCredit) -> Fields:
    negative = content.amount < 0
    exponent, mantissa = unit_code(abs(content.amount), 32, negative)
    return (
        (4, CURRENCY + content.service),
        (1, negative),
        (3, exponent >> 2),
        (24, content.tid),
        (2, exponent & 3),
        (14, mantissa),
    )


def _test(content: MeterTest) -> Fields:
    digits = len(content.manufacturer)
    if content.extended and digits == 2:
        raise NotIssued("an extended token carries a manufacturer code of 4 digits")
    subclass = 2 if content.extended else digits // 2 - 1
    return (
        (4, subclass),
        (44 - 4 * digits, content.control),
        (
            4 * digits,
            int(content.manufacturer, 16),
        ),
    )


def _section(section: KeySection) -> Fields:
    match section:
        case KeySection1():
            return (
                (4, Subclass.SET_1ST_SECTION_DECODER_KEY),
                (4, section.expiry_high),
                (4, section.key_revision),
                (1, section.rollover),
                (1, section.third),
                (2, section.key_type),
                _word(section.word),
            )
        case KeySection2():
            return (
                (4, Subclass.SET_2ND_SECTION_DECODER_KEY),
                (4, section.expiry_low),
                (8, section.tariff_index),
                _word(section.word),
            )
        case SupplyGroupSection(supply_group=group):
            return (4, Subclass.SET_3RD_SECTION_DECODER_KEY), (24, group), (20, 0)
        case KeySection3(supply_group_low=low, word=word):
            return (4, Subclass.SET_3RD_SECTION_DECODER_KEY), (12, low), _word(word)
        case KeySection4(supply_group_high=high, word=word):
            return (4, Subclass.SET_4TH_SECTION_DECODER_KEY), (12, high), _word(word)


def _word(word: Secret) -> tuple[int, int]:
    return 32, int.from_bytes(word.reveal(), "big")


def _pack(fields: Fields) -> int:
    """Fields from the left, as widths in bits and values, into 48 bits."""
    block = 0
    for width, value in fields:
        if value >> width:
            raise NotIssued(f"{int(value)} does not fit a field of {width} bits")
        block = block << width | value
    return block


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    table = list(range(256))
    for _ in range(8):
        table = [entry >> 1 ^ 0xA001 * (entry & 1) for entry in table]
    return tuple(table)


def _crc(data: bytes) -> int:
    """CRC-16 of 6.3.7, low byte first as it stands in the token."""
    table, register = _crc_table(), 0xFFFF
    for byte in data:
        register = register >> 8 ^ table[(register ^ byte) & 0xFF]
    return (register & 0xFF) << 8 | register >> 8
