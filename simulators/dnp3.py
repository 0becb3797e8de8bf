"""An RTU with a profile's points, moving values and working controls."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import time

import typer

from drivers.dnp3.address import Dnp3Point, parse
from drivers.dnp3.codec.attributes import Attribute
from drivers.dnp3.codec.commands import CommandStatus, Control, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.outstation import (
    FROZEN,
    Database,
    Defaults,
    Handler,
    OutstationServer,
    OutstationSettings,
)
from hub.kernel.profiles import Profile

_NOMINAL = {"V": 20_000.0, "A": 120.0, "W": 4e6, "var": 8e5, "Hz": 50.0, "°C": 55.0, "%": 80.0}
_DEFAULTS = {
    PointType.BO: Defaults(static=2, event=2, klass=2, commands=2),
    PointType.AO: Defaults(static=3, event=7, klass=2, commands=2),
}
_CLOSED, _OPEN, _MOVING = 2.0, 1.0, 0.0
_TRAVEL = 0.15  # seconds that a breaker takes


class Rtu(Handler):
    """A device with the points of a profile. speed: simulated seconds a second.

    A binary output moves the point that the profile names as its feedback, after the time that a
    breaker needs; an analog output takes its value. In local control every output is refused.
    """

    def __init__(self, profile: Profile, *, seed: int = 1, speed: float = 1.0) -> None:
        self.profile, self.speed = profile, speed
        self._noise = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._places: dict[str, Dnp3Point] = {s.name: parse(s) for s in profile.points}
        self._specs = {spec.name: spec for spec in profile.points}
        indexes: dict[PointType, set[int]] = {}
        for place in self._places.values():
            indexes.setdefault(place.type, set()).add(place.index)
        for live, frozen in FROZEN.items():
            indexes[frozen] = set(indexes.get(live, ()))
        self.database = Database(indexes, _DEFAULTS)
        self._feedback = {
            self._places[c.name].index: self._places[c.feedback]
            for c in profile.commands
            if c.kind == "binary" and c.feedback
        }
        self._counts: dict[int, float] = {}
        self._moving: set[asyncio.Task[None]] = set()
        self.local = False
        self._first_image()

    def _first_image(self) -> None:
        for point, table in self.database.tables.items():
            if len(table):
                self.database.load(point, table.value, 0x01, _now())
        for place in self._feedback.values():
            closed = _CLOSED if place.type is PointType.DBI else 1.0
            self.database.update(place.type, place.index, closed, time=_now(), event=False)
        self.step(0.0)

    def step(self, seconds: float) -> None:
        """Let this much simulated time pass."""
        now = _now()
        for name, place in self._places.items():
            if place.type is PointType.AI:
                value = self._measured(name, now / 1000 * self.speed)
                self.database.update(place.type, place.index, value, time=now)
            elif place.type is PointType.CTR:
                grown = self._counts.get(place.index, 1000.0) + seconds * (1 + place.index % 3)
                self._counts[place.index] = grown
                self.database.update(place.type, place.index, math.floor(grown), time=now)

    def _measured(self, name: str, at: float) -> float:
        spec = self._specs[name]
        nominal = _NOMINAL.get(spec.unit, 100.0)
        steady = spec.unit in {"Hz", "V"}
        swing = 0.002 if steady else 0.3
        wave = math.sin(at / 86_400 * 2 * math.pi + self._places[name].index)
        value = nominal * (1 + swing * wave + self._noise.gauss(0, swing / 50))
        return (value - spec.offset) / spec.scale

    def select(self, index: int, control: Control) -> CommandStatus:
        if self.local:
            return CommandStatus.LOCAL
        point = PointType.BO if isinstance(control, Crob) else PointType.AO
        known = self.database.tables[point].row(index) is not None
        return CommandStatus.SUCCESS if known else CommandStatus.NOT_SUPPORTED

    def operate(self, index: int, control: Control) -> CommandStatus:
        if not isinstance(control, Crob):
            self.database.update(PointType.AO, index, control.value, time=_now())
            return CommandStatus.SUCCESS
        task = asyncio.get_running_loop().create_task(self._move(index, bool(control.state)))
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)
        return CommandStatus.SUCCESS

    async def _move(self, index: int, on: bool) -> None:
        place = self._feedback.get(index)
        double = place is not None and place.type is PointType.DBI
        if place is not None and double:
            self.database.update(place.type, place.index, _MOVING, time=_now())
        await asyncio.sleep(_TRAVEL)
        self.database.update(PointType.BO, index, float(on), time=_now())
        if place is not None:
            state = (_CLOSED if on else _OPEN) if double else float(on)
            self.database.update(place.type, place.index, state, time=_now())

    def cold_restart(self) -> int:
        return 1000

    def warm_restart(self) -> int:
        return 100

    def local_control(self) -> bool:
        return self.local

    def attributes(self) -> list[Attribute]:
        return [Attribute(252, "Busbar"), Attribute(250, self.profile.header.model)]

    async def run(self, every: float = 1.0) -> None:
        """Let values move until cancelled."""
        while True:
            await asyncio.sleep(every)
            self.step(every * self.speed)


def _now() -> int:
    return time.time_ns() // 1_000_000


async def serve(rtu: Rtu, settings: OutstationSettings, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = OutstationServer(settings, rtu.database, rtu)
    async with server.listen(host, port) as chosen:
        typer.echo(f"{host}:{chosen}  outstation {settings.address}, {rtu.profile.code}")
        typer.echo("serving; Ctrl-C ends it")
        moving = asyncio.create_task(rtu.run())
        await stop.wait()
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
