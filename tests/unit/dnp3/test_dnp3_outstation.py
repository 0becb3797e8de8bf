"""The outstation by itself, with time in the test's hand."""

import numpy as np
import pytest

from drivers.dnp3.codec.app import Control, Fragment, Function, Iin, all_objects, indexed, ranged
from drivers.dnp3.codec.commands import CommandStatus, ControlCode, Crob, controls, encode
from drivers.dnp3.codec.commands import Control as Command
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.values import columns
from drivers.dnp3.outstation import Database, Handler, Outstation, OutstationSettings

EVENTS = all_objects(60, 2) + all_objects(60, 3) + all_objects(60, 4)
NULL = bytes.fromhex("F0820000")


class Relay(Handler):
    def __init__(self) -> None:
        self.operated = 0

    def select(self, index: int, control: Command) -> CommandStatus:
        return CommandStatus.SUCCESS

    def operate(self, index: int, control: Command) -> CommandStatus:
        self.operated += 1
        return CommandStatus.SUCCESS


class Rtu:
    """An outstation, started and confirmed unless told otherwise."""

    def __init__(self, *, start: bool = True, **settings: object) -> None:
        self.database = Database({PointType.BI: range(300), PointType.AI: range(300)})
        for point in (PointType.BI, PointType.AI):
            self.database.load(point, np.zeros(300), 0x01, 0)
        self.relay = Relay()
        self.core = Outstation(
            OutstationSettings(**settings),
            self.database,
            self.relay,
            lambda: 5000,  # type: ignore[arg-type]
        )
        self.sequence = 0
        if start:
            self.core.tick(0.0)
            self.confirm(0, 0.0)
            self.ask(Function.ENABLE_UNSOLICITED, EVENTS)

    def ask(self, function: Function, objects: bytes = b"", now: float = 0.0) -> list[Fragment]:
        data = Fragment(Control(self.sequence), function, objects).encode()
        self.sequence = (self.sequence + 1) & 0x0F
        return [Fragment.parse(answer) for answer in self.core.receive(data, now)]

    def confirm(self, sequence: int, now: float, *, unsolicited: bool = True) -> list[Fragment]:
        data = Fragment(Control(sequence, unsolicited=unsolicited), Function.CONFIRM).encode()
        return [Fragment.parse(answer) for answer in self.core.receive(data, now)]

    def tick(self, now: float) -> list[Fragment]:
        return [Fragment.parse(answer) for answer in self.core.tick(now)]

    def change(self, value: float, index: int = 0) -> None:
        self.database.update(PointType.AI, index, value, time=1000)


def test_nothing_but_null_is_reported_until_a_master_enables_it() -> None:
    rtu = Rtu(start=False)
    rtu.change(5.0)
    first = rtu.tick(0.0)
    assert [f.objects for f in first] == [b""]
    assert (first[0].iin or Iin.NONE) & Iin.DEVICE_RESTART
    rtu.confirm(0, 1.0)
    assert rtu.tick(100.0) == []
    rtu.ask(Function.ENABLE_UNSOLICITED, EVENTS, 101.0)
    assert rtu.tick(101.0)[0].objects != b""


def test_a_report_is_repeated_unchanged_and_given_up_after_its_retries() -> None:
    rtu = Rtu(retries=2, confirm_timeout=5.0, retry_delay=60.0)
    rtu.change(5.0)
    sent = rtu.tick(10.0) + rtu.tick(15.0) + rtu.tick(20.0)
    assert len(sent) == 3
    assert len({fragment.encode() for fragment in sent}) == 1
    assert rtu.tick(25.0) == []
    rtu.change(6.0)
    assert rtu.tick(80.0) == []
    again = rtu.tick(86.0)
    values = [v for block in again[0].blocks() for v in columns(block).values().tolist()]
    assert values == [5.0, 6.0]
    assert again[0].control.sequence != sent[0].control.sequence


def test_events_are_gathered_for_the_hold_time() -> None:
    rtu = Rtu(hold=2.0)
    rtu.change(5.0)
    assert rtu.tick(10.0) == []
    rtu.change(6.0)
    assert rtu.tick(11.9) == []
    [report] = rtu.tick(12.1)
    assert sum(block.count or 0 for block in report.blocks()) == 2


def test_a_read_waits_for_the_confirmation_of_a_report_and_others_do_not() -> None:
    rtu = Rtu()
    rtu.change(5.0)
    [report] = rtu.tick(1.0)
    assert rtu.ask(Function.READ, all_objects(60, 1), 1.1) == []
    assert rtu.ask(Function.DELAY_MEASURE, now=1.2)[0].function == Function.RESPONSE
    answers = rtu.confirm(report.control.sequence, 1.3)
    assert [a.function for a in answers] == [Function.RESPONSE]
    assert len(rtu.core.events) == 0


def test_a_deferred_read_is_answered_when_no_confirmation_comes() -> None:
    rtu = Rtu(confirm_timeout=5.0)
    rtu.change(5.0)
    rtu.tick(1.0)
    assert rtu.ask(Function.READ, EVENTS, 2.0) == []
    [answer] = rtu.tick(6.5)
    assert answer.control.confirm
    assert answer.objects


def test_disabling_stops_the_repetition_and_keeps_the_events() -> None:
    rtu = Rtu(confirm_timeout=5.0)
    rtu.change(5.0)
    rtu.tick(1.0)
    rtu.ask(Function.DISABLE_UNSOLICITED, EVENTS, 2.0)
    assert rtu.tick(100.0) == []
    [answer] = rtu.ask(Function.READ, EVENTS, 101.0)
    assert answer.objects


def test_events_not_confirmed_before_the_link_went_down_are_sent_on_the_next() -> None:
    rtu = Rtu()
    rtu.change(5.0)
    assert rtu.tick(1.0)
    rtu.core.disconnected()
    [again] = rtu.tick(2.0)
    assert again.objects


def test_a_polled_answer_without_confirmation_is_forgotten_and_its_events_kept() -> None:
    rtu = Rtu(unsolicited=False, confirm_timeout=5.0)
    rtu.change(5.0)
    [first] = rtu.ask(Function.READ, EVENTS, 1.0)
    assert first.control.confirm
    rtu.tick(6.5)
    rtu.confirm(first.control.sequence, 7.0, unsolicited=False)
    [second] = rtu.ask(Function.READ, EVENTS, 8.0)
    assert second.objects == first.objects
    rtu.confirm(second.control.sequence, 8.1, unsolicited=False)
    [third] = rtu.ask(Function.READ, EVENTS, 9.0)
    assert third.objects == b""


def test_a_long_answer_goes_on_only_when_each_fragment_is_confirmed() -> None:
    rtu = Rtu(max_fragment=300, unsolicited=False)
    answers = rtu.ask(Function.READ, all_objects(60, 1))
    found: dict[int, float] = {}
    while True:
        [fragment] = answers
        assert len(fragment.encode()) <= 300
        for block in fragment.blocks():
            if block.group == 30:
                cols = columns(block)
                found |= zip(cols.index.tolist(), cols.values().tolist(), strict=True)
        if fragment.control.final:
            break
        assert fragment.control.confirm
        assert rtu.confirm(fragment.control.sequence + 1 & 15, 0.0, unsolicited=False) == []
        answers = rtu.confirm(fragment.control.sequence, 0.0, unsolicited=False)
    assert len(found) == 300


CLOSE = encode([(1, Crob(ControlCode.LATCH_ON))])


def statuses(answers: list[Fragment]) -> list[int]:
    return [c.status for a in answers for block in a.blocks() for _, c in controls(block)]


@pytest.mark.parametrize(
    ("between", "later", "status"),
    [
        (None, 5.0, CommandStatus.SUCCESS),
        (None, 10.5, CommandStatus.TIMEOUT),
        (Function.DELAY_MEASURE, 1.0, CommandStatus.NO_SELECT),
        (Function.READ, 1.0, CommandStatus.NO_SELECT),
    ],
)
def test_an_operate_needs_its_select_right_before_and_in_time(
    between: Function | None, later: float, status: CommandStatus
) -> None:
    rtu = Rtu(unsolicited=False)
    assert statuses(rtu.ask(Function.SELECT, CLOSE, 0.0)) == [CommandStatus.SUCCESS]
    if between is not None:
        rtu.ask(between, b"", 0.1)
    assert statuses(rtu.ask(Function.OPERATE, CLOSE, later)) == [status]
    assert rtu.relay.operated == (status is CommandStatus.SUCCESS)


def test_a_repeated_operate_is_answered_again_and_executed_once() -> None:
    rtu = Rtu(unsolicited=False)
    rtu.ask(Function.SELECT, CLOSE)
    first = rtu.ask(Function.OPERATE, CLOSE)
    rtu.sequence -= 1
    assert rtu.ask(Function.OPERATE, CLOSE) == first
    assert rtu.relay.operated == 1
    rtu.ask(Function.DIRECT_OPERATE_NR, CLOSE)
    rtu.sequence -= 1
    assert rtu.ask(Function.DIRECT_OPERATE_NR, CLOSE) == []
    assert rtu.relay.operated == 2


@pytest.mark.parametrize(
    ("function", "objects", "iin"),
    [
        (Function.SAVE_CONFIGURATION, b"", Iin.NO_FUNC_CODE_SUPPORT),
        (Function.READ, b"\x63\x01\x06", Iin.OBJECT_UNKNOWN),
        (Function.READ, ranged(30, 0, 290, 310), Iin.PARAMETER_ERROR),
        (Function.READ, indexed(2, 0, [(1, b"")]), Iin.PARAMETER_ERROR),
        (Function.WRITE, b"\x50\x01\x00\x04\x04\x00", Iin.PARAMETER_ERROR),
        (Function.WRITE, b"\x50\x01\x00\x07\x07\x01", Iin.PARAMETER_ERROR),
        (Function.WRITE, b"\x32\x03\x07\x01" + bytes(6), Iin.PARAMETER_ERROR),
        (Function.IMMEDIATE_FREEZE, all_objects(30, 0), Iin.OBJECT_UNKNOWN),
        (Function.ASSIGN_CLASS, all_objects(30, 0), Iin.PARAMETER_ERROR),
        (Function.ENABLE_UNSOLICITED, all_objects(60, 1), Iin.PARAMETER_ERROR),
        (Function.OPEN_FILE, b"\x46\x03\x5b\x01\x02\x00\x00\x00", Iin.PARAMETER_ERROR),
        (Function.COLD_RESTART, b"", Iin.NO_FUNC_CODE_SUPPORT),
    ],
)
def test_what_cannot_be_done_is_told_in_the_second_octet(
    function: Function, objects: bytes, iin: Iin
) -> None:
    [answer] = Rtu().ask(function, objects)
    assert (answer.iin or Iin.NONE) & ~0xFF == iin


def test_packed_variations_are_refused_for_points_that_are_not_online() -> None:
    rtu = Rtu(unsolicited=False)
    [plain] = rtu.ask(Function.READ, b"\x01\x01\x06")
    assert [str(block.variation) for block in plain.blocks()] == ["g1v1"]
    rtu.database.update(PointType.BI, 7, 1.0, time=0, flags=0x04)
    [flagged] = rtu.ask(Function.READ, b"\x01\x01\x06")
    assert [str(block.variation) for block in flagged.blocks()] == ["g1v2"]


def test_the_time_is_asked_for_again_after_its_interval() -> None:
    rtu = Rtu(time_sync_every=3600.0, unsolicited=False)
    assert rtu.core.indications(0.0) & Iin.NEED_TIME
    rtu.ask(Function.WRITE, b"\x32\x01\x07\x01" + (5000).to_bytes(6, "little"), 10.0)
    assert not rtu.core.indications(11.0) & Iin.NEED_TIME
    assert rtu.core.indications(3611.0) & Iin.NEED_TIME


@pytest.mark.parametrize(("address", "kept"), [(0xFFFD, False), (0xFFFE, True), (0xFFFF, False)])
def test_a_broadcast_is_told_and_one_that_must_be_confirmed_stands_until_it_is(
    address: int, kept: bool
) -> None:
    rtu = Rtu()
    command = Fragment(Control(0), Function.DIRECT_OPERATE_NR, encode([(1, Crob(0x41))]))
    assert rtu.core.receive(command.encode(), 1.0, address) == []
    assert rtu.relay.operated == 1
    for again in (False, True):
        [answer] = rtu.ask(Function.DELAY_MEASURE, now=2.0)
        told = bool((answer.iin or Iin.NONE) & Iin.BROADCAST)
        assert answer.control.confirm is kept
        assert told is (kept or not again)
    rtu.confirm(answer.control.sequence, 3.0, unsolicited=False)
    [answer] = rtu.ask(Function.DELAY_MEASURE, now=4.0)
    assert not (answer.iin or Iin.NONE) & Iin.BROADCAST
