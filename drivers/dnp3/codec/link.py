"""Data link layer (IEEE 1815 clause 9): frames, their functions, and finding them in a stream."""

import enum
from collections.abc import Callable

from msgspec import Struct

from .crc import crc, seal, sealed_size, unseal

START = b"\x05\x64"
HEADER = 10
MAX_DATA = 250

DIR, PRM, FCB, FCV = 0x80, 0x40, 0x20, 0x10
DFC = FCV  # of a secondary frame

BROADCAST_DONT_CONFIRM, BROADCAST_MUST_CONFIRM, BROADCAST_MAY_CONFIRM = 0xFFFD, 0xFFFE, 0xFFFF
BROADCASTS = (BROADCAST_DONT_CONFIRM, BROADCAST_MUST_CONFIRM, BROADCAST_MAY_CONFIRM)
SELF = 0xFFFC


class Primary(enum.IntEnum):
    """Functions of the station that starts a transaction."""

    RESET_LINK_STATES = 0
    TEST_LINK_STATES = 2
    CONFIRMED_USER_DATA = 3
    UNCONFIRMED_USER_DATA = 4
    REQUEST_LINK_STATUS = 9


class Secondary(enum.IntEnum):
    """Functions of the station that answers."""

    ACK = 0
    NACK = 1
    LINK_STATUS = 11
    NOT_SUPPORTED = 15


class Frame(Struct, frozen=True, gc=False):
    """One link frame; `data` is the transport segment, without checksums."""

    control: int
    dest: int
    source: int
    data: bytes = b""

    @property
    def function(self) -> int:
        return self.control & 0x0F

    @property
    def is_primary(self) -> bool:
        return bool(self.control & PRM)

    @property
    def from_master(self) -> bool:
        return bool(self.control & DIR)

    @property
    def fcb(self) -> bool:
        return bool(self.control & FCB)

    @property
    def fcv(self) -> bool:
        return bool(self.control & FCV)


def encode(frame: Frame) -> bytes:
    """The octets of a frame; ValueError when it carries more than 250."""
    if len(frame.data) > MAX_DATA:
        raise ValueError(f"a link frame carries at most {MAX_DATA} octets, not {len(frame.data)}")
    head = (
        START
        + bytes((5 + len(frame.data), frame.control))
        + frame.dest.to_bytes(2, "little")
        + frame.source.to_bytes(2, "little")
    )
    return head + crc(head).to_bytes(2, "little") + seal(frame.data)


class FrameParser:
    """Finds frames in a stream of octets and begins anew behind whatever is not one.

    on_fault: told in words what was skipped. Never holds more than one frame and what was fed.
    """

    def __init__(self, on_fault: Callable[[str], None] | None = None) -> None:
        self._buffer = b""
        self._fault = on_fault or (lambda _: None)

    def feed(self, data: bytes) -> list[Frame]:
        buffer, at, frames = self._buffer + data if self._buffer else data, 0, []
        while True:
            at = self._start(buffer, at)
            if len(buffer) - at < HEADER:
                break
            length = buffer[at + 2]
            header = buffer[at : at + HEADER]
            if length < 5 or crc(header[:8]) != header[8] | header[9] << 8:
                self._fault(
                    f"length {length} below 5" if length < 5 else "wrong checksum of a link header"
                )
                at += len(START)
                continue
            end = at + HEADER + sealed_size(length - 5)
            if len(buffer) < end:
                break
            body = unseal(buffer[at + HEADER : end]) if length > 5 else b""
            if body is None:
                self._fault("wrong checksum of a link data block")
                at += len(START)
                continue
            frames.append(
                Frame(header[3], header[4] | header[5] << 8, header[6] | header[7] << 8, body)
            )
            at = end
        self._buffer = bytes(buffer[at:])
        return frames

    def _start(self, buffer: bytes, at: int) -> int:
        found = buffer.find(START, at)
        if found < 0:
            found = len(buffer) - (1 if buffer.endswith(START[:1]) else 0)
            found = max(found, at)
        if found > at:
            self._fault(f"{found - at} octets outside a frame")
        return found
