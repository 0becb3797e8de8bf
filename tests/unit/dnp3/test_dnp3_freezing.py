"""Freezing at once, at a time and again and again, with both clocks in the test's hand."""

import pytest

from drivers.dnp3.codec.app import Control, Fragment, Function, Iin, all_objects, counted, ranged
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.values import columns
from drivers.dnp3.outstation import Database, Defaults, Handler, Outstation, OutstationSettings
from drivers.dnp3.outstation.freezing import NEVER

HOUR = 3_600_000
NOON = 1_700_000_000_000 // HOUR * HOUR
COUNTERS, ANALOGS = all_objects(20, 0), all_objects(30, 0)


class Meter:
    """Three counters and three analogs; `now` is the device's clock in ms."""

    def __init__(self, *, frozen: bool = True, deadband: float = 0.0) -> None:
        kinds = [PointType.CTR, PointType.AI]
        kinds += [PointType.FCTR, PointType.FAI] if frozen else []
        always = Defaults(static=5, event=5, klass=3, deadband=deadband)
        self.database = Database(dict.fromkeys(kinds, range(3)), {PointType.FCTR: always})
        self.now = NOON + 600_500
        self.core = Outstation(
            OutstationSettings(unsolicited=False), self.database, Handler(), lambda: self.now
        )
        self.sequence = 0
        self.core.receive(bytes.fromhex("C002500100070700"), 0.0)

    def ask(self, function: Function, objects: bytes) -> Fragment | None:
        self.sequence = (self.sequence + 1) & 0x0F
        data = Fragment(Control(self.sequence), function, objects).encode()
        answers = self.core.receive(data, 0.0)
        return Fragment.parse(answers[0]) if answers else None

    def iin(self, function: Function, objects: bytes) -> Iin:
        answer = self.ask(function, objects)
        assert answer is not None
        return (answer.iin or Iin.NONE) & ~(Iin.CLASS_1 | Iin.CLASS_2 | Iin.CLASS_3)

    def at(self, when: int, interval: int, points: bytes = COUNTERS) -> Iin:
        body = when.to_bytes(6, "little") + interval.to_bytes(4, "little")
        return self.iin(Function.FREEZE_AT_TIME, counted(50, 2, 1) + body + points)

    def count(self, value: float) -> None:
        for index in range(3):
            for point in (PointType.CTR, PointType.AI):
                self.database.update(point, index, value, time=self.now)

    def wait(self, until: int) -> None:
        self.now = until
        self.core.tick(0.0)

    def frozen(self, point: PointType = PointType.FCTR) -> list[tuple[float, int]]:
        table = self.database.tables[point]
        return list(zip(table.value.tolist(), table.time.tolist(), strict=True))

    def events(self, group: int) -> list[tuple[int, float, int]]:
        answer = self.ask(Function.READ, all_objects(group, 0))
        assert answer is not None
        found = []
        for block in answer.blocks():
            cols = columns(block)
            rows = zip(cols.index, cols.values(), cols.times(), strict=True)
            found += [(int(i), float(v), int(t)) for i, v, t in rows]
        return found


def test_analogs_freeze_into_points_of_their_own_and_make_events() -> None:
    meter = Meter()
    meter.count(12.5)
    assert meter.iin(Function.IMMEDIATE_FREEZE, ranged(30, 0, 1, 2)) == Iin.NONE
    assert meter.frozen(PointType.FAI) == [(0.0, 0), (12.5, meter.now), (12.5, meter.now)]
    assert meter.frozen(PointType.FCTR)[0] == (0.0, 0)
    assert meter.events(33) == [(1, 12.5, meter.now), (2, 12.5, meter.now)]
    answer = meter.ask(Function.READ, all_objects(31, 3))
    assert answer is not None
    [block] = answer.blocks()
    assert (block.group, block.number, columns(block).times().tolist()[1]) == (31, 3, meter.now)


def test_only_counters_can_be_cleared() -> None:
    meter = Meter()
    meter.count(5.0)
    assert meter.iin(Function.FREEZE_CLEAR, ANALOGS) == Iin.OBJECT_UNKNOWN
    assert meter.frozen(PointType.FAI)[0] == (0.0, 0)
    assert meter.iin(Function.FREEZE_CLEAR, COUNTERS) == Iin.NONE
    assert meter.database.tables[PointType.CTR].value.tolist() == [0.0] * 3
    assert meter.frozen()[0] == (5.0, meter.now)


def test_a_device_without_frozen_points_refuses() -> None:
    meter = Meter(frozen=False)
    for objects in (COUNTERS, ANALOGS):
        assert meter.iin(Function.IMMEDIATE_FREEZE, objects) == Iin.OBJECT_UNKNOWN
        assert meter.at(0, 0, objects) == Iin.OBJECT_UNKNOWN


def test_a_freeze_is_done_once_at_its_time() -> None:
    meter = Meter()
    meter.count(5.0)
    assert meter.at(meter.now + 60_000, 0) == Iin.NONE
    assert meter.core.until_freeze() == 60.0
    meter.wait(meter.now + 59_999)
    assert meter.frozen()[0] == (0.0, 0)
    meter.wait(meter.now + 1)
    assert meter.frozen() == [(5.0, meter.now)] * 3
    assert meter.core.until_freeze() is None


def test_time_zero_is_now_or_with_an_interval_counts_from_the_hour() -> None:
    meter = Meter()
    meter.count(5.0)
    assert meter.at(0, 0, ranged(20, 0, 0, 0)) == Iin.NONE
    assert meter.frozen()[:2] == [(5.0, meter.now), (0.0, 0)]
    assert meter.at(0, 900_000) == Iin.NONE
    for quarter in (1, 2, 3, 4, 5):
        meter.count(float(quarter))
        meter.wait(NOON + quarter * 900_000)
        assert meter.frozen() == [(float(quarter), NOON + quarter * 900_000)] * 3


def test_an_interval_keeps_its_phase_and_what_was_missed_is_done_once() -> None:
    meter = Meter()
    start = meter.now + 7_000
    assert meter.at(start, 60_000) == Iin.NONE
    meter.count(1.0)
    meter.wait(start + 60_000 * 3 + 17)
    assert meter.events(23) == [(n, 1.0, meter.now) for n in range(3)]
    assert meter.core.until_freeze() == 59.983
    past = NOON - HOUR * 30 + 11
    assert meter.at(past, 60_000) == Iin.NONE
    assert (meter.now + round((meter.core.until_freeze() or 0) * 1000) - past) % 60_000 == 0


def test_a_new_order_replaces_the_old_one_for_its_points_and_all_ones_end_it() -> None:
    meter = Meter()
    assert meter.at(0, 60_000) == Iin.NONE
    assert meter.at(meter.now + 30_000, 0, ranged(20, 0, 1, 1)) == Iin.NONE
    meter.count(9.0)
    meter.wait(meter.now + 30_000)
    assert [value for value, _ in meter.frozen()] == [0.0, 9.0, 0.0]
    meter.wait(meter.now + 30_000)
    assert [value for value, _ in meter.frozen()] == [9.0, 9.0, 9.0]
    assert meter.at(NEVER, 0) == Iin.NONE
    assert meter.core.until_freeze() is None


def test_one_request_orders_different_times_for_different_points() -> None:
    meter = Meter()
    first, second = meter.now + 1_000, meter.now + 2_000
    body = b"".join(
        counted(50, 2, 1) + when.to_bytes(6, "little") + bytes(4) + points
        for when, points in ((first, COUNTERS), (second, ANALOGS))
    )
    assert meter.ask(Function.FREEZE_AT_TIME_NR, body) is None
    meter.count(4.0)
    meter.wait(first)
    assert (meter.frozen()[0][0], meter.frozen(PointType.FAI)[0][0]) == (4.0, 0.0)
    meter.wait(second)
    assert meter.frozen(PointType.FAI)[0] == (4.0, second)


@pytest.mark.parametrize(
    ("objects", "iin"),
    [
        (COUNTERS, Iin.PARAMETER_ERROR),  # no time before the points
        (counted(50, 1, 1) + bytes(6) + COUNTERS, Iin.OBJECT_UNKNOWN | Iin.PARAMETER_ERROR),
        (counted(50, 2, 1) + bytes(10) + all_objects(1, 0), Iin.OBJECT_UNKNOWN),
        (counted(50, 2, 1) + bytes(10) + ranged(20, 0, 7, 9), Iin.PARAMETER_ERROR),
        (counted(50, 2, 1) + bytes(6) + b"\x63\0\0\0" + COUNTERS, Iin.PARAMETER_ERROR),
        (counted(50, 2, 1) + b"\1" + bytes(9) + COUNTERS, Iin.PARAMETER_ERROR),  # long past
        (counted(50, 2, 2) + bytes(20) + COUNTERS, Iin.PARAMETER_ERROR),
        (counted(50, 2, 1) + bytes(4), Iin.PARAMETER_ERROR),
    ],
)
def test_what_cannot_be_scheduled_is_refused(objects: bytes, iin: Iin) -> None:
    meter = Meter()
    meter.count(3.0)
    assert meter.iin(Function.FREEZE_AT_TIME, objects) == iin
    assert meter.core.until_freeze() is None
    assert meter.frozen()[0] == (0.0, 0)


def test_a_restart_forgets_the_schedule() -> None:
    meter = Meter()
    meter.at(0, 60_000)
    meter.core.restart()
    assert meter.core.until_freeze() is None


def test_a_negative_deadband_makes_every_freeze_an_event() -> None:
    for deadband, expected in ((0.0, 1), (-1.0, 2)):
        meter = Meter(deadband=deadband)
        meter.count(8.0)
        for _ in range(2):
            meter.iin(Function.IMMEDIATE_FREEZE, ranged(20, 0, 0, 0))
        assert len(meter.events(23)) == expected
