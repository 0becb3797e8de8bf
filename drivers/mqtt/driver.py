"""The MQTT driver as the hub sees it: one channel is one broker."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from hub import Can, DeviceConfig, Driver, Point, PointSpec, Session

from .acrel import AcrelDialect, acrel_address
from .config import (
    AcrelConfig,
    AcrelDevice,
    GenericConfig,
    MqttConfig,
    MqttDevice,
    SparkplugConfig,
    SparkplugDevice,
)
from .dialect import Dialect
from .generic import GenericAddress, GenericDialect, generic_address
from .paths import parse
from .sparkplug import SparkplugDialect, sparkplug_address


class MqttDriver(Driver[MqttConfig]):
    config_type: ClassVar[Any] = MqttConfig
    can = Can.EVENTS | Can.OPERATE

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Any:
        match device:
            case AcrelDevice():
                return acrel_address(spec.address)
            case SparkplugDevice():
                return sparkplug_address(spec)
            case MqttDevice():
                return generic_address(spec.address, device)
            case _:
                return _notation(spec)

    @classmethod
    def check(cls, config: MqttConfig, points: Sequence[Point]) -> list[str]:
        """A session that is kept needs a name of its own."""
        if config.clean or config.client_id:
            return []
        name = config.name
        return [f"channel {name!r}: a session that is kept needs a client_id; or set clean = true"]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        from .session import connect  # noqa: PLC0415 - the client is loaded when it is used

        async with connect(self.config, self.dialect(), self.link) as session:
            yield session

    def dialect(self) -> Dialect:
        match self.config:
            case AcrelConfig():
                return AcrelDialect(self.config, self.points)
            case SparkplugConfig():
                return SparkplugDialect(self.config, self.points)
            case GenericConfig():
                return GenericDialect(self.config, self.points)


def _notation(spec: PointSpec) -> Any:
    """A profile's row, checked before any device uses it: in which dialect is not known yet."""
    word, colon, rest = spec.address.partition(":")
    if spec.address.startswith("$"):
        return acrel_address(spec.address)
    if colon and rest.startswith("$"):
        return GenericAddress(word, parse(rest))
    if word == "command":
        return GenericAddress(word, command=rest)
    return sparkplug_address(spec)
