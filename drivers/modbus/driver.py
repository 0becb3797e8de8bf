"""The Modbus driver as the hub sees it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import combinations
from typing import Any, ClassVar

from drivers.modbus.address import Address, parse
from drivers.modbus.config import ModbusConfig, ModbusDevice, Serial
from hub import Can, DeviceConfig, Driver, Point, PointSpec, Session


class ModbusDriver(Driver[ModbusConfig]):
    config_type: ClassVar[Any] = ModbusConfig
    can = Can.READ | Can.OPERATE

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Address:
        return parse(spec, device)

    @classmethod
    def check(cls, config: ModbusConfig, points: Sequence[Point]) -> list[str]:
        """Units that a serial line does not have, times that the hub would not wait for, and
        writable points that share registers.
        """
        faults = [fault for device in config.devices for fault in _impossible(config, device)]
        units = {device.name: device.unit for device in config.devices}
        writable = [point for point in points if point.spec.writable]
        for one, other in combinations(writable, 2):
            if units[one.device] == units[other.device] and one.address.overlaps(other.address):
                faults.append(
                    f"points {one.key!r} ({one.address}) and {other.key!r} ({other.address}) "
                    "are both writable and share bits: make one of them read-only"
                )
        return faults

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        # pymodbus is loaded when a channel is opened, not when the command line is.
        from drivers.modbus.client import connect  # noqa: PLC0415
        from drivers.modbus.session import ModbusSession  # noqa: PLC0415

        async with connect(self.config, self.link) as client:
            yield ModbusSession(self.config, client, self.link)


def _impossible(config: ModbusConfig, device: ModbusDevice) -> list[str]:
    faults = []
    if isinstance(config, Serial) and not 1 <= device.unit <= 247:
        faults.append(f"unit {device.unit} is none of 1 to 247 of a serial line")
    most = 1.5 * config.request_timeout
    for name, seconds in (
        ("request_timeout", device.request_timeout or 0),
        ("inter_frame_ms", device.inter_frame_ms / 1000),
    ):
        if seconds > most:
            faults.append(
                f"{name} is {seconds:g} s: the channel gives up after {most:g} s, "
                "raise its request_timeout"
            )
    return [f"device {device.name!r}: {fault}" for fault in faults]
