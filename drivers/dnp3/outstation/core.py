"""One master's session with the outstation: sequence, confirmation, unsolicited responses.

Bytes in, bytes out; time is given by the caller, so a day of traffic can be replayed in a moment.
"""

from collections.abc import Callable, Sequence
from typing import Any

from drivers.dnp3.codec.app import (
    NO_RESPONSE,
    RESPONSES,
    Block,
    Control,
    Fragment,
    Function,
    Iin,
    ObjectFault,
)
from drivers.dnp3.codec.link import BROADCAST_MUST_CONFIRM
from hub import ProtocolError

from .database import Database
from .events import EventBuffer
from .handler import Handler
from .packing import Part
from .pending import Broadcast, Errand, Series, Unsolicited
from .reading import Reader
from .requests import Later, Reply, Requests
from .settings import OutstationSettings

_RESTARTS = frozenset({Function.COLD_RESTART, Function.WARM_RESTART})
_HEAD = 4  # octets of a response before its objects


class Outstation:
    """Give it fragments and the time (seconds, monotonic); send what it returns."""

    def __init__(
        self,
        settings: OutstationSettings,
        database: Database,
        handler: Handler,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._handler = settings, database, handler
        self._clock = clock
        self.events = EventBuffer(settings.capacity)
        database.attach(self.events)
        self._requests = Requests(settings, database, handler, clock)
        self._series: Series | None = None
        self._last: tuple[bytes, bytes] | None = None
        self._broadcast = Broadcast.NONE
        self._unsolicited: Unsolicited | None = None
        self._next_unsolicited = 0
        self._null_due = settings.unsolicited
        self._not_before = 0.0
        self._oldest: float | None = None
        self._deferred: bytes | None = None
        self.errand: Errand | None = None
        self.faults: list[str] = []

    def close(self) -> None:
        """The session is over: stop collecting events for it."""
        self._database.detach(self.events)

    def disconnected(self) -> None:
        """The link went down: what was not confirmed waits for the next connection."""
        self._abandon()
        if self._unsolicited is not None:
            self.events.release(self._unsolicited.numbers)
            self._null_due |= self._unsolicited.null
            self._unsolicited = None
        self._deferred = self._last = None
        self._requests.selection.drop()
        self._requests.files.close_all()

    def restart(self) -> None:
        """As after power was switched on: events are lost, the restart is told."""
        self.disconnected()
        self.events.confirm([e.number for e in list(self.events.waiting())])
        self._requests = Requests(self._settings, self._database, self._handler, self._clock)
        self._null_due = self._settings.unsolicited
        self._broadcast = Broadcast.NONE
        self._next_unsolicited = 0

    @property
    def enabled(self) -> frozenset[int]:
        """Classes that may be reported unsolicited."""
        return frozenset(self._requests.enabled)

    def receive(self, data: bytes, now: float, broadcast: int | None = None) -> list[bytes]:
        """Answer one fragment."""
        try:
            fragment = Fragment.parse(data)
        except ProtocolError as error:
            self._fault(str(error))
            return []
        control = fragment.control
        if fragment.function in RESPONSES or not (control.first and control.final):
            self._fault(f"fragment with function {fragment.function} is not a request")
            return []
        if fragment.function == Function.CONFIRM:
            return self._confirm(control, now)
        if broadcast is not None:
            self._broadcasted(fragment, broadcast, now)
            return []
        if fragment.function == Function.READ and self._unsolicited is not None:
            self._deferred = data
            return []
        return self._request(fragment, data, now)

    def tick(self, now: float) -> list[bytes]:
        """What has become due: time-outs, retries, unsolicited responses."""
        out: list[bytes] = []
        self.freeze()
        if self._series is not None and now >= self._series.until:
            self._fault("no confirmation of a response")
            self._abandon()
        pending = self._unsolicited
        if pending is not None and now >= pending.until:
            out += self._unconfirmed(pending, now)
        if self._unsolicited is None and self._series is None:
            out += self._report(now)
        return out

    def deadline(self) -> float | None:
        """When `tick` has something to do, as far as is known now."""
        due = [w.until for w in (self._series, self._unsolicited) if w is not None]
        if self._unsolicited is None and self._series is None and self._wants_to_report():
            hold = self._settings.hold if self._oldest is not None else 0.0
            due.append(max(self._not_before, (self._oldest or 0.0) + hold))
        return min(due, default=None)

    def freeze(self) -> None:
        """Do the scheduled freezes that are due; `tick` does it as well."""
        self._requests.freezer.run()

    def until_freeze(self) -> float | None:
        """Seconds until `tick` has values to freeze, by the outstation's own clock."""
        return self._requests.freezer.wait()

    def finish(self, errand: Errand, found: list[Any], now: float) -> list[bytes]:
        """The answer to a request whose errand is done, unless the master has asked anew."""
        if errand is not self.errand:
            return []
        self.errand = None
        return self._reply(errand.data, errand.sequence, errand.later.end(found), now)

    # Requests

    def _request(self, fragment: Fragment, data: bytes, now: float) -> list[bytes]:
        if self.errand is not None and self.errand.data == data:
            return []
        if self._last is not None and self._last[0] == data and fragment.function != Function.READ:
            return [self._last[1]] if self._last[1] else []
        self._abandon()
        self._last = None
        if fragment.function == Function.READ:
            return self._read(fragment, now)
        done = self._execute(fragment, now)
        if isinstance(done, Later):
            self.errand = Errand(data, fragment.control.sequence, done)
            return []
        if fragment.function in NO_RESPONSE:
            self._last = data, b""
            return []
        out = self._reply(data, fragment.control.sequence, done, now)
        if fragment.function in _RESTARTS and done[0]:
            self.restart()
        return out

    def _reply(self, data: bytes, sequence: int, done: Reply, now: float) -> list[bytes]:
        """Answer a request, and remember the answer for when the master asks again."""
        reply = self._respond([Part([done[0]])], sequence, done[1], now)
        self._last = data, reply
        return [reply]

    def _execute(self, fragment: Fragment, now: float) -> Reply | Later:
        if not self._requests.knows(fragment.function):
            return b"", Iin.NO_FUNC_CODE_SUPPORT
        try:
            blocks = list(fragment.blocks())
            return self._requests.execute(fragment, blocks, now)
        except ObjectFault as fault:
            self._fault(str(fault))
            return b"", fault.iin
        except ProtocolError as error:
            self._fault(str(error))
            return b"", Iin.PARAMETER_ERROR

    def _read(self, fragment: Fragment, now: float) -> list[bytes]:
        self._requests.selection.drop()
        blocks: list[Block] = []
        iin = Iin.NONE
        try:
            blocks.extend(fragment.blocks())
        except ObjectFault as fault:
            self._fault(str(fault))
            iin = fault.iin
            blocks = []
        reader = self._reader()
        parts: list[Part] = []
        try:
            files = [b for b in blocks if b.group == 70 and b.number == 5 and b.data]
            if files:
                parts = [Part([self._requests.read_file(block) for block in files])]
            else:
                parts = reader.read(blocks)
        except (LookupError, ProtocolError) as error:
            self._fault(str(error))
            iin |= Iin.OBJECT_UNKNOWN
            parts = [Part()]
        sequence = fragment.control.sequence
        return [self._respond(parts, sequence, iin | reader.iin, now)]

    def _reader(self) -> Reader:
        return Reader(
            self._database,
            self.events,
            room=self._settings.max_fragment - _HEAD,
            now=self._clock(),
            synchronised=self._synchronised(),
            attributes=self._handler.attributes(),
        )

    def _synchronised(self) -> bool:
        told = self._handler.time_is_synchronised()
        return self._requests.synchronised_at is not None if told is None else told

    def _broadcasted(self, fragment: Fragment, address: int, now: float) -> None:
        self._abandon()
        self._execute(fragment, now)
        must = address == BROADCAST_MUST_CONFIRM
        self._broadcast = Broadcast.MUST_CONFIRM if must else Broadcast.SEEN

    # Responses

    def _respond(self, parts: Sequence[Part], sequence: int, iin: Iin, now: float) -> bytes:
        self._series = Series(parts, 0, sequence, iin, 0.0)
        return self._fragment(self._series, now)

    def _fragment(self, series: Series, now: float) -> bytes:
        part, last = series.parts[series.at], series.at == len(series.parts) - 1
        must = self._broadcast is Broadcast.MUST_CONFIRM
        confirm = not last or bool(part.events) or must
        control = Control(series.sequence, series.at == 0, last, confirm)
        iin = series.iin | self.indications(now)
        for later in series.parts[series.at + 1 :]:
            iin |= self.events.classes(later.events)
        if self._broadcast is Broadcast.SEEN:
            self._broadcast = Broadcast.NONE
        if confirm:
            series.until = now + self._settings.confirm_timeout
        else:
            self._series = None
        return Fragment(control, Function.RESPONSE, part.encode(), iin).encode()

    def indications(self, now: float) -> Iin:
        """The state that every response tells."""
        requests, iin = self._requests, self.events.indications()
        every = self._settings.time_sync_every
        if every is not None and now - (requests.synchronised_at or -every) >= every:
            requests.need_time = True
        if requests.need_time:
            iin |= Iin.NEED_TIME
        if requests.restarted:
            iin |= Iin.DEVICE_RESTART
        if self._broadcast is not Broadcast.NONE:
            iin |= Iin.BROADCAST
        if self._handler.local_control():
            iin |= Iin.LOCAL_CONTROL
        if self._handler.trouble():
            iin |= Iin.DEVICE_TROUBLE
        return iin

    def _confirm(self, control: Control, now: float) -> list[bytes]:
        if control.unsolicited:
            return self._confirm_unsolicited(control.sequence, now)
        series = self._series
        if series is None or control.sequence != series.sequence:
            self._fault("confirmation of nothing that was sent")
            return []
        self._broadcast = Broadcast.NONE
        self.events.confirm(series.parts[series.at].events)
        series.at += 1
        series.sequence = (series.sequence + 1) & 0x0F
        if series.at < len(series.parts):
            return [self._fragment(series, now)]
        self._series = None
        return self.tick(now)

    def _abandon(self) -> None:
        """Give up a response that was not confirmed: its events wait again."""
        self.errand = None
        if self._series is not None:
            for part in self._series.parts[self._series.at :]:
                self.events.release(part.events)
            self._series = None

    # Unsolicited responses

    def _wants_to_report(self) -> bool:
        if not self._settings.unsolicited:
            return False
        if self._null_due:
            return True
        return next(self.events.waiting(self._requests.enabled), None) is not None

    def _report(self, now: float) -> list[bytes]:
        if now < self._not_before or not self._wants_to_report():
            return []
        if self._null_due:
            return [self._send(Part(), null=True, now=now)]
        if self._oldest is None:
            self._oldest = now
        if now < self._oldest + self._settings.hold:
            return []
        self._oldest = None
        reader = self._reader()
        chosen = list(self.events.waiting(self._requests.enabled))
        first, *rest = reader.take(chosen)
        for part in rest:
            self.events.release(part.events)
        return [self._send(first, null=False, now=now)]

    def _send(self, part: Part, *, null: bool, now: float) -> bytes:
        sequence = self._next_unsolicited
        self._next_unsolicited = (sequence + 1) & 0x0F
        control = Control(sequence, confirm=True, unsolicited=True)
        iin = self.indications(now)
        data = Fragment(control, Function.UNSOLICITED_RESPONSE, part.encode(), iin).encode()
        until = now + self._settings.confirm_timeout
        self._unsolicited = Unsolicited(data, sequence, part.events, null, until)
        return data

    def _confirm_unsolicited(self, sequence: int, now: float) -> list[bytes]:
        pending = self._unsolicited
        if pending is None or pending.sequence != sequence:
            self._fault("confirmation of no unsolicited response that was sent")
            return []
        self._unsolicited = None
        self.events.confirm(pending.numbers)
        self._null_due &= not pending.null
        return self._resume(now) + self.tick(now)

    def _unconfirmed(self, pending: Unsolicited, now: float) -> list[bytes]:
        limit = self._settings.retries
        self._fault("no confirmation of an unsolicited response")
        again = self._deferred is None and (limit is None or pending.tries <= limit)
        if again and (pending.null or self._still_enabled(pending)):
            pending.tries += 1
            wait = self._settings.confirm_timeout
            pending.until = max(pending.until, now - wait) + wait
            return [pending.fragment]
        self._unsolicited = None
        self.events.release(pending.numbers)
        self._not_before = now + (self._settings.retry_delay or self._settings.confirm_timeout)
        return self._resume(now)

    def _still_enabled(self, pending: Unsolicited) -> bool:
        classes = {e.klass for e in self.events.of(pending.numbers)}
        return classes <= self._requests.enabled

    def _resume(self, now: float) -> list[bytes]:
        """Answer the READ that came while an unsolicited response waited."""
        data, self._deferred = self._deferred, None
        if data is None:
            return []
        return self._request(Fragment.parse(data), data, now)

    def _fault(self, text: str) -> None:
        if len(self.faults) < 100:
            self.faults.append(text)
