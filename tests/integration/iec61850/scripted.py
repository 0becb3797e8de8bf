"""A peer that does as it is told: associates in order, then answers with what a test gives it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.iec61850 import ber, transport, upper
from drivers.iec61850.mms import pdu
from drivers.iec61850.mms.pdu import Initiate, Pdu

Reply = Callable[[bytes, Pdu], bytes | None]


class Scripted:
    """reply: MMS octets for a request; None closes the connection, b"" says nothing."""

    def __init__(self, reply: Reply, password: str | None = None) -> None:
        self.reply, self.password = reply, password
        self.port = 0
        self.detail, self.called = 65000, 5
        self.raw = False
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Scripted"]:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def say(self, *answers: bytes) -> None:
        """Send MMS octets to the client that came last."""
        for octets in answers:
            self._writers[-1].write(transport.data(upper.data(octets), 8192))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = transport.Framer()
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            while chunk := await reader.read(65536):
                for kind, message in framer.feed(chunk):
                    answer = self._answer(kind, message)
                    if answer is None:
                        return
                    writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def _answer(self, kind: int, message: bytes) -> bytes | None:
        if kind == transport.CR:
            return transport.connect(b"\0\1", b"\0\1", kind=transport.CC)
        if message[0] == upper.CONNECT:
            return transport.data(self._associate(message), 8192)
        found = pdu.parse(message, *upper.unwrap(message))
        reply = self.reply(message, found)
        if not reply:
            return reply
        octets = reply if self.raw else upper.data(reply)
        return transport.data(octets, 8192)

    def _associate(self, message: bytes) -> bytes:
        _, found = upper.acse(message)
        agreed = Initiate(detail=self.detail, called=self.called)
        initiate = pdu.initiate(agreed, pdu.INITIATE_RESPONSE)
        accepted = upper.accept(b"\0\1", initiate)
        given = message[slice(*found[0xAC])] if 0xAC in found else None
        wanted = ber.text(0x80, self.password) if self.password else None
        if wanted is None or given == wanted:
            return accepted
        code = 13 if given else 14
        return accepted.replace(
            b"\xa2\x03\x02\x01\x00\xa3\x05\xa1\x03\x02\x01\x00",
            b"\xa2\x03\x02\x01\x01\xa3\x05\xa1\x03\x02\x01" + bytes((code,)),
        )
