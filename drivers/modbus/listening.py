"""The server's end of a Modbus/TCP connection (Messaging on TCP/IP Implementation Guide V1.0b)."""

import asyncio
import struct


class Connection(asyncio.Protocol):
    """One client: cuts the stream into requests; who derives from it answers them.

    What is no Modbus/TCP header ends the connection. A client that does not take its answers is
    not listened to until it does.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def asked(self, transaction: int, unit: int, pdu: bytes) -> None:
        """A whole request came. pdu: at least the function code."""
        raise NotImplementedError

    def send(self, transaction: int, unit: int, pdu: bytes) -> None:
        self.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def pause_writing(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 8:
            transaction, protocol, length = struct.unpack_from(">HHH", buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self.abort()
                return
            if len(buffer) < 6 + length:
                return
            unit, pdu = buffer[6], bytes(buffer[7 : 6 + length])
            del buffer[: 6 + length]
            self.asked(transaction, unit, pdu)
