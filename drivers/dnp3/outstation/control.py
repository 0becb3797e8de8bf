"""Controls at the outstation (IEEE 1815 clause 4.4.3): select timer, matching, one answer each."""

from collections.abc import Callable, Sequence

from drivers.dnp3.codec.app import Block, Iin
from drivers.dnp3.codec.commands import CommandStatus, Control, controls

from .settings import OutstationSettings

Ask = Callable[[int, Control], CommandStatus]


class Selection:
    """One selection of one master: the objects as sent, the next sequence, the deadline."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._objects: bytes | None = None
        self._sequence = 0
        self._until = 0.0

    def make(self, objects: bytes, sequence: int, now: float) -> None:
        self._objects, self._sequence = objects, sequence
        self._until = now + self._timeout

    def drop(self) -> None:
        self._objects = None

    def check(self, objects: bytes, sequence: int, now: float) -> CommandStatus:
        """May an OPERATE with these objects go on? The selection is used up either way."""
        selected, self._objects = self._objects, None
        if selected is None or selected != objects or sequence != (self._sequence + 1) & 0x0F:
            return CommandStatus.NO_SELECT
        return CommandStatus.TIMEOUT if now > self._until else CommandStatus.SUCCESS


def is_control(block: Block) -> bool:
    return block.group in {12, 41} and bool(block.prefix) and bool(block.data)


def answer(
    blocks: Sequence[Block], ask: Ask, settings: OutstationSettings
) -> tuple[bytes, bool, Iin]:
    """Ask for each control in turn; the request's objects with status, whether all succeeded."""
    done, out, succeeded, iin = 0, b"", True, Iin.NONE
    for block in blocks:
        if not is_control(block):
            return b"", False, Iin.OBJECT_UNKNOWN
        width = block.prefix + block.variation.size
        pieces = [block.head]
        for n, (index, control) in enumerate(controls(block)):
            done += 1
            status = CommandStatus.TOO_MANY_OPS
            if done <= settings.max_controls:
                status = ask(index, control)
            if status is CommandStatus.NOT_SUPPORTED:
                iin |= Iin.PARAMETER_ERROR
            succeeded &= status is CommandStatus.SUCCESS
            # The status is the last octet of every control; all before it is sent back as it came.
            pieces += block.data[n * width : (n + 1) * width - 1], bytes((status,))
        out += b"".join(pieces)
    return out, succeeded, iin
