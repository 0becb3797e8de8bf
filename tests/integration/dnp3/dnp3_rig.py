"""A DNP3 driver, an outstation and what lies between them, for tests of the session."""

import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np

from drivers import dnp3
from drivers.dnp3.codec.commands import CommandStatus, Control
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import Dnp3Config
from drivers.dnp3.outstation import Database, Handler, OutstationServer, OutstationSettings
from hub import (
    Command,
    Kind,
    Point,
    PointSpec,
)
from hub.kernel.app import Hub
from tests import gateways

START = 1_700_000_000_000
SPECS = (
    PointSpec(name="volts", address="ai:0"),
    PointSpec(name="amps", address="ai:7"),
    PointSpec(name="open", address="bi:2", kind=Kind.BINARY),
    PointSpec(name="breaker", address="dbi:1", kind=Kind.DOUBLE),
    PointSpec(name="energy", address="ctr:0", kind=Kind.COUNTER),
    PointSpec(name="label", address="os:0", kind=Kind.TEXT),
    PointSpec(name="switch", address="bo:1", type="close-trip:250", writable=True),
    PointSpec(name="setpoint", address="ao:0", type="float32", writable=True),
    PointSpec(name="absent", address="ai:900"),
)


class FakeLink:
    """What the hub lends a driver, remembered."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.octets = 0

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        self.octets += len(data)

    def warn(self, device: str, message: str) -> None:
        self.warnings.append(f"{device}: {message}")

    def clear(self, device: str) -> None:
        self.warnings.append(f"{device}: well")


class Plant(Handler):
    def __init__(self) -> None:
        self.answer = CommandStatus.SUCCESS
        self.operated: list[tuple[int, Control]] = []
        self.selected = 0
        self.hang = False

    def select(self, index: int, control: Control) -> CommandStatus:
        self.selected += 1
        return self.answer

    def operate(self, index: int, control: Control) -> CommandStatus:
        self.operated.append((index, control))
        if self.hang:
            raise ConnectionAbortedError
        return CommandStatus.SUCCESS

    def cold_restart(self) -> int:
        return 10


def database() -> Database:
    found = Database(
        {
            PointType.AI: range(10),
            PointType.BI: range(4),
            PointType.DBI: range(2),
            PointType.CTR: range(1),
            PointType.BO: range(3),
            PointType.AO: range(1),
            PointType.OS: range(1),
        }
    )
    for point, table in found.tables.items():
        if point is not PointType.OS:
            found.load(point, np.arange(len(table)) % 3, 0x01, START)
    found.update_text(0, b"bay 1", time=START)
    return found


def points(device: str = "rtu", first: int = 1) -> tuple[Point, ...]:
    from drivers.dnp3.address import parse

    return tuple(
        Point(
            id=first + n, key=f"{device}.{spec.name}", device=device, spec=spec, address=parse(spec)
        )
        for n, spec in enumerate(SPECS)
    )


class Rig:
    """A driver with its session on an outstation."""

    def __init__(self) -> None:
        self.plant, self.link = Plant(), FakeLink()
        self.points = points()
        self.database = database()
        settings = OutstationSettings(need_time=True, confirm_timeout=0.5, keep_alive=None)
        self.server = OutstationServer(settings, self.database, self.plant)
        self.session: Any = None

    def point(self, name: str) -> Point:
        return next(p for p in self.points if p.spec.name == name)

    def command(self, name: str, value: float, **more: Any) -> Command:
        expires = more.pop("expires", self.link.now() + 10_000_000)
        return Command(point=self.point(name), value=value, actor="anna", expires=expires, **more)


def config(port: int, **more: Any) -> Dnp3Config:
    import msgspec

    return msgspec.convert(
        {
            "driver": "dnp3-tcp",
            "name": "line",
            "host": "127.0.0.1",
            "port": port,
            "request_timeout": 1.0,
            "devices": [{"name": "rtu", **more}],
        },
        Dnp3Config,
    )


def running(file: str, folder: Path) -> AbstractAsyncContextManager[Hub]:
    """A whole gateway with its own API, by a file in which {folder} is where it keeps its data."""
    return gateways.running(file, folder, dnp3)
