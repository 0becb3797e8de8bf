"""Recorded conformance procedures as scripts: what the tester did, what it was answered."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from drivers.dnp3.codec.app import Fragment, Function
from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, Control, Crob
from drivers.dnp3.codec.link import Frame, FrameParser, encode
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.station import Station
from drivers.dnp3.codec.transport import Reassembler
from drivers.dnp3.outstation import Database, Defaults, Handler, Outstation, OutstationSettings
from drivers.dnp3.sniff import describe

MASTER, DUT = 1, 1024
LATENESS = 0.25  # seconds by which a recorded device may be early: it read another clock
SPARSE = (0, 41, 1024, 65535)
TYPES = {
    "BI": PointType.BI,
    "DBBI": PointType.DBI,
    "AI": PointType.AI,
    "Counter": PointType.CTR,
}
UNINSTALLED = {
    "Binary Output": PointType.BO,
    "Analog Output": PointType.AO,
    "Binary Counter": PointType.CTR,
    "Double-bit Binary Input": PointType.DBI,
}
STATES = {"true": 1.0, "false": 0.0, "DETERMINED_OFF": 1.0, "DETERMINED_ON": 2.0}


class Step(Struct):
    """at: seconds. what: update, power, sent (by the tester) or got (from its device)."""

    at: float
    what: str
    data: bytes = b""
    update: tuple[PointType, int, float, int, int] | None = None


_STAMP = re.compile(r"(\d\d):(\d\d):(\d\d)\.(\d{3})$")
_UPDATE = re.compile(r"Updated (\w+) (\d+): value=([\w.]+), flags=(\w+), timestamp=DNPTime\((\d+)")
_ADDRESS = re.compile(r"- Configure the DUT to transmit .* to master address (\d+)")
_SILENCE = re.compile(r"Expect no|no link layer frames are received|link layer timeout")
_CHECK = re.compile(r"- Check that (?:no )?(?:binary|analog) control point (\d+)? ?operate")
_WORDS = (
    (re.compile(r"Cycle power"), "power"),
    (re.compile(r"^- Change the control switch"), "local"),
    (_SILENCE, "silence"),
)
_HEX = re.compile(r"([0-9A-F]{2} )*[0-9A-F]{2}$")


def script(log: str) -> tuple[list[Step], set[str]]:
    """The steps of a log, and which of the device's options it asked to change."""
    steps: list[Step] = []
    options: set[str] = set()
    at, sending = 0.0, False
    for line in log.splitlines():
        if stamp := _STAMP.match(line):
            hour, minute, second, milli = map(int, stamp.groups())
            at = hour * 3600 + minute * 60 + second + milli / 1000
        elif line == "--P->":
            sending = True
            steps.append(Step(at, "sent"))
        elif _HEX.match(line):
            if line.startswith("05 64") and (not sending or steps[-1].data):
                steps.append(Step(at, "got"))
                sending = False
            steps[-1].data += bytes.fromhex(line)
        else:
            sending = False
            if step := told(line, at):
                steps.append(step)
            elif line.startswith("- Configure"):
                options.add(line)
    return steps, options


def told(line: str, at: float) -> Step | None:
    """What a line of words asks for or reports."""
    if update := _UPDATE.match(line):
        name, index, value, flags, time = update.groups()
        number = STATES[value] if value in STATES else float(value)
        change = TYPES[name], int(index), number, int(flags, 16), int(time)
        return Step(at, "update", update=change)
    if address := _ADDRESS.match(line):
        return Step(at, "master", data=bytes([int(address[1])]))
    if check := _CHECK.match(line):
        return Step(at, "check", data=(check[1] or "").encode())
    for text, what in _WORDS:
        if text.search(line):
            return Step(at, what)
    return None


class Relay(Handler):
    """The tested device: twenty relays and twenty set-points that accept what fits them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.operated: list[tuple[int, Control]] = []
        self.local = False

    def select(self, index: int, control: Control) -> CommandStatus:
        point = PointType.BO if isinstance(control, Crob) else PointType.AO
        known = self.database.tables[point].row(index) is not None
        return CommandStatus.SUCCESS if known else CommandStatus.NOT_SUPPORTED

    def operate(self, index: int, control: Control) -> CommandStatus:
        self.operated.append((index, control))
        return CommandStatus.SUCCESS

    def follow(self) -> None:
        """The set-points take their values, a moment after they were answered."""
        for index, control in self.operated:
            if isinstance(control, AnalogOutput):
                self.database.update(PointType.AO, index, control.value, time=0)

    def local_control(self) -> bool:
        return self.local

    def cold_restart(self) -> int:
        return 5000


def device(options: set[str]) -> tuple[Outstation, Database, Relay]:
    """The device of the recordings, by its device profile."""
    text = " ".join(options)
    points: dict[PointType, Iterable[int]] = {
        PointType.BI: SPARSE,
        PointType.DBI: SPARSE,
        PointType.AI: SPARSE,
        PointType.CTR: SPARSE,
        PointType.FCTR: SPARSE,
        PointType.BO: range(20),
        PointType.AO: range(20),
    }
    for name, point in UNINSTALLED.items():
        if f"all {name} points are uninstalled" in text:
            points[point] = ()
    database = Database(
        points,
        {
            PointType.BI: Defaults(static=2, event=1, klass=1),
            PointType.DBI: Defaults(static=2, event=1, klass=1, class_0=False),
            PointType.AI: Defaults(static=2, event=1, klass=3),
            PointType.CTR: Defaults(static=2, event=1, klass=2),
            PointType.FCTR: Defaults(static=2, event=1, klass=1),
            PointType.BO: Defaults(static=2, event=1, klass=1),
            PointType.AO: Defaults(static=2, event=1, klass=1),
        },
    )
    for point, table in database.tables.items():
        value = {PointType.CTR: 1.0, PointType.FCTR: 1.0}.get(point, 0.0)
        values = np.full(len(table), value)
        if point is PointType.DBI and len(table):
            values[:] = [1, 2, 1, 2]  # closed and open by turns
        database.load(point, values, 0x01, 0)
    settings = OutstationSettings(
        address=DUT,
        master=MASTER,
        unsolicited="unsolicited response mode to 'true'" in text,
        need_time=True,
        default_events=200,
        max_controls=4,
        select_timeout=2.5,
    )
    handler = Relay(database)
    return Outstation(settings, database, handler, lambda: 1586534184000), database, handler


class Exchange(Struct):
    """What the tester sent, and what came back: from the recorded device and from ours."""

    sent: bytes
    theirs: list[bytes] = []
    ours: list[bytes] = []
    silence: bool = False

    @property
    def observed(self) -> bool:
        """Whether the tester looked at what came back, or demanded that nothing did."""
        return self.silence or bool(self.theirs)


class Replay:
    """Our outstation in the place of the recorded device."""

    def __init__(self, log: str) -> None:
        self.steps, options = script(log)
        self.outstation, self.database, self.relay = device(options)
        self.master = MASTER
        self.station = self._station()
        self.exchanges = [Exchange(b"")]
        self.seen = 0
        self.looked = False
        self.wrong: list[str] = []

    def _station(self) -> Station:
        return Station(DUT, master=False, accepts=lambda source: source == self.master)

    def run(self) -> list[Exchange]:
        for step in self.steps:
            if step.what != "power":
                late = LATENESS if step.what == "got" else 0.0
                self._answer(self.outstation.tick(step.at + late))
            getattr(self, f"_{step.what}")(step)
            self.relay.follow()
        return self.exchanges

    def _answer(self, fragments: list[bytes]) -> None:
        self.exchanges[-1].ours += [self.station.send(data, self.master) for data in fragments]

    def _got(self, step: Step) -> None:
        self.exchanges[-1].theirs.append(step.data)

    def _silence(self, step: Step) -> None:
        self.exchanges[-1].silence = True

    def _master(self, step: Step) -> None:
        self.master = step.data[0]

    def _local(self, step: Step) -> None:
        self.relay.local = True
        self.database.update(PointType.BO, 0, 0, time=0, flags=0x11, event=False)

    def _check(self, step: Step) -> None:
        """The tester looks which control points moved since it last looked."""
        self.looked = True
        moved = {index for index, _ in self.relay.operated[self.seen :]}
        wanted = {int(step.data)} if step.data else set()
        if (wanted and not wanted <= moved) or (not wanted and moved):
            self.wrong.append(f"points {sorted(moved)} operated, wanted {sorted(wanted)}")

    def _power(self, step: Step) -> None:
        self.outstation.restart()
        self.station = self._station()
        self.exchanges.append(Exchange(b""))

    def _update(self, step: Step) -> None:
        assert step.update is not None
        point, index, value, flags, time = step.update
        self.database.update(point, index, value, flags=flags, time=time)

    def _sent(self, step: Step) -> None:
        if self.looked:
            self.seen, self.looked = len(self.relay.operated), False
        sent = self._confirming(step.data)
        self.exchanges.append(Exchange(sent))
        deliveries, reply = self.station.receive(sent)
        self.exchanges[-1].ours += [reply] if reply else []
        for delivery in deliveries:
            self._answer(self.outstation.receive(delivery.data, step.at, delivery.broadcast))

    def _confirming(self, sent: bytes) -> bytes:
        """A confirmation of what the tester got last becomes one of what we sent last."""
        theirs = last_unsolicited(self.exchanges[-1].theirs)
        ours = last_unsolicited(self.exchanges[-1].ours)
        for frame in FrameParser().feed(sent):
            if frame.data[2:3] != b"\0" or not frame.data[1] & 0x10 or ours is None:
                continue
            if frame.data[1] & 0x0F == theirs:
                data = bytes((frame.data[0], frame.data[1] & 0xF0 | ours, 0))
                return encode(Frame(frame.control, frame.dest, frame.source, data))
        return sent


def last_unsolicited(stream: list[bytes]) -> int | None:
    """Sequence of the last unsolicited response among frames."""
    found = None
    for frame in FrameParser().feed(b"".join(stream)):
        if frame.data[2:3] == bytes([Function.UNSOLICITED_RESPONSE]):
            found = frame.data[1] & 0x0F
    return found


def replay(log: str) -> list[Exchange]:
    """Drive our outstation through a recorded procedure."""
    return Replay(log).run()


def differences(log: str) -> list[str]:
    """Where our outstation does not do as the recorded one, in the tester's order."""
    script_ = Replay(log)
    found = []
    for exchange in script_.run():
        theirs, ours = list(decode(exchange.theirs)), list(decode(exchange.ours))
        if exchange.observed and theirs != ours:
            found.append(f"asked {exchange.sent.hex(' ')}\n  recorded {theirs}\n  ours {ours}")
    return found + script_.wrong


def decode(stream: list[bytes]) -> Iterator[tuple[Any, ...]]:
    """Frames and fragments in comparable form; where objects stand in a header does not matter."""
    whole = Reassembler(1 << 16)
    for frame in FrameParser().feed(b"".join(stream)):
        if not frame.is_primary or not frame.data:
            yield ("link", frame.control, frame.dest, frame.source)
            continue
        data = whole.feed(frame.data)
        if data is not None:
            yield fragment(frame, data)


def fragment(frame: Frame, data: bytes) -> tuple[Any, ...]:
    parsed = Fragment.parse(data)
    objects, fault = describe(parsed)
    keys = ("group", "variation", "index", "value", "flags", "time", "status")
    rows = [tuple(item.get(key) for key in keys) for item in objects]
    static = {1, 3, 10, 20, 21, 30, 40}
    events = [row for row in rows if row[0] not in static]
    return (
        Function(parsed.function).name,
        int(parsed.control),
        parsed.iin,
        events,
        sorted((row for row in rows if row[0] in static), key=str),
        fault,
    )


def procedures(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/log.txt"))
