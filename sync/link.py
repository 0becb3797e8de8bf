"""The gateway's end of the live link: takes orders, for as long as the process runs."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import aiohttp
import msgspec
import structlog

from hub import AnyOrder

from .wire_link import (
    HEARTBEAT,
    LINK,
    MAX_MESSAGE,
    STATUS_EVERY,
    Give,
    Status,
    Taken,
    encode,
    read_down,
)

FIRST_DELAY, LAST_DELAY = 0.25, 5.0  # s
REFUSED_DELAY = 60.0  # s, for what only a person can put right
CONNECT_WITHIN = 5.0  # s

_logger = structlog.get_logger(__name__)
Take = Callable[[UUID, AnyOrder], Awaitable[bytes]]
Tell = Callable[[], Status]


class Refused(Exception):
    """The centre does not want us."""


class Link:
    """take: returns when the order will not be forgotten, with its answer if it asks for one.
    tell: how the gateway does. online: whether the centre is there.
    trouble: why it is not."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, key: str, take: Take, tell: Tell
    ) -> None:
        self._session, self._url = session, url.rstrip("/") + LINK
        self._headers = {"Authorization": f"Bearer {key}"}
        self._take, self._tell = take, tell
        self.trouble = ""
        self.online = False

    async def run(self) -> None:
        """Connect, listen, connect again, for ever."""
        delay = FIRST_DELAY
        while True:
            try:
                await self._connection()
                delay = FIRST_DELAY
            except Refused as error:
                self._suffer(str(error))
                delay = REFUSED_DELAY
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._suffer(f"{type(error).__name__} {error}".rstrip())
                delay = min(max(delay, FIRST_DELAY) * 2, LAST_DELAY)
            self.online = False
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311

    async def _connection(self) -> None:
        """One connection from its beginning to its end."""
        opening = self._session.ws_connect(
            self._url, headers=self._headers, heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE
        )
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                socket = await opening
        except aiohttp.WSServerHandshakeError as error:
            if error.status in {401, 403}:
                raise Refused(f"the centre refuses our key: {error.status}") from None
            raise
        async with socket:
            _logger.info("live link up", after=self.trouble)
            self.online, self.trouble = True, ""
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._report(socket))
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        break
                    try:
                        said = read_down.decode(message.data)
                    except msgspec.MsgspecError as error:
                        _logger.warning("an order that we do not know", reason=str(error))
                        continue
                    tasks.create_task(self._obey(socket, said))
                telling.cancel()
        self._suffer(f"the centre closed it ({socket.close_code})")

    async def _report(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say how the gateway does, at once and then from time to time."""
        with contextlib.suppress(ConnectionError):
            while not socket.closed:
                await socket.send_bytes(encode(self._tell()))
                await asyncio.sleep(STATUS_EVERY)

    async def _obey(self, socket: aiohttp.ClientWebSocketResponse, given: Give) -> None:
        """Take an order; without an answer the centre sends it again on the next connection."""
        ident = UUID(bytes=given.id)
        try:
            answer = await self._take(ident, given.order)
        except Exception:
            _logger.exception("an order was not taken", order=str(ident))
            return
        try:
            await socket.send_bytes(encode(Taken(given.id, answer)))
        except ConnectionError as error:
            _logger.info("an order is not confirmed", order=str(ident), reason=str(error))

    def _suffer(self, reason: str) -> None:
        if not self.trouble:
            _logger.warning("live link down", reason=reason)
        self.trouble = reason
