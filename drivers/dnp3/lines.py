"""What carries DNP3: TCP, TLS, UDP and serial lines, all behind one small interface."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from hub import AuthError, ConfigError, LinkError

_MAX_UNSENT = 1 << 20  # octets a peer may leave unread before it is given up
_CHUNK = 4096
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)

Taker = Callable[[bytes], None]


class Line:
    """An open line. `closed` ends when it does, with the reason or None.

    name: of the other end. on_data, on_fault: set them before the event loop runs again.
    """

    def __init__(self) -> None:
        self.closed: asyncio.Future[BaseException | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.on_data: Taker = lambda _: None
        self.on_fault: Callable[[str], None] = lambda _: None
        self.name = ""

    @property
    def is_open(self) -> bool:
        return not self.closed.done()

    @property
    def has_peer(self) -> bool:
        """Whether there is somebody to write to."""
        return self.is_open

    def reaches(self, dest: int) -> bool:
        """Whether a station with this link address may be at the other end."""
        return True

    def silent(self, dest: int) -> None:
        """The station did not answer: it may be elsewhere by now."""

    def write(self, data: bytes) -> None:
        """Send at once; LinkError when the line is closed."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def _end(self, reason: BaseException | None) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    def _require(self) -> None:
        if self.closed.done():
            raise LinkError(f"the line to {self.name} is closed")


class StreamLine(Line, asyncio.Protocol):
    """A TCP or TLS connection.

    Re-arms TCP_QUICKACK: a peer that writes frame by frame under Nagle's rule would otherwise wait
    for our delayed acknowledgement (40 ms) before each.
    """

    def __init__(self, on_open: "Callable[[StreamLine], None] | None" = None) -> None:
        super().__init__()
        self._on_open = on_open
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MAX_UNSENT)
        self._socket = transport.get_extra_info("socket")
        peer = transport.get_extra_info("peername")
        self.name = f"{peer[0]}:{peer[1]}" if peer else "peer"
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._quick()
        if self._on_open is not None:
            self._on_open(self)

    def _quick(self) -> None:
        if _QUICKACK is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def data_received(self, data: bytes) -> None:
        self._quick()
        self.on_data(data)

    def pause_writing(self) -> None:
        self._end(LinkError(f"{self.name} does not read what is sent to it"))
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def write(self, data: bytes) -> None:
        self._require()
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._end(None)


class DatagramLine(Line, asyncio.DatagramProtocol):
    """UDP: each fragment's frames in one datagram. Without `remote` it answers who spoke last."""

    def __init__(self, remote: tuple[str, int] | None = None) -> None:
        super().__init__()
        self._remote: Any = remote
        self._fixed = remote is not None
        self._transport: asyncio.DatagramTransport | None = None
        self.name = f"{remote[0]}:{remote[1]}" if remote else "udp"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @property
    def has_peer(self) -> bool:
        return self.is_open and self._remote is not None

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1]) if self._transport else 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._fixed and addr[:2] != self._remote[:2]:
            return
        self._remote = addr
        self.on_data(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error is no end: the device may come back."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def write(self, data: bytes) -> None:
        self._require()
        if self._transport is not None and self._remote is not None:
            self._transport.sendto(data, self._remote)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._end(None)


class SerialLine(Line):
    """A serial port (pyserial), read by the event loop without a thread."""

    def __init__(self, port: Any, name: str) -> None:
        super().__init__()
        self._port, self.name = port, name
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._loop.add_reader(port.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self._port.read(_CHUNK)
        except OSError as error:
            self._fail(error)
            return
        if data:
            self.on_data(data)

    def write(self, data: bytes) -> None:
        self._require()
        if len(self._unsent) > _MAX_UNSENT:
            raise LinkError(f"{self.name} takes no octets")
        if not self._unsent:
            self._loop.add_writer(self._port.fileno(), self._writable)
        self._unsent += data

    def _writable(self) -> None:
        try:
            sent = os.write(self._port.fileno(), self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._port.fileno())

    def _fail(self, error: BaseException) -> None:
        self._detach()
        self._end(error)

    def _detach(self) -> None:
        if self._port.is_open:
            self._loop.remove_reader(self._port.fileno())
            self._loop.remove_writer(self._port.fileno())
            self._port.close()

    def close(self) -> None:
        self._detach()
        self._end(None)


def lost(name: str, reason: BaseException | None) -> LinkError:
    """Why a line is gone, as an error. AuthError when TLS was refused by either side."""
    text = f"{name}: {reason or 'the other end closed the connection'}"
    return AuthError(text) if isinstance(reason, ssl.SSLError) else LinkError(text)


async def connect_tcp(
    host: str, port: int, *, within: float, tls: ssl.SSLContext | None = None, name: str = ""
) -> StreamLine:
    """A connection to an outstation or a master. AuthError when a certificate is refused."""
    loop = asyncio.get_running_loop()
    server_name = (name or host) if tls is not None else None
    try:
        async with asyncio.timeout(within):
            _, line = await loop.create_connection(
                StreamLine, host, port, ssl=tls, server_hostname=server_name
            )
    except ssl.SSLCertVerificationError as error:
        raise AuthError(f"{host}:{port}: {error.verify_message}") from error
    except TimeoutError:
        raise LinkError(f"{host}:{port} does not answer") from None
    except OSError as error:
        raise LinkError(f"{host}:{port}: {error.strerror or error}") from error
    return line


async def listen_tcp(
    host: str, port: int, on_open: Callable[[StreamLine], None], tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Accept connections; port 0 lets the system choose."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(lambda: StreamLine(on_open), host, port, ssl=tls)
    except OSError as error:
        raise LinkError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


async def open_udp(local: tuple[str, int], remote: tuple[str, int] | None = None) -> DatagramLine:
    """A UDP socket; with `remote` it hears nobody else."""
    loop = asyncio.get_running_loop()
    try:
        if remote is not None:
            found = await loop.getaddrinfo(*remote, type=socket.SOCK_DGRAM, family=socket.AF_INET)
            remote = found[0][4][0], remote[1]  # type: ignore[assignment]
        _, line = await loop.create_datagram_endpoint(
            lambda: DatagramLine(remote), local_addr=local
        )
    except OSError as error:
        raise LinkError(f"udp {local[0]}:{local[1]}: {error.strerror or error}") from error
    return line


def open_serial(
    device: str, *, baudrate: int = 9600, parity: str = "N", stopbits: float = 1
) -> SerialLine:
    """A serial port of eight data bits. ConfigError when it cannot be set so."""
    import serial  # noqa: PLC0415 - only where there is a serial line

    try:
        port = serial.Serial(
            device, baudrate, parity=parity, stopbits=stopbits, timeout=0, write_timeout=0
        )
    except ValueError as error:
        raise ConfigError(f"{device}: {error}") from error
    except serial.SerialException as error:
        raise LinkError(f"{device}: {error}") from error
    return SerialLine(port, device)


def client_tls(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Mutual TLS 1.2 or newer (IEC 62351-3) of the side that connects."""
    return _tls(ssl.PROTOCOL_TLS_CLIENT, ca, certificate, key)


def server_tls(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Mutual TLS 1.2 or newer of the side that listens; a peer without certificate is refused."""
    context = _tls(ssl.PROTOCOL_TLS_SERVER, ca, certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _tls(protocol: int, ca: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"TLS files {ca}, {certificate}, {key}: {error}") from error
    return context
