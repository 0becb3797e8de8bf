"""The hub's conformance suite for drivers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from drivers.iec61850.driver import Iec61850Driver
from drivers.iec61850.session import Iec61850Session
from hub.testing.driver_kit import DriverKit
from simulators.iec61850 import SimulatedIed


class TestIec61850(DriverKit):
    driver, session = Iec61850Driver, Iec61850Session
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "iec61850",
        "name": "bay",
        "host": "127.0.0.1",
        "auto_reports": False,
        "devices": [
            {
                "name": "bay",
                "ied": "BAY1",
                "points": [
                    {"name": "watts", "address": "MEAS/MMXU1.TotW.mag.f[MX]"},
                    {"name": "breaker", "address": "CTRL/CSWI1.Pos.stVal[ST]", "kind": "double"},
                ],
            }
        ],
    }
    writable = ("bay.breaker", 2.0)
    bad_type = None

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Mapping[str, Any]]:
        async with SimulatedIed().serve() as port:
            yield {"port": port}

    def nobody(self) -> Mapping[str, Any]:
        return {"port": 1}


class TestWithReports(TestIec61850):
    """The breaker comes by report, the vendor's name is polled."""

    config: ClassVar[Mapping[str, Any]] = {
        **TestIec61850.config,
        "auto_reports": True,
        "devices": [
            {
                "name": "bay",
                "ied": "BAY1",
                "points": [
                    {"name": "vendor", "address": "CTRL/LPHD1.PhyNam.vendor[DC]", "kind": "text"},
                    {"name": "breaker", "address": "CTRL/XCBR1.Pos.stVal[ST]", "kind": "double"},
                ],
            }
        ],
    }
