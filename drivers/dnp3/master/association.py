"""The master's dealings with one outstation: requests, confirmations, unsolicited responses."""

import asyncio
import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from drivers.dnp3.codec.app import NO_RESPONSE, Block, Control, Fragment, Function, Iin, ObjectFault
from drivers.dnp3.lines import lost
from hub import LinkError, NoResponse, ProtocolError

from .channel import MasterChannel, Priority
from .measurements import Origin, Report, reports

_MAX_FRAGMENTS = 1024  # of one response: 16 sequence numbers do not bound it

Taker = Callable[[list[Report]], None]


class Refused(ProtocolError):
    """The outstation answered that it cannot do what was asked (IIN2)."""

    def __init__(self, what: str, iin: Iin) -> None:
        super().__init__(f"{what}: the outstation answers {', '.join(iin.names())}")
        self.iin = iin


REFUSALS = Iin.NO_FUNC_CODE_SUPPORT | Iin.OBJECT_UNKNOWN | Iin.PARAMETER_ERROR


class Response(Struct):
    """All fragments that answered one request. sent, got: seconds of the monotonic clock."""

    iin: Iin
    fragments: list[Fragment]
    sent: float
    got: float

    def blocks(self) -> Iterable[Block]:
        for fragment in self.fragments:
            yield from fragment.blocks()

    def require(self, what: str) -> "Response":
        """Itself, or Refused when the outstation could not do it."""
        if self.iin & REFUSALS:
            raise Refused(what, self.iin & REFUSALS)
        return self


class _Pending:
    """A request that waits: what has come, and the end when it has come."""

    def __init__(self, sequence: int, origin: Origin, taker: Taker) -> None:
        self.expected, self.origin, self.taker = sequence, origin, taker
        self.fragments: list[Fragment] = []
        self.progress: Callable[[], None] = lambda: None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Association:
    """One outstation on a channel.

    on_reports: called with what each fragment tells, before it is confirmed. on_iin: called with
    the indications of every response. timeout: seconds without a fragment.
    """

    def __init__(
        self,
        channel: MasterChannel,
        address: int,
        *,
        timeout: float = 5.0,
        on_reports: Taker | None = None,
        on_iin: Callable[[Iin], None] | None = None,
    ) -> None:
        self.channel, self.address, self.timeout = channel, address, timeout
        self.on_reports: Taker = on_reports or (lambda reports: None)
        self.on_iin: Callable[[Iin], None] = on_iin or (lambda iin: None)
        self.last_heard = time.monotonic()
        # What was sent last, None while nothing of the present request is on the line: a control
        # that fails before that was not executed, one that fails after it may have been.
        self.last_sent: Function | None = None
        self.requests = 0
        self._sequence = 0
        self._pending: _Pending | None = None
        self._last_unsolicited: bytes | None = None
        channel.add(self)

    def heard(self) -> None:
        """A frame of this outstation came."""
        self.last_heard = time.monotonic()

    async def request(
        self,
        function: Function,
        objects: bytes = b"",
        *,
        priority: Priority = Priority.POLL,
        origin: Origin = Origin.POLL,
        within: float | None = None,
        dest: int | None = None,
        taker: Taker | None = None,
    ) -> Response:
        """Ask and gather the answer; NoResponse when there is none in time, LinkError without line.

        dest: another address than the outstation's own (a broadcast): nothing is awaited then.
        taker: gets the reports of this answer instead of `on_reports`.
        """
        async with self.channel.turns.take(priority):
            return await self._exchange(
                function, objects, origin, within or self.timeout, dest, taker
            )

    async def request_in_turn(self, function: Function, objects: bytes) -> Response:
        """As `request`, by whoever already holds the channel's turn."""
        return await self._exchange(function, objects, Origin.POLL, self.timeout)

    async def _exchange(
        self,
        function: Function,
        objects: bytes,
        origin: Origin,
        within: float,
        dest: int | None = None,
        taker: Taker | None = None,
    ) -> Response:
        self.last_sent = None
        line = self.channel.line
        if not line.is_open:
            raise lost(line.name, line.closed.result())
        if not line.reaches(self.address if dest is None else dest):
            raise NoResponse(f"outstation {self.address} is not connected to {line.name}")
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0x0F
        data = Fragment(Control(sequence), function, objects).encode()
        sent = time.monotonic()
        silent = function in NO_RESPONSE or dest is not None
        pending = _Pending(sequence, origin, taker or self.on_reports)
        self._pending = None if silent else pending
        try:
            self.last_sent, self.requests = function, self.requests + 1
            await self.channel.send(data, self.address if dest is None else dest)
            if silent:
                return Response(Iin.NONE, [], sent, time.monotonic())
            await self._gather(pending, within)
        finally:
            self._pending = None
        got = time.monotonic()
        iin = Iin.NONE
        for fragment in pending.fragments:
            iin |= fragment.iin or Iin.NONE
        return Response(iin, pending.fragments, sent, got)

    async def _gather(self, pending: _Pending, within: float) -> None:
        """Wait for the last fragment; each that comes gives the next one as long again."""
        loop, closed = asyncio.get_running_loop(), self.channel.line.closed
        closed.add_done_callback(pending_closer := _closer(pending, self.channel.line.name))
        try:
            async with asyncio.timeout(within) as limit:
                pending.progress = lambda: limit.reschedule(loop.time() + within)
                await pending.done
        except TimeoutError:
            self.channel.line.silent(self.address)
            raise NoResponse(f"outstation {self.address} does not answer") from None
        finally:
            closed.remove_done_callback(pending_closer)

    def received(self, data: bytes) -> None:
        """A fragment of this outstation arrived."""
        try:
            fragment = Fragment.parse(data)
        except ProtocolError as error:
            self.channel.fault(str(error))
            return
        if fragment.function == Function.UNSOLICITED_RESPONSE and fragment.control.unsolicited:
            self._unsolicited(fragment, data)
        elif fragment.function == Function.RESPONSE and not fragment.control.unsolicited:
            self._solicited(fragment)
        else:
            self.channel.fault(f"function {fragment.function} from outstation {self.address}")

    def _solicited(self, fragment: Fragment) -> None:
        pending, control = self._pending, fragment.control
        if pending is None or pending.done.done():
            self.channel.fault(f"a response of outstation {self.address} that nobody waits for")
            return
        if control.sequence != pending.expected or control.first == bool(pending.fragments):
            self.channel.fault(f"a response of outstation {self.address} out of sequence")
            return
        if len(pending.fragments) >= _MAX_FRAGMENTS:
            pending.done.set_exception(
                ProtocolError(f"outstation {self.address} answers without end")
            )
            return
        try:
            self._tell(fragment, pending.origin, pending.taker)
        except ProtocolError as error:
            pending.done.set_exception(error)
            return
        if control.confirm:
            self._confirm(control.sequence, unsolicited=False)
        pending.fragments.append(fragment)
        pending.expected = (pending.expected + 1) & 0x0F
        self.on_iin(fragment.iin or Iin.NONE)
        if control.final:
            pending.done.set_result(None)
        else:
            pending.progress()

    def _unsolicited(self, fragment: Fragment, data: bytes) -> None:
        """Hand on once, confirm as often as it comes."""
        if data != self._last_unsolicited:
            try:
                self._tell(fragment, Origin.UNSOLICITED, self.on_reports)
            except ProtocolError as error:
                self.channel.fault(f"unsolicited response of outstation {self.address}: {error}")
                return
            self._last_unsolicited = data
        if fragment.control.confirm:
            self._confirm(fragment.control.sequence, unsolicited=True)
        self.on_iin(fragment.iin or Iin.NONE)

    def _tell(self, fragment: Fragment, origin: Origin, taker: Taker) -> None:
        """Report all or nothing of a fragment, but for what follows an object we do not know."""
        found: list[Report] = []
        if fragment.objects:
            try:
                found.extend(reports(fragment, origin))
            except ObjectFault as fault:
                if fault.iin is not Iin.OBJECT_UNKNOWN:
                    raise
                self.channel.fault(f"outstation {self.address}: {fault}")
        if found:
            taker(found)

    def _confirm(self, sequence: int, *, unsolicited: bool) -> None:
        control = Control(sequence, unsolicited=unsolicited)
        try:
            self.channel.send_now(Fragment(control, Function.CONFIRM).encode(), self.address)
        except LinkError as error:
            self.channel.fault(str(error))


def _closer(pending: _Pending, name: str) -> Callable[[asyncio.Future[BaseException | None]], None]:
    def close(closed: asyncio.Future[BaseException | None]) -> None:
        if not pending.done.done():
            pending.done.set_exception(lost(name, closed.result()))

    return close
