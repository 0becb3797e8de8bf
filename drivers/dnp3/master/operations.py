"""Procedures of a master with one outstation (IEEE 1815 clauses 4.4, 5 and 10)."""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from drivers.dnp3.codec.app import Function, Iin, all_objects, counted, ranged
from drivers.dnp3.codec.attributes import Attribute, attributes
from drivers.dnp3.codec.commands import CommandStatus, Control, controls, encode
from drivers.dnp3.codec.link import BROADCAST_MUST_CONFIRM
from drivers.dnp3.codec.objects import STATIC_GROUP, PointType
from drivers.dnp3.codec.values import columns, indexes
from hub import ProtocolError

from .association import Association, Refused, Response, Taker
from .channel import Priority
from .measurements import Origin

CLASSES = {klass: all_objects(60, klass + 1) for klass in range(4)}
EVENTS = CLASSES[1] + CLASSES[2] + CLASSES[3]
INTEGRITY = EVENTS + CLASSES[0]
NEVER = 2**48 - 1  # as the time of a freeze: no more
_COMMANDED = {PointType.BOC: 12, PointType.AOC: 41}
CLEAR_RESTART = bytes((80, 1, 0x00, 7, 7, 0x00))

Clock = Callable[[], int]


async def startup(
    peer: Association,
    *,
    unsolicited: Sequence[int] = (1, 2, 3),
    clock: Clock | None = None,
    lan: bool = False,
) -> Iin:
    """Disable unsolicited, clear restart, integrity, time when asked, enable unsolicited.

    clock: ms since 1970 UTC; None leaves the outstation's clock alone. The indications of the
    integrity poll.
    """
    first = await peer.request(
        Function.DISABLE_UNSOLICITED, EVENTS, priority=Priority.STARTUP, origin=Origin.STARTUP
    )
    if first.iin & Iin.DEVICE_RESTART:
        await clear_restart(peer)
    result = await integrity(peer, origin=Origin.STARTUP, priority=Priority.STARTUP)
    if result.iin & Iin.NEED_TIME and clock is not None:
        await synchronise(peer, clock, lan=lan)
    if unsolicited:
        wanted = b"".join(CLASSES[klass] for klass in unsolicited)
        answer = await peer.request(Function.ENABLE_UNSOLICITED, wanted, priority=Priority.STARTUP)
        if answer.iin & Iin.NO_FUNC_CODE_SUPPORT:
            peer.channel.fault(f"outstation {peer.address} does not report unsolicited")
    return result.iin


async def clear_restart(peer: Association) -> None:
    await peer.request(Function.WRITE, CLEAR_RESTART, priority=Priority.STARTUP)


async def integrity(
    peer: Association, *, origin: Origin = Origin.POLL, priority: Priority = Priority.POLL
) -> Response:
    """Events of all classes, then everything static."""
    return await peer.request(Function.READ, INTEGRITY, origin=origin, priority=priority)


async def poll(
    peer: Association, classes: Iterable[int], *, priority: Priority = Priority.POLL
) -> Response:
    wanted = b"".join(CLASSES[klass] for klass in classes)
    return await peer.request(Function.READ, wanted, priority=priority)


async def read_ranges(
    peer: Association,
    ranges: Iterable[tuple[PointType, int, int]],
    taker: Taker | None = None,
) -> Response:
    """Points start…stop of each type, in the outstation's default variations."""
    objects = b"".join(ranged(STATIC_GROUP[point], 0, start, stop) for point, start, stop in ranges)
    return await peer.request(Function.READ, objects, taker=taker)


async def synchronise(peer: Association, clock: Clock, *, lan: bool = False) -> None:
    """Set the outstation's clock: by delay measurement, or by recording the time (LAN)."""
    if lan:
        await _synchronise_lan(peer, clock)
        return
    answer = await peer.request(Function.DELAY_MEASURE, priority=Priority.CLOCK)
    answer.require("time delay measurement")
    delay = 0.0
    for block in answer.blocks():
        if block.group == 52:
            value = columns(block).value
            if value is not None and len(value):
                delay = float(value[0]) * (1.0 if block.number == 1 else 0.001)
    path = max(0.0, (answer.got - answer.sent - delay) / 2)
    when = clock() + round(path * 1000)
    await _write_time(peer, 1, when)


async def _synchronise_lan(peer: Association, clock: Clock) -> None:
    before = clock()
    began = time.monotonic()
    answer = await peer.request(Function.RECORD_CURRENT_TIME, priority=Priority.CLOCK)
    answer.require("recording the time")
    # It may have waited for its turn: the time that counts is when its last octet was sent.
    await _write_time(peer, 3, before + round((answer.sent - began) * 1000))


async def _write_time(peer: Association, number: int, when: int) -> None:
    objects = counted(50, number, 1) + when.to_bytes(6, "little")
    answer = await peer.request(Function.WRITE, objects, priority=Priority.CLOCK)
    answer.require("writing the time")


Commands = Sequence[tuple[int, Control]]


async def direct_operate(peer: Association, commands: Commands) -> list[CommandStatus]:
    """Operate at once; a status for each. ProtocolError when the echo is not what was asked."""
    async with peer.channel.turns.take(Priority.COMMAND):
        return await command(peer, Function.DIRECT_OPERATE, commands)


async def direct_operate_no_answer(
    peer: Association, commands: Commands, *, broadcast: bool = False
) -> None:
    """Operate and never know."""
    await peer.request(
        Function.DIRECT_OPERATE_NR,
        encode(commands),
        priority=Priority.COMMAND,
        dest=BROADCAST_MUST_CONFIRM if broadcast else None,
    )


async def select(peer: Association, commands: Commands) -> list[CommandStatus]:
    async with peer.channel.turns.take(Priority.COMMAND):
        return await command(peer, Function.SELECT, commands)


async def select_operate(peer: Association, commands: Commands) -> list[CommandStatus]:
    """SELECT and, when all were selected, OPERATE with nothing in between."""
    async with peer.channel.turns.take(Priority.COMMAND):
        chosen = await command(peer, Function.SELECT, commands)
        if any(status is not CommandStatus.SUCCESS for status in chosen):
            return chosen
        return await command(peer, Function.OPERATE, commands)


async def command(peer: Association, function: Function, commands: Commands) -> list[CommandStatus]:
    """One control request, by whoever holds the channel's turn."""
    answer = await peer.request_in_turn(function, encode(commands))
    if answer.iin & Iin.NO_FUNC_CODE_SUPPORT:
        raise Refused(function.name, answer.iin & Iin.NO_FUNC_CODE_SUPPORT)
    echoed = [row for block in answer.blocks() for row in controls(block)]
    if not echoed:
        answer.require(function.name)
    same = len(echoed) == len(commands) and all(
        ours[0] == theirs[0] and ours[1].encode(0) == theirs[1].encode(0)
        for ours, theirs in zip(commands, echoed, strict=True)
    )
    if not same:
        raise ProtocolError(f"outstation {peer.address} answers {function.name} with other objects")
    return [CommandStatus(control.status) for _, control in echoed]


async def freeze(
    peer: Association,
    point: PointType = PointType.CTR,
    *,
    clear: bool = False,
    start: int | None = None,
    stop: int | None = None,
) -> None:
    """Freeze counters or analog inputs now: all, or start…stop. Counters can be cleared with it."""
    function = Function.FREEZE_CLEAR if clear else Function.IMMEDIATE_FREEZE
    objects = _some(STATIC_GROUP[point], start, stop)
    answer = await peer.request(function, objects, priority=Priority.COMMAND)
    answer.require("freezing")


async def freeze_at(
    peer: Association,
    when: int,
    every: int = 0,
    point: PointType = PointType.CTR,
    *,
    start: int | None = None,
    stop: int | None = None,
) -> None:
    """Let the outstation freeze at `when` and then every so often, by its own clock.

    when: ms since 1970 UTC; 0 is now, or with `every` the beginning of this hour. every: ms, 0 for
    once. It holds until the next such request for these points.
    """
    time_and_interval = when.to_bytes(6, "little") + every.to_bytes(4, "little")
    objects = counted(50, 2, 1) + time_and_interval + _some(STATIC_GROUP[point], start, stop)
    answer = await peer.request(Function.FREEZE_AT_TIME, objects, priority=Priority.COMMAND)
    answer.require("freezing at a time")


async def end_freezing(peer: Association, point: PointType = PointType.CTR) -> None:
    """Cancel what `freeze_at` ordered for all points of a type."""
    await freeze_at(peer, NEVER, 0, point)


def _some(group: int, start: int | None, stop: int | None) -> bytes:
    """Header of all points, or of start…stop."""
    if start is None:
        return all_objects(group, 0)
    return ranged(group, 0, start, start if stop is None else stop)


async def restart(peer: Association, *, cold: bool = True) -> float:
    """Restart the device; seconds until it is back."""
    function = Function.COLD_RESTART if cold else Function.WARM_RESTART
    answer = await peer.request(function, priority=Priority.COMMAND)
    answer.require("restarting")
    for block in answer.blocks():
        value = columns(block).value
        if block.group == 52 and value is not None and len(value):
            return float(value[0]) * (1.0 if block.number == 1 else 0.001)
    raise ProtocolError(f"outstation {peer.address} restarts without saying for how long")


async def assign_class(
    peer: Association,
    klass: int,
    point: PointType,
    start: int | None = None,
    stop: int | None = None,
) -> None:
    """Move points to event class 1…3, or 0 for no events.

    boc, aoc: the events of the commands that outputs are given.
    """
    objects = _some(_COMMANDED.get(point) or STATIC_GROUP[point], start, stop)
    answer = await peer.request(Function.ASSIGN_CLASS, CLASSES[klass] + objects)
    answer.require("assigning classes")


async def write_deadbands(peer: Association, start: int, values: Sequence[float]) -> None:
    """Deadbands of analog inputs from `start`, as 32-bit floats."""
    objects = ranged(34, 3, start, start + len(values) - 1) + np.array(values, "<f4").tobytes()
    answer = await peer.request(Function.WRITE, objects, priority=Priority.COMMAND)
    answer.require("writing deadbands")


async def read_deadbands(peer: Association) -> dict[int, float]:
    answer = await peer.request(Function.READ, all_objects(34, 0))
    answer.require("reading deadbands")
    found: dict[int, float] = {}
    for block in answer.blocks():
        value = columns(block).value
        if block.group == 34 and value is not None:
            found |= zip(indexes(block).tolist(), value.tolist(), strict=True)
    return found


async def read_attributes(peer: Association) -> list[Attribute]:
    """What the device says of itself: maker, model, versions."""
    answer = await peer.request(Function.READ, ranged(0, 254, 0, 0))
    answer.require("reading device attributes")
    return [item for block in answer.blocks() if block.group == 0 for item in attributes(block)]
