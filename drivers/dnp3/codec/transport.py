"""Transport function (IEEE 1815 clause 8): fragments cut into segments and put together again."""

from collections.abc import Callable

FIN, FIR, SEQUENCE = 0x80, 0x40, 0x3F
MAX_SEGMENT = 249


def segments(fragment: bytes, sequence: int) -> list[bytes]:
    """Cut a fragment into segments, numbered from `sequence` (modulo 64)."""
    last = max(0, (len(fragment) - 1) // MAX_SEGMENT)
    return [
        bytes((((FIR if n == 0 else 0) | (FIN if n == last else 0) | (sequence + n & SEQUENCE)),))
        + fragment[n * MAX_SEGMENT : (n + 1) * MAX_SEGMENT]
        for n in range(last + 1)
    ]


class Reassembler:
    """Puts one peer's segments together (rules of clause 8.2.3); holds at most `limit` octets."""

    def __init__(self, limit: int = 2048, on_fault: Callable[[str], None] | None = None) -> None:
        self._limit = limit
        self._fault = on_fault or (lambda _: None)
        self._parts: list[bytes] = []
        self._size = 0
        self._last = b""

    def reset(self) -> None:
        """Forget what has come so far."""
        self._parts, self._size, self._last = [], 0, b""

    def feed(self, segment: bytes) -> bytes | None:
        """Take one segment; the fragment when it is the last of one."""
        if len(segment) < 2:
            self._fault("transport segment without data")
            return None
        head = segment[0]
        if head & FIR:
            if self._parts:
                self._fault("a new fragment began before the last one ended")
            self.reset()
        elif not self._continues(segment):
            return None
        self._parts.append(segment[1:])
        self._size += len(segment) - 1
        self._last = segment
        if self._size > self._limit:
            self._fault(f"fragment longer than {self._limit} octets")
            self.reset()
        elif head & FIN:
            fragment = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self.reset()
            return fragment
        return None

    def _continues(self, segment: bytes) -> bool:
        if not self._parts:
            self._fault("transport segment without a first one")
            return False
        if segment == self._last:
            self._fault("transport segment sent twice")
            return False
        if segment[0] & SEQUENCE != (self._last[0] + 1) & SEQUENCE:
            self._fault("transport segment out of sequence")
            self.reset()
            return False
        return True
