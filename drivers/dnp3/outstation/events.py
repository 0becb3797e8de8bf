"""Event buffers (IEEE 1815 clause 5.1.4): kept in order until a master confirms them."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from drivers.dnp3.codec.app import Iin
from drivers.dnp3.codec.objects import PointType

CLASS_IIN = {1: Iin.CLASS_1, 2: Iin.CLASS_2, 3: Iin.CLASS_3}


class Event(Struct):
    """One change. time: ms since 1970 UTC. variation: when the master does not ask for another.

    written: it is in a fragment that waits for its confirmation.
    """

    number: int
    point: PointType
    index: int
    value: float
    flags: int
    time: int
    klass: int
    variation: int
    text: bytes = b""
    written: bool = False


class EventBuffer:
    """All events of one master, oldest first, bounded for each point type."""

    def __init__(self, capacity: Callable[[PointType], int]) -> None:
        self._capacity = capacity
        self._events: dict[int, Event] = {}
        self._of_type: dict[PointType, dict[int, Event]] = {}
        self._next = 0
        self.overflowed = False
        self.added: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        """Append; the oldest of its type makes room and the overflow is remembered."""
        room = self._capacity(event.point)
        if room == 0:
            return
        alike = self._of_type.setdefault(event.point, {})
        if len(alike) >= room:
            self._drop(next(iter(alike.values())))
            self.overflowed = True
        event.number, self._next = self._next, self._next + 1
        self._events[event.number] = alike[event.number] = event
        self.added()

    def waiting(self, classes: Iterable[int] = (1, 2, 3)) -> Iterator[Event]:
        """Events that are in no fragment, in order of occurrence."""
        wanted = frozenset(classes)
        return (e for e in self._events.values() if not e.written and e.klass in wanted)

    def of(self, numbers: Iterable[int]) -> Iterator[Event]:
        """The events with these numbers, as far as they are still there."""
        return (self._events[number] for number in numbers if number in self._events)

    def classes(self, numbers: Iterable[int]) -> Iin:
        """The indications of the classes that these events belong to."""
        iin = Iin.NONE
        for klass in {event.klass for event in self.of(numbers)}:
            iin |= CLASS_IIN[klass]
        return iin

    def confirm(self, numbers: Iterable[int]) -> None:
        """A master has them: forget them."""
        for number in numbers:
            event = self._events.get(number)
            if event is not None:
                self._drop(event)
        if self.overflowed and all(
            len(alike) < self._capacity(point) for point, alike in self._of_type.items()
        ):
            self.overflowed = False

    def release(self, numbers: Iterable[int] | None = None) -> None:
        """No confirmation came: they wait again."""
        for number in list(self._events) if numbers is None else numbers:
            if number in self._events:
                self._events[number].written = False

    def indications(self) -> Iin:
        """Which classes have events that are not already on their way, and the overflow."""
        iin = Iin.EVENT_BUFFER_OVERFLOW if self.overflowed else Iin.NONE
        for klass in {e.klass for e in self._events.values() if not e.written}:
            iin |= CLASS_IIN[klass]
        return iin

    def _drop(self, event: Event) -> None:
        del self._events[event.number]
        del self._of_type[event.point][event.number]
