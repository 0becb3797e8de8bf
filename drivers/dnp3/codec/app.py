"""Application layer (IEEE 1815 clause 4): fragments, object headers, internal indications."""

import enum
from collections.abc import Iterable, Iterator

from msgspec import Struct

from hub import ProtocolError

from .objects import Form, Variation, variation

FIR, FIN, CON, UNS, SEQUENCE = 0x80, 0x40, 0x20, 0x10, 0x0F


class Function(enum.IntEnum):
    """Function codes (clause 4.2.2.5)."""

    CONFIRM = 0
    READ = 1
    WRITE = 2
    SELECT = 3
    OPERATE = 4
    DIRECT_OPERATE = 5
    DIRECT_OPERATE_NR = 6
    IMMEDIATE_FREEZE = 7
    IMMEDIATE_FREEZE_NR = 8
    FREEZE_CLEAR = 9
    FREEZE_CLEAR_NR = 10
    FREEZE_AT_TIME = 11
    FREEZE_AT_TIME_NR = 12
    COLD_RESTART = 13
    WARM_RESTART = 14
    INITIALIZE_DATA = 15
    INITIALIZE_APPLICATION = 16
    START_APPLICATION = 17
    STOP_APPLICATION = 18
    SAVE_CONFIGURATION = 19
    ENABLE_UNSOLICITED = 20
    DISABLE_UNSOLICITED = 21
    ASSIGN_CLASS = 22
    DELAY_MEASURE = 23
    RECORD_CURRENT_TIME = 24
    OPEN_FILE = 25
    CLOSE_FILE = 26
    DELETE_FILE = 27
    GET_FILE_INFO = 28
    AUTHENTICATE_FILE = 29
    ABORT_FILE = 30
    ACTIVATE_CONFIGURATION = 31
    AUTHENTICATE_REQUEST = 32
    AUTHENTICATE_REQUEST_NR = 33
    RESPONSE = 129
    UNSOLICITED_RESPONSE = 130
    AUTHENTICATE_RESPONSE = 131


RESPONSES = (
    Function.RESPONSE,
    Function.UNSOLICITED_RESPONSE,
    Function.AUTHENTICATE_RESPONSE,
)
NO_RESPONSE = (
    Function.CONFIRM,
    Function.DIRECT_OPERATE_NR,
    Function.IMMEDIATE_FREEZE_NR,
    Function.FREEZE_CLEAR_NR,
    Function.FREEZE_AT_TIME_NR,
    Function.AUTHENTICATE_REQUEST_NR,
)
# Requests that name objects without carrying any; READ of a file block is the exception.
_NAMES_ONLY = frozenset(
    {
        Function.READ,
        Function.IMMEDIATE_FREEZE,
        Function.IMMEDIATE_FREEZE_NR,
        Function.FREEZE_CLEAR,
        Function.FREEZE_CLEAR_NR,
        Function.FREEZE_AT_TIME,
        Function.FREEZE_AT_TIME_NR,
        Function.ENABLE_UNSOLICITED,
        Function.DISABLE_UNSOLICITED,
        Function.ASSIGN_CLASS,
    }
)
_TIMED = frozenset({Function.FREEZE_AT_TIME, Function.FREEZE_AT_TIME_NR})


class Iin(enum.IntFlag):
    """Internal indications; the low octet is IIN1, the high one IIN2."""

    NONE = 0
    BROADCAST = 0x0001
    CLASS_1 = 0x0002
    CLASS_2 = 0x0004
    CLASS_3 = 0x0008
    NEED_TIME = 0x0010
    LOCAL_CONTROL = 0x0020
    DEVICE_TROUBLE = 0x0040
    DEVICE_RESTART = 0x0080
    NO_FUNC_CODE_SUPPORT = 0x0100
    OBJECT_UNKNOWN = 0x0200
    PARAMETER_ERROR = 0x0400
    EVENT_BUFFER_OVERFLOW = 0x0800
    ALREADY_EXECUTING = 0x1000
    CONFIG_CORRUPT = 0x2000

    def names(self) -> list[str]:
        """The indications that are set, bit by bit."""
        return [bit.name or "" for bit in Iin if bit & self]


EVENT_CLASSES = Iin.CLASS_1 | Iin.CLASS_2 | Iin.CLASS_3


class ObjectFault(ProtocolError):
    """An object header or its data cannot be understood; `iin` is what an outstation answers."""

    def __init__(self, iin: Iin, detail: str) -> None:
        super().__init__(detail)
        self.iin = iin


class Control(Struct, frozen=True, gc=False):
    """The application control octet."""

    sequence: int
    first: bool = True
    final: bool = True
    confirm: bool = False
    unsolicited: bool = False

    @classmethod
    def of(cls, octet: int) -> "Control":
        return cls(
            octet & SEQUENCE,
            bool(octet & FIR),
            bool(octet & FIN),
            bool(octet & CON),
            bool(octet & UNS),
        )

    def __int__(self) -> int:
        return (
            self.sequence
            | (FIR if self.first else 0)
            | (FIN if self.final else 0)
            | (CON if self.confirm else 0)
            | (UNS if self.unsolicited else 0)
        )


class Fragment(Struct, frozen=True):
    """One application fragment; iin: of responses only. objects: undecoded."""

    control: Control
    function: int
    objects: bytes = b""
    iin: Iin | None = None

    @classmethod
    def parse(cls, data: bytes) -> "Fragment":
        """ProtocolError when it is too short to be one."""
        if len(data) < 2:
            raise ProtocolError(f"application fragment of {len(data)} octets")
        if data[1] in RESPONSES:
            if len(data) < 4:
                raise ProtocolError("response without internal indications")
            return cls(Control.of(data[0]), data[1], data[4:], Iin(data[2] | data[3] << 8))
        return cls(Control.of(data[0]), data[1], data[2:])

    def encode(self) -> bytes:
        head = bytes((int(self.control), self.function))
        if self.iin is not None:
            head += int(self.iin).to_bytes(2, "little")
        return head + self.objects

    def blocks(self) -> "Iterator[Block]":
        """Object headers with their data; ObjectFault at the first that is wrong."""
        return blocks(self.objects, self.function)


class Block(Struct, frozen=True):
    """One object header and the data behind it.

    prefix: octets of the index before each object. start: first index of a range. count: None for
    "all objects". data: prefixes and objects as sent. head: the header's own octets.
    """

    variation: Variation
    qualifier: int
    head: bytes
    start: int = 0
    count: int | None = None
    prefix: int = 0
    data: bytes = b""

    @property
    def group(self) -> int:
        return self.variation.group.number

    @property
    def number(self) -> int:
        return self.variation.number

    @property
    def is_range(self) -> bool:
        return self.qualifier & 0x0F <= 5

    @property
    def raw(self) -> bytes:
        return self.head + self.data

    def __str__(self) -> str:
        return f"{self.variation} qualifier 0x{self.qualifier:02X}"


_RANGE = {0: 1, 1: 2, 2: 4, 3: 1, 4: 2, 5: 4}  # octets of start and of stop
_COUNT = {7: 1, 8: 2, 9: 4, 0xB: 1}
_PREFIX = {0: 0, 1: 1, 2: 2, 3: 4}
_SIZE_PREFIX = {4: 1, 5: 2, 6: 4}


def blocks(data: bytes, function: int) -> Iterator[Block]:
    """Cut the objects of a fragment into blocks; nothing is expanded, whatever a count claims."""
    at = 0
    while at < len(data):
        if len(data) - at < 3:
            raise ObjectFault(Iin.PARAMETER_ERROR, f"{len(data) - at} octets behind the objects")
        group, number, qualifier = data[at], data[at + 1], data[at + 2]
        entry = variation(group, number)
        if entry is None:
            raise ObjectFault(Iin.OBJECT_UNKNOWN, f"g{group}v{number} is not in the library")
        start, count, body = _range(data, at + 3, entry, qualifier)
        head = data[at:body]
        end = body + _octets(data, body, entry, qualifier, count, function)
        if end > len(data):
            raise ObjectFault(
                Iin.PARAMETER_ERROR,
                f"{entry} claims {end - body} octets of data, {len(data) - body} are there",
            )
        prefix = _PREFIX.get(qualifier >> 4, 0)
        yield Block(entry, qualifier, head, start, count, prefix, data[body:end])
        at = end


def _range(data: bytes, at: int, entry: Variation, qualifier: int) -> tuple[int, int | None, int]:
    """Start, count and where the range field ends."""
    code, prefix = qualifier & 0x0F, qualifier >> 4
    bad = prefix not in _PREFIX and prefix not in _SIZE_PREFIX
    if bad or (prefix in _SIZE_PREFIX) != (code == 0xB) or (prefix in {1, 2, 3} and code < 7):
        raise ObjectFault(Iin.PARAMETER_ERROR, f"{entry} with qualifier 0x{qualifier:02X}")
    if code == 6:
        return 0, None, at
    if width := _RANGE.get(code):
        end = at + 2 * width
        start = int.from_bytes(data[at : at + width], "little")
        stop = int.from_bytes(data[at + width : end], "little")
        if end > len(data) or stop < start:
            raise ObjectFault(Iin.PARAMETER_ERROR, f"{entry} with a range {start}…{stop}")
        return start, stop - start + 1, end
    if width := _COUNT.get(code):
        if at + width > len(data):
            raise ObjectFault(Iin.PARAMETER_ERROR, f"{entry} without its count")
        return 0, int.from_bytes(data[at : at + width], "little"), at + width
    raise ObjectFault(Iin.PARAMETER_ERROR, f"{entry} with qualifier 0x{qualifier:02X}")


def _octets(
    data: bytes, at: int, entry: Variation, qualifier: int, count: int | None, function: int
) -> int:
    """How long the data of a block is; may be more than there is."""
    if count is None:
        return 0
    prefix = qualifier >> 4
    if prefix in _SIZE_PREFIX:
        return _sized(data, at, _SIZE_PREFIX[prefix], count)
    if function in _NAMES_ONLY and not (function in _TIMED and entry.group.number == 50):
        return count * _PREFIX[prefix]
    length: int | None = None
    match entry.form:
        case Form.PACKED if not prefix:
            length = (count * entry.bits + 7) // 8
        case Form.FIXED | Form.STRING:
            length = count * (_PREFIX[prefix] + entry.size)
        case Form.ATTRIBUTE:
            length = _attributes(data, at, _PREFIX[prefix], count)
        case Form.NONE if not prefix and entry.group.number == 60:
            length = 0
    if length is not None:
        return length
    raise ObjectFault(
        Iin.OBJECT_UNKNOWN if entry.number == 0 else Iin.PARAMETER_ERROR,
        f"{entry} cannot carry data with qualifier 0x{qualifier:02X}",
    )


def _sized(data: bytes, at: int, width: int, count: int) -> int:
    begin = at
    for _ in range(count):
        if at + width > len(data):
            return len(data) - begin + width
        at += width + int.from_bytes(data[at : at + width], "little")
    return at - begin


def _attributes(data: bytes, at: int, prefix: int, count: int) -> int:
    begin = at
    for _ in range(count):
        length = at + prefix + 1
        if length >= len(data):
            return len(data) - begin + 1
        at = length + 1 + data[length]
    return at - begin


def all_objects(group: int, number: int) -> bytes:
    """Header of "all objects"."""
    return bytes((group, number, 0x06))


def ranged(group: int, number: int, start: int, stop: int) -> bytes:
    """Header of a range, as short as it can be."""
    if stop < 256:
        return bytes((group, number, 0x00, start, stop))
    return bytes((group, number, 0x01)) + start.to_bytes(2, "little") + stop.to_bytes(2, "little")


def counted(group: int, number: int, count: int) -> bytes:
    """Header of a count without indexes."""
    if count < 256:
        return bytes((group, number, 0x07, count))
    return bytes((group, number, 0x08)) + count.to_bytes(2, "little")


def indexed(group: int, number: int, objects: Iterable[tuple[int, bytes]]) -> bytes:
    """Objects with their indexes: one octet each (0x17) when they fit, else two (0x28)."""
    rows = list(objects)
    wide = len(rows) > 255 or any(index > 255 for index, _ in rows)
    width, qualifier = (2, 0x28) if wide else (1, 0x17)
    return b"".join(
        (
            bytes((group, number, qualifier)),
            len(rows).to_bytes(width, "little"),
            *(index.to_bytes(width, "little") + data for index, data in rows),
        )
    )


def sized(group: int, number: int, data: bytes) -> bytes:
    """One object of variable size (qualifier 0x5B)."""
    return bytes((group, number, 0x5B, 1)) + len(data).to_bytes(2, "little") + data
