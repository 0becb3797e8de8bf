"""Control requests: relay blocks (g12), analog outputs (g41) and the status of each."""

import enum
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from hub import ProtocolError

from .app import Block, indexed
from .objects import record, variation
from .values import rows


class CommandStatus(enum.IntEnum):
    """What an outstation answers to each control (clause 11.10, table 11-8)."""

    SUCCESS = 0
    TIMEOUT = 1
    NO_SELECT = 2
    FORMAT_ERROR = 3
    NOT_SUPPORTED = 4
    ALREADY_ACTIVE = 5
    HARDWARE_ERROR = 6
    LOCAL = 7
    TOO_MANY_OPS = 8
    NOT_AUTHORIZED = 9
    AUTOMATION_INHIBIT = 10
    PROCESSING_LIMITED = 11
    OUT_OF_RANGE = 12
    DOWNSTREAM_LOCAL = 13
    ALREADY_COMPLETE = 14
    BLOCKED = 15
    CANCELLED = 16
    BLOCKED_OTHER_MASTER = 17
    DOWNSTREAM_FAIL = 18
    NON_PARTICIPATING = 126
    UNDEFINED = 127

    @classmethod
    def _missing_(cls, value: object) -> "CommandStatus":
        return cls.UNDEFINED


class ControlCode(enum.IntEnum):
    """The control codes in use: operation, and trip or close where there are two relays."""

    NUL = 0x00
    PULSE_ON = 0x01
    PULSE_OFF = 0x02
    LATCH_ON = 0x03
    LATCH_OFF = 0x04
    CLOSE = 0x41
    TRIP = 0x81


ON = frozenset({ControlCode.PULSE_ON, ControlCode.LATCH_ON, ControlCode.CLOSE})
OFF = frozenset({ControlCode.PULSE_OFF, ControlCode.LATCH_OFF, ControlCode.TRIP})


class Crob(Struct, frozen=True):
    """Control relay output block. on, off: ms."""

    code: int
    count: int = 1
    on: int = 100
    off: int = 100
    status: int = CommandStatus.SUCCESS

    group = 12
    number = 1

    @property
    def state(self) -> float:
        """What the output shall become: 1 on or closed, 0 off or tripped."""
        return float(self.code in ON)

    def encode(self, status: int | None = None) -> bytes:
        state = self.status if status is None else status
        return (
            bytes((self.code, self.count))
            + self.on.to_bytes(4, "little")
            + self.off.to_bytes(4, "little")
            + bytes((state,))
        )


class AnalogOutput(Struct, frozen=True):
    """An analog output block; number: 1 int32, 2 int16, 3 float32, 4 float64."""

    value: float
    number: int = 3
    status: int = CommandStatus.SUCCESS

    group = 41

    def encode(self, status: int | None = None) -> bytes:
        """ValueError when the value does not fit the variation."""
        entry = variation(41, self.number)
        if entry is None:
            raise ValueError(f"g41v{self.number} is not an analog output")
        dtype = record(entry)
        kind = dtype["value"]
        if kind.kind == "i":
            bounds = np.iinfo(kind)
            if self.value != int(self.value) or not bounds.min <= self.value <= bounds.max:
                raise ValueError(f"{self.value} does not fit {entry}")
        elif kind.itemsize == 4 and abs(self.value) > float(np.finfo(np.float32).max):
            raise ValueError(f"{self.value} does not fit {entry}")
        table = np.zeros(1, dtype)
        table["value"] = self.value
        table["status"] = self.status if status is None else status
        return table.tobytes()


Control = Crob | AnalogOutput


def controls(block: Block) -> list[tuple[int, Control]]:
    """The controls of a block with their indexes; ProtocolError when it carries none."""
    if block.group == 12 and block.number in {1, 2} and block.prefix:
        return [
            (int(i), Crob(int(code), int(count), int(on), int(off), int(status)))
            for i, code, count, on, off, status in rows(block).tolist()
        ]
    if block.group == 41 and block.prefix:
        return [
            (int(i), AnalogOutput(float(value), block.number, int(status)))
            for i, value, status in rows(block).tolist()
        ]
    raise ProtocolError(f"{block} is not a control")


def encode(commands: Sequence[tuple[int, Control]]) -> bytes:
    """Objects of a control request; neighbours of one kind share a header."""
    out: list[bytes] = []
    run: list[tuple[int, bytes]] = []
    kind: tuple[int, int] | None = None
    for index, control in commands:
        this = control.group, control.number
        if kind is not None and this != kind:
            out.append(indexed(*kind, run))
            run = []
        kind = this
        run.append((index, control.encode()))
    if kind is not None:
        out.append(indexed(*kind, run))
    return b"".join(out)
