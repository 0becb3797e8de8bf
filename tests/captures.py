"""Capture files made byte by byte."""

import struct
from ipaddress import ip_address

SYN, ACK = 0x02, 0x18


def pcap(*frames: bytes, link: int = 1, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    """The first frame at 100 s, each one tick after the one before it."""
    made = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for number, data in enumerate(frames):
        made += struct.pack(f"{order}IIII", 100, number, len(data), len(data)) + data
    return made


def pcapng(*frames: bytes, link: int = 1, order: str = "<", resolution: int | None = 9) -> bytes:
    """The first frame at 100 s, each 1 µs after the one before. resolution: 10**-n s, or none."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = len(body) + 12
        return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)

    made = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    option = b""
    if resolution is not None:
        option = struct.pack(f"{order}HHB3x", 9, 1, resolution)
    made += block(1, struct.pack(f"{order}HHI", link, 0, 65535) + option)
    per_second = 10 ** (6 if resolution is None else resolution)
    for number, data in enumerate(frames):
        ticks = 100 * per_second + number * per_second // 1_000_000
        sizes = len(data), len(data)
        made += block(
            6, struct.pack(f"{order}5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, *sizes) + data
        )
    return made


def ip(source: str, target: str, protocol: int, body: bytes) -> bytes:
    here, there = ip_address(source), ip_address(target)
    if here.version == 6:
        head = struct.pack(">IHBB", 0x60000000, len(body), protocol, 64)
    else:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    return head + here.packed + there.packed + body


def udp(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    head = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0)
    return ip(source[0], target[0], 17, head + payload)


def tcp(
    source: tuple[str, int],
    target: tuple[str, int],
    sequence: int,
    payload: bytes,
    flags: int = ACK,
) -> bytes:
    head = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, flags, 0, 0, 0)
    return ip(source[0], target[0], 6, head + payload)


def ethernet(packet: bytes, *tags: bytes) -> bytes:
    """tags: VLAN tags, four octets each."""
    kind = b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\x00"
    return bytes(12) + b"".join(tags) + kind + packet
