"""The hub's conformance suite for drivers, on DNP3."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import numpy as np

from drivers.dnp3.codec.commands import CommandStatus, Control
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.outstation import Database, Handler, OutstationServer, OutstationSettings
from drivers.dnp3.session import Dnp3Session
from hub.testing.driver_kit import DriverKit


class Willing(Handler):
    def select(self, index: int, control: Control) -> CommandStatus:
        return CommandStatus.SUCCESS

    operate = select


class TestDnp3(DriverKit):
    driver, session = Dnp3Driver, Dnp3Session
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "dnp3-tcp",
        "name": "line",
        "host": "127.0.0.1",
        "request_timeout": 0.5,
        "connect_timeout": 1.0,
        "devices": [
            {
                "name": "rtu",
                "points": [
                    {"name": "volts", "address": "ai:0"},
                    {"name": "closed", "address": "bi:3", "kind": "binary"},
                    {"name": "limit", "address": "ao:0", "writable": True},
                ],
            }
        ],
    }
    writable = "rtu.limit", 12.5
    bad_address, bad_type = "hr:40", None

    def nobody(self) -> Mapping[str, Any]:
        return {"port": 1}

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Mapping[str, Any]]:
        database = Database({PointType.AI: range(4), PointType.BI: range(4), PointType.AO: [0]})
        for point in (PointType.AI, PointType.BI, PointType.AO):
            table = database.tables[point]
            database.load(point, np.zeros(len(table)), 0x01, 0)
        server = OutstationServer(OutstationSettings(keep_alive=None), database, Willing())
        async with server.listen("127.0.0.1", 0) as port:
            yield {"port": port}
