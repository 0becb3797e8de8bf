"""What each function code does to an outstation (IEEE 1815 clause 4.4)."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from drivers.dnp3.codec import files
from drivers.dnp3.codec.app import Block, Fragment, Function, Iin, sized
from drivers.dnp3.codec.commands import CommandStatus, Control, Crob
from drivers.dnp3.codec.objects import STATIC_GROUP, PointType
from drivers.dnp3.codec.values import columns, octets
from hub import ProtocolError

from .control import Selection, answer
from .database import Database
from .files import FileHandles, Step
from .freezing import Freezer
from .handler import Handler
from .reading import rows_of
from .settings import OutstationSettings

_POINT_OF = {group: point for point, group in STATIC_GROUP.items()}
_FREEZES = (
    Function.IMMEDIATE_FREEZE,
    Function.IMMEDIATE_FREEZE_NR,
    Function.FREEZE_CLEAR,
    Function.FREEZE_CLEAR_NR,
)
_FILES = (
    Function.OPEN_FILE,
    Function.CLOSE_FILE,
    Function.ABORT_FILE,
    Function.DELETE_FILE,
    Function.GET_FILE_INFO,
)
_COMMANDED = {12: PointType.BO, 41: PointType.AO}
_TIMED_EVENT = {1: 3, 2: 4, 3: 7, 4: 8}  # variation of g41 → of the g43 that holds its value
_RESTART_BIT = 7
_FILE_OVERHEAD = 16  # octets of fragment and object headers around a file block

Reply = tuple[bytes, Iin]
NOTHING: Reply = (b"", Iin.NONE)


class Later(Struct, frozen=True):
    """A reply that waits for the file store.

    work: may block, so it wants a thread of its own; end: makes the reply of what it found.
    """

    work: Callable[[], list[Any]]
    end: Callable[[list[Any]], Reply]


class Requests:
    """The functions that answer with at most one fragment; READ is the core's.

    now: seconds of the monotonic clock at which the request came. clock: ms since 1970 UTC.
    """

    def __init__(
        self,
        settings: OutstationSettings,
        database: Database,
        handler: Handler,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._handler = settings, database, handler
        self._clock = clock
        self.selection = Selection(settings.select_timeout)
        self.files = FileHandles(handler.files)
        self.freezer = Freezer(database, handler, clock)
        self.enabled: set[int] = set()
        self.restarted = True
        self.need_time = settings.need_time
        self.synchronised_at: float | None = None
        self._recorded: float | None = None
        self._does: dict[int, Callable[[Fragment, list[Block], float], Reply | Later]] = {
            Function.WRITE: self._write,
            Function.SELECT: self._select,
            Function.OPERATE: self._operate,
            Function.DIRECT_OPERATE: self._direct,
            Function.DIRECT_OPERATE_NR: self._direct,
            **dict.fromkeys(_FREEZES, self._freeze),
            Function.FREEZE_AT_TIME: self._freeze_at,
            Function.FREEZE_AT_TIME_NR: self._freeze_at,
            Function.COLD_RESTART: self._restart,
            Function.WARM_RESTART: self._restart,
            Function.ENABLE_UNSOLICITED: self._unsolicited,
            Function.DISABLE_UNSOLICITED: self._unsolicited,
            Function.ASSIGN_CLASS: self._assign,
            Function.DELAY_MEASURE: self._delay,
            Function.RECORD_CURRENT_TIME: self._record,
            **dict.fromkeys(_FILES, self._file),
        }

    def knows(self, function: int) -> bool:
        return function in self._does

    def execute(self, request: Fragment, blocks: list[Block], now: float) -> Reply | Later:
        """Objects to answer with and indications; LookupError for an unknown function."""
        if request.function != Function.OPERATE:
            self.selection.drop()
        return self._does[request.function](request, blocks, now)

    def _write(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        out, iin = b"", Iin.NONE
        for block in blocks:
            match block.group, block.number:
                case 80, 1:
                    iin |= self._indications(block)
                case 50, 1:
                    iin |= self._time(block, 0.0, now)
                case 50, 3 if self._recorded is not None:
                    iin |= self._time(block, now - self._recorded, now)
                case 34, 1 | 2 | 3:
                    iin |= self._deadband(block)
                case 70, 5:
                    done = [self.files.write(files.FileBlock.parse(d)) for d in octets(block)]
                    out += b"".join(sized(70, 6, ack.encode()) for ack in done)
                case 50, 3:
                    iin |= Iin.PARAMETER_ERROR
                case _:
                    iin |= Iin.OBJECT_UNKNOWN
        return out, iin

    def _indications(self, block: Block) -> Iin:
        """Only DEVICE_RESTART can be written, and only to zero."""
        cols = columns(block)
        if cols.index.tolist() != [_RESTART_BIT] or cols.values()[0]:
            return Iin.PARAMETER_ERROR
        self.restarted = False
        return Iin.NONE

    def _time(self, block: Block, late: float, now: float) -> Iin:
        cols = columns(block)
        if block.count != 1 or cols.time is None:
            return Iin.PARAMETER_ERROR
        self._recorded = None
        if not self._handler.set_time(int(cols.time[0]) + round(late * 1000)):
            return Iin.PARAMETER_ERROR
        self.need_time, self.synchronised_at = False, now
        return Iin.NONE

    def _deadband(self, block: Block) -> Iin:
        table, iin, cols = self._database.tables[PointType.AI], Iin.NONE, columns(block)
        for index, value in zip(cols.index.tolist(), cols.values().tolist(), strict=True):
            row = table.row(index)
            if row is None or not value >= 0 or not self._handler.deadband(index, value):
                iin |= Iin.PARAMETER_ERROR
            else:
                table.deadband[row] = value
        return iin

    def _select(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        out, good, iin = answer(blocks, self._handler.select, self._settings)
        if good and blocks:
            self.selection.make(request.objects, request.control.sequence, now)
        return out, iin

    def _operate(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        status = self.selection.check(request.objects, request.control.sequence, now)

        def ask(index: int, control: Control) -> CommandStatus:
            granted = status is CommandStatus.SUCCESS
            return self._told(
                index, control, self._handler.operate(index, control) if granted else status
            )

        out, _, iin = answer(blocks, ask, self._settings)
        return out, iin

    def _direct(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        def ask(index: int, control: Control) -> CommandStatus:
            status = self._handler.select(index, control)
            if status is CommandStatus.SUCCESS:
                status = self._handler.operate(index, control)
            return self._told(index, control, status)

        out, _, iin = answer(blocks, ask, self._settings)
        return out, iin

    def _told(self, index: int, control: Control, status: CommandStatus) -> CommandStatus:
        """Remember the command, done or refused, for masters that did not give it (g13, g43)."""
        if isinstance(control, Crob):
            what = PointType.BO, index, control.state
            variation = 2
        else:
            what = PointType.AO, index, control.value
            variation = _TIMED_EVENT[control.number]
        now = self._clock()
        self._database.commanded(*what, status=status, time=now, variation=variation)
        return status

    def _freeze(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        return b"", self.freezer.freeze(request.function, blocks)

    def _freeze_at(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        return b"", self.freezer.schedule(blocks)

    def _restart(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        cold = request.function == Function.COLD_RESTART
        delay = self._handler.cold_restart() if cold else self._handler.warm_restart()
        if delay is None:
            return b"", Iin.NO_FUNC_CODE_SUPPORT
        fine = delay <= 0xFFFF
        value = delay if fine else min(-(-delay // 1000), 0xFFFF)
        return bytes((52, 2 if fine else 1, 0x07, 1)) + value.to_bytes(2, "little"), Iin.NONE

    def _unsolicited(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        if not self._settings.unsolicited:
            return b"", Iin.NO_FUNC_CODE_SUPPORT
        iin = Iin.NONE
        for block in blocks:
            if block.group != 60 or block.number not in {2, 3, 4}:
                iin |= Iin.PARAMETER_ERROR
            elif request.function == Function.ENABLE_UNSOLICITED:
                self.enabled.add(block.number - 1)
            else:
                self.enabled.discard(block.number - 1)
        return b"", iin

    def _assign(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        klass: int | None = None
        iin = Iin.NONE
        for block in blocks:
            if block.group == 60:
                klass = block.number - 1 if 1 <= block.number <= 4 else None
                continue
            commands = block.group in _COMMANDED
            point = _COMMANDED.get(block.group) or _POINT_OF.get(block.group)
            if klass is None or point is None:
                iin |= Iin.PARAMETER_ERROR
                continue
            table = self._database.tables[point]
            rows = rows_of(table, block)
            if not rows:
                iin |= Iin.PARAMETER_ERROR
                continue
            self._database.assign(point, rows, klass, commands=commands)
            indexes = [int(i) for first, end in rows for i in table.index[first:end]]
            self._handler.assigned(point, indexes, klass)
        return b"", iin

    def _delay(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        """Answered at once, so the delay between request and response is none."""
        return bytes((52, 2, 0x07, 1, 0, 0)), Iin.NONE

    def _record(self, request: Fragment, blocks: list[Block], now: float) -> Reply:
        self._recorded = now
        return NOTHING

    def _file(self, request: Fragment, blocks: list[Block], now: float) -> Reply | Later:
        room = self._settings.max_fragment - _FILE_OVERHEAD - 8
        try:
            steps = [
                self._file_step(request.function, item, room) for item in _file_objects(blocks)
            ]
        except ProtocolError:
            steps = []
        if not steps:
            return b"", Iin.PARAMETER_ERROR

        def end(found: list[Any]) -> Reply:
            done = [step.end(part) for step, part in zip(steps, found, strict=True)]
            return b"".join(_encoded(item) for item in done), Iin.NONE

        return Later(lambda: [step.work() for step in steps], end)

    def _file_step(self, function: int, item: object, room: int) -> Step:
        match function, item:
            case Function.OPEN_FILE, files.FileCommand():
                return self.files.open(item, room)
            case Function.DELETE_FILE, files.FileCommand():
                return self.files.delete(item)
            case Function.CLOSE_FILE, files.FileCommandStatus():
                return self.files.close(item)
            case Function.ABORT_FILE, files.FileCommandStatus():
                return self.files.close(item, keep=False)
            case Function.GET_FILE_INFO, files.FileDescriptor():
                return self.files.describe(item)
        raise ProtocolError(f"function {function} with {type(item).__name__}")

    def read_file(self, block: Block) -> bytes:
        """Answer to READ of a file block; ProtocolError when it is not one."""
        out = b""
        for data in octets(block):
            found = self.files.read(files.FileBlock.parse(data))
            out += sized(70, 6 if isinstance(found, files.FileAck) else 5, found.encode())
        return out


def _encoded(item: files.FileDescriptor | files.FileCommandStatus) -> bytes:
    return sized(70, 7 if isinstance(item, files.FileDescriptor) else 4, item.encode())


def _file_objects(blocks: Iterable[Block]) -> Iterable[files.FileObject | None]:
    for block in blocks:
        if block.group != 70:
            raise ProtocolError(f"{block} in a file request")
        for data in octets(block):
            yield files.parse(block.number, data)
