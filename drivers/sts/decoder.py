"""From 20 digits to what a token says: the meter's side (7.2, 7.3).

Written without the encoder: each is the other's test.
"""

import re

from .contents import (
    Content,
    Credit,
    CurrencyCredit,
    KeySection1,
    KeySection2,
    KeySection3,
    KeySection4,
    MeterTest,
    Setting,
    SupplyGroupSection,
)
from .errors import TokenRefused
from .keys import DecoderKey, Secret
from .standard import Algorithm, KeyType, Result, Service, Subclass

# Remainders of the reflected polynomial 0xA001 for the 16 values of a nibble.
_REMAINDERS = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip
_LIMITS = {0, 6}


def decode(digits: str, key: DecoderKey | None = None) -> Content:
    """Read a token; TokenRefused says what a meter would say, FormatError to CRCError.

    Without a key only tests of class 1 can be read: others are refused with CRCError.
    """
    plain = re.sub(r"[ -]", "", digits)
    if not re.fullmatch(r"[0-9]{20}", plain):
        raise TokenRefused(Result.FORMAT, "a token has 20 digits")
    number = int(plain)
    top, low = divmod(number, 1 << 64)
    if top > 3:
        raise TokenRefused(Result.FORMAT, "more than 66 bits")
    kind = low >> 27 & 0b11
    # The two bits that the class displaced come back from the top.
    payload = (low & 0xFFFF_FFFF_E7FF_FFFF) | top << 27
    if kind == 3:
        raise TokenRefused(Result.FORMAT, "class 3 is reserved")
    if kind == 1:
        octets = payload.to_bytes(8, "big")
        _check(kind, octets)
        return _read_test(octets)
    if key is None:
        raise TokenRefused(Result.CRC, "no decoder key")
    octets = key.decrypt(payload).to_bytes(8, "big")
    _check(kind, octets)
    if kind == 0:
        return _read_credit(octets)
    return _read_management(octets, key.algorithm)


def amount_of(exponent: int, mantissa: int) -> int:
    """The amount in smallest units that such a code stands for (6.3.6)."""
    # 16384 + 163840 + … up to the exponent is 16384 times the number of that many ones.
    power: int = 10**exponent
    return 16384 * (power // 9) + mantissa * power


def _check(kind: int, octets: bytes) -> None:
    """Compare the last two octets with the remainder of class and first six (6.3.7, 6.3.22)."""
    remainder = 0xFFFF
    message = bytes((kind,)) + octets[:6]
    if kind == 0 and octets[0] & 0xC0 == 0x40:
        message += b"\x01"
    for octet in message:
        remainder ^= octet
        remainder = remainder >> 4 ^ _REMAINDERS[remainder & 15]
        remainder = remainder >> 4 ^ _REMAINDERS[remainder & 15]
    if octets[6] != remainder & 0xFF or octets[7] != remainder >> 8:
        raise TokenRefused(Result.CRC)


def _read_test(octets: bytes) -> MeterTest:
    subclass, text = octets[0] >> 4, octets[:6].hex()
    if subclass > 2:
        raise TokenRefused(Result.FUNCTION, f"class 1, subclass {subclass}")
    split = 10 if subclass == 0 else 8
    control, manufacturer = text[1:split], text[split:]
    if not manufacturer.isdecimal():
        raise TokenRefused(Result.FORMAT, "manufacturer code is not decimal")
    return MeterTest(control=int(control, 16), manufacturer=manufacturer, extended=subclass == 2)


def _read_credit(octets: bytes) -> Credit | CurrencyCredit:
    subclass, extra = divmod(octets[0], 16)
    tid = int.from_bytes(octets[1:4], "big")
    exponent, mantissa = divmod(int.from_bytes(octets[4:6], "big"), 16384)
    if subclass < 4:
        return Credit(
            units=amount_of(exponent, mantissa),
            service=Service(subclass),
            tid=tid,
            random=extra,
        )
    if subclass < 8:
        magnitude = amount_of(exponent + 4 * (extra % 8), mantissa)
        return CurrencyCredit(
            amount=-magnitude if extra > 7 else magnitude,
            service=Service(subclass - 4),
            tid=tid,
        )
    raise TokenRefused(Result.FUNCTION, f"class 0, subclass {subclass}")


def _read_management(octets: bytes, algorithm: Algorithm) -> Content:
    subclass = octets[0] >> 4
    if subclass in {3, 4, 8, 9}:
        return _read_section(subclass, octets, algorithm)
    if subclass > 10:
        raise TokenRefused(Result.FUNCTION, f"class 2, subclass {subclass}")
    value = int.from_bytes(octets[4:6], "big")
    return Setting(
        subclass=Subclass(subclass),
        value=amount_of(value >> 14, value & 0x3FFF) if subclass in _LIMITS else value,
        tid=int.from_bytes(octets[1:4], "big"),
        random=octets[0] & 15,
    )


def _read_section(subclass: int, octets: bytes, algorithm: Algorithm) -> Content:
    word = Secret(octets[2:6])
    head = int.from_bytes(octets[:2], "big") & 0x0FFF
    if subclass == 3:
        return KeySection1(
            expiry_high=octets[0] & 15,
            key_revision=octets[1] >> 4,
            rollover=bool(octets[1] & 8),
            third=bool(octets[1] & 4),
            key_type=KeyType(octets[1] & 3),
            word=word,
        )
    if subclass == 4:
        return KeySection2(expiry_low=octets[0] & 15, tariff_index=octets[1], word=word)
    if algorithm is Algorithm.MISTY1:
        if subclass == 8:
            return KeySection3(supply_group_low=head, word=word)
        return KeySection4(supply_group_high=head, word=word)
    if subclass == 9:
        raise TokenRefused(Result.FUNCTION, "a 64-bit key has no fourth section")
    if int.from_bytes(octets[3:6], "big") & 0xFFFFF:
        raise TokenRefused(Result.FORMAT, "padding is not zero")
    return SupplyGroupSection(supply_group=head << 12 | octets[2] << 4 | octets[3] >> 4)
