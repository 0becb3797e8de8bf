"""Takes the gateway's frames to the centre, events first, until each is acknowledged."""

import asyncio
import io
import random
import sqlite3
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import aiohttp
import msgspec
import structlog

from hub import AuthError, GapCause, LinkError, Note, Stream

from . import frames
from .buffer import Buffer, Waiting, now_us
from .wire import MAX_UPLOAD, PATH, Need, Receipt, Refusal, Upload

FIRST_DELAY, LAST_DELAY = 0.25, 1.5  # s; with the time-outs below a retry is never 5 s away
REFUSED_DELAY = 60.0  # s, for what only a person can put right
ANSWER_WITHIN = 15.0  # s
CONNECT_WITHIN = 3.0  # s

_logger = structlog.get_logger(__name__)


class NotTaken(Exception):
    """The centre wants something else first."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail or refusal.code)
        self.refusal = refusal


class Carrier(Protocol):
    """A way to the centre."""

    async def send(self, stream: Stream, epoch: UUID, frames: Sequence[bytes]) -> Receipt:
        """Deliver, or LinkError (try again), AuthError (slowly), NotTaken (do that first)."""


class HttpCarrier:
    """HTTPS, one POST at a time. A link that is only half open shows by the time-outs."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, key: str, patience: float = 0.0
    ) -> None:
        self._session, self._url = session, url.rstrip("/")
        self._patience = patience or ANSWER_WITHIN
        self._headers = {
            "Authorization": f"Bearer {key}", "Content-Type": "application/vnd.msgpack"
        }  # fmt: skip
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=CONNECT_WITHIN,
            connect=CONNECT_WITHIN,
            sock_read=self._patience,
        )

    async def send(self, stream: Stream, epoch: UUID, frames: Sequence[bytes]) -> Receipt:
        body = msgspec.msgpack.encode(Upload(epoch.bytes, list(frames)))
        url = self._url + PATH.format(stream=stream.value)
        try:
            async with asyncio.timeout(2 * self._patience):
                async with self._session.post(
                    url, data=io.BytesIO(body), headers=self._headers, timeout=self._timeout,
                    allow_redirects=False,
                ) as response:  # fmt: skip
                    answer = await response.content.read(1 << 16)
                    return _understand(response.status, answer)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise LinkError(f"{self._url}: {type(error).__name__} {error}".rstrip()) from error


def _understand(status: int, answer: bytes) -> Receipt:
    try:
        if status == 200:
            return msgspec.json.decode(answer, type=Receipt)
        if status in {401, 403}:
            raise AuthError(f"the centre refuses our key: {status}")
        if status in {409, 422}:
            raise NotTaken(msgspec.json.decode(answer, type=Refusal))
    except msgspec.MsgspecError as error:
        raise LinkError(f"the answer {status} is not the centre's: {error}") from None
    raise LinkError(f"the centre answered {status}")


class Uplink:
    """Runs for as long as the gateway does.

    online: whether the last attempt arrived. trouble: why it did not. last_contact: µs since 1970
    UTC. delivered: readings that the centre took from this process.
    """

    def __init__(self, buffer: Buffer, carrier: Carrier) -> None:
        self._buffer, self._carrier = buffer, carrier
        self._epoch: UUID | None = None
        self._sent: dict[Stream, int] = {}
        self.trouble = ""
        self._delay = FIRST_DELAY
        self.online = False
        self.last_contact: int | None = None
        self.delivered = 0

    async def run(self) -> None:
        """Send, and wait for more, for ever."""
        while True:
            try:
                if not await self._send_next():
                    await self._buffer.wait()
            except AuthError as error:
                await self._complain(error)
            except (LinkError, sqlite3.Error, ValueError) as error:
                self._suffer(error)
                await asyncio.sleep(self._delay * random.uniform(0.5, 1.0))  # noqa: S311
                self._delay = min(self._delay * 2, LAST_DELAY)

    async def _send_next(self) -> bool:
        """One request; False when the centre has all there is."""
        for stream in (Stream.EVENTS, Stream.TELEMETRY):
            waiting = await self._waiting(stream)
            if waiting is None:
                continue
            try:
                receipt = await self._carrier.send(stream, waiting.epoch, waiting.frames)
            except NotTaken as error:
                await self._obey(stream, error)
            else:
                self._arrived()
                await self._believe(stream, waiting, receipt)
            return True
        return False

    async def _believe(self, stream: Stream, waiting: Waiting, receipt: Receipt) -> None:
        """Take the centre's word, unless what it has is not what is written here."""
        if receipt.hash and await self._buffer.contradicts(stream, receipt.watermark, receipt.hash):
            await self._buffer.renew(receipt.moved)
            return
        self.delivered += waiting.readings
        self._sent[stream] = receipt.watermark
        self._buffer.acknowledge(stream, receipt.watermark)

    async def _waiting(self, stream: Stream) -> Waiting | None:
        """The next frames; where older ones are gone, a notice of that first."""
        if stream not in self._sent:
            self._sent.update(await self._buffer.positions())
        after = self._sent[stream]
        waiting = await self._buffer.fetch(stream, after, MAX_UPLOAD)
        if waiting is None:
            return None
        if waiting.epoch != self._epoch:
            known, self._epoch = self._epoch, waiting.epoch
            if known is not None:
                self._sent = {}
                return await self._waiting(stream)
        if waiting.first > after + 1:
            head = frames.decode(waiting.frames[0])
            notice = frames.encode_lost(
                (after + 1, waiting.first - 1), (head.first, head.first), 0, head.previous,
                head.previous, GapCause.CORRUPT,
            )  # fmt: skip
            waiting.frames.insert(0, notice)
        return waiting

    async def _obey(self, stream: Stream, error: NotTaken) -> None:
        """Do what the centre wants before it takes more."""
        match error.refusal.need:
            case Need.REWIND:
                _logger.info("sending again", stream=stream, since=error.refusal.expected)
                self._sent[stream] = max(0, error.refusal.expected - 1)
            case Need.CATALOGUE:
                await self._buffer.republish()
                await self._buffer.flush()
            case Need.EPOCH:
                await self._buffer.renew(error.refusal.moved)
            case Need.NOTHING:
                await self._complain(error)
        await asyncio.sleep(FIRST_DELAY)  # so that two who disagree do not shout

    def _arrived(self) -> None:
        if not self.online:
            _logger.info("centre reached", after=self.trouble)
        self.online, self.trouble, self._delay = True, "", FIRST_DELAY
        self.last_contact = now_us()

    def _suffer(self, error: Exception) -> None:
        if not self.trouble:
            _logger.warning("centre not reached", reason=str(error))
        self.online, self.trouble = False, str(error)

    async def _complain(self, error: Exception) -> None:
        """Only a person can put this right: say so, and ask rarely."""
        self.online, self.trouble = False, str(error)
        _logger.error("the centre refuses us", reason=str(error), again_in=REFUSED_DELAY)
        self._buffer.record(
            Note(at=now_us(), level="alarm", code="uplink.refused", message=str(error))
        )
        await asyncio.sleep(REFUSED_DELAY)
