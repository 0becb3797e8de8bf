"""Names and numbers of IEC 62055-41 that encoder, decoder and meter agree on."""

import enum
from datetime import UTC, datetime

DIGITS = 20
TOKEN_LIMIT = 1 << 66
TID_LIMIT = 1 << 24
MINUTES_OF_DAY = 1440
RESERVED_MINUTE = 1  # 00:01 of each day is the SpecialReservedTokenIdentifier (6.3.5.2)
KEN_NEVER = 255
ALL_REGISTERS = 0xFFFF


class TokenClass(enum.IntEnum):
    """Bits 65-64 of a token before transposition (6.2.1)."""

    CREDIT = 0
    TEST = 1
    MANAGEMENT = 2
    RESERVED = 3


class Service(enum.IntEnum):
    """What a credit token transfers; currency tokens add 4 to the subclass."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2
    TIME = 3


CURRENCY = 4


class Subclass(enum.IntEnum):
    """Subclasses of class 2 (6.2.3)."""

    SET_MAXIMUM_POWER_LIMIT = 0
    CLEAR_CREDIT = 1
    SET_TARIFF_RATE = 2
    SET_1ST_SECTION_DECODER_KEY = 3
    SET_2ND_SECTION_DECODER_KEY = 4
    CLEAR_TAMPER_CONDITION = 5
    SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT = 6
    SET_WATER_METER_FACTOR = 7
    SET_3RD_SECTION_DECODER_KEY = 8
    SET_4TH_SECTION_DECODER_KEY = 9
    EXTENDED_TOKEN_SET = 10


class Algorithm(enum.StrEnum):
    """EA: the encryption algorithm of the token carrier (6.5.4, 6.5.5)."""

    STA = "07"
    MISTY1 = "11"

    @property
    def key_bytes(self) -> int:
        return 8 if self is Algorithm.STA else 16


class Derivation(enum.StrEnum):
    """DKGA: how a decoder key is made from a vending key (6.5.3)."""

    DKGA02 = "02"
    DKGA04 = "04"


class KeyType(enum.IntEnum):
    """KT: DITK of manufacture, DDTK default, DUTK unique, DCTK common (6.5.2)."""

    INITIALISATION = 0
    DEFAULT = 1
    UNIQUE = 2
    COMMON = 3


class BaseDate(enum.IntEnum):
    """The year that token identifiers are counted from (6.3.5.1)."""

    Y1993 = 1993
    Y2014 = 2014
    Y2035 = 2035

    @property
    def label(self) -> str:
        """The two digits that stand for it in the data block of DKGA04."""
        return f"{self.value % 100:02d}"

    @property
    def epoch(self) -> datetime:
        return datetime(self.value, 1, 1, tzinfo=UTC)


class Result(enum.StrEnum):
    """What a meter says of a token (7.1.3 to 7.1.5)."""

    ACCEPT = "Accept"
    FIRST_KCT = "1stKCT"
    SECOND_KCT = "2ndKCT"
    THIRD_KCT = "3rdKCT"
    FOURTH_KCT = "4thKCT"
    OVERFLOW = "OverflowError"
    KEY_TYPE = "KeyTypeError"
    FORMAT = "FormatError"
    RANGE = "RangeError"
    FUNCTION = "FunctionError"
    OLD = "OldError"
    USED = "UsedError"
    KEY_EXPIRED = "KeyExpiredError"
    DDTK = "DDTKError"
    CRC = "CRCError"
    MANUFACTURER = "MfrCodeError"
    LOCKED_OUT = "LockoutError"

    @property
    def accepted(self) -> bool:
        return self in {
            Result.ACCEPT,
            Result.FIRST_KCT,
            Result.SECOND_KCT,
            Result.THIRD_KCT,
            Result.FOURTH_KCT,
        }
