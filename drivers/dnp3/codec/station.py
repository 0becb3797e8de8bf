"""One end of a link (IEEE 1815 clause 9.2): frames in, replies and fragments out; no I/O."""

from collections.abc import Callable

from msgspec import Struct

from . import transport
from .link import (
    BROADCASTS,
    DIR,
    FCB,
    FCV,
    PRM,
    SELF,
    Frame,
    FrameParser,
    Primary,
    Secondary,
    encode,
)

Fault = Callable[[str], None]


class Delivery(Struct, frozen=True):
    """A fragment that arrived; `broadcast` is the address it was sent to, if it was one."""

    source: int
    data: bytes
    broadcast: int | None = None


class _Peer:
    """What the station remembers of one remote address."""

    def __init__(self, limit: int, on_fault: Fault) -> None:
        self.reassembler = transport.Reassembler(limit, on_fault)
        self.broadcasts = transport.Reassembler(limit, on_fault)
        self.sequence = 0
        self.reset = False  # the peer has reset our secondary station
        self.expected = True  # frame count bit of its next confirmed frame
        self.linked = False  # the peer acknowledged our reset
        self.count = True  # frame count bit of our next confirmed frame


class Station:
    """Link and transport of one local address, as master or as outstation.

    accepts: which remote addresses may talk to it. limit: octets of the longest fragment taken.
    on_status: told of every frame that answers one of ours (source, function).
    """

    MAX_PEERS = 1024  # remote addresses remembered at most

    def __init__(
        self,
        local: int,
        *,
        master: bool,
        accepts: Callable[[int], bool] = lambda _: True,
        limit: int = 2048,
        self_address: bool = False,
        on_status: Callable[[int, int], None] | None = None,
        on_fault: Fault | None = None,
    ) -> None:
        self.local, self.master = local, master
        self._accepts, self._limit, self._self = accepts, limit, self_address
        self._status = on_status or (lambda source, function: None)
        self._fault = on_fault or (lambda _: None)
        self._parser = FrameParser(self._fault)
        self._peers: dict[int, _Peer] = {}

    def reset(self) -> None:
        """Forget the line and its peers: a new connection has begun."""
        self._parser = FrameParser(self._fault)
        self._peers.clear()

    def receive(self, data: bytes) -> tuple[list[Delivery], bytes]:
        """Fragments that octets from the line complete, and what to send back at once."""
        deliveries: list[Delivery] = []
        replies = b""
        for frame in self._parser.feed(data):
            delivery, reply = self.take(frame)
            if delivery is not None:
                deliveries.append(delivery)
            replies += reply
        return deliveries, replies

    def take(self, frame: Frame) -> tuple[Delivery | None, bytes]:
        """One frame from the line."""
        if not self._concerns(frame):
            return None, b""
        if not frame.is_primary:
            self._status(frame.source, frame.function)
            return None, b""
        peer = self._peer(frame.source)
        if frame.dest not in BROADCASTS:
            return self._primary(frame, peer)
        data = None
        if frame.function in {Primary.UNCONFIRMED_USER_DATA, Primary.CONFIRMED_USER_DATA}:
            data = peer.broadcasts.feed(frame.data)
        return (Delivery(frame.source, data, frame.dest) if data else None), b""

    def _concerns(self, frame: Frame) -> bool:
        """Whether it is for us, and from somebody who may talk to us."""
        if frame.from_master == self.master:
            self._fault("frame of a station of our own kind")
            return False
        mine = frame.dest == self.local or (frame.dest == SELF and self._self)
        if not mine and (self.master or frame.dest not in BROADCASTS):
            return False
        if not self._accepts(frame.source):
            self._fault(f"frame from {frame.source}, which may not talk to {self.local}")
            return False
        return True

    def _primary(  # noqa: PLR0911 - one line a function code
        self, frame: Frame, peer: _Peer
    ) -> tuple[Delivery | None, bytes]:
        source = frame.source
        counted = frame.function in {Primary.TEST_LINK_STATES, Primary.CONFIRMED_USER_DATA}
        if frame.fcv != counted:
            self._fault(f"link function {frame.function} with FCV {int(frame.fcv)}")
            return None, b""
        match frame.function:
            case Primary.UNCONFIRMED_USER_DATA:
                return self._deliver(source, peer.reassembler.feed(frame.data)), b""
            case Primary.RESET_LINK_STATES:
                peer.reset, peer.expected = True, True
                return None, self._reply(source, Secondary.ACK)
            case Primary.REQUEST_LINK_STATUS:
                return None, self._reply(source, Secondary.LINK_STATUS)
            case Primary.TEST_LINK_STATES | Primary.CONFIRMED_USER_DATA if not peer.reset:
                return None, self._reply(source, Secondary.NACK)
            case Primary.TEST_LINK_STATES:
                peer.expected ^= frame.fcb == peer.expected
                return None, self._reply(source, Secondary.ACK)
            case Primary.CONFIRMED_USER_DATA:
                data = None
                if frame.fcb == peer.expected:
                    peer.expected = not peer.expected
                    data = peer.reassembler.feed(frame.data)
                return self._deliver(source, data), self._reply(source, Secondary.ACK)
        return None, self._reply(source, Secondary.NOT_SUPPORTED)

    @staticmethod
    def _deliver(source: int, data: bytes | None) -> Delivery | None:
        return Delivery(source, data) if data else None

    def _peer(self, address: int) -> _Peer:
        peer = self._peers.get(address)
        if peer is None:
            while len(self._peers) >= self.MAX_PEERS:
                self._peers.pop(next(iter(self._peers)))
            peer = self._peers[address] = _Peer(self._limit, self._fault)
        return peer

    def _reply(self, dest: int, function: Secondary) -> bytes:
        return encode(Frame(self._direction | function, dest, self.local))

    @property
    def _direction(self) -> int:
        return DIR if self.master else 0

    def send(self, fragment: bytes, dest: int) -> bytes:
        """All frames of a fragment as unconfirmed user data, to be written at once."""
        peer = self._peer(dest)
        cut = transport.segments(fragment, peer.sequence)
        peer.sequence = peer.sequence + len(cut) & transport.SEQUENCE
        control = self._direction | PRM | Primary.UNCONFIRMED_USER_DATA
        return b"".join(encode(Frame(control, dest, self.local, part)) for part in cut)

    def confirmed(self, fragment: bytes, dest: int) -> list[bytes]:
        """The frames of a fragment as confirmed user data; each waits for its ACK.

        Begins with RESET_LINK_STATES when the peer has not been reset. Call `acknowledged` after
        each ACK, so that the frame count bit of the next is right.
        """
        peer = self._peer(dest)
        cut = transport.segments(fragment, peer.sequence)
        peer.sequence = peer.sequence + len(cut) & transport.SEQUENCE
        frames = []
        if not peer.linked:
            frames.append(self.primary(Primary.RESET_LINK_STATES, dest))
            peer.linked, peer.count = True, True
        for part in cut:
            control = self._direction | PRM | FCV | Primary.CONFIRMED_USER_DATA
            if peer.count:
                control |= FCB
            peer.count = not peer.count
            frames.append(encode(Frame(control, dest, self.local, part)))
        return frames

    def unlink(self, dest: int) -> None:
        """The peer did not acknowledge: reset it before the next confirmed frame."""
        self._peer(dest).linked = False

    def primary(self, function: Primary, dest: int) -> bytes:
        """A frame without data, such as REQUEST_LINK_STATUS."""
        return encode(Frame(self._direction | PRM | function, dest, self.local))
