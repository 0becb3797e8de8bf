"""Whose turn it is on a channel's line. Pure: times are seconds of any clock that only rises.

A group is the points of one device with one period. Due groups are served in the order in which
they became due; one that was served comes due again no earlier than now, so polls never pile up and
none starves. A silent device is tried with a back-off of its own, and on a line where others answer
such tries take at most a fifth of the time.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from hub.contract.driver import Backoff
from hub.contract.points import Point

SHARE, TOLERATED = 4.0, 1.1


@dataclass(slots=True, eq=False)
class Line:
    """One device as the schedule sees it."""

    name: str
    silent: bool = False
    delay: float = 0.0
    failed: bool = False
    groups: list["Group"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Group:
    """achieved: seconds between the starts of the last two polls. late: polls that began more than
    a tenth of the period too late."""

    line: Line
    every: float
    points: tuple[Point, ...]
    due: float = 0.0
    started: float | None = None
    achieved: float | None = None
    took: float = 0.0
    polls: int = 0
    late: int = 0
    failures: int = 0


class Schedule:
    """The groups of one channel."""

    def __init__(self, points: Iterable[Point], backoff: Backoff | None = None) -> None:
        self._backoff, self._tick = backoff or Backoff(), count()
        self.lines: dict[str, Line] = {}
        self.groups: list[Group] = []
        self._heap: list[tuple[float, int, Group]] = []
        self._probe_after = 0.0
        members: dict[tuple[str, float], list[Point]] = {}
        for point in points:
            if point.every is not None:
                members.setdefault((point.device, point.every), []).append(point)
        for (device, every), found in members.items():
            line = self.lines.setdefault(device, Line(device))
            group = Group(line, every, tuple(found))
            line.groups.append(group)
            self.groups.append(group)

    def begin(self, now: float) -> None:
        """A new connection: every group is due, nobody has failed on it yet."""
        self._heap.clear()
        self._probe_after = now
        for line in self.lines.values():
            line.failed, line.delay = False, 0.0
        for group in self.groups:
            group.started = None
            self._put(group, now)

    def next(self, now: float) -> Group | None:
        """The group to poll now, or None when none is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, group = heapq.heappop(heap)
            if due != group.due:
                continue
            if group.line.failed and now < self._probe_after and self._others_answer():
                self._put(group, self._probe_after)
                continue
            if group.started is not None:
                group.achieved = now - group.started
                group.late += group.achieved > group.every * TOLERATED
            group.started = now
            return group
        return None

    def when(self) -> float | None:
        """When the next group comes due; None when there are no groups."""
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].due:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def answered(self, group: Group, now: float) -> None:
        line = group.line
        group.polls += 1
        group.took = now - (group.started or now)
        self._put(group, max(group.due + group.every, now))
        if line.failed or line.silent:
            self.heard(line.name, now)

    def silence(self, group: Group, now: float) -> bool:
        """No answer. True when now no device of the line answers: the link itself is suspect."""
        line = group.line
        group.failures += 1
        cost = now - (group.started if group.started is not None else now)
        self._probe_after = now + SHARE * cost
        line.silent = line.failed = True
        line.delay = min(max(line.delay * 2, self._backoff.first), self._backoff.last)
        for other in line.groups:
            self._put(other, max(now + line.delay, other.due if other is not group else 0.0))
        return all(each.failed for each in self.lines.values())

    def heard(self, device: str, now: float) -> None:
        """The device spoke, by answer or by itself."""
        line = self.lines.get(device)
        if line is None or not (line.silent or line.failed):
            return
        line.silent = line.failed = False
        line.delay = 0.0
        for group in line.groups:
            if group.due > now + group.every:
                self._put(group, now)

    def hurry(self, device: str, now: float) -> None:
        """Poll this device next, to see what a command has done."""
        line = self.lines.get(device)
        if line is not None and not line.failed:
            for group in line.groups:
                self._put(group, now)

    def _others_answer(self) -> bool:
        return any(not line.failed for line in self.lines.values())

    def _put(self, group: Group, due: float) -> None:
        group.due = due
        heapq.heappush(self._heap, (due, next(self._tick), group))
