"""What the fuzzer throws at the DNP3 stack, and what must hold whatever it throws.

An input is octets of a line and, read again, one application fragment: both roles get it.
"""

from collections.abc import Iterator

import numpy as np

from drivers.dnp3.codec import files
from drivers.dnp3.codec.app import (
    Control,
    Fragment,
    Function,
    Iin,
    all_objects,
    counted,
    indexed,
    ranged,
    sized,
)
from drivers.dnp3.codec.attributes import Attribute
from drivers.dnp3.codec.commands import AnalogOutput, ControlCode, Crob, encode
from drivers.dnp3.codec.link import FrameParser
from drivers.dnp3.codec.objects import GROUPS, Form, PointType, Role, variation
from drivers.dnp3.codec.station import Station
from drivers.dnp3.codec.values import Columns, event_block, static_block
from drivers.dnp3.master.measurements import Origin, reports
from drivers.dnp3.outstation import Database, Defaults, Handler, Outstation, OutstationSettings
from drivers.dnp3.sniff import describe
from drivers.dnp3.trace import LAYERS, Explainer
from hub import ProtocolError

LONGEST = 2048
LONGEST_FRAME = 292
MASTER, OUTSTATION = 1, 10
CLASS_0 = Fragment(Control(15), Function.READ, all_objects(60, 1)).encode()
_OUTPUT = Defaults(static=2, event=2, commands=1)


def seeds() -> Iterator[bytes]:
    """The corpus to begin with: every request, every object, as octets of a line and bare."""
    asks, answers = Station(MASTER, master=True), Station(OUTSTATION, master=False)
    for fragment in requests():
        yield fragment
        yield asks.send(fragment, OUTSTATION)
    for fragment in responses():
        yield fragment
        yield answers.send(fragment, MASTER)


def requests() -> Iterator[bytes]:
    when = bytes(6) + b"\xe8\x03\0\0"
    command = files.FileCommand(name="log", mode=files.FileMode.READ, block=512)
    controls = [(1, Crob(ControlCode.CLOSE)), (2, AnalogOutput(1.5)), (300, AnalogOutput(7, 2))]
    bodies = {
        Function.READ: b"".join(all_objects(60, n) for n in (2, 3, 4, 1)) + ranged(30, 0, 0, 300),
        Function.WRITE: bytes((80, 1, 0, 7, 7, 0)) + counted(50, 1, 1) + bytes(6),
        Function.FREEZE_AT_TIME: counted(50, 2, 1) + when + all_objects(20, 0),
        Function.IMMEDIATE_FREEZE: all_objects(20, 0) + all_objects(30, 0),
        Function.ASSIGN_CLASS: all_objects(60, 2) + all_objects(12, 0) + ranged(1, 0, 0, 3),
        Function.ENABLE_UNSOLICITED: all_objects(60, 2),
        Function.OPEN_FILE: sized(70, 3, command.encode()),
        Function.GET_FILE_INFO: sized(70, 7, files.FileDescriptor(name="log").encode()),
    }
    for function in (Function.SELECT, Function.OPERATE, Function.DIRECT_OPERATE):
        bodies[function] = encode(controls)
    for function in Function:
        yield Fragment(Control(int(function) & 15), function, bodies.get(function, b"")).encode()


def responses() -> Iterator[bytes]:
    yield Fragment(
        Control(0), Function.RESPONSE, ranged(0, 252, 0, 0) + Attribute(252, "x").encode(), Iin.NONE
    ).encode()
    yield Fragment(
        Control(0), Function.RESPONSE, indexed(111, 4, [(1, b"text")]), Iin.NEED_TIME
    ).encode()
    for group in GROUPS.values():
        for number in group.layouts:
            entry = variation(group.number, number)
            if entry is None or entry.form not in {Form.FIXED, Form.PACKED}:
                continue
            cols = Columns(
                np.arange(3, dtype=np.uint32),
                np.array([0.0, 1.0, 0.0]),
                np.ones(3, np.uint8),
                np.arange(3, dtype=np.int64),
            )
            event = group.role in {Role.EVENT, Role.COMMAND_EVENT}
            time = counted(51, 1, 1) + bytes(6) if event and entry.has("relative") else b""
            body = event_block(entry, cols) if event else static_block(entry, cols)
            function = Function.UNSOLICITED_RESPONSE if event else Function.RESPONSE
            control = Control(number & 15, confirm=event, unsolicited=event)
            yield Fragment(control, function, time + body, Iin.DEVICE_RESTART).encode()


def one_input(data: bytes) -> None:
    """Raises when something that must hold does not; ProtocolError never comes out of it."""
    data = data[: 2 * LONGEST]
    _line(data)
    _explained(data)
    _decoded(data)
    _outstation(data)


def _line(data: bytes) -> None:
    """Frames are found again behind anything, and little is kept."""
    parser = FrameParser()
    parser.feed(data)
    assert len(parser._buffer) <= LONGEST_FRAME
    good = Station(MASTER, master=True).send(CLASS_0, OUTSTATION)
    found = parser.feed(bytes(LONGEST_FRAME) + good)
    assert found[-1].data.endswith(CLASS_0)


def _explained(data: bytes) -> None:
    explain = Explainer(frozenset(LAYERS))
    framed = Station(MASTER, master=True).send(data, OUTSTATION)
    for octets in (data, framed):
        assert all(isinstance(line, str) for line in explain(True, octets))


def _decoded(data: bytes) -> None:
    """A fragment gives blocks that are its octets, or one fault."""
    try:
        fragment = Fragment.parse(data)
    except ProtocolError:
        return
    describe(fragment)
    try:
        assert b"".join(block.raw for block in fragment.blocks()) == fragment.objects
        for _ in reports(fragment, Origin.POLL):
            pass
    except ProtocolError:
        pass


def device() -> Outstation:
    outputs = dict.fromkeys((PointType.BO, PointType.AO), _OUTPUT)
    database = Database(dict.fromkeys(PointType, range(8)), outputs)
    settings = OutstationSettings(address=OUTSTATION, default_events=20, max_fragment=LONGEST)
    return Outstation(settings, database, Handler(), lambda: 1_700_000_000_000)


def _outstation(data: bytes) -> None:
    """It answers in whole fragments that fit, and a good request afterwards for certain."""
    outstation, station = device(), Station(OUTSTATION, master=False, limit=LONGEST)
    now = 0.0
    deliveries, _ = station.receive(data)
    for sent in (data, *(delivery.data for delivery in deliveries)):
        now += 1.0
        answers = outstation.receive(sent, now)
        if (errand := outstation.errand) is not None:
            answers += outstation.finish(errand, errand.work(), now)
        for answer in (*answers, *outstation.tick(now)):
            assert len(answer) <= LONGEST
            list(Fragment.parse(answer).blocks())
    for at in (100, 200):
        outstation.tick(now + at)
        outstation.receive(bytes((0xD0 | at // 100 - 1, Function.CONFIRM)), now + at)
    answers = outstation.receive(CLASS_0, now + 300) + outstation.tick(now + 400)
    assert any(Fragment.parse(answer).function == Function.RESPONSE for answer in answers)
