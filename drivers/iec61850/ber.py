"""BER of ISO 8825-1 as MMS and GOOSE use it: definite lengths, tags up to two bytes.

A tag is its identifier octets as one integer (0xA0, 0xBF48). Positions are offsets into one
buffer, so that nothing is copied before it is known to be wanted.
"""

from collections.abc import Iterator

from hub import ProtocolError

Span = tuple[int, int, int]


def length(n: int) -> bytes:
    """Length octets in the shortest form."""
    if n < 0x80:
        return bytes((n,))
    size = (n.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + n.to_bytes(size, "big")


def tlv(tag: int, *content: bytes) -> bytes:
    """One element with the concatenated content."""
    body = b"".join(content)
    head = bytes((tag,)) if tag < 0x100 else tag.to_bytes(2, "big")
    return head + length(len(body)) + body


def signed(value: int) -> bytes:
    """Content octets of an INTEGER."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def integer(tag: int, value: int) -> bytes:
    return tlv(tag, signed(value))


def text(tag: int, value: str) -> bytes:
    return tlv(tag, value.encode())


def long_length(buf: bytes, pos: int) -> tuple[int, int]:
    """Length whose first octet, just before `pos`, has its high bit set; and where content begins.

    Raises ProtocolError for the indefinite form and for lengths of more than four octets.
    """
    size = buf[pos - 1] & 0x7F
    if not 1 <= size <= 4:
        raise ProtocolError(f"BER length of {size} octets at offset {pos - 1}")
    if pos + size > len(buf):
        raise ProtocolError(f"BER length cut off at offset {pos - 1}")
    return int.from_bytes(buf[pos : pos + size], "big"), pos + size


def element(buf: bytes, pos: int, end: int) -> Span:
    """(tag, start, stop) of the content of the element at `pos`; it must end by `end`."""
    if pos + 2 > end:
        raise ProtocolError(f"BER element cut off at offset {pos}")
    tag = buf[pos]
    pos += 1
    if tag & 0x1F == 0x1F:
        tag = tag << 8 | buf[pos]
        pos += 1
        if tag & 0x80 or pos >= end:
            raise ProtocolError(f"BER tag too long or cut off at offset {pos - 2}")
    size = buf[pos]
    pos += 1
    if size & 0x80:
        size, pos = long_length(buf, pos)
    stop = pos + size
    if stop > end:
        raise ProtocolError(f"BER element at offset {pos} is {stop - end} octets too long")
    return tag, pos, stop


def elements(buf: bytes, pos: int, end: int) -> Iterator[Span]:
    """All elements between `pos` and `end`."""
    while pos < end:
        span = element(buf, pos, end)
        yield span
        pos = span[2]


def fields(buf: bytes, pos: int, end: int) -> dict[int, tuple[int, int]]:
    """A SEQUENCE as tag → (start, stop); the first of equal tags wins."""
    found: dict[int, tuple[int, int]] = {}
    for tag, start, stop in elements(buf, pos, end):
        found.setdefault(tag, (start, stop))
    return found


def expect(buf: bytes, pos: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Content of the element at `pos`, which must have this tag."""
    got, start, stop = element(buf, pos, end)
    if got != tag:
        raise ProtocolError(f"{what}: tag {got:#x} at offset {pos}, {tag:#x} expected")
    return start, stop


def need(found: dict[int, tuple[int, int]], tag: int, what: str) -> tuple[int, int]:
    """The field of that tag, or ProtocolError that names it."""
    try:
        return found[tag]
    except KeyError:
        raise ProtocolError(f"{what} is missing (tag {tag:#x})") from None


def to_int(buf: bytes, start: int, stop: int) -> int:
    """An INTEGER of 1…8 octets; unsigned 64-bit values have a ninth, zero."""
    if not 1 <= stop - start <= 9:
        raise ProtocolError(f"integer of {stop - start} octets at offset {start}")
    return int.from_bytes(buf[start:stop], "big", signed=True)


def to_text(buf: bytes, start: int, stop: int) -> str:
    """Visible, graphic or UTF-8 string; Latin-1 where a device puts that into one."""
    raw = buf[start:stop]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def to_bool(buf: bytes, start: int, stop: int) -> bool:
    if stop - start != 1:
        raise ProtocolError(f"boolean of {stop - start} octets at offset {start}")
    return buf[start] != 0
