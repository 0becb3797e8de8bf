"""Raw Ethernet on Linux: receive and send GOOSE frames on one interface."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from hub import ConfigError, LinkError, Unsupported

from .goose import ETHERTYPE

_OUTGOING = 4
_BURST = 64
_MEMBERSHIP, _ALL_MULTICAST, _LEVEL = 1, 2, 263


def raw_socket(interface: str) -> socket.socket:
    """A non-blocking socket for GOOSE. Raises ConfigError that names the missing right."""
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        raise Unsupported("GOOSE needs raw Ethernet sockets, which only Linux offers here")
    try:
        index = socket.if_nametoindex(interface)
        sock = socket.socket(family, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    except PermissionError:
        raise ConfigError(
            "GOOSE needs the capability CAP_NET_RAW: run the gateway with it "
            "(systemd: AmbientCapabilities=CAP_NET_RAW)"
        ) from None
    except OSError as error:
        raise ConfigError(f"network interface {interface!r}: {error.strerror or error}") from None
    try:
        sock.setblocking(False)
        sock.bind((interface, ETHERTYPE))
        request = struct.pack("iHH8s", index, _ALL_MULTICAST, 0, b"")
        sock.setsockopt(_LEVEL, _MEMBERSHIP, request)
    except OSError as error:
        sock.close()
        raise LinkError(f"network interface {interface!r}: {error.strerror or error}") from None
    return sock


class Ethernet:
    """Frames of one interface; those that this host sends are not delivered back."""

    def __init__(self, interface: str, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._socket = raw_socket(interface)
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        # Bounded, so that a storm of frames leaves the loop to others between bursts.
        for _ in range(_BURST):
            try:
                frame, address = self._socket.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.close()
                if not self.lost.done():
                    self.lost.set_exception(LinkError(f"network interface: {error.strerror}"))
                    self.lost.exception()
                return
            if address[2] != _OUTGOING:
                self._receive(frame)

    def send(self, frame: bytes) -> None:
        """Raises LinkError when the interface does not take it."""
        try:
            self._socket.send(frame)
        except OSError as error:
            raise LinkError(f"GOOSE frame not sent: {error.strerror or error}") from None

    def close(self) -> None:
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
