"""One MMS association: a TCP connection, its negotiated limits, requests and their answers."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from hub import HubError, LinkError, NoResponse, ProtocolError

from . import transport, upper
from .mms import pdu
from .mms.pdu import Initiate
from .upper import Endpoint

Wire = Callable[[bool, bytes], None]
Unconfirmed = Callable[[bytes, int, int], None]
Answer = tuple[bytes, int, int]

_MARGIN = 1024
_SILENCES = 2


class Options(Struct, frozen=True, kw_only=True):
    """How an association is made. Times are seconds. password: ACSE authentication."""

    local: Endpoint = Endpoint()
    remote: Endpoint = Endpoint()
    password: str | None = None
    propose: Initiate = Initiate()
    tpdu_size: int = 8192
    connect_timeout: float = 10.0
    request_timeout: float = 5.0


class Association(asyncio.Protocol):
    """Sends confirmed requests, several at once as negotiated, and hands out what comes unasked.

    One request that is not answered raises NoResponse; after a second in a row the peer is taken
    for dead and everything raises LinkError.
    """

    def __init__(self, options: Options, wire: Wire | None = None) -> None:
        self.options = options
        self.limits = options.propose
        self.on_unconfirmed: Unconfirmed | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._framer = transport.Framer(options.propose.detail + _MARGIN)
        self._tpdu_size = options.tpdu_size
        self._setup: asyncio.Future[tuple[int, bytes]] | None = None
        self._concluded: asyncio.Future[None] | None = None
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._slots = asyncio.Semaphore(1)
        self._invoke = 0
        self._silences = 0
        self._heard = self._loop.time()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        options: Options,
        *,
        tls: ssl.SSLContext | None = None,
        wire: Wire | None = None,
    ) -> "Association":
        """Connect and associate. Raises LinkError, or AuthError when the peer wants a password."""
        self = cls(options, wire)
        try:
            async with asyncio.timeout(options.connect_timeout):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: self, host, port, ssl=tls)
                await self._associate()
        except BaseException as error:
            self.abort()
            reason = _reason(error, f"{host}:{port}")
            if reason is None:
                raise
            raise reason from None
        return self

    async def _associate(self) -> None:
        remote, local = self.options.remote, self.options.local
        request = transport.connect(local.transport, remote.transport, self._tpdu_size)
        kind, answer = await self._exchange(request)
        if kind != transport.CC:
            raise LinkError("the peer refused the transport connection (wrong selector?)")
        self._tpdu_size = min(transport.parse_connection(answer).tpdu_size, self._tpdu_size)
        initiate = pdu.initiate(self.options.propose)
        connect = upper.associate(local, remote, self.options.password, initiate)
        kind, answer = await self._exchange(transport.data(connect, self._tpdu_size))
        if kind != transport.DT:
            raise LinkError("the peer closed the transport connection during association")
        span = upper.accepted(answer)
        found = pdu.parse(answer, *span)
        self.limits = pdu.parse_initiate(answer, found, self.options.propose)
        self._slots = asyncio.Semaphore(max(1, min(self.limits.called, 64)))

    async def _exchange(self, packet: bytes) -> tuple[int, bytes]:
        self._setup = self._loop.create_future()
        self._send(packet)
        try:
            return await self._setup
        finally:
            self._setup = None

    @property
    def alive(self) -> bool:
        return not self.lost.done()

    async def request(self, service: bytes, timeout: float | None = None) -> Answer:  # noqa: ASYNC109 - one request's own limit
        """(buffer, start, stop) of the answer's service content.

        Raises ServiceError when the device refuses, NoResponse, LinkError.
        """
        if len(service) + 16 > self.limits.detail:
            raise pdu.ServiceError(f"request of {len(service)} octets, {self.limits.detail} agreed")
        async with self._slots:
            if self.lost.done():
                raise LinkError("the association is closed")
            invoke = self._invoke = self._invoke % 0x7FFFFFFF + 1
            future: asyncio.Future[Answer] = self._loop.create_future()
            self._pending[invoke] = future
            limit = timeout or self.options.request_timeout
            timer = self._loop.call_later(limit, self._expire, invoke, limit)
            try:
                self._send(
                    transport.data(upper.data(pdu.request(invoke, service)), self._tpdu_size)
                )
                return await future
            finally:
                timer.cancel()
                self._pending.pop(invoke, None)

    def _expire(self, invoke: int, limit: float) -> None:
        future = self._pending.get(invoke)
        if future is None or future.done():
            return
        self._silences += 1
        if self._silences >= _SILENCES:
            self._fail(LinkError(f"the peer is silent: no answer to {self._silences} requests"))
        else:
            future.set_exception(NoResponse(f"no answer in {limit:g} s"))

    @property
    def silent_for(self) -> float:
        """Seconds since the peer was last heard."""
        return self._loop.time() - self._heard

    def pause(self) -> None:
        """Take nothing more from the peer until `resume`."""
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    async def conclude(self) -> None:
        """Leave in order when the peer still answers; the connection is closed in any case."""
        try:
            if self.alive:
                self._concluded = self._loop.create_future()
                self._send(transport.data(upper.data(pdu.CONCLUDE), self._tpdu_size))
                with contextlib.suppress(TimeoutError, HubError):
                    async with asyncio.timeout(1.0):
                        await self._concluded
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self._fail(LinkError("the association is closed"))

    def _send(self, packet: bytes) -> None:
        if self._transport is None:
            raise LinkError("not connected")
        if self._wire:
            secret = (self.options.password or "").encode() if self._setup else b""
            shown = packet.replace(secret, b"*" * len(secret)) if secret else packet
            self._wire(True, shown)
        self._transport.write(packet)

    def _fail(self, error: HubError) -> None:
        """End everything; the first reason stays."""
        if self._transport is not None:
            self._transport.abort()
        if self.lost.done():
            return
        self.lost.set_exception(error)
        self.lost.exception()  # marked as seen: nobody need wait for it
        waiting: list[asyncio.Future[Any]] = [*self._pending.values()]
        waiting += [future for future in (self._setup, self._concluded) if future is not None]
        for future in waiting:
            if not future.done():
                future.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("MMS needs a stream")
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(LinkError(f"the peer closed the connection{f': {exc}' if exc else ''}"))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._wire:
            self._wire(False, data)
        try:
            for kind, message in self._framer.feed(data):
                self._received(kind, message)
        except HubError as error:
            self._fail(error)

    def _received(self, kind: int, message: bytes) -> None:
        if self._setup is not None:
            if not self._setup.done():
                self._setup.set_result((kind, message))
        elif kind == transport.DT:
            self._message(message, pdu.parse(message, *upper.unwrap(message)))
        else:
            raise LinkError("the peer closed the transport connection")

    def _message(self, message: bytes, found: pdu.Pdu) -> None:
        kind, invoke = found.kind, found.invoke
        if kind == pdu.UNCONFIRMED:
            if found.service == 0 and self.on_unconfirmed:
                self.on_unconfirmed(message, found.start, found.stop)
        elif kind == pdu.CONCLUDE_RESPONSE and self._concluded and not self._concluded.done():
            self._concluded.set_result(None)
        elif invoke is not None and kind in {pdu.RESPONSE, pdu.ERROR, pdu.REJECT}:
            self._silences = 0
            future = self._pending.get(invoke)
            if future is None or future.done():
                return  # it came too late, or its caller has gone
            if kind == pdu.RESPONSE:
                future.set_result((message, found.start, found.stop))
            else:
                future.set_exception(pdu.service_error(message, found))
        elif kind in {pdu.CONCLUDE_REQUEST, pdu.REJECT}:
            raise LinkError(f"the peer ended the association ({pdu.KINDS[kind]})")
        elif kind not in {pdu.CONCLUDE_RESPONSE, pdu.CONCLUDE_ERROR}:
            raise ProtocolError(f"unexpected MMS PDU ({pdu.KINDS[kind]})")


def _reason(error: BaseException, peer: str) -> LinkError | None:
    """Why there is no association, as the link's error; None for what is none of the link's."""
    if isinstance(error, TimeoutError):
        return LinkError(f"no association with {peer} in time")
    if isinstance(error, OSError):
        return LinkError(f"cannot connect to {peer}: {error}")
    if isinstance(error, pdu.ServiceError):
        return LinkError(f"{peer}: {error}")
    return None
