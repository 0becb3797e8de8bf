"""CRC-16/DNP (IEEE 1815 clause 9.2.4.3): x^16+x^13+x^12+x^11+x^10+x^8+x^6+x^5+x^2+1, complemented.

The checksum starts from zero, so it is linear: the sum of a block is the exclusive or of what each
octet contributes at its distance from the end. Long frames are summed that way, all blocks at once.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
SEALED = BLOCK + 2  # a block with its checksum
_VECTOR_FROM = 5  # blocks; below this a plain loop is quicker than numpy
_RESIDUE = 0x66C5  # what the register holds after a block and its own, complemented, checksum


@cache
def _table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA6BC if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


@cache
def _contributions(length: int) -> NDArray[np.uint16]:
    """Row p: what each octet value adds to the register when it stands at p of `length` octets."""
    base = np.array(_table(), np.uint16)
    rows = [base]
    for _ in range(length - 1):
        last = rows[0]
        rows.insert(0, base[last & 0xFF] ^ (last >> 8))
    return np.stack(rows)


@cache
def _columns(length: int) -> NDArray[np.intp]:
    return np.arange(length, dtype=np.intp)


def _register(data: bytes) -> int:
    table, crc = _table(), 0
    for octet in data:
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc


def crc(data: bytes) -> int:
    """The checksum of a block as sent, low octet first."""
    return _register(data) ^ 0xFFFF


def _registers(blocks: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Registers of equally long blocks (rows)."""
    length = blocks.shape[1]
    sums: NDArray[np.uint16] = np.bitwise_xor.reduce(
        _contributions(length)[_columns(length), blocks], axis=1
    )
    return sums


def seal(data: bytes) -> bytes:
    """Cut into blocks of 16 octets and put its checksum behind each."""
    whole = len(data) // BLOCK
    out: list[bytes] = []
    if whole >= _VECTOR_FROM:
        blocks = np.frombuffer(data, np.uint8, whole * BLOCK).reshape(whole, BLOCK)
        sealed = np.empty((whole, SEALED), np.uint8)
        sealed[:, :BLOCK] = blocks
        sealed[:, BLOCK:] = (~_registers(blocks)).astype("<u2").view(np.uint8).reshape(whole, 2)
        out.append(sealed.tobytes())
        data = data[whole * BLOCK :]
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        out += block, crc(block).to_bytes(2, "little")
    return b"".join(out)


def unseal(body: bytes) -> bytes | None:
    """The octets of sealed blocks, or None when a checksum is wrong."""
    whole = len(body) // SEALED
    out: list[bytes] = []
    if whole >= _VECTOR_FROM:
        blocks = np.frombuffer(body, np.uint8, whole * SEALED).reshape(whole, SEALED)
        if (_registers(blocks) != _RESIDUE).any():
            return None
        out.append(blocks[:, :BLOCK].tobytes())
        body = body[whole * SEALED :]
    for start in range(0, len(body), SEALED):
        block = body[start : start + SEALED]
        if _register(block) != _RESIDUE:
            return None
        out.append(block[:-2])
    return b"".join(out)


def sealed_size(octets: int) -> int:
    """How many octets that many become on the wire."""
    return octets + 2 * -(-octets // BLOCK)
