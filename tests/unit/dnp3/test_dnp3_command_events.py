"""Commands told as events (g13, g43): what was asked for, and what became of it."""

import pytest

from drivers.dnp3.codec.app import Control, Fragment, Function, Iin, all_objects, ranged
from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, ControlCode, Crob, encode
from drivers.dnp3.codec.commands import Control as Command
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.values import columns
from drivers.dnp3.outstation import Database, Defaults, Handler, Outstation, OutstationSettings

NOW = 1_700_000_000_000
EVENTS = all_objects(60, 2) + all_objects(60, 3) + all_objects(60, 4)
SUCCESS, BLOCKED, NO_SELECT = (
    CommandStatus.SUCCESS,
    CommandStatus.BLOCKED,
    CommandStatus.NO_SELECT,
)


class Plant(Handler):
    """Output 1 is blocked."""

    def select(self, index: int, control: Command) -> CommandStatus:
        return BLOCKED if index == 1 else SUCCESS

    def operate(self, index: int, control: Command) -> CommandStatus:
        return SUCCESS


class Rtu:
    def __init__(self, klass: int = 2) -> None:
        told = Defaults(static=2, event=2, commands=klass)
        self.database = Database(
            {PointType.BO: range(3), PointType.AO: range(3)},
            {PointType.BO: told, PointType.AO: told},
        )
        settings = OutstationSettings(unsolicited=False)
        self.core = Outstation(settings, self.database, Plant(), lambda: NOW)
        self.sequence = 0

    def ask(self, function: Function, objects: bytes) -> Fragment:
        self.sequence = (self.sequence + 1) & 0x0F
        data = Fragment(Control(self.sequence), function, objects).encode()
        answers = self.core.receive(data, 0.0)
        return Fragment.parse(answers[0]) if answers else Fragment(Control(0), 0)

    def told(self, objects: bytes = EVENTS) -> list[tuple[int, int, int, float, int, int | None]]:
        """Group, variation, index, value, status and time of each event, confirmed."""
        answer = self.ask(Function.READ, objects)
        found = []
        for block in answer.blocks():
            cols = columns(block)
            assert cols.flags is not None
            times = [None] * len(cols) if cols.time is None else cols.time.tolist()
            for i, v, f, t in zip(cols.index, cols.values(), cols.flags, times, strict=True):
                found.append((block.group, block.number, int(i), float(v), int(f) & 0x7F, t))
        if answer.control.confirm:
            confirm = Fragment(Control(answer.control.sequence), Function.CONFIRM)
            self.core.receive(confirm.encode(), 0.0)
        return found


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (ControlCode.LATCH_ON, 1.0),
        (ControlCode.LATCH_OFF, 0.0),
        (ControlCode.CLOSE, 1.0),
        (ControlCode.TRIP, 0.0),
        (ControlCode.PULSE_ON, 1.0),
        (ControlCode.PULSE_OFF, 0.0),
    ],
)
def test_an_executed_control_is_told_with_the_state_it_asked_for(
    code: ControlCode, state: float
) -> None:
    rtu = Rtu()
    objects = encode([(2, Crob(code))])
    rtu.ask(Function.SELECT, objects)
    answer = rtu.ask(Function.OPERATE, objects)
    assert (answer.iin or Iin.NONE) & Iin.CLASS_2
    assert rtu.told() == [(13, 2, 2, state, SUCCESS, NOW)]
    assert rtu.told() == []


@pytest.mark.parametrize(("number", "event"), [(1, 3), (2, 4), (3, 7), (4, 8)])
def test_a_set_point_is_told_with_its_value_in_the_same_width(number: int, event: int) -> None:
    rtu = Rtu()
    rtu.ask(Function.DIRECT_OPERATE_NR, encode([(0, AnalogOutput(-12.0, number))]))
    assert rtu.told() == [(43, event, 0, -12.0, SUCCESS, NOW)]


def test_a_refused_command_is_told_with_its_status_and_a_selection_is_none() -> None:
    rtu = Rtu()
    rtu.ask(Function.SELECT, encode([(0, Crob(ControlCode.CLOSE))]))
    assert rtu.told() == []
    rtu.ask(Function.DIRECT_OPERATE, encode([(1, Crob(ControlCode.CLOSE))]))
    rtu.ask(Function.OPERATE, encode([(0, AnalogOutput(5.0))]))
    assert rtu.told() == [
        (13, 2, 1, 1.0, BLOCKED, NOW),
        (43, 7, 0, 5.0, NO_SELECT, NOW),
    ]


def test_a_point_that_is_not_there_was_not_commanded() -> None:
    rtu = Rtu()
    rtu.ask(Function.DIRECT_OPERATE, encode([(9, Crob(ControlCode.CLOSE))]))
    assert rtu.told() == []


def test_they_are_read_by_group_without_time_and_never_change_their_status() -> None:
    rtu = Rtu()
    rtu.ask(Function.DIRECT_OPERATE, encode([(0, Crob(ControlCode.CLOSE))]))
    assert rtu.told(all_objects(13, 1)) == [(13, 1, 0, 1.0, SUCCESS, None)]
    rtu.ask(Function.DIRECT_OPERATE, encode([(0, AnalogOutput(1e9))]))
    assert rtu.told(all_objects(43, 2)) == [(43, 2, 0, 32767.0, SUCCESS, None)]


def test_a_master_assigns_their_class_by_the_group_of_the_command() -> None:
    rtu = Rtu(klass=0)
    operate = encode([(0, Crob(ControlCode.CLOSE))])
    rtu.ask(Function.DIRECT_OPERATE, operate)
    assert rtu.told() == []
    class_3 = all_objects(60, 4)
    answer = rtu.ask(Function.ASSIGN_CLASS, class_3 + ranged(12, 0, 0, 0) + all_objects(41, 0))
    assert not (answer.iin or Iin.NONE) & Iin.PARAMETER_ERROR
    rtu.ask(Function.DIRECT_OPERATE, operate)
    rtu.ask(Function.DIRECT_OPERATE, encode([(2, AnalogOutput(7.0))]))
    assert [row[:3] for row in rtu.told(class_3)] == [(13, 2, 0), (43, 7, 2)]
