"""A master and an outstation joined by a real TCP connection."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from drivers.dnp3.codec.attributes import Attribute, AttributeType
from drivers.dnp3.codec.commands import CommandStatus, Control, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.master import Association, MasterChannel, Report
from drivers.dnp3.outstation import Database, Handler, OutstationServer, OutstationSettings

START = 1_700_000_000_000


class Device(Handler):
    """Follows what it is told; points above 5 are locked."""

    def __init__(self) -> None:
        self.operated: list[tuple[int, Control]] = []
        self.times: list[int] = []
        self.answer = CommandStatus.SUCCESS

    def select(self, index: int, control: Control) -> CommandStatus:
        return self.answer if index <= 5 else CommandStatus.BLOCKED

    def operate(self, index: int, control: Control) -> CommandStatus:
        self.operated.append((index, control))
        return CommandStatus.SUCCESS

    def set_time(self, milliseconds: int) -> bool:
        self.times.append(milliseconds)
        return True

    def cold_restart(self) -> int:
        return 1500

    def warm_restart(self) -> int:
        return 200_000

    def attributes(self) -> list[Attribute]:
        return [
            Attribute(252, "Busbar"),
            Attribute(242, "1.0"),
            Attribute(240, 2048, AttributeType.UNSIGNED),
        ]


def database(size: int = 10) -> Database:
    points = dict.fromkeys(PointType, range(size)) | {PointType.OS: range(2)}
    found = Database(points)
    for point, table in found.tables.items():
        if point is not PointType.OS:
            found.load(point, np.arange(len(table)) % 2, 0x01, START)
    found.update_text(0, b"north", time=START)
    found.update_text(1, b"south bay", time=START)
    return found


class Pair:
    """Both ends, and what the master was told."""

    def __init__(self, server: OutstationServer, device: Device, peer: Association) -> None:
        self.server, self.device, self.peer = server, device, peer
        self.reports: list[Report] = []
        self.faults: list[str] = []
        peer.on_reports = self.reports.extend

    @property
    def database(self) -> Database:
        return self.server.database


@pytest.fixture
def settings() -> OutstationSettings:
    return OutstationSettings(need_time=True, confirm_timeout=1.0, keep_alive=None)


@pytest.fixture
async def pair(settings: OutstationSettings) -> AsyncIterator[Pair]:
    device = Device()
    server = OutstationServer(settings, database(), device, clock=lambda: START + 5)
    async with server.listen("127.0.0.1", 0) as port:
        line = await connect_tcp("127.0.0.1", port, within=2)
        faults: list[str] = []
        channel = MasterChannel(line, 1, on_fault=faults.append)
        both = Pair(server, device, Association(channel, 10, timeout=2))
        both.faults = faults
        yield both
        line.close()


__all__ = ["Crob", "Device", "Pair", "database"]
