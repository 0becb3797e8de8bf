"""The unit of storage, transfer and acknowledgement between a gateway and the centre.

A frame is a msgpack array (version, kind, seq, upto, first, last, count, previous, body). `body` is
one zstd frame. READINGS: the columns of a `ReadingBatch`, each split into byte planes (point and
time as differences) so that equal high bytes stand together, then the texts as msgpack. RECORDS: a
msgpack list of records. LOST: stands for the frames seq…upto that had to be deleted; its body is
the hash of the last of them and the cause. `previous` is the hash of the frame before, so nobody
can take a frame out of the middle unseen. Times are µs since 1970 UTC.
"""

import enum
import hashlib
import struct
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
import numpy as np
import zstandard
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hub import (
    AlarmTold,
    Catalogue,
    CommandDone,
    CommandTold,
    DeviceState,
    Gap,
    GapCause,
    Note,
    ProtocolError,
    ReadingBatch,
    Record,
    Stream,
    SwitchTold,
)

VERSION = 1
HASH = 32
ROW = 22  # bytes of a reading in the uncompressed body: u32, i64, f64, u16
MAX_COUNT = 20_000
MAX_BODY = 4 << 20
MAX_TEXT = 1_024
MAX_TIME = 7_258_118_400_000_000  # 2200-01-01
QUALITY_MASK = 0x1FFF
AnyRecord = (
    Catalogue | Gap | DeviceState | Note | CommandDone | AlarmTold | CommandTold | SwitchTold
)
_HEAD = struct.Struct("<qI")


class FrameError(ProtocolError):
    """The bytes are no frame that we can read."""

    code = "frame"


class UnknownVersion(FrameError):
    """The frame was written by a newer Busbar; update this one."""

    code = "frame_version"


class FrameTooLarge(FrameError):
    """The frame would unpack to more than is allowed."""

    code = "frame_too_large"


class BrokenChain(FrameError):
    """The frame does not follow its predecessor."""

    code = "frame_chain"


class FrameKind(enum.IntEnum):
    """What the body holds."""

    READINGS = 0
    RECORDS = 1
    LOST = 2


class Frame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One decoded envelope; the body is still packed. upto: equals seq unless LOST."""

    version: int
    kind: FrameKind
    seq: Annotated[int, Meta(ge=1, le=1 << 62)]
    upto: Annotated[int, Meta(ge=1, le=1 << 62)]
    first: Annotated[int, Meta(ge=0, le=MAX_TIME)]
    last: Annotated[int, Meta(ge=0, le=MAX_TIME)]
    count: Annotated[int, Meta(ge=0, le=1 << 62)]
    previous: Annotated[bytes, Meta(min_length=HASH, max_length=HASH)]
    body: bytes


def digest(data: bytes) -> bytes:
    """The hash that the next frame carries."""
    return hashlib.blake2b(data, digest_size=HASH).digest()


def genesis(epoch: UUID, stream: Stream) -> bytes:
    """What the first frame of a stream names as its predecessor: binds the chain to the buffer."""
    return digest(epoch.bytes + stream.encode())


def encode_readings(seq: int, previous: bytes, batch: ReadingBatch) -> bytes:
    """Pack 1…MAX_COUNT readings; values are kept bit by bit.

    A time outside 1970…2200 is no time: it is set to the bound and the reading made INVALID.
    """
    time, quality = batch.time, batch.quality & np.uint16(QUALITY_MASK)
    if int(time.min()) < 0 or int(time.max()) > MAX_TIME:
        quality = np.where((time < 0) | (time > MAX_TIME), (quality & ~np.uint16(3)) | 2, quality)
        time = np.clip(time, 0, MAX_TIME)
    start, point = int(time[0]), int(batch.point[0])
    body = b"".join(
        (
            _HEAD.pack(start, point),
            _split(np.diff(batch.point, prepend=np.uint32(point)), np.uint32),
            _split(np.diff(time, prepend=start), np.int64),
            _split(batch.value, np.float64),
            _split(quality, np.uint16),
            msgspec.msgpack.encode({row: plain(text) for row, text in batch.text.items()})
            if batch.text
            else b"",
        )
    )
    return _seal(
        FrameKind.READINGS, seq, (int(time.min()), int(time.max())), len(batch), previous, body
    )


def plain(text: str) -> str:
    """What every store can hold: no zero characters, no lone surrogates, not too long."""
    return text[:MAX_TEXT].replace("\0", "").encode(errors="replace").decode()


def encode_records(seq: int, previous: bytes, records: Sequence[Record]) -> bytes:
    """Pack records that were told together."""
    times = [min(max(record.at, 0), MAX_TIME) for record in records]
    body = msgspec.msgpack.encode(records)
    return _seal(FrameKind.RECORDS, seq, (min(times), max(times)), len(records), previous, body)


def encode_lost(
    span: tuple[int, int],
    times: tuple[int, int],
    count: int,
    previous: bytes,
    last_hash: bytes,
    cause: GapCause,
) -> bytes:
    """Stand in for the frames span[0]…span[1], of `count` readings, that were deleted unsent."""
    body = last_hash + cause.encode()
    frame = Frame(VERSION, FrameKind.LOST, *span, *times, count, previous, body)
    return msgspec.msgpack.encode(frame)


def decode(data: bytes) -> Frame:
    """Read the envelope, or FrameError."""
    try:
        frame = msgspec.msgpack.decode(data, type=Frame)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _version(data) or FrameError(f"frame envelope: {error}") from None
    if frame.version != VERSION:
        raise UnknownVersion(f"frame {frame.seq} has version {frame.version}, we know {VERSION}")
    limit = MAX_COUNT if frame.kind is not FrameKind.LOST else 1 << 62
    if frame.count > limit:
        raise FrameTooLarge(f"frame {frame.seq} claims {frame.count} rows, {limit} are allowed")
    if frame.last < frame.first or (frame.upto != frame.seq) > (frame.kind is FrameKind.LOST):
        raise FrameError(f"frame {frame.seq} contradicts itself")
    if frame.upto < frame.seq:
        raise FrameError(f"frame {frame.seq} ends before it begins")
    return frame


def readings(frame: Frame) -> ReadingBatch:
    """Unpack the columns of a READINGS frame; point ids are the gateway's own."""
    n = frame.count
    if frame.kind is not FrameKind.READINGS or n == 0:
        raise FrameError(f"frame {frame.seq} holds no readings")
    body = _unpack(frame)
    head = _HEAD.size
    if len(body) < head + ROW * n:
        raise FrameError(f"frame {frame.seq} is shorter than its {n} readings")
    start, first_point = _HEAD.unpack_from(body)
    point = _join(body, head, n, np.uint32)
    time = _join(body, head + 4 * n, n, np.int64)
    value = _join(body, head + 12 * n, n, np.float64)
    quality = _join(body, head + 20 * n, n, np.uint16)
    np.cumsum(point, out=point)
    np.cumsum(time, out=time)
    point += np.uint32(first_point)
    time += start
    if int(time.min()) != frame.first or int(time.max()) != frame.last:
        raise FrameError(f"frame {frame.seq} has times outside those on its envelope")
    if int(quality.max()) > QUALITY_MASK:
        raise FrameError(f"frame {frame.seq} has a quality of more than 13 bits")
    return ReadingBatch(point, time, value, quality, text=_texts(frame, body[head + ROW * n :]))


def records(frame: Frame) -> list[AnyRecord]:
    """Unpack a RECORDS frame."""
    if frame.kind is not FrameKind.RECORDS:
        raise FrameError(f"frame {frame.seq} holds no records")
    try:
        found: list[AnyRecord] = msgspec.msgpack.decode(_unpack(frame), type=list[AnyRecord])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(f"frame {frame.seq}: {error}") from None
    if len(found) != frame.count:
        raise FrameError(f"frame {frame.seq} holds {len(found)} records, not {frame.count}")
    return found


def lost(frame: Frame) -> tuple[bytes, GapCause]:
    """Of a LOST frame: the hash that the next frame names, and why."""
    if frame.kind is not FrameKind.LOST or len(frame.body) < HASH:
        raise FrameError(f"frame {frame.seq} is no notice of loss")
    try:
        return frame.body[:HASH], GapCause(frame.body[HASH:].decode())
    except ValueError:
        raise FrameError(f"frame {frame.seq} names an unknown cause of loss") from None


def times(data: bytes) -> tuple[int, int]:
    """First and last time on the envelope of a frame of our own."""
    frame = decode(data)
    return frame.first, frame.last


def next_hash(frame: Frame, data: bytes) -> bytes:
    """What the frame after this one must name as its predecessor."""
    return lost(frame)[0] if frame.kind is FrameKind.LOST else digest(data)


def _seal(
    kind: FrameKind, seq: int, times: tuple[int, int], count: int, previous: bytes, body: bytes
) -> bytes:
    if len(body) > MAX_BODY or count > MAX_COUNT:
        raise FrameTooLarge(f"{count} rows of {len(body)} bytes do not fit one frame")
    packed = zstandard.ZstdCompressor(level=1).compress(body)
    return msgspec.msgpack.encode(Frame(VERSION, kind, seq, seq, *times, count, previous, packed))


def _version(data: bytes) -> UnknownVersion | None:
    """The error to raise when only the first element, the version, can be read."""
    try:
        head: Any = msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(head, list) and head and isinstance(head[0], int) and head[0] > VERSION:
        return UnknownVersion(f"frame has version {head[0]}, we know {VERSION}")
    return None


def _unpack(frame: Frame) -> bytes:
    """Decompress, after looking at the size that the sender claims."""
    try:
        size = zstandard.frame_content_size(frame.body)
        if not 0 <= size <= MAX_BODY:
            raise FrameTooLarge(f"frame {frame.seq} claims {size} bytes, {MAX_BODY} are allowed")
        return zstandard.ZstdDecompressor(max_window_size=8 << 20).decompress(
            frame.body, max_output_size=MAX_BODY, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise FrameError(f"frame {frame.seq}: {error}") from None


def _split(column: NDArray[Any], kind: type[np.generic]) -> bytes:
    array = np.ascontiguousarray(column, np.dtype(kind).newbyteorder("<"))
    return array.view(np.uint8).reshape(len(array), -1).T.tobytes()


def _join(body: bytes, at: int, n: int, kind: type[np.generic]) -> NDArray[Any]:
    dtype = np.dtype(kind).newbyteorder("<")
    planes = np.frombuffer(body, np.uint8, n * dtype.itemsize, at).reshape(dtype.itemsize, n)
    return planes.T.copy(order="C").view(dtype).reshape(n).astype(kind, copy=False)


def _texts(frame: Frame, tail: bytes) -> dict[int, str]:
    if not tail:
        return {}
    try:
        found = msgspec.msgpack.decode(
            tail, type=dict[int, Annotated[str, Meta(max_length=MAX_TEXT)]]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(f"frame {frame.seq}: {error}") from None
    if any(not 0 <= row < frame.count for row in found):
        raise FrameError(f"frame {frame.seq} has a text without a row")
    if any("\0" in text for text in found.values()):
        raise FrameError(f"frame {frame.seq} has a text with a zero character")
    return found
