"""A report control block at work: its data set, the points in it, reports to readings. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from hub import Cause, ReadingBatch

from .mms.data import AccessError
from .mms.pdu import ObjectName
from .model import Model, value_at
from .plan import Path, Place, Rows, Target, extract
from .reports import INTEGRITY, INTERROGATION, Block, Report


class Loose(Struct, frozen=True):
    """A point whose value, quality and time are members of their own. inside: of the value."""

    point: int
    value: int
    inside: Path
    q: int | None
    t: int | None


class Subscription:
    """Knows what each member of a data set means for the points.

    overflow_counts: whether the buffer was followed before; what it lost earlier is not our loss.
    """

    def __init__(
        self, block: Block, members: Sequence[ObjectName], targets: Iterable[Target], model: Model
    ) -> None:
        self.block = block
        self.members = tuple(members)
        self.points: set[int] = set()
        self.overflow_counts = True
        self._places: list[list[Place]] = [[] for _ in members]
        self._loose: list[list[Loose]] = [[] for _ in members]
        self._last: list[Any] = [None] * len(members)
        index = {(m.domain, m.item): n for n, m in enumerate(members)}
        for target in targets:
            self._add(target, index, model)

    def _add(
        self, target: Target, index: Mapping[tuple[str | None, str], int], model: Model
    ) -> None:
        owner, place = target.owner, target.place
        parts = owner.item.split("$")
        for depth in range(len(parts), 1, -1):
            found = index.get((owner.domain, "$".join(parts[:depth])))
            if found is not None:
                outer = model.type_of(self.members[found])
                prefix = _path(outer, parts[depth:])
                if prefix is not None:
                    self._places[found].append(_inside(place, prefix))
                    self.points.add(target.point)
                return
        self._add_loose(target, index, model)

    def _add_loose(
        self, target: Target, index: Mapping[tuple[str | None, str], int], model: Model
    ) -> None:
        owner = model.type_of(target.owner)
        names = _names(owner, target.place.value)
        for depth in range(len(names), 0, -1):
            item = "$".join((target.owner.item, *names[:depth]))
            found = index.get((target.owner.domain, item))
            if found is None:
                continue
            q = index.get((target.owner.domain, f"{target.owner.item}$q"))
            t = index.get((target.owner.domain, f"{target.owner.item}$t"))
            loose = Loose(target.point, found, target.place.value[depth:], q, t)
            for member in {found, q} - {None}:
                self._loose[member if member is not None else found].append(loose)
            self.points.add(target.point)
            return

    def accepts(self, report: Report) -> bool:
        """Whether a report comes from this block and its data set."""
        if report.report_id != self.block.report_id:
            return False
        return report.data_set is None or report.data_set == self.block.data_set

    def readings(self, report: Report, now: int, seen: dict[int, int]) -> ReadingBatch:
        """The report's values; a member that is no point of ours gives none."""
        rows = Rows(now, cause(report), seen)
        done: set[int] = set()
        for n, value in zip(report.included, report.values, strict=True):
            if n < len(self._last):
                self._last[n] = value
        for n, value in zip(report.included, report.values, strict=True):
            if n >= len(self._last):
                continue
            if isinstance(value, AccessError):
                rows.refuse(place.point for place in self._places[n])
                continue
            for place in self._places[n]:
                extract(place, value, rows, report.time)
            for loose in self._loose[n]:
                if loose.point not in done:
                    done.add(loose.point)
                    self._emit(loose, rows, report.time)
        return rows.batch()

    def _emit(self, loose: Loose, rows: Rows, time: int | None) -> None:
        value = self._last[loose.value]
        if value is None:
            return  # its quality changed before its value was ever told
        if isinstance(value, AccessError):
            rows.refuse([loose.point])
            return
        q = self._last[loose.q] if loose.q is not None else None
        t = self._last[loose.t] if loose.t is not None else None
        rows.add(loose.point, value_at(value, loose.inside), q, t, time)


def cause(report: Report) -> Cause:
    """Why the values were sent; without reasons, as an event."""
    if report.reasons and all(reason[INTERROGATION] for reason in report.reasons):
        return Cause.STARTUP
    if report.reasons and all(reason[INTEGRITY] for reason in report.reasons):
        return Cause.POLL
    return Cause.EVENT


def _inside(place: Place, prefix: Path) -> Place:
    q = prefix + place.q if place.q else None
    t = prefix + place.t if place.t else None
    return Place(place.point, prefix + place.value, q, t)


def _path(kind: Any, names: Sequence[str]) -> Path | None:
    out = []
    for name in names:
        if kind is None or name not in kind.fields:
            return None
        out.append(list(kind.fields).index(name))
        kind = kind.fields[name]
    return tuple(out)


def _names(kind: Any, path: Path) -> list[str]:
    out: list[str] = []
    for index in path:
        if kind is None or index >= len(kind.fields):
            return out
        name = list(kind.fields)[index]
        out.append(name)
        kind = kind.fields[name]
    return out
