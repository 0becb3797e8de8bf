"""The conformance suite on the HTTP channel, against the stand-in of the platform."""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from drivers.acrel_http.client import stamp
from drivers.acrel_http.driver import AcrelHttpDriver, AcrelHttpSession
from hub.testing.driver_kit import DriverKit
from tests.acrel_platform import SECRET, Platform


def access(url):
    return {"access": {"url": url, "secret": SECRET, "timeout": 2}}


class TestAcrelHttp(DriverKit):
    driver, session = AcrelHttpDriver, AcrelHttpSession
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "acrel-http", "name": "c",
        "devices": [
            {
                "name": "m1", "id": "A1",
                "points": [
                    {"name": "voltage", "address": "$.data.voltage"},
                    {"name": "relay", "address": "command:relay", "writable": True},
                ],
            }
        ],
    }  # fmt: skip
    writable = ("m1.relay", 1.0)
    bad_address, bad_type = "gw:$.Ua", None

    @asynccontextmanager
    async def peer(self):
        async with Platform().running() as platform:
            now = stamp(datetime.now(UTC))
            platform.meters["A1"] = {"timestamp": now, "data": {"voltage": 230.0}}
            yield access(platform.url)

    def nobody(self):
        return access("http://127.0.0.1:1")
