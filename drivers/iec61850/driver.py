"""The IEC 61850 driver as the hub sees it: one channel is one association with one IED."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from hub import Can, DeviceConfig, Driver, Link, Point, PointSpec, Session

from . import address
from .address import Address
from .config import Iec61850, Iec61850Device
from .ied import Ied
from .session import Iec61850Session, Memory


class Iec61850Driver(Driver[Iec61850]):
    config_type: ClassVar[Any] = Iec61850
    can = Can.READ | Can.EVENTS | Can.BROWSE | Can.OPERATE | Can.SELECT | Can.TIMED

    def __init__(self, config: Iec61850, points: Sequence[Point], link: Link) -> None:
        super().__init__(config, points, link)
        self._memory = Memory()

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Address:
        ied = device.ied if isinstance(device, Iec61850Device) else ""
        return address.parse(spec.address, ied)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        config, link = self.config, self.link

        def wire(sent: bool, data: bytes) -> None:
            link.wire(config.name, sent, data)

        ied = await Ied.open(
            config.host,
            config.port,
            config.options(),
            tls=await asyncio.to_thread(config.tls.context) if config.tls else None,
            wire=wire,
            termination_timeout=config.termination_timeout,
        )
        session = Iec61850Session(config, self.points, link, ied, self._memory)
        try:
            yield session
        finally:
            session.closed()
            await ied.close()
