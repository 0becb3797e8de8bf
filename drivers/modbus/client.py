"""One Modbus connection: one request at a time, and nothing but its own answer is taken for one.

The only module that knows pymodbus. Its framers and serial transport are used; its client is not,
because that builds a Python integer per register and accepts an answer of another function.
"""

import asyncio
import contextlib
import struct
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.transport.serialtransport import create_serial_connection

from drivers.modbus.config import (
    ModbusAscii,
    ModbusConfig,
    ModbusRtu,
    ModbusRtuOverTcp,
    ModbusTcp,
    Parity,
    Serial,
)
from hub import ConfigError, Link, LinkError, NoResponse, ProtocolError

Frame = tuple[int, int, bytes]  # unit, transaction (0 where frames carry none), PDU
_Answer = tuple[bytes, int]  # PDU, µs since 1970 UTC
# A repeated question is answered twice, one time-out apart. The hub gives a line up after two.
LATE = 1.25
_LONGEST = 520  # bytes of the longest frame there is: ASCII


class _Framing:
    """Cuts a byte stream into frames. Serial frames carry no transaction number."""

    numbered = False

    def __init__(self, framer: FramerSocket | FramerRTU | FramerAscii) -> None:
        self._framer = framer
        self.buffer = bytearray()

    def encode(self, pdu: bytes, unit: int, transaction: int) -> bytes:
        return self._framer.encode(pdu, unit, transaction)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete now; what cannot be one is dropped, a checksum decides."""
        self.buffer += data
        while self.buffer:
            try:
                used, unit, transaction, pdu = self._framer.decode(bytes(self.buffer))
            except (ModbusException, ValueError, LookupError, struct.error):
                used, unit, transaction, pdu = len(self.buffer), 0, 0, b""
            del self.buffer[:used]
            if pdu:
                yield unit, transaction, pdu
            if not used or not pdu:
                break
        if len(self.buffer) > _LONGEST:
            self.buffer.clear()


class _Mbap(_Framing):
    """Frames with the header of Modbus/TCP; a header that cannot be one ends the connection."""

    numbered = True

    def feed(self, data: bytes) -> Iterator[Frame]:
        self.buffer += data
        while len(self.buffer) >= 8:
            length = int.from_bytes(self.buffer[4:6], "big")
            if self.buffer[2] or self.buffer[3] or not 2 <= length <= 254:
                head = bytes(self.buffer[:8]).hex(" ")
                raise ProtocolError(f"the peer does not speak Modbus/TCP: {head}")
            used, unit, transaction, pdu = self._framer.decode(bytes(self.buffer))
            if not used:
                return
            del self.buffer[:used]
            yield unit, transaction, pdu


@dataclass(slots=True)
class _Pending:
    """size: bytes of data that a normal answer to a read has; None for other functions."""

    device: str
    unit: int
    transaction: int
    function: int
    size: int | None
    sent: int = 0
    answered: int = 0
    waiter: asyncio.Future[_Answer | None] | None = None

    def fits(self, unit: int, transaction: int, pdu: bytes, numbered: bool) -> bool:
        if unit != self.unit or pdu[0] & 0x7F != self.function:
            return False
        if numbered:
            return transaction == self.transaction
        # A late answer to an earlier question is told from this one's by its length alone.
        return pdu[0] >= 0x80 or self.size is None or len(pdu) == 2 + self.size


@dataclass(slots=True)
class _Owed:
    """Answers of a unit that may still come, on a link where they cannot be told apart."""

    count: int
    until: float
    paid: asyncio.Event = field(default_factory=asyncio.Event)


class Client(asyncio.Protocol):
    """foreign: frames that answered nothing that was asked."""

    def __init__(self, framing: _Framing, link: Link, peer: str, silence: float = 0.0) -> None:
        self.peer, self.foreign = peer, 0
        self._framing, self._link, self._silence = framing, link, silence
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._transport: asyncio.Transport | None = None
        self._ready, self._gone = asyncio.Event(), asyncio.Event()
        self._why = "closed"
        self._pending: _Pending | None = None
        self._transaction = 0
        self._owed: dict[int, _Owed] = {}
        self._last_activity = 0.0

    async def transact(
        self,
        unit: int,
        request: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - a time-out is an answer here, and repeats the request
        size: int | None = None,
        attempts: int = 1,
        pause: float = 0.0,
        device: str = "",
    ) -> _Answer:
        """Send a PDU; return the PDU that answers it and when it came (µs since 1970 UTC).

        An exception response is an answer. Raises NoResponse after `attempts` time-outs and
        LinkError when the connection is gone.
        """
        async with self._lock:
            await self._settle(unit, pause)
            self._transaction = self._transaction % 0xFFFF + 1
            pending = _Pending(device, unit, self._transaction, request[0], size)
            frame = self._framing.encode(request, unit, self._transaction)
            self._pending = pending
            try:
                for _ in range(attempts):
                    if answer := await self._ask(frame, pending, timeout):
                        return answer
                    self._refuse_remnant()
            finally:
                self._pending = None
                if not self._framing.numbered and pending.sent > pending.answered:
                    owed = pending.sent - pending.answered
                    self._owed[unit] = _Owed(owed, self._loop.time() + LATE * timeout)
        raise NoResponse(f"unit {unit} at {self.peer} did not answer within {timeout:g} s")

    async def _ask(self, frame: bytes, pending: _Pending, seconds: float) -> _Answer | None:
        """Send once; None when nothing came in time. A repeat takes a late answer for its own."""
        if self._gone.is_set() or self._transport is None:
            raise LinkError(f"{self.peer}: {self._why}")
        if not self._framing.numbered:
            self._framing.buffer.clear()
        pending.sent += 1
        waiter: asyncio.Future[_Answer | None] = self._loop.create_future()
        pending.waiter = waiter
        self._last_activity = self._loop.time()
        self._transport.write(frame)
        self._link.wire(pending.device, True, frame)
        timer = self._loop.call_later(seconds, _expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()

    def _refuse_remnant(self) -> None:
        """Half a frame that was never finished would take its end from the next answer."""
        if self._framing.numbered and self._framing.buffer:
            self._fail(f"an answer broke off after {len(self._framing.buffer)} bytes")
            raise LinkError(f"{self.peer}: {self._why}")

    async def _settle(self, unit: int, pause: float) -> None:
        """Let the line be quiet for as long as it must, and late answers of this unit go by."""
        if owed := self._owed.pop(unit, None):
            with contextlib.suppress(TimeoutError):
                self._owed[unit] = owed
                async with asyncio.timeout_at(owed.until):
                    await owed.paid.wait()
            self._owed.pop(unit, None)
        quiet = max(pause, self._silence)
        if quiet and (wait := self._last_activity + quiet - self._loop.time()) > 0:
            await asyncio.sleep(wait)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._ready.set()

    def data_received(self, data: bytes) -> None:
        arrived = self._link.now()
        self._last_activity = self._loop.time()
        pending = self._pending
        self._link.wire(pending.device if pending else "", False, data)
        try:
            for unit, transaction, pdu in self._framing.feed(data):
                self._deliver(unit, transaction, pdu, arrived)
        except ProtocolError as fault:
            self._fail(str(fault))

    def _deliver(self, unit: int, transaction: int, pdu: bytes, arrived: int) -> None:
        pending = self._pending
        if (
            pending
            and pending.waiter
            and not pending.waiter.done()
            and pending.fits(unit, transaction, pdu, self._framing.numbered)
        ):
            pending.answered = 1
            pending.waiter.set_result((pdu, arrived))
            return
        self.foreign += 1
        if owed := self._owed.get(unit):
            owed.count -= 1
            if owed.count <= 0:
                owed.paid.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc) if exc else "the peer closed the connection")

    def _fail(self, why: str) -> None:
        if not self._gone.is_set():
            self._why = why
            self._gone.set()
        waiter = self._pending.waiter if self._pending else None
        if waiter and not waiter.done():
            waiter.set_exception(LinkError(f"{self.peer}: {why}"))

    async def wait_ready(self) -> None:
        await self._ready.wait()

    def close(self) -> None:
        self._fail("closed")
        if self._transport:
            self._transport.abort()


def _expire(waiter: asyncio.Future[_Answer | None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


@contextlib.asynccontextmanager
async def connect(config: ModbusConfig, link: Link) -> AsyncIterator[Client]:
    """An open connection. Raises LinkError when there is none to be had, ConfigError for settings
    that the serial port cannot take.
    """
    client = _client(config, link)
    try:
        await _open(config, client)
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)  # the transport lets go of its socket in the next turn of the loop


def _client(config: ModbusConfig, link: Link) -> Client:
    decoder = DecodePDU(is_server=False)
    match config:
        case ModbusTcp():
            return Client(_Mbap(FramerSocket(decoder)), link, f"{config.host}:{config.port}")
        case ModbusRtuOverTcp():
            return Client(_Framing(FramerRTU(decoder)), link, f"{config.host}:{config.port}")
        case ModbusRtu():
            return Client(_Framing(FramerRTU(decoder)), link, config.port, config.silence)
        case ModbusAscii():
            return Client(_Framing(FramerAscii(decoder)), link, config.port)


async def _open(config: ModbusConfig, client: Client) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(config.connect_timeout):
            if isinstance(config, Serial):
                await _open_serial(loop, config, lambda: client)
            else:
                await loop.create_connection(lambda: client, config.host, config.port)
            await client.wait_ready()
    except TimeoutError:
        raise LinkError(f"{client.peer} did not connect in {config.connect_timeout:g} s") from None
    except (ValueError, termios.error) as fault:
        raise ConfigError(f"{client.peer} cannot be set up like this: {fault}") from None
    except OSError as fault:
        raise LinkError(f"{client.peer}: {fault.strerror or fault}") from None


async def _open_serial(
    loop: asyncio.AbstractEventLoop, config: Serial, client: Callable[[], Client]
) -> None:
    parity = {Parity.NONE: "N", Parity.EVEN: "E", Parity.ODD: "O"}[config.parity]
    await create_serial_connection(
        loop,
        client,
        config.port,
        baudrate=config.baud,
        bytesize=config.data_bits if isinstance(config, ModbusAscii) else 8,
        parity=parity,
        stopbits=config.stop_bits,
        timeout=0,
    )
