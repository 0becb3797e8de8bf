"""TPKT (RFC 1006) and COTP class 0 (ISO 8073): packets of octets over TCP."""

from msgspec import Struct

from hub import ProtocolError

CR, CC, DR, DT, ER = 0xE0, 0xD0, 0x80, 0xF0, 0x70
_SIZES = {128 << n: 7 + n for n in range(7)}
_LAST = 0x80
_DATA = b"\x02\xf0\x80"


class Connection(Struct, frozen=True):
    """Parameters of a connection request or confirm; selectors are as configured."""

    kind: int
    source: int
    destination: int
    tpdu_size: int = 65531
    calling: bytes = b""
    called: bytes = b""


def frame(tpdu: bytes) -> bytes:
    return b"\x03\x00" + (len(tpdu) + 4).to_bytes(2, "big") + tpdu


def connect(calling: bytes, called: bytes, tpdu_size: int = 8192, kind: int = CR) -> bytes:
    """A TPKT with a connection request (or confirm) of class 0."""
    variable = bytes((0xC0, 1, _SIZES[tpdu_size]))
    variable += bytes((0xC1, len(calling))) + calling + bytes((0xC2, len(called))) + called
    reference = b"\x00\x00\x00\x01" if kind == CR else b"\x00\x01\x00\x02"
    body = bytes((kind,)) + reference + b"\x00" + variable
    return frame(bytes((len(body),)) + body)


def data(payload: bytes, tpdu_size: int) -> bytes:
    """One transport message as as many TPKTs as the negotiated TPDU size needs."""
    room = tpdu_size - 3
    if len(payload) <= room:
        return b"\x03\x00" + (len(payload) + 7).to_bytes(2, "big") + _DATA + payload
    parts = [payload[i : i + room] for i in range(0, len(payload), room)]
    head = [frame(b"\x02\xf0\x00" + part) for part in parts[:-1]]
    return b"".join(head) + frame(_DATA + parts[-1])


def parse_connection(tpdu: bytes) -> Connection:
    """Read CR or CC. The size is 65531 when the peer names none (RFC 1006 §5)."""
    end = tpdu[0] + 1 if tpdu else 0
    if end < 7 or end > len(tpdu) or tpdu[1] & 0xF0 not in {CR, CC}:
        raise ProtocolError(f"no COTP connection TPDU: {tpdu[:12].hex(' ')}")
    size, calling, called, pos = 65531, b"", b"", 7
    while pos + 2 <= end:
        code, stop = tpdu[pos], pos + 2 + tpdu[pos + 1]
        if stop > end:
            raise ProtocolError("COTP parameter runs over the header")
        value = tpdu[pos + 2 : stop]
        if code == 0xC0 and len(value) == 1 and 7 <= value[0] <= 13:
            size = 1 << value[0]
        elif code == 0xC1:
            calling = value
        elif code == 0xC2:
            called = value
        pos = stop
    references = int.from_bytes(tpdu[4:6], "big"), int.from_bytes(tpdu[2:4], "big")
    return Connection(tpdu[1] & 0xF0, *references, size, calling, called)


class Framer:
    """Cuts a TCP stream into TPDUs and joins data TPDUs into messages."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._buffer = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """(kind, octets) of all that is complete: a message for DT, the raw TPDU for all others.

        Raises ProtocolError on anything that is not TPKT, or a message above the limit.
        """
        buffer = self._buffer + chunk if self._buffer else chunk
        out: list[tuple[int, bytes]] = []
        pos, end = 0, len(buffer)
        while end - pos >= 4:
            if buffer[pos] != 3:
                raise ProtocolError(f"no TPKT header: {buffer[pos : pos + 8].hex(' ')}")
            size = buffer[pos + 2] << 8 | buffer[pos + 3]
            if size < 7:
                raise ProtocolError(f"TPKT of {size} octets")
            if end - pos < size:
                break
            start, pos = pos + 4, pos + size
            if buffer.startswith(_DATA, start) and not self._parts:
                out.append((DT, buffer[start + 3 : pos]))
            else:
                self._tpdu(buffer[start:pos], out)
        self._buffer = buffer[pos:] if pos else buffer
        return out

    def _tpdu(self, tpdu: bytes, out: list[tuple[int, bytes]]) -> None:
        kind = tpdu[1] & 0xF0
        if kind != DT:
            if not 1 <= tpdu[0] < len(tpdu) or kind not in {CR, CC, DR, ER}:
                raise ProtocolError(f"unknown COTP TPDU: {tpdu[:8].hex(' ')}")
            out.append((kind, tpdu))
            return
        if tpdu[0] != 2:
            raise ProtocolError(f"COTP data header of {tpdu[0]} octets in class 0")
        self._parts.append(tpdu[3:])
        self._size += len(tpdu) - 3
        if self._size > self._limit:
            raise ProtocolError(f"message of more than {self._limit} octets")
        if tpdu[2] & _LAST:
            out.append((DT, b"".join(self._parts)))
            self._parts, self._size = [], 0
