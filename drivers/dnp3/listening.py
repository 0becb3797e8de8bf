"""One TCP port that outstations call: all that are connected are one line to the master."""

import asyncio
from ssl import SSLContext

from .codec.link import BROADCASTS, FrameParser, encode
from .lines import Line, StreamLine, listen_tcp

_FRAME_DEST = slice(4, 6)


class ListeningLine(Line):
    """Whole frames of many connections, one behind the other.

    A connection belongs to the outstations that were heard on it; who has not been heard yet may be
    on any that has not spoken. most: connections at a time; the oldest silent one makes room. The
    line ends with its last connection.
    """

    def __init__(self, name: str, most: int) -> None:
        super().__init__()
        self.name, self._most = name, most
        self._server: asyncio.Server | None = None
        self._connections: dict[StreamLine, FrameParser] = {}
        self._owners: dict[int, StreamLine] = {}
        self.came = asyncio.Event()

    async def listen(self, host: str, port: int, tls: SSLContext | None = None) -> None:
        """Let outstations connect; LinkError when the port cannot be had."""
        self._server = await listen_tcp(host, port, self._opened, tls)

    @property
    def has_peer(self) -> bool:
        return self.is_open and bool(self._connections)

    def reaches(self, dest: int) -> bool:
        return bool(self._ways(dest))

    def silent(self, dest: int) -> None:
        self._owners.pop(dest, None)

    def write(self, data: bytes) -> None:
        self._require()
        for way in self._ways(int.from_bytes(data[_FRAME_DEST], "little")):
            if way.is_open:
                way.write(data)

    def _ways(self, dest: int) -> list[StreamLine]:
        if dest in BROADCASTS:
            return list(self._connections)
        owner = self._owners.get(dest)
        return [owner] if owner is not None else self._nameless()

    def _nameless(self) -> list[StreamLine]:
        """Connections on which nobody was heard, oldest first."""
        known = set(self._owners.values())
        return [way for way in self._connections if way not in known]

    def _opened(self, way: StreamLine) -> None:
        if len(self._connections) >= self._most:
            silent = self._nameless()
            if not silent:
                self.on_fault(f"{way.name}: {self._most} connections are enough")
                way.close()
                return
            silent[0].close()
        self._connections[way] = FrameParser(self._fault)
        way.on_data = lambda data: self._received(way, data)
        way.closed.add_done_callback(lambda _: self._gone(way))
        self.came.set()

    def _fault(self, text: str) -> None:
        self.on_fault(text)

    def _received(self, way: StreamLine, data: bytes) -> None:
        parser = self._connections.get(way)
        for frame in parser.feed(data) if parser is not None else ():
            if not frame.from_master:
                self._owners[frame.source] = way
            self.on_data(encode(frame))

    def _gone(self, way: StreamLine) -> None:
        self._connections.pop(way, None)
        self._owners = {dest: owner for dest, owner in self._owners.items() if owner is not way}
        if not self._connections:
            self._end(way.closed.result())
            self._shut()

    def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        self._end(None)
        self._shut()
        for way in list(self._connections):
            way.close()
